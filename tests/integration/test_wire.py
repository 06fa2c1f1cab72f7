"""The wire against real sockets: each mail once and whole, whatever the relay's pace, and no more of it unknown than had left."""

import threading
from pathlib import Path

import pytest

from publisher.deliver.wire import Wire
from tests.certificates import certificate
from tests.relay import HANG_UP, SILENCE, Relay
from tests.wiring import Hands, body, lines, mails, states

BIG = 400_000  # more than the kernel takes in for both sides when their buffers are small
SMALL = 4096
both_ways = pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "line by line"])


def everybody(number: int) -> dict[str, int]:
    """Each reader once."""
    return {f"r{index}@example.jp": 1 for index in range(number)}


@both_ways
def test_each_mail_is_taken_once_and_as_it_was_written(tmp_path: Path, pipelining: bool) -> None:
    """Dots and all; a relay without PIPELINING gets them as well."""
    with Relay(pipelining=pipelining) as relay:
        assert states(Hands(mails(60), tmp_path).send(lines(relay.url))) == {"accepted": 60}
        assert relay.recipients() == everybody(60)
        assert {mail.recipient: mail.data for mail in relay.taken} == {f"r{index}@example.jp": body(index, 2_000) for index in range(60)}


@both_ways
def test_as_many_connections_are_used_as_there_may_be_and_never_more(tmp_path: Path, pipelining: bool) -> None:
    """A relay that takes its time has all of them busy."""
    with Relay(lambda verb, _argument: "250 ok" if verb == "." and threading.Event().wait(0.03) is False else None, pipelining=pipelining) as relay:
        Hands(mails(40), tmp_path).send(lines(relay.url, 4))
        assert relay.most_open == 4
        assert len([seen for seen in relay.sessions if seen.taken]) == 4


def test_one_mail_that_waits_opens_one_connection(tmp_path: Path) -> None:
    with Relay() as relay:
        Hands(mails(1), tmp_path).send(lines(relay.url, 4))
        assert len(relay.sessions) == 1


@both_ways
@pytest.mark.parametrize("closes_after", [1, 3])
def test_a_relay_that_closes_after_some_mails_costs_nobody_anything(tmp_path: Path, pipelining: bool, closes_after: int) -> None:
    """Yahoo's way, on four connections at once: a mail may meet it on each of them, and is put off by none."""
    with Relay(closes_after=closes_after, pipelining=pipelining) as relay:
        assert states(Hands(mails(60), tmp_path).send(lines(relay.url))) == {"accepted": 60}
        assert relay.recipients() == everybody(60)
        assert max(seen.taken for seen in relay.sessions) == closes_after


@both_ways
def test_a_relay_that_says_421_after_some_mails_costs_nobody_anything(tmp_path: Path, pipelining: bool) -> None:
    """Exim's way (smtp_accept_max_per_connection): a new connection at once, no rest, no reader put off."""
    with Relay(lambda verb, _argument: "421 too many messages in this connection" if verb == "MAIL" and relay.sessions[-1].taken == 4 else None,
               pipelining=pipelining) as relay:
        assert states(Hands(mails(30), tmp_path).send(lines(relay.url, 1))) == {"accepted": 30}
        assert [seen.taken for seen in relay.sessions] == [4] * 7 + [2]


def test_a_relay_that_says_354_and_421_at_once_puts_the_mail_off_in_the_end(tmp_path: Path) -> None:
    """No body leaves, and the same is not tried for ever."""
    with Relay(lambda verb, _argument: "354 go on\r\n421 closing" if verb == "DATA" else None) as relay:
        ends = Hands(mails(3), tmp_path).send(lines(relay.url, 1))
        assert states(ends) == {"deferred": 3}
        assert relay.taken == []


@both_ways
def test_a_connection_is_opened_anew_after_so_many_mails_as_the_relay_wants(tmp_path: Path, pipelining: bool) -> None:
    """`per_connection`: we close, politely, and the relay never has to."""
    with Relay(pipelining=pipelining) as relay:
        assert states(Hands(mails(23), tmp_path).send(lines(relay.url, 1, per_connection=5))) == {"accepted": 23}
        assert [seen.taken for seen in relay.sessions] == [5, 5, 5, 5, 3]
        assert relay.recipients() == everybody(23)


