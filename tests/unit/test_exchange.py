"""The talk over one connection, without a socket: every mail that is offered ends in what is true, whatever the other side says."""

import pytest

from publisher.deliver.exchange import Done, Exchange, Garbled, Ready, Refused, stuffed
from publisher.deliver.message import Mail
from tests.exchanging import ENVELOPE, TAKES, Letter, begun, letter, says, verdicts


def test_the_envelope_travels_as_one_group_and_the_body_waits_for_its_354() -> None:
    """RFC 2920 section 3.1: DATA is the last of its group; until 354 nothing of the mail has left."""
    exchange, hanako = Exchange[Letter](pipelining=True), letter()
    exchange.offer(hanako)
    assert says(exchange) == ENVELOPE % b"hanako@example.jp"
    assert exchange.receive(b"250 ok\r\n250 ok\r\n") == []
    assert exchange.receive(b"354 go on\r\n") == [Ready(hanako)]
    assert says(exchange) == b""
    exchange.go()
    assert says(exchange) == b"Good morning.\r\n.\r\n"
    assert verdicts(exchange.receive(b"250 2.0.0 queued\r\n")) == [(hanako, "accepted", "250 2.0.0 queued")]
    assert exchange.is_idle


def test_the_next_envelope_travels_with_the_last_body() -> None:
    """One round trip a mail."""
    exchange, hanako = begun()
    taro = letter("taro")
    assert exchange.is_free
    exchange.offer(taro)
    assert not exchange.is_free
    assert says(exchange) == b"Good morning.\r\n.\r\n" + ENVELOPE % b"taro@example.jp"
    events = exchange.receive(b"250 queued\r\n" + TAKES)
    assert [type(event) for event in events] == [Done, Ready]
    assert verdicts(events)[0][0] is hanako
    exchange.go()
    exchange.offer(letter("alice"))
    assert says(exchange) == b"Good morning.\r\n.\r\n" + ENVELOPE % b"alice@example.jp"


def test_without_pipelining_each_command_waits_for_its_answer() -> None:
    """The same mails, line by line; no other is offered before the answer to the first."""
    exchange, hanako = Exchange[Letter](pipelining=False), letter()
    exchange.offer(hanako)
    said = []
    for answer in TAKES.splitlines(keepends=True):
        said.append(says(exchange))
        events = exchange.receive(answer)
    assert b"".join(said) == ENVELOPE % b"hanako@example.jp"
    assert len([one for one in said if one]) == 3
    assert events == [Ready(hanako)]
    exchange.go()
    assert not exchange.is_free
    assert says(exchange).endswith(b"\r\n.\r\n")
    assert verdicts(exchange.receive(b"250 ok\r\n")) == [(hanako, "accepted", "250 ok")]
    assert exchange.is_free


@pytest.mark.parametrize("answers", [
    b"250 ok\r\n550 5.1.1 unknown\r\n554 5.5.1 no valid recipients\r\n",
    b"250 ok\r\n550 5.1.1 unknown\r\n503 5.5.1 need RCPT\r\n",
])
def test_one_refused_recipient_costs_one_recipient(answers: bytes) -> None:
    """What DATA is told then says nothing; the next envelope begins anew with RSET, in the same group."""
    exchange, taro, alice = Exchange[Letter](pipelining=True), letter("taro"), letter("alice")
    exchange.offer(taro)
    says(exchange)
    assert verdicts(exchange.receive(answers)) == [(taro, "refused", "550 5.1.1 unknown")]
    assert exchange.is_free
    exchange.offer(alice)
    assert says(exchange) == b"RSET\r\n" + ENVELOPE % b"alice@example.jp"
    assert exchange.receive(b"250 reset\r\n" + TAKES) == [Ready(alice)]


def test_354_after_a_refused_recipient_is_ended_with_a_lone_dot() -> None:
    """RFC 2920 section 3.1 allows it; no body leaves, and no second mail is offered meanwhile."""
    exchange, taro = Exchange[Letter](pipelining=True), letter("taro")
    exchange.offer(taro)
    says(exchange)
    assert exchange.receive(b"250 ok\r\n550 5.1.1 unknown\r\n354 go on\r\n") == []
    assert says(exchange) == b".\r\n"
    assert not exchange.is_free
    assert verdicts(exchange.receive(b"554 no valid recipients\r\n")) == [(taro, "refused", "550 5.1.1 unknown")]


def test_354_after_a_refused_sender_gets_no_dot() -> None:
    """A server so confused may have a recipient, and an empty mail would reach him: the mail waits, and the connection is left."""
    exchange, taro = Exchange[Letter](pipelining=True), letter("taro")
    exchange.offer(taro)
    says(exchange)
    events = exchange.receive(b"451 later\r\n250 ok\r\n354 go on\r\n")
    assert verdicts(events) == [(taro, "deferred", "451 later")]
    assert isinstance(events[-1], Garbled)
    assert says(exchange) == b""


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("answer", [b"550 5.7.1 not you\r\n", b"530 5.7.0 login first\r\n", b"503 5.5.1 nested MAIL\r\n"])
def test_a_refused_sender_is_our_trouble_and_no_verdict(answer: bytes, pipelining: bool) -> None:
    """The mail is handed back as it was."""
    exchange, hanako = Exchange[Letter](pipelining=pipelining), letter()
    exchange.offer(hanako)
    says(exchange)
    assert exchange.receive(answer) == [Refused(hanako, answer.decode().strip(), us=True)]
    assert exchange.broken("closed", unsent=0) == (None, [])


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("code", [450, 451, 452, 455, 552])
def test_a_sender_put_off_puts_the_mail_off(code: int, pipelining: bool) -> None:
    """4yz to MAIL, and 552, which is meant as temporary before the mail was seen (RFC 5321 section 4.5.3.1.10)."""
    exchange, hanako = Exchange[Letter](pipelining=pipelining), letter()
    exchange.offer(hanako)
    says(exchange)
    answers = b"%d later\r\n" % code + (b"503 need MAIL\r\n503 need RCPT\r\n" if pipelining else b"")
    assert verdicts(exchange.receive(answers)) == [(hanako, "deferred", f"{code} later")]
    exchange.offer(letter("taro"))
    assert says(exchange).startswith(b"RSET\r\n")


