"""The evil relay of a rehearsal does what its plan says, and remembers who had which mail and whether they heard of it."""

import smtplib
import socket
from collections.abc import Iterator
from contextlib import closing
from itertools import count

import pytest

from publisher.rehearsal.plan import Fate, Plan
from publisher.rehearsal.relay import EvilRelay, address_of

PLAN = Plan(seed=3, readers=500, kills=0)


def reader_with(fate: Fate, *, after: int = 0) -> int:
    """The first reader behind `after` who meets this fate at the first attempt."""
    return next(reader for reader in count(after + 1) if PLAN.fate(reader, 1) is fate)


def a_mail(reader: int, *, to: int | None = None, message_id: str | None = None, leave: str = "List-Unsubscribe: <https://news.example.jp/u/x>\r\n") -> str:
    return (f"From: news@news.example.jp\r\nTo: {address_of(to or reader)}\r\nMessage-ID: <{message_id or f'm{reader}'}@news.example.jp>\r\n{leave}"
            f"Subject: hello\r\n\r\n..a line that begins with a dot\r\n")


@pytest.fixture
def evil() -> Iterator[EvilRelay]:
    with EvilRelay(PLAN) as relay:
        relay.process = 1
        yield relay


def hand_over(relay: EvilRelay, reader: int, text: str | None = None) -> tuple[int, bytes]:
    """One mail over a connection of its own, by the standard library's hand; the last answer."""
    with closing(smtplib.SMTP("127.0.0.1", relay.port, "localhost", 10)) as client:
        client.ehlo()
        client.mail("news@news.example.jp")
        code, said = client.rcpt(address_of(reader))
        return client.data(text or a_mail(reader)) if code == 250 else (code, said)


@pytest.mark.parametrize("fate", [Fate.TAKEN, Fate.SLOW])
def test_a_mail_that_is_taken_is_answered_and_remembered(evil: EvilRelay, fate: Fate) -> None:
    """By its reader, its process and its Message-ID; a slow answer comes as well."""
    reader = reader_with(fate)
    assert hand_over(evil, reader)[0] == 250
    [take] = evil.record.takes[reader]
    assert (take.process, take.answered) == (1, True)
    assert evil.record.faults == {}


@pytest.mark.parametrize(("fate", "codes"), [(Fate.NOBODY, (550,)), (Fate.LATER, (450, 451, 452)), (Fate.LATER_AT_DOT, (451,)),
                                             (Fate.DISLIKED, (554,)), (Fate.CLOSING, (421,))])
def test_a_mail_that_is_not_taken_is_answered_so(evil: EvilRelay, fate: Fate, codes: tuple[int, ...]) -> None:
    """Refused for good or put off, and remembered as what it was."""
    reader = reader_with(fate)
    code, _said = hand_over(evil, reader)
    assert code in codes
    assert reader not in evil.record.takes
    assert (reader in evil.record.refused) == (code >= 500)


def test_a_mail_may_be_refused_at_data(evil: EvilRelay) -> None:
    """Before its body has left."""
    reader = reader_with(Fate.DISLIKED_AT_DATA)
    with pytest.raises(smtplib.SMTPDataError, match="554"):
        hand_over(evil, reader)
    assert evil.record.refused == {reader}


@pytest.mark.parametrize(("fate", "taken"), [(Fate.LOST, True), (Fate.DROPPED, False), (Fate.CUT, False)])
def test_a_connection_may_end_without_an_answer(evil: EvilRelay, fate: Fate, taken: bool) -> None:
    """Taken or not: the sender cannot know, and the relay does."""
    reader = reader_with(fate)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        hand_over(evil, reader)
    evil.__exit__()
    assert (reader in evil.record.takes) == taken
    assert not any(take.answered for take in evil.record.takes.get(reader, ()))
    assert evil.record.on_wire == {reader}
    evil.__enter__()