@pytest.mark.parametrize("scheme", ["smtp", "smtp+starttls", "smtps"])
@both_ways
def test_a_relay_that_reads_slowly_gets_large_mails_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, pipelining: bool) -> None:
    """Writes are partial, and so are the records of TLS; two connections share one thread meanwhile."""
    cert, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    asked: list[str] = []

    def plan(verb: str, argument: str) -> str | None:
        if verb == "BODY":
            asked.append(argument)
            threading.Event().wait(0.1)
        return None

    with Relay(plan, tls=None if scheme == "smtp" else context, tls_at_once=scheme == "smtps", pipelining=pipelining, receive_buffer=SMALL) as relay:
        assert states(Hands(mails(5, BIG), tmp_path / "journal").send(lines(f"{scheme}://127.0.0.1:{relay.port}", 2, send_buffer=SMALL))) == {"accepted": 5}
        assert {mail.recipient: mail.data for mail in relay.taken} == {f"r{index}@example.jp": body(index, BIG) for index in range(5)}
    assert len(asked) == 5


@both_ways
def test_a_relay_that_closes_in_the_middle_of_a_body_gets_it_again_once(tmp_path: Path, pipelining: bool) -> None:
    """Nothing was taken, so nothing is unknown; the mail goes over another connection at once."""
    shut = threading.Event()

    def plan(verb: str, argument: str) -> str | None:
        if verb == "BODY" and argument == "r1@example.jp" and not shut.is_set():
            shut.set()
            return HANG_UP
        return None

    with Relay(plan, pipelining=pipelining, receive_buffer=SMALL) as relay:
        hands = Hands(mails(4, BIG), tmp_path)
        assert states(hands.send(lines(relay.url, 1, send_buffer=SMALL))) == {"accepted": 4}
        assert relay.recipients() == everybody(4)


@both_ways
def test_a_mail_over_which_connections_are_lost_twice_is_put_off(tmp_path: Path, pipelining: bool) -> None:
    """It may be the reason itself; the others have theirs, and nobody is unknown."""
    with Relay(lambda verb, argument: HANG_UP if verb == "BODY" and argument == "r1@example.jp" else None, pipelining=pipelining,
               receive_buffer=SMALL) as relay:
        ends = Hands(mails(4, BIG), tmp_path).send(lines(relay.url, 2, send_buffer=SMALL))
    assert (ends["r1@example.jp"].state, ends["r1@example.jp"].reason) == ("deferred", "the connection was lost twice")
    assert states(ends) == {"accepted": 3, "deferred": 1}


@both_ways
def test_a_reader_at_whose_name_the_relay_hangs_up_stops_nobody_else(tmp_path: Path, pipelining: bool) -> None:
    """On a connection that carried others the close may be Yahoo's; on a fresh one it is about this mail, and twice is enough."""
    with Relay(lambda verb, argument: HANG_UP if verb == "RCPT" and "r3@" in argument else None, pipelining=pipelining) as relay:
        ends = Hands(mails(10), tmp_path).send(lines(relay.url, 2))
        assert len(relay.sessions) <= 30
    assert (ends["r3@example.jp"].state, ends["r3@example.jp"].reason) == ("deferred", "the connection was lost twice")
    assert states(ends) == {"accepted": 9, "deferred": 1}


def test_a_relay_that_hangs_up_at_every_sender_puts_everybody_off_and_ends(tmp_path: Path) -> None:
    """It goes on for two connections a mail, and not for ever."""
    with Relay(lambda verb, _argument: HANG_UP if verb == "MAIL" else None) as relay:
        assert states(Hands(mails(5), tmp_path).send(lines(relay.url, 2))) == {"deferred": 5}


@both_ways
def test_a_mail_that_is_refused_before_its_end_is_refused(tmp_path: Path, pipelining: bool) -> None:
    """552 and the end of the connection while we still write: the answer is heard although writing fails."""
    with Relay(lambda verb, argument: "552 5.3.4 too large" if verb == "BODY" and argument in ("r1@example.jp", "r4@example.jp") else None,
               pipelining=pipelining, receive_buffer=SMALL) as relay:
        ends = Hands(mails(6, BIG), tmp_path).send(lines(relay.url, 2, send_buffer=SMALL))
    assert states(ends) == {"accepted": 4, "refused": 2}
    assert ends["r4@example.jp"].reason == "552 5.3.4 too large"


@both_ways
def test_an_answer_that_never_comes_is_unknown_when_everything_had_left(tmp_path: Path, pipelining: bool) -> None:
    """After the timeout; the others go on meanwhile."""
    with Relay(lambda verb, argument: SILENCE if verb == "." and argument == "r2@example.jp" else None, pipelining=pipelining) as relay:
        ends = Hands(mails(8), tmp_path).send(lines(relay.url, 2, timeout=1.0))
    assert (ends["r2@example.jp"].state, ends["r2@example.jp"].reason) == ("unknown", "no answer after the last byte: timed out")
    assert states(ends) == {"accepted": 7, "unknown": 1}
    assert relay.recipients() == everybody(8)


