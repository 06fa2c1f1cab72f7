"""`publisher doctor` as an operator runs it, against a name server, a relay and pages on this machine."""

import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.commands import NewsroomFolder
from tests.names import name_server
from tests.pages import free_port
from tests.relay import Relay

OFFERS = "250-relay.test\r\n250-PIPELINING\r\n250-SIZE 35882577\r\n250 8BITMIME"
SENDING = "1.1.1.1"
ZONE = f"""
news.example.jp. SOA ns.example.jp. desk.example.jp. 1 3600 600 86400 60
news.example.jp. MX 10 mail.news.example.jp.
news.example.jp. TXT "v=spf1 ip4:{SENDING} -all"
_dmarc.news.example.jp. TXT "v=DMARC1; p=quarantine; rua=mailto:postmaster@news.example.jp"
bounces.news.example.jp. MX 10 mail.news.example.jp.
bounces.news.example.jp. TXT "v=spf1 ip4:{SENDING} -all"
mail.news.example.jp. A {SENDING}
1.1.1.1.in-addr.arpa. PTR mail.news.example.jp.
"""


def newsroom(path: Path, relay_port: int, port: int) -> NewsroomFolder:
    """A newsroom that signs and takes bounces back."""
    folder = NewsroomFolder.make(path, relay_port=relay_port, site_url=f"http://127.0.0.1:{port}", extra='[dkim]\nselector = "p1"')
    toml = path / "publisher.toml"
    toml.write_text(toml.read_text().replace('timeout = "5s"', 'timeout = "5s"\nbounce_domain = "bounces.news.example.jp"'))
    return folder


def test_a_newsroom_follows_the_records_it_is_shown_until_nothing_is_wrong(tmp_path: Path) -> None:
    """What is printed is published as it stands, and the next run has nothing left."""
    port = free_port()
    with Relay(lambda verb, _argument: OFFERS if verb.upper() == "EHLO" else None) as relay, name_server(ZONE) as server:
        folder = newsroom(tmp_path, relay.port, port)
        asked = ("doctor", "--resolver", f"{server.address[0]}:{server.address[1]}", "--address", SENDING)
        folder.run("dkim", "new", "--selector", "p1")
        service = folder.start("run", log=tmp_path / "log")
        try:
            first = folder.run(*asked)
            server.add(next(line for line in first.out.splitlines() if line.startswith("p1._domainkey.news.example.jp. TXT ")))
            _wait_for(port)
            second = folder.run(*asked)
        finally:
            service.terminate()
            service.wait(20)
    assert first.code == 1
    assert second.code == 0, second.out
    lines = second.out.splitlines()
    assert "✗" not in "".join(lines[:-1])
    assert lines[0] == "Records in the DNS"
    assert lines[-1].endswith("✗ 0 wrong")
    assert relay.taken == []


def _wait_for(port: int) -> None:
    """The service takes a moment to listen."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    pytest.fail("the service never listened")


def test_an_empty_world_is_told_for_machines_too(tmp_path: Path) -> None:
    """Each finding has its code, state, sentence, remedy and record."""
    with name_server() as server:
        folder = NewsroomFolder.make(tmp_path, relay_port=free_port())
        answer = folder.run("doctor", "--resolver", f"127.0.0.1:{server.address[1]}", "--json", "--timeout", "3", "--port25")
    found = {one["code"]: one for one in answer.json()}
    assert answer.code == 1
    assert set(found["spf-nowhere"]) == {"group", "code", "state", "what", "remedy", "record"}
    assert found["dmarc-absent"]["record"].startswith("_dmarc.news.example.jp. TXT")
    assert found["relay-unreached"]["state"] == "wrong"
    assert found["dkim-relay"]["state"] == "doubtful"
    assert "only this machine" in found["port25"]["what"]
    assert answer.err == ""


def test_a_silent_name_server_costs_its_own_lines_only(tmp_path: Path) -> None:
    """The relay and the machine are looked at all the same, and the whole takes as long as one check may."""
    with name_server(silent=("news.example.jp", "_dmarc.news.example.jp")) as server, Relay() as relay:
        folder = NewsroomFolder.make(tmp_path, relay_port=relay.port)
        answer = folder.run("doctor", "--resolver", f"127.0.0.1:{server.address[1]}", "--timeout", "2", "--json")
    states = {one["code"]: one["state"] for one in answer.json()}
    assert answer.code == 1
    assert states["relay"] == "right"
    assert states["folder"] == "right"
    assert [states[code] for code in ("spf-unanswered", "dmarc-unanswered", "from-unanswered", "soa-unanswered")] == ["wrong"] * 4


@pytest.mark.parametrize(("arguments", "words"), [(("--resolver", "dns.example.jp:53"), "no name server"), (("--resolver", "127.0.0.1:0"), "no name server"),
                                                  (("--address", "mail.example.jp"), "no address")])
def test_what_cannot_be_asked_is_refused_in_one_line(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    folder = NewsroomFolder.make(tmp_path, relay_port=free_port())
    answer = folder.run("doctor", *arguments)
    assert (answer.code, answer.out, len(answer.err.splitlines())) == (1, "", 1)
    assert words in answer.err


def test_several_relays_are_looked_at_one_by_one(tmp_path: Path) -> None:
    """Each with its own secret; a provider's signature is its own affair."""
    with name_server(ZONE) as server, Relay(credentials=("desk", "secret")) as first, Relay() as second:
        folder = NewsroomFolder.make(tmp_path, relay_port=1, extra=f"""
[[relays]]
name = "tokyo"
url = "smtp://desk@127.0.0.1:{first.port}"
[[relays]]
name = "osaka"
url = "smtp://127.0.0.1:{second.port}"
[[relays]]
name = "post"
url = "postmark://broadcast"
""")
        answer = folder.run("doctor", "--resolver", f"127.0.0.1:{server.address[1]}", "--json", PUBLISHER_RELAY_TOKYO_PASSWORD="secret")
    found = answer.json()
    assert [one["state"] for one in found if one["code"] == "relay-login"] == ["right"]
    assert sum(one["code"] == "relay" for one in found) == 2
    assert [one["record"] for one in found if one["code"] == "provider-secret"] == ["PUBLISHER_RELAY_POST_PASSWORD=…"]
    assert "secret" not in answer.out.replace("provider-secret", "")