def test_a_relay_may_say_nothing_for_longer_than_anybody_waits(evil: EvilRelay) -> None:
    """It has taken the mail, and keeps the line open."""
    reader = reader_with(Fate.SILENT)
    with closing(smtplib.SMTP("127.0.0.1", evil.port, "localhost", 0.3)) as client:
        client.ehlo()
        client.mail("news@news.example.jp")
        client.rcpt(address_of(reader))
        with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
            client.data(a_mail(reader))
    assert [take.answered for take in evil.record.takes[reader]] == [False]


def test_a_group_of_commands_is_answered_as_a_group(evil: EvilRelay) -> None:
    """RFC 2920: the next envelope travels with the body, and a refused recipient costs the others nothing."""
    first, nobody = reader_with(Fate.TAKEN), reader_with(Fate.NOBODY)
    second = reader_with(Fate.TAKEN, after=first)

    def envelope(reader: int) -> str:
        return f"MAIL FROM:<n@example.jp>\r\nRCPT TO:<{address_of(reader)}>\r\nDATA\r\n"

    with closing(socket.create_connection(("127.0.0.1", evil.port), 10)) as line, line.makefile("rb") as answers:
        line.sendall(f"EHLO localhost\r\n{envelope(first)}".encode())
        said = [answers.readline()[:4] for _answer in range(8)]
        assert said == [b"220 ", b"250-", b"250-", b"250-", b"250 ", b"250 ", b"250 ", b"354 "]
        line.sendall(f"{a_mail(first)}.\r\n{envelope(nobody)}{envelope(second)}".encode())
        assert [answers.readline()[:3] for _answer in range(7)] == [b"250", b"250", b"550", b"554", b"250", b"250", b"354"]
        line.sendall(f"{a_mail(second)}.\r\nQUIT\r\n".encode())
        assert [answers.readline()[:3] for _answer in range(2)] == [b"250", b"221"]
    assert set(evil.record.takes) == {first, second}


def test_a_connection_is_closed_without_a_word_after_a_number_of_mails() -> None:
    """As Yahoo's servers do: the answer of the last mail arrives, and no further one."""
    number = next(number for number in count(1) if PLAN.mails_on(number))
    limit = PLAN.mails_on(number) or 0
    with EvilRelay(PLAN) as relay:
        for _other in range(number - 1):
            socket.create_connection(("127.0.0.1", relay.port), 10).close()
        with closing(smtplib.SMTP("127.0.0.1", relay.port, "localhost", 10)) as client:
            reader = 0
            for _mail in range(limit):
                reader = reader_with(Fate.TAKEN, after=reader)
                client.sendmail("news@news.example.jp", [address_of(reader)], a_mail(reader))
            with pytest.raises(smtplib.SMTPServerDisconnected):
                client.docmd("NOOP")
    assert len(relay.record.takes) == limit


def test_what_is_wrong_with_a_mail_is_noted(evil: EvilRelay) -> None:
    """Addressed to somebody else, without a way to leave; and a real address is taken for a stranger's."""
    reader = reader_with(Fate.TAKEN)
    hand_over(evil, reader, a_mail(reader, to=reader + 1, leave=""))
    assert evil.record.faults == {"to": 1, "leave": 1}
    with closing(smtplib.SMTP("127.0.0.1", evil.port, "localhost", 10)) as client:
        client.ehlo()
        client.mail("news@news.example.jp")
        assert client.rcpt("hanako@example.jp")[0] == 550
    assert evil.record.strangers == 1


def test_a_repeat_is_seen_with_both_message_ids(evil: EvilRelay) -> None:
    """The same mail twice, and another one after it."""
    reader = reader_with(Fate.TAKEN)
    for text in (a_mail(reader), a_mail(reader), a_mail(reader, message_id="other")):
        hand_over(evil, reader, text)
    assert [before.message == again.message for _reader, before, again in evil.record.repeats()] == [True, False]


def test_the_bell_rings_at_the_wanted_attempt(evil: EvilRelay) -> None:
    """At once when it is past already: by it the sender is killed."""
    first = reader_with(Fate.TAKEN)
    evil.ring_at(2)
    hand_over(evil, first)
    assert not evil.bell.is_set()
    hand_over(evil, reader_with(Fate.NOBODY))
    assert evil.bell.wait(5)
    evil.ring_at(1)
    assert evil.bell.is_set()
