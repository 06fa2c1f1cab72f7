"""The relay as `publisher doctor` sees it: real connections with and without TLS and login."""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from publisher.doctor.finding import Finding
from publisher.doctor.provider import examine_provider, judge_secret
from publisher.doctor.relay import Talk, examine_port, examine_relay, judge_talk
from publisher.doctor.tls import judge_certificate
from publisher.settings_sending import Relay as Address
from publisher.settings_sending import RelayEntry
from tests.certificates import certificate
from tests.pages import free_port
from tests.relay import HANG_UP, SILENCE, Relay

NOW = datetime.now(UTC)
OFFERS = "250-relay.test\r\n250-PIPELINING\r\n250-SIZE 35882577\r\n250-8BITMIME\r\n250 DSN"


def entry(url: str, name: str = "mail") -> RelayEntry:
    """A relay of the settings."""
    return RelayEntry(name=name, url=url)


def look(url: str, secret: str | None = None, *, trusting: Path | None = None, seconds: float = 2.0) -> list[Finding]:
    """What is said of the relay at `url`."""
    return examine_relay(entry(url), secret, ssl.create_default_context(cafile=trusting), seconds, datetime.now(UTC))


def states(findings: list[Finding]) -> dict[str, str]:
    """Each finding's state by its code."""
    return {one.code: one.state for one in findings}


def test_a_relay_on_this_machine_with_all_that_pays_is_right() -> None:
    """Nothing is handed to it: it hears EHLO and QUIT."""
    with Relay(lambda verb, _argument: OFFERS if verb == "EHLO" else None) as relay:
        found = look(relay.url)
    assert states(found) == {"relay": "right", "relay-features": "right"}
    assert "only this machine" in found[0].what
    assert "PIPELINING SIZE 35882577 8BITMIME DSN" in found[1].what
    assert [line.split()[0].upper() for line in relay.log] == ["EHLO", "QUIT"]


def test_without_pipelining_sending_is_slow_and_said_to_be() -> None:
    with Relay(pipelining=False) as relay:
        assert states(look(relay.url)) == {"relay": "right", "relay-features": "doubtful"}


def test_small_mails_only_are_doubtful() -> None:
    with Relay(lambda verb, _argument: OFFERS.replace("35882577", "100000") if verb == "EHLO" else None) as relay:
        assert states(look(relay.url)) == {"relay": "right", "relay-size": "doubtful"}


@pytest.mark.parametrize(("scheme", "at_once"), [("smtp+starttls", False), ("smtps", True)])
def test_certificate_and_login_are_looked_at(tmp_path: Path, scheme: str, at_once: bool) -> None:
    """The certificate of the tests has two days left, and that is said."""
    cert, context = certificate(tmp_path)
    with Relay(credentials=("desk", "secret"), tls=context, tls_at_once=at_once) as relay:
        found = look(f"{scheme}://desk@127.0.0.1:{relay.port}", "secret", trusting=cert)
    assert states(found) == {"relay": "right", "relay-certificate-soon": "doubtful", "relay-login": "right", "relay-features": "right"}
    assert "1 more day" in found[1].what


def test_a_certificate_that_nobody_vouches_for_keeps_the_password(tmp_path: Path) -> None:
    _cert, context = certificate(tmp_path)
    with Relay(credentials=("desk", "secret"), tls=context) as relay:
        found = look(f"smtp+starttls://desk@127.0.0.1:{relay.port}", "secret")
    assert states(found) == {"relay-certificate-invalid": "wrong"}
    assert "signed by itself" in found[0].what
    assert not any(line.startswith("AUTH") for line in relay.log)


def test_a_certificate_for_another_name_is_said_to_be_one(tmp_path: Path) -> None:
    cert, context = certificate(tmp_path, "DNS:other.test")
    with Relay(tls=context, tls_at_once=True) as relay:
        found = look(f"smtps://127.0.0.1:{relay.port}", trusting=cert)
    assert states(found) == {"relay-certificate-invalid": "wrong"}
    assert "another" in found[0].what


def test_a_refused_login_names_the_user_and_never_the_password() -> None:
    """The relay's own words, without an address in them."""
    with Relay(credentials=("desk", "secret")) as relay:
        found = look(f"smtp://desk@127.0.0.1:{relay.port}", "guess")
    assert states(found)["relay-login"] == "wrong"
    login = next(one for one in found if one.code == "relay-login")
    assert "535" in login.what
    assert "guess" not in login.what
    assert "PUBLISHER_RELAY_PASSWORD" in login.remedy


def test_a_user_without_a_password_is_told_which_variable_to_set() -> None:
    """Nobody logs in with an empty one: that locks accounts."""
    with Relay(credentials=("desk", "secret")) as relay:
        found = look(f"smtp://desk@127.0.0.1:{relay.port}")
    assert next(one for one in found if one.code == "relay-secret").record == "PUBLISHER_RELAY_PASSWORD=…"
    assert not any(line.startswith("AUTH") for line in relay.log)


