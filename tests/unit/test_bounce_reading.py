"""Reports of mail that did not arrive, and of readers who complained, in the shapes that servers give them."""

import email
import time
from email.message import Message

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.track.matching import who
from subscribers.mailbox.bounces import Failure, read_bounce
from subscribers.mailbox.complaints import Complaint, read_complaint
from tests.readers import KEYS
from tests.returns import mail, names

TARO = "taro@reader.example"
# Strength, status and the address that is named.
BOUNCES = {
    "postfix-no-such-user": ("hard", "5.1.1", TARO), "postfix-local-unknown": ("hard", "5.0.0", TARO), "postfix-domain-gone": ("hard", "5.4.4", TARO),
    "postfix-gave-up": ("soft", "4.4.1", TARO), "postfix-delay": ("soft", "4.4.1", TARO), "exchange-not-found": ("hard", "5.1.10", TARO),
    "exchange-full": ("soft", "5.2.2", TARO), "exchange-blocked": ("blocked", "5.5.0", TARO), "gmail-no-such-user": ("hard", "5.1.1", TARO),
    "gmail-dns": ("hard", "5.1.2", TARO), "gmail-unauthenticated": ("blocked", "5.7.26", TARO), "qmail-no-mailbox": ("hard", "5.1.1", TARO),
    "qmail-full": ("soft", "", TARO), "exim-unrouteable": ("hard", "", TARO), "exim-dsn-full": ("soft", "5.0.0", TARO),
    "docomo-unknown-user": ("hard", "5.2.0", "taro@docomo.ne.jp"), "au-user-unknown": ("hard", "", ""), "kddi-full": ("soft", "", ""),
    "softbank-invalid-recipient": ("hard", "5.0.0", "taro@softbank.ne.jp"), "yahoo-no-account": ("hard", "5.0.0", TARO),
    "ses-bounce": ("hard", "5.1.1", TARO), "idn-global": ("hard", "5.1.1", "たろう@日本語.jp"), "idn-base64": ("hard", "5.1.1", "たろ@xn--wgv71a119e.jp"),
    "forwarded-to-two": ("hard", "5.1.1", "first@elsewhere.example"), "japanese-words": ("hard", "", ""),
}
# Their own tokens stand in the mails, but for one that says nothing of the mail that came back.
NAMELESS = ("kddi-full",)


def _read(name: str) -> Message:
    return email.message_from_bytes(mail(name, issue=7, reader=3, list_id=2))


def _behind(failure: Failure) -> tuple[int, int | None] | None:
    found = who(KEYS, envelope=failure.envelope_id, message_id=failure.message_id, unsubscribe=failure.unsubscribe)
    return (found.subscriber_id, found.issue_id) if found else None


@pytest.mark.parametrize("name", BOUNCES)
def test_a_bounce_is_read(name: str) -> None:
    """How it counts, which status it has, whom it names, and whose mail it was: by what we signed."""
    failures = read_bounce(_read(name))
    assert failures
    assert (failures[0].strength, failures[0].status, failures[0].recipient) == BOUNCES[name]
    assert _behind(failures[0]) == (None if name in NAMELESS else (3, 7))
    assert "taro" not in failures[0].reason


def test_every_mail_of_the_folder_is_expected_here() -> None:
    """A shape that is added says what is to be read from it."""
    assert set(names()) == {*BOUNCES, "postfix-delivered", *names("arf-"), *names("no-bounce-")}


@pytest.mark.parametrize("name", names("no-bounce-"))
def test_what_people_and_their_programs_answer_is_no_bounce(name: str) -> None:
    """Absence notes, challenges, replies that quote a refusal, receipts: none of them says that a mail did not arrive."""
    assert read_bounce(_read(name)) is None
    assert read_complaint(_read(name)) is None


def test_a_delay_says_that_it_is_a_delay() -> None:
    """It is still tried, and counts for nothing."""
    failures = read_bounce(_read("postfix-delay"))
    assert failures is not None
    assert [one.action for one in failures] == ["delayed"]


def test_a_report_of_success_holds_no_failure() -> None:
    """Relayed, delivered, expanded: it is a report, and nobody failed."""
    assert read_bounce(_read("postfix-delivered")) == []


