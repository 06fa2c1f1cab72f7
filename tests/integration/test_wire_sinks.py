"""The wire against servers that others wrote: Debian's smtp-sink with its faults, and a real Postfix."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from publisher.db import Database
from tests.mail_servers import free_port, listens, public_folder, until
from tests.mailing import crowd, newsroom
from tests.postfix import postfix
from tests.relay import Relay
from tests.wiring import Hands, body, lines, mails, states


@contextmanager
def sink(*switches: str, folder: Path | None = None) -> Iterator[str]:
    """A smtp-sink with these switches, over the block: its address."""
    program = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("not run: smtp-sink is absent (tools/servers installs it)")
    port = free_port()
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    # Its counters, if asked for, go nowhere; it listens with room for all connections.
    process = subprocess.Popen([program, *user, *switches, f"127.0.0.1:{port}", "100"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listens(port), what="smtp-sink")
        yield f"smtp://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("switches", [(), ("-p",), ("-e",), ("-8", "-E"), ("-m", "2")], ids=" ".join)
def test_what_a_sink_takes_is_accepted(tmp_path: Path, switches: tuple[str, ...]) -> None:
    """With PIPELINING, without, with HELO alone, and with room for two connections at a time."""
    with sink(*switches) as url:
        assert states(Hands(mails(200), tmp_path).send(lines(url, 2 if "-m" in switches else 4))) == {"accepted": 200}


@pytest.mark.parametrize("switches", [(), ("-p",)], ids=" ".join)
def test_every_byte_arrives_as_it_was_written(tmp_path: Path, switches: tuple[str, ...]) -> None:
    """The sink keeps each transaction: one a reader, with the dots where they were."""
    with public_folder("sink") as folder:
        folder.chmod(0o777)
        with sink("-d", "mail.", *switches, folder=folder) as url:
            assert states(Hands(mails(50), tmp_path).send(lines(url))) == {"accepted": 50}
            until(lambda: len(list(folder.iterdir())) == 50, what="the last file")
        kept = [path.read_bytes() for path in folder.iterdir()]
    for index in range(50):
        [one] = [data for data in kept if b"X-Rcpt-Args: <r%d@example.jp>" % index in data]
        assert one.replace(b"\r\n", b"\n").strip().endswith(body(index, 2_000).replace(b"\r\n", b"\n").strip())


@pytest.mark.parametrize(("switches", "state", "says"), [
    (("-f", "RCPT", "-B", "550 5.1.1 User unknown"), "refused", "550 5.1.1 User unknown"),
    (("-r", "RCPT", "-b", "450 4.2.1 try later"), "deferred", "450 4.2.1 try later"),
    (("-f", "DATA"), "refused", "500 5.3.0 Error: command failed"),
    (("-r", "DATA"), "deferred", "450 4.3.0 Error: command failed"),
    (("-f", "."), "refused", "500 5.3.0 Error: command failed"),
    (("-r", "."), "deferred", "450 4.3.0 Error: command failed"),
    (("-r", "MAIL"), "deferred", "450 4.3.0 Error: command failed"),
    (("-q", "."), "unknown", "no answer after the last byte: it closed the connection"),
    (("-q", "RCPT"), "deferred", "the connection was lost twice"),
    (("-q", "DATA"), "deferred", "the connection was lost twice"),
])
def test_what_a_sink_says_is_what_comes_of_each_mail(tmp_path: Path, switches: tuple[str, ...], state: str, says: str) -> None:
    """Soft and hard, and not at all, at each verb."""
    with sink(*switches) as url:
        ends = Hands(mails(12), tmp_path).send(lines(url, 2))
    assert states(ends) == {state: 12}
    assert {verdict.reason for verdict in ends.values()} <= {says, says.replace("it closed the connection", "Connection reset by peer")}


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
def test_a_sink_that_closes_with_421_puts_the_mail_off(tmp_path: Path, verb: str) -> None:
    with sink("-Q", verb) as url:
        ends = Hands(mails(1), tmp_path).send(lines(url))
    [verdict] = ends.values()
    assert (verdict.state, verdict.closing, verdict.reason[:3]) == ("deferred", True, "421")


@pytest.mark.parametrize("switches", [("-f", "MAIL"), ("-f", "EHLO,HELO"), ("-f", "CONNECT")], ids=" ".join)
def test_a_sink_that_takes_nothing_from_us_is_trouble_and_nobody_is_refused(tmp_path: Path, switches: tuple[str, ...]) -> None:
    with sink(*switches) as url:
        hands = Hands(mails(20), tmp_path)
        assert hands.send(lines(url, 2)) == {}
    assert hands.trouble is not None
    assert len(hands.waiting) == 20


def test_a_sink_that_aborts_before_the_end_of_a_large_mail_refuses_it(tmp_path: Path) -> None:
    """`-A 0`: 550 right behind 354, and it reads no further."""
    with sink("-A", "0") as url:
        ends = Hands(mails(4, 300_000), tmp_path).send(lines(url, 2, send_buffer=4096))
    assert {verdict.state for verdict in ends.values()} <= {"refused", "deferred"}


@pytest.mark.parametrize("switches", [("-H", "1", "-T", "4096"), ("-w", "1")], ids=" ".join)
def test_a_slow_sink_gets_everything(tmp_path: Path, switches: tuple[str, ...]) -> None:
    """It reads late, through a small window, or answers late."""
    with sink(*switches) as url:
        assert states(Hands(mails(4, 300_000), tmp_path).send(lines(url, 4, send_buffer=4096))) == {"accepted": 4}


def test_a_sink_that_goes_away_leaves_each_mail_accepted_once_or_waiting(tmp_path: Path) -> None:
    """`-M 30`: after thirty mails the server is gone for good; what was on the wire is unknown or waits, and no mail is lost."""
    with sink("-M", "30") as url:
        hands = Hands(mails(100), tmp_path)
        ends = hands.send(lines(url, 4))
    assert hands.trouble is not None
    assert states(ends)["accepted"] in range(27, 31)
    assert states(ends)["unknown"] <= 4
    assert len(ends) + len(hands.waiting) == 100


def test_postfix_hands_on_every_mail_once(database: Database, tmp_path: Path) -> None:
    """A whole issue for 300 readers through a real relay that pipelines, and a second send that finds nothing to do."""
    with Relay() as inbox, postfix() as relay:
        relay.route("example.jp", smtp=inbox.port)
        room = newsroom(database, tmp_path, relay.url, [], started=False)
        crowd(database, 300)
        room.start()
        assert room.send().accepted == 300
        assert room.send().accepted == 300
        assert room.state() == "sent"
        until(lambda: len(inbox.taken) >= 300, within=60, what="the last mail")
        assert relay.queue() == []
        assert inbox.recipients() == {f"r{index}@example.jp": 1 for index in range(300)}
        assert len({mail.message_id for mail in inbox.taken}) == 300
        assert "improper command pipelining" not in relay.log()
