"""The end of the talk over one connection, with a word (421) or without: what had left is unknown, all else was not taken."""

import pytest

from publisher.deliver.exchange import Done, Exchange, Garbled, Ready, Refused, stuffed
from tests.exchanging import ENVELOPE, TAKES, Letter, begun, letter, says, verdicts


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("pipelining", [True, False])
def test_421_in_the_envelope_puts_the_mail_off_and_ends_the_connection(place: int, pipelining: bool) -> None:
    """RFC 5321 section 3.8, at MAIL, RCPT and DATA: what else was asked is not waited for."""
    exchange, hanako = Exchange[Letter](pipelining=pipelining), letter()
    exchange.offer(hanako)
    events = exchange.receive(b"".join(TAKES.splitlines(keepends=True)[:place]) + b"421 4.3.2 closing\r\n")
    assert verdicts(events) == [(hanako, "deferred", "421 4.3.2 closing")]
    assert isinstance(events[0], Done)
    assert events[0].verdict.closing
    assert exchange.broken("closed", unsent=0) == (None, [])


def test_421_on_a_connection_that_has_carried_mails_costs_nobody() -> None:
    """It has carried its share, or the relay is restarted: the mail takes another connection at once. When it is about our pace, the mail waits."""
    for said, kind in ((b"421 too many messages in this connection", Refused), (b"421 4.3.2 closing", Refused), (b"421 4.7.0 too many messages, slow down", Done)):
        exchange, _hanako = begun()
        taro = letter("taro")
        exchange.offer(taro)
        says(exchange)
        [_first, last] = exchange.receive(b"250 ok\r\n" + said + b"\r\n")
        assert isinstance(last, kind)
        assert last.item is taro
        assert exchange.broken("closed", unsent=0) == (None, [])


def test_421_to_a_body_gives_back_the_next_envelope() -> None:
    """The mail that had left is put off by the relay's own word, the one behind it was never taken."""
    exchange, hanako = begun()
    taro = letter("taro")
    exchange.offer(taro)
    says(exchange)
    events = exchange.receive(b"421 4.3.2 closing\r\n")
    assert verdicts(events) == [(hanako, "deferred", "421 4.3.2 closing")]
    assert exchange.broken("it closed the connection", unsent=0) == (None, [taro])


def test_421_behind_a_refused_recipient_keeps_the_refusal_and_ends_the_connection() -> None:
    """Taro is refused for good; the relay only wants to close."""
    exchange, taro = Exchange[Letter](pipelining=True), letter("taro")
    exchange.offer(taro)
    says(exchange)
    events = exchange.receive(b"250 ok\r\n550 5.1.1 unknown\r\n421 closing\r\n")
    assert verdicts(events) == [(taro, "refused", "550 5.1.1 unknown")]
    assert events[-1] == Refused(None, "421 closing", us=False)


def test_421_to_rset_puts_the_next_mail_off() -> None:
    """Its envelope was behind the RSET and is heard by nobody."""
    exchange, taro = Exchange[Letter](pipelining=True), letter("taro")
    exchange.offer(letter())
    exchange.receive(b"250 ok\r\n550 5.1.1 unknown\r\n554 nobody\r\n")
    exchange.offer(taro)
    assert verdicts(exchange.receive(b"421 closing\r\n")) == [(taro, "deferred", "421 closing")]


def test_421_that_nobody_asked_for_ends_the_connection_and_costs_nobody() -> None:
    """A relay that shuts down says so on idle connections too; what follows its answers counts as well."""
    exchange = Exchange[Letter](pipelining=True)
    assert exchange.receive(b"421 4.4.2 timeout\r\n") == [Refused(None, "421 4.4.2 timeout", us=False)]
    exchange, hanako = begun()
    says(exchange)
    events = exchange.receive(b"250 ok\r\n421 closing\r\n")
    assert verdicts(events) == [(hanako, "accepted", "250 ok")]
    assert events[-1] == Refused(None, "421 closing", us=False)


def test_421_right_behind_354_keeps_the_body_back() -> None:
    """The caller sees both before anything of the body has left."""
    exchange, hanako = Exchange[Letter](pipelining=True), letter()
    exchange.offer(hanako)
    assert exchange.receive(TAKES + b"421 closing\r\n") == [Ready(hanako), Refused(None, "421 closing", us=False)]


@pytest.mark.parametrize("noise", [b"HTTP/1.1 400 Bad Request\r\n", b"\r\n", b"999 who?\r\n", b"150 wait\r\n", b"25\r\n", b"\xff\xfe\x00\r\n", b"x" * 20_000])
def test_what_is_no_smtp_ends_the_connection_and_loses_no_answer_before_it(noise: bytes) -> None:
    """Hanako's answer came first and counts; Taro's envelope was not taken."""
    exchange, hanako = begun()
    taro = letter("taro")
    exchange.offer(taro)
    says(exchange)
    events = exchange.receive(b"250 ok\r\n" + noise)
    assert verdicts(events) == [(hanako, "accepted", "250 ok")]
    assert isinstance(events[-1], Garbled)
    assert exchange.broken("garbage", unsent=0) == (None, [taro])


def test_an_end_is_unknown_exactly_from_the_last_byte_of_the_dot_on() -> None:
    """Before that the relay cannot have taken it, whatever it has of it; the envelope behind it changes nothing."""
    body = b"one\r\n.two\r\nthree\r\n"
    whole = stuffed(letter(body=body).mail) + b".\r\n"
    behind = ENVELOPE % b"taro@example.jp"
    for left in range(len(whole) + len(behind) + 1):
        exchange, hanako = begun(body=body)
        taro = letter("taro")
        exchange.offer(taro)
        assert says(exchange) == whole + behind
        done, untouched = exchange.broken("reset", unsent=len(whole) + len(behind) - left)
        if left >= len(whole):
            assert done is not None
            assert (done.item, done.verdict.state, done.verdict.reason) == (hanako, "unknown", "no answer after the last byte: reset")
            assert untouched == [taro]
        else:
            assert (done, untouched) == (None, [hanako, taro])


def test_a_body_that_was_never_fetched_has_not_left() -> None:
    """Between `go` and `take`."""
    exchange, hanako = begun()
    assert exchange.broken("reset", unsent=0) == (None, [hanako])


def test_an_answer_before_the_end_of_the_body_ends_the_connection() -> None:
    """552 in the middle is an answer, and the rest would be read as commands; "taken" in the middle is none."""
    exchange, hanako = begun()
    says(exchange)
    events = exchange.receive(b"552 5.3.4 too large\r\n", unsent=5)
    assert verdicts(events) == [(hanako, "refused", "552 5.3.4 too large")]
    assert isinstance(events[-1], Refused)
    exchange, hanako = begun()
    says(exchange)
    events = exchange.receive(b"250 ok\r\n", unsent=1)
    assert [type(event) for event in events] == [Garbled]
    assert exchange.broken("garbage", unsent=1) == (None, [hanako])