def test_a_code_that_no_standard_knows_is_read_by_its_first_digit() -> None:
    """RFC 5321 section 4.2: 259, 252 and 399 are as good as those that are usual."""
    exchange, hanako = Exchange[Letter](pipelining=True), letter()
    exchange.offer(hanako)
    assert exchange.receive(b"259 ok\r\n252 ok\r\n399 go on\r\n") == [Ready(hanako)]
    exchange.go()
    says(exchange)
    assert verdicts(exchange.receive(b"299 taken\r\n")) == [(hanako, "accepted", "299 taken")]


@pytest.mark.parametrize("code", [501, 553])
@pytest.mark.parametrize("pipelining", [True, False])
def test_an_address_in_quotes_is_tried_again_without_them(code: int, pipelining: bool) -> None:
    """Carriers whose addresses hold two dots in a row know them no other way."""
    exchange = Exchange[Letter](pipelining=pipelining)
    ken = Letter(Mail("news@paper.example", '"ken..a"@docomo.ne.jp', b"x\r\n"))
    exchange.offer(ken)
    first = says(exchange)
    answers = [b"250 ok\r\n", b"%d what?\r\n" % code, *([b"554 nobody\r\n"] if pipelining else []), b"250 reset\r\n", *TAKES.splitlines(keepends=True)]
    later, events = b"", []
    for answer in answers:
        events += exchange.receive(answer)
        later += says(exchange)
    assert b'RCPT TO:<"ken..a"@docomo.ne.jp>' in first + later
    assert later.partition(b"RSET\r\n")[2] == b"MAIL FROM:<news@paper.example>\r\nRCPT TO:<ken..a@docomo.ne.jp>\r\nDATA\r\n"
    assert events == [Ready(ken)]


def test_an_address_that_is_refused_without_quotes_as_well_is_refused() -> None:
    """Once more, and not for ever."""
    exchange = Exchange[Letter](pipelining=True)
    ken = Letter(Mail("news@paper.example", '"ken..a"@docomo.ne.jp', b"x\r\n"))
    exchange.offer(ken)
    exchange.receive(b"250 ok\r\n553 what?\r\n554 nobody\r\n")
    assert verdicts(exchange.receive(b"250 reset\r\n250 ok\r\n550 Unknown user\r\n554 nobody\r\n")) == [(ken, "refused", "550 Unknown user")]


def test_an_answer_of_many_lines_is_one_reason() -> None:
    """RFC 5321 section 4.2.1; Gmail explains itself so."""
    exchange, hanako = begun()
    says(exchange)
    answer = b"550-5.7.26 Unauthenticated email is not accepted\r\n550-5.7.26 due to the domain's DMARC policy.\r\n550 5.7.26 gsmtp\r\n"
    assert verdicts(exchange.receive(answer)) == [
        (hanako, "refused", "550 5.7.26 Unauthenticated email is not accepted 5.7.26 due to the domain's DMARC policy. 5.7.26 gsmtp")]


@pytest.mark.parametrize("answer", [b"250\r\n", b"250 \r\n", b"250 ok\n", b"250-a\r\n250-b\r\n250\r\n", b"250-\r\n" * 500 + b"250 ok\r\n"])
def test_answers_of_any_shape_that_the_standard_allows_are_read(answer: bytes) -> None:
    """Without a text, without CR, with hundreds of lines."""
    exchange, hanako = begun()
    says(exchange)
    assert [(item, state) for item, state, _reason in verdicts(exchange.receive(answer))] == [(hanako, "accepted")]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_answers_split_at_any_byte_mean_the_same(size: int) -> None:
    """TCP knows no lines."""
    exchange, hanako = begun()
    exchange.offer(letter("taro"))
    says(exchange)
    answers, events = b"250-2.0.0 taken\r\n250 2.0.0 queued\r\n" + TAKES, []
    for start in range(0, len(answers), size):
        events += exchange.receive(answers[start:start + size])
    assert verdicts(events) == [(hanako, "accepted", "250 2.0.0 taken 2.0.0 queued")]
    assert isinstance(events[-1], Ready)


@pytest.mark.parametrize(("body", "travels"), [
    (b".\r\n", b"..\r\n"),
    (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n"),
    (b"a\r\n..b\r\n", b"a\r\n...b\r\n"),
    (b"no end", b"no end\r\n"),
    (b"", b"\r\n"),
])
def test_a_dot_that_begins_a_line_is_doubled(body: bytes, travels: bytes) -> None:
    """RFC 5321 section 4.5.2; the dot that ends the mail stands on a line of its own."""
    assert stuffed(letter(body=body).mail) == travels