@both_ways
def test_a_relay_that_stalls_at_a_readers_name_puts_that_reader_off(tmp_path: Path, pipelining: bool) -> None:
    """Nothing of the mail had left: it is no unknown one."""
    with Relay(lambda verb, argument: SILENCE if verb == "RCPT" and "r2@" in argument else None, pipelining=pipelining) as relay:
        ends = Hands(mails(8), tmp_path).send(lines(relay.url, 2, timeout=1.0))
    assert (ends["r2@example.jp"].state, ends["r2@example.jp"].reason) == ("deferred", "the connection was lost twice")
    assert states(ends) == {"accepted": 7, "deferred": 1}


def test_a_relay_that_stops_reading_keeps_the_other_connections_going(tmp_path: Path) -> None:
    """One of two is stuck in the middle of a large mail; the wire waits for it no longer than the timeout, and not at all with the others."""
    stuck = threading.Event()

    def plan(verb: str, argument: str) -> str | None:
        if verb == "BODY" and argument == "r0@example.jp" and not stuck.is_set():
            stuck.set()
            threading.Event().wait(4)
        return None

    with Relay(plan, receive_buffer=SMALL) as relay:
        ends = Hands(mails(6, BIG), tmp_path).send(lines(relay.url, 2, timeout=1.0, send_buffer=SMALL))
    assert states(ends) == {"accepted": 6}


@both_ways
def test_garbage_in_place_of_an_answer_is_an_end_of_the_connection(tmp_path: Path, pipelining: bool) -> None:
    """The mail it answered to is unknown, the next goes another way."""
    with Relay(lambda verb, argument: "what was that?" if verb == "." and argument == "r2@example.jp" else None, pipelining=pipelining) as relay:
        ends = Hands(mails(8), tmp_path).send(lines(relay.url, 1))
    assert ends["r2@example.jp"].state == "unknown"
    assert "does not speak SMTP" in ends["r2@example.jp"].reason
    assert states(ends) == {"accepted": 7, "unknown": 1}


@both_ways
def test_the_intent_is_on_record_before_the_relay_sees_the_body(tmp_path: Path, pipelining: bool) -> None:
    """For every mail: the relay looks into the journal when the first line of a body arrives, and when it is whole no outcome stands there."""
    seen: dict[str, tuple[bool, bool]] = {}

    def plan(verb: str, argument: str) -> str | None:
        if verb == "BODY":
            number = int(argument[1:].partition("@")[0]) + 1
            written = [line.split("\t")[1] for line in hands.journal.path.read_text().splitlines() if line.startswith(f"{number}\t")]
            seen[argument] = ("intent" in written, "accepted" in written)
        return None

    hands = Hands(mails(50), tmp_path)
    with Relay(plan, pipelining=pipelining) as relay:
        hands.send(lines(relay.url, 4))
    assert seen == dict.fromkeys(everybody(50), (True, False))


@both_ways
def test_ending_waits_for_what_had_left_and_gives_the_rest_back(tmp_path: Path, pipelining: bool) -> None:
    """A stop in mid-send: no unknown mail, none twice, none lost."""
    hands = Hands(mails(400), tmp_path)
    with Relay(lambda verb, _argument: "250 ok" if verb == "." and threading.Event().wait(0.005) is False else None, pipelining=pipelining) as relay:
        wire = Wire(hands, [lines(relay.url, 4)], hands.journal.write)
        wire.wake()
        hands.until(40)
        wire.end()
        wire.wait()
    assert {verdict.state for _mail, verdict in hands.ends} == {"accepted"}
    assert sorted([mail.delivery_id for mail, _verdict in hands.ends] + [mail.delivery_id for mail in hands.waiting]) == list(range(1, 401))
    assert set(relay.recipients()) == {mail.address for mail, _verdict in hands.ends}


def test_a_journal_that_cannot_be_written_lets_nothing_more_leave(tmp_path: Path) -> None:
    """What is on the wire gets its answer, and nothing behind it goes: at most one mail for each connection is without a line."""
    hands, left = Hands(mails(200), tmp_path), []

    def journal(lines: bytes) -> None:
        left.append(lines)
        if len(left) > 60:
            raise OSError(28, "No space left on device")
        hands.journal.write(lines)

    with Relay() as relay:
        wire = Wire(hands, [lines(relay.url, 4)], journal)
        wire.wake()
        wire.wait()
        assert isinstance(wire.fault, OSError)
        assert {verdict.state for _mail, verdict in hands.ends} == {"accepted"}
        assert sorted([mail.delivery_id for mail, _verdict in hands.ends] + [mail.delivery_id for mail in hands.waiting]) == list(range(1, 201))
        intents = {int(line.split("\t")[0]) for line in hands.journal.path.read_text().splitlines() if "\tintent\t" in line}
        assert {int(mail.recipient[1:].partition("@")[0]) + 1 for mail in relay.taken} <= intents
