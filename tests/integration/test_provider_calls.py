"""Calls of providers that go wrong: whether anything was given is told from what left, and what nobody knows is called unknown."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from publisher.deliver.providers.base import Provider
from publisher.deliver.providers.mailgun import Mailgun
from publisher.deliver.providers.postmark import Postmark
from publisher.deliver.providers.ses import Ses
from publisher.deliver.smtp import RelayTrouble
from tests.certificates import certificate
from tests.mail_servers import free_port
from tests.providers import KEY, Fake, FakeMailgun, FakePostmark, FakeSes, mail, relay

Line = Callable[[str, float], Provider]
LINES: dict[str, tuple[type[Fake], Line]] = {
    "mailgun": (FakeMailgun, lambda url, timeout: Mailgun(relay("mailgun://mg.example.jp", url), KEY, timeout)),
    "postmark": (FakePostmark, lambda url, timeout: Postmark(relay("postmark://broadcast", url), KEY, timeout)),
    "ses": (FakeSes, lambda url, timeout: Ses(relay("ses://eu-west-1", url), f"AKIAEXAMPLE:{KEY}", timeout))}


@contextmanager
def talking(name: str, timeout: float = 2) -> Iterator[tuple[Any, Provider]]:
    """A provider's server, and a line to it."""
    kind, opened = LINES[name]
    with kind() as fake:
        line = opened(fake.url, timeout)
        yield fake, line
        line.close()


def two(name: str) -> list[Any]:
    """As many mails as one call of this provider takes, two at most."""
    return [mail("hanako@example.net"), mail("taro@example.net")][:1 if name == "ses" else 2]


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("word", ["cut", "taken 500", "taken 503"])
def test_a_lost_answer_leaves_every_mail_of_the_call_unknown(name: str, word: str) -> None:
    """It was taken, in truth, and nobody knows here; the call is not repeated."""
    with talking(name) as (fake, line):
        fake.plan = [word]
        verdicts = line.send(two(name))
        assert [verdict.state for verdict in verdicts] == ["unknown"] * len(two(name))
        assert len(fake.calls) == 1
        assert [verdict.state for verdict in line.send(two(name))] == ["accepted"] * len(two(name))


@pytest.mark.parametrize("name", LINES)
def test_an_answer_that_does_not_come_in_time_is_lost(name: str) -> None:
    """After `timeout` seconds."""
    with talking(name, timeout=0.3) as (fake, line):
        fake.plan = ["stall"]
        assert {verdict.state for verdict in line.send(two(name))} == {"unknown"}
        assert len(fake.calls) == 1


@pytest.mark.parametrize("name", ["mailgun", "postmark"])
@pytest.mark.parametrize("word", ["garbled", "200", "202 empty"])
def test_a_success_that_is_not_understood_is_no_success(name: str, word: str) -> None:
    """Nor a refusal: it may have been taken."""
    with talking(name) as (fake, line):
        fake.plan, fake.says = [word], {"202 empty": [], "200": {"message": "hello"}}
        assert {verdict.state for verdict in line.send(two(name))} == {"unknown"}


@pytest.mark.parametrize("name", LINES)
def test_a_server_that_closes_without_reading_a_small_call_is_never_believed_to_have_refused_it(name: str) -> None:
    """Where all of it had left, whether it was read cannot be seen from here; where the close came first, nothing was given."""
    with talking(name) as (fake, line):
        fake.plan = ["cut before"]
        assert outcome(line, two(name)) in ({"unknown"}, {"not given, passing"})
        assert [verdict.state for verdict in line.send(two(name))] == ["accepted"] * len(two(name))


def outcome(line: Provider, mails: list[Any]) -> set[str]:
    """What came of a call."""
    try:
        return {verdict.state for verdict in line.send(mails)}
    except RelayTrouble as trouble:
        return {"not given, passing" if trouble.passing else "not given"}


@pytest.mark.parametrize("name", ["mailgun", "postmark"])
def test_a_call_that_broke_off_before_its_last_byte_gave_nothing(name: str) -> None:
    """Its length was announced, so half of it is none: it may go again, and the trouble passes."""
    with talking(name) as (fake, line):
        fake.plan = ["cut before"]
        with pytest.raises(RelayTrouble) as caught:
            line.send([mail(padding=5_000_000)])
        assert caught.value.passing
        assert fake.mailbox == []
        assert [verdict.state for verdict in line.send(two(name))] == ["accepted"] * 2


@pytest.mark.parametrize("name", LINES)
def test_a_server_that_is_not_there_is_passing_trouble(name: str) -> None:
    """It names the relay, and no address of a reader."""
    line = LINES[name][1](f"http://127.0.0.1:{free_port()}", 2)
    with pytest.raises(RelayTrouble) as caught:
        line.send(two(name))
    assert caught.value.passing
    assert "the relay far does not answer" in caught.value.reason
    assert "example.net" not in str(caught.value)


@pytest.mark.parametrize("name", LINES)
def test_a_name_that_is_nowhere_is_passing_trouble(name: str) -> None:
    """The network may be down, and come back."""
    with pytest.raises(RelayTrouble) as caught:
        LINES[name][1]("http://nowhere.invalid", 2).send(two(name))
    assert caught.value.passing


@pytest.mark.parametrize("name", LINES)
def test_a_certificate_that_is_not_trusted_is_trouble_that_stays(name: str, tmp_path: Path) -> None:
    """Nothing is given to who only says that he is the provider."""
    with listening_with_tls(tmp_path) as port, pytest.raises(RelayTrouble) as caught:
        LINES[name][1](f"https://127.0.0.1:{port}", 2).send(two(name))
    assert not caught.value.passing
    assert "trustworthy TLS" in caught.value.reason


@contextmanager
def listening_with_tls(folder: Path) -> Iterator[int]:
    """Somebody with a certificate that only he trusts."""
    _file, context = certificate(folder)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def shake() -> None:
            while True:
                try:
                    connection, _peer = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        context.wrap_socket(connection, server_side=True).close()
                    except OSError:
                        continue

        threading.Thread(target=shake, daemon=True).start()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("name", LINES)
def test_no_mails_are_no_call(name: str) -> None:
    """And no verdicts."""
    with talking(name) as (fake, line):
        assert line.send([]) == []
        assert fake.calls == []


def test_more_mails_than_one_ses_call_takes_are_several_calls() -> None:
    """And a lost answer in the middle ends them: the rest waits."""
    with talking("ses") as (fake, line):
        fake.plan = ["", "cut", ""]
        verdicts = line.send([mail(f"r{number}@example.net") for number in range(4)])
        assert [verdict.state for verdict in verdicts] == ["accepted", "unknown", "deferred", "deferred"]
        assert len(fake.calls) == 2