def test_several_recipients_of_one_report_are_all_read() -> None:
    """Those who failed; the third got it."""
    failures = read_bounce(_read("forwarded-to-two"))
    assert failures is not None
    assert [(one.recipient.partition("@")[0], one.strength) for one in failures] == [("first", "hard"), ("second", "soft")]


@pytest.mark.parametrize(("name", "kind", "acts"), [
    ("arf-abuse", "abuse", True), ("arf-opt-out", "opt-out", True), ("arf-seven", "abuse", True), ("arf-link-only", "abuse", True),
    ("arf-microsoft", "abuse", True), ("arf-not-spam", "not-spam", False), ("arf-auth-failure", "auth-failure", False)])
def test_a_complaint_is_read(name: str, kind: str, acts: bool) -> None:
    """What it says, whether it is acted upon, and whose mail it was, though the address is blacked out."""
    found = read_complaint(_read(name))
    assert found is not None
    assert [(one.feedback_type, one.acts) for one in found] == [(kind, acts)]
    assert _complained(found[0]) == (3, 7)


def _complained(one: Complaint) -> tuple[int, int | None] | None:
    found = who(KEYS, message_id=one.message_id, unsubscribe=one.unsubscribe) or who(KEYS, envelope=one.envelope)
    return (found.subscriber_id, found.issue_id) if found else None


@pytest.mark.parametrize("kind", ["fraud", "virus", "other", "ABUSE "])
def test_other_complaints_count_too(kind: str) -> None:
    """RFC 5965 section 7.3: the reader, or his provider, wants no more of it."""
    found = read_complaint(email.message_from_bytes(mail("arf-abuse").replace(b"Feedback-Type: abuse", f"Feedback-Type: {kind}".encode())))
    assert found is not None
    assert found[0].acts


def test_a_word_that_is_not_known_is_not_guessed_at() -> None:
    """Nobody is suppressed for a kind of report that this program has never heard of."""
    found = read_complaint(email.message_from_bytes(mail("arf-abuse").replace(b"Feedback-Type: abuse", b"Feedback-Type: applause")))
    assert found is not None
    assert not found[0].acts


@given(st.binary(max_size=3000))
def test_any_bytes_are_read_without_a_fault(data: bytes) -> None:
    """Whatever comes in over the wire: nothing raises."""
    message = email.message_from_bytes(data)
    read_bounce(message)
    read_complaint(message)


@settings(max_examples=150)
@given(st.sampled_from(names()), st.integers(0, 2500), st.integers(0, 300), st.binary(max_size=60))
def test_a_broken_report_is_read_without_a_fault(name: str, at: int, gone: int, put: bytes) -> None:
    """Cut, garbled, with bytes of no encoding anywhere in it."""
    whole = mail(name)
    message = email.message_from_bytes(whole[:at] + put + whole[at + gone:])
    for failure in read_bounce(message) or []:
        assert "@" not in failure.reason or "@" in put.decode("latin-1")
    read_complaint(message)


def test_a_thousand_parts_cost_no_more_than_a_hundred() -> None:
    """What lies behind is not looked at."""
    part = b"--x\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\nFinal-Recipient: rfc822; a@b.example\r\n\r\n"
    found = read_bounce(email.message_from_bytes(b"Content-Type: multipart/report; boundary=x\r\n\r\n" + part * 1000 + b"--x--\r\n"))
    assert found is not None
    assert len(found) < 100


@pytest.mark.parametrize("piece", [b"\r\n", b"user ", b"550 5.1.1 user unknown\r\n", b"<", b"Message-ID: x\r\n ", b" "])
def test_a_quarter_of_a_megabyte_of_anything_is_read_at_once(piece: bytes) -> None:
    """Who sends it gets nothing for it: patterns do not go back and forth over it, and lines beyond the five-thousandth are nobody's reason."""
    head = b"Return-Path: <>\r\nFrom: mailer-daemon@reader.example\r\nSubject: failure notice\r\n\r\n"
    began = time.process_time()
    read_bounce(email.message_from_bytes(head + piece * (262_144 // len(piece))))
    assert time.process_time() - began < 3


def test_a_report_names_fifty_recipients_at_most() -> None:
    """In the header of Exim as in blocks of a report."""
    message = email.message_from_bytes(b"X-Failed-Recipients: " + b"a@b.example, " * 250 + b"\r\n\r\nUser unknown\r\n")
    found = read_bounce(message)
    assert found is not None
    assert len(found) == 50