def test_a_relay_that_offers_no_login_is_not_blamed_on_the_password() -> None:
    with Relay() as relay:
        assert states(look(f"smtp://desk@127.0.0.1:{relay.port}", "secret"))["relay-no-login"] == "wrong"


def test_a_relay_without_starttls_where_it_is_asked_for() -> None:
    with Relay() as relay:
        found = look(f"smtp+starttls://desk@127.0.0.1:{relay.port}", "secret")
    assert states(found) == {"relay-no-starttls": "wrong"}
    assert found[0].record == '"smtps://desk@127.0.0.1:465"'


@pytest.mark.parametrize(("verb", "answer", "code"), [("CONNECT", "554 5.7.1 not you", "relay-turned-away"), ("EHLO", HANG_UP, "relay-unreached"),
                                                      ("EHLO", SILENCE, "relay-unreached")])
def test_a_relay_that_does_not_want_us_is_one_line(verb: str, answer: str, code: str) -> None:
    """Silence costs the seconds that were given, and no more."""
    with Relay(lambda said, _argument: answer if said == verb else None) as relay:
        assert states(look(relay.url, seconds=0.3)) == {code: "wrong"}


def test_a_relay_that_is_not_running_here_can_be_started() -> None:
    port = free_port()
    found = look(f"smtp://127.0.0.1:{port}")
    assert states(found) == {"relay-unreached": "wrong"}
    assert found[0].record == f"publisher relay --listen 127.0.0.1:{port}"


@pytest.mark.parametrize(("url", "features", "state", "record"), [
    ("smtp://mail.example.jp", {"PIPELINING": "", "STARTTLS": ""}, "doubtful", 'relay = "smtp+starttls://mail.example.jp:25"'),
    ("smtp://mail.example.jp", {"PIPELINING": ""}, "doubtful", ""),
    ("smtp://desk@mail.example.jp:587", {"PIPELINING": "", "STARTTLS": ""}, "wrong", 'relay = "smtp+starttls://desk@mail.example.jp:587"')])
def test_mail_that_leaves_the_machine_in_the_clear_is_said_to(url: str, features: dict[str, str], state: str, record: str) -> None:
    """With a password it is wrong."""
    found = judge_talk(entry(url), Address.parse(url), Talk(features=features), "secret", NOW)
    assert [(one.state, one.record) for one in found if one.code == "relay-plain"] == [(state, record)]


def test_a_certificate_counts_its_days() -> None:
    assert judge_certificate("relay-certificate", "mail.example.jp", NOW + timedelta(days=60, hours=1), NOW).state == "right"
    soon = judge_certificate("relay-certificate", "mail.example.jp", NOW + timedelta(days=13, hours=1), NOW)
    assert (soon.code, soon.state) == ("relay-certificate-soon", "doubtful")
    assert "13 more days" in soon.what


def test_the_way_out_is_tried_and_nothing_is_said() -> None:
    """A port of this machine says nothing of the way out; a port at which nobody is says all."""
    with Relay() as relay:
        assert states(examine_port("127.0.0.1", relay.port, 1.0)) == {"port25": "doubtful"}
        assert relay.most_open == 0
        assert states(examine_port(_own_name(), relay.port, 1.0)) == {"port25": "right"}
        assert relay.log == []
    assert states(examine_port(_own_name(), free_port(), 1.0)) == {"port25": "wrong"}
    with Relay(lambda verb, _argument: "554 5.7.1 no <desk@news.example.jp>" if verb == "CONNECT" else None) as relay:
        found = examine_port(_own_name(), relay.port, 1.0)
    assert states(found) == {"port25": "doubtful"}
    assert "news.example.jp" not in found[0].what


def _own_name() -> str:
    """A name of this machine that does not say so, as one of a host elsewhere: what the check goes by is the name."""
    name = socket.gethostname()
    try:
        with Relay() as relay, socket.create_connection((name, relay.port), 1.0):
            return name
    except OSError:
        pytest.skip("not run: this machine does not answer at 127.0.0.1 under its own name")


def test_providers_need_their_key_and_sign_themselves() -> None:
    mailgun, ses = entry("mailgun://mg.example.jp", "mg-1"), entry("ses://eu-west-1", "aws")
    assert states(examine_provider(mailgun, "key-1")) == {"provider-secret": "right", "provider-signs": "right"}
    missing = examine_provider(mailgun, None)
    assert states(missing) == {"provider-secret": "wrong", "provider-signs": "right"}
    assert missing[0].record == "PUBLISHER_RELAY_MG_1_PASSWORD=…"
    assert states(judge_secret(ses, there=False)) == {"provider-secret": "doubtful", "provider-signs": "right"}
    assert states(judge_secret(ses, there=False, tools=False)) == {"provider-tools": "wrong", "provider-signs": "right"}


def test_keys_of_amazon_are_found_where_its_tools_find_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without asking the network for a role."""
    pytest.importorskip("boto3", reason="not run: boto3 is absent")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert states(examine_provider(entry("ses://eu-west-1"), None))["provider-secret"] == "doubtful"
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = example\n")
    assert states(examine_provider(entry("ses://eu-west-1"), None))["provider-secret"] == "right"
