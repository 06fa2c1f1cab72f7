"""What servers say when they refuse a mail, and how it counts: the text before the number, never hard while it is temporary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.mailbox.classify import classify, says_why, status_in, without_names

# Status of the report (or nothing), what the server said, and how it counts.
HARD = [
    ("5.1.1", "550 5.1.1 <taro@reader.example>: Recipient address rejected: User unknown in local recipient table"),
    ("5.1.1", "550 5.1.1 User unknown in relay recipient table"),
    ("5.0.0", "User unknown"),
    ("5.0.0", 'unknown user: "taro"'),
    ("5.2.0", "550 Unknown user taro@docomo.ne.jp"),
    ("", "550 <taro@ezweb.ne.jp>: User unknown"),
    ("", "550 Invalid recipient: <taro@softbank.ne.jp>"),
    ("5.1.1", "550-5.1.1 The email account that you tried to reach does not exist. 550 5.1.1 https://support.example/?p=NoSuchUser"),
    ("5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"),
    ("5.1.1", "550 5.1.1 RESOLVER.ADR.ExRecipNotFound; not found"),
    ("5.0.0", "554 delivery error: dd This user doesn't have a yahoo.example account"),
    ("", "Sorry, no mailbox here by that name. (#5.1.1)"),
    ("", "Sorry, I couldn't find any host named reader.example. (#5.1.2)"),
    ("5.4.4", "Host or domain name not found. Name service error for name=reader.example type=A: Host not found"),
    ("5.1.2", "DNS Error: DNS type 'mx' lookup of reader.example responded with code NXDOMAIN"),
    ("5.1.10", "Domain reader.example does not accept mail (nullMX)"),
    ("", "556 5.1.10 Recipient address has null MX"),
    ("", "556 reader.example accepts no email"),
    ("", "Unrouteable address"),
    ("", "550 unrouteable mail domain"),
    ("", "550 No such user here"),
    ("", "550 5.1.1 No such person at this address"),
    ("", "550 Requested action not taken: mailbox unavailable"),
    ("5.5.0", "550 Requested action not taken: mailbox unavailable (S2017062302)"),
    ("5.1.3", "553 5.1.3 bad address syntax"),
    ("5.1.6", "551 5.1.6 The mailbox has moved"),
    ("5.1.1", ""),
    ("5.1.2", "undefined"),
    ("5.7.1", "550 5.7.1 Recipient unknown"),
    ("5.3.0", "550 5.3.0 <taro@reader.example>... No such user"),
    ("4.4.7", "550 5.1.1 user unknown"),
    ("", "宛先のメールアドレスが存在しません"),
    ("", "550 5.1.1 宛先不明のため配信できませんでした"),
    ("", "ユーザーが見つかりません"),
    ("5.1.1", "Bad destination mailbox address"),
    ("", "511 sorry, this address is no longer in use"),
]
SOFT = [
    ("5.2.2", ""),
    ("5.2.2", "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException"),
    ("5.0.0", "552 5.2.2 <taro@reader.example>: Mailbox quota exceeded"),
    ("5.1.1", "550 5.1.1 mailbox is full"),
    ("", "552-5.2.2 The email account that you tried to reach is over quota and inactive."),
    ("", "user is over quota"),
    ("", "As their mailbox is full."),
    ("", "メールボックスの容量が一杯です"),
    ("5.3.4", "552 5.3.4 message size exceeds fixed maximum message size"),
    ("5.2.3", "550 5.2.3 Message too large"),
    ("5.2.1", "550 5.2.1 The email account that you tried to reach is disabled."),
    ("", "554 30 Sorry, your message cannot be delivered. This mailbox is disabled (554.30)"),
    ("4.4.1", "connect to mail.reader.example[192.0.2.25]:25: Connection timed out"),
    ("4.4.7", "delivery time expired"),
    ("4.4.3", "Host or domain name not found. Name service error for name=reader.example type=MX: Host not found, try again"),
    ("", "450 4.1.1 <taro@reader.example>: Recipient address rejected: User unknown in local recipient table"),
    ("5.1.1", "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents further messages"),
    ("5.4.1", "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)"),
    ("5.4.4", "unable to route"),
    ("5.4.6", "554 5.4.6 Too many hops"),
    ("5.0.0", ""),
    ("", ""),
    ("", "something broke"),
    ("5.4.0", "mail for reader.example loops back to myself"),
]
BLOCKED = [
    ("5.7.1", "550-5.7.1 [198.51.100.7] Our system has detected that this message is likely unsolicited mail."),
    ("5.7.26", "550-5.7.26 This mail has been blocked because the sender is unauthenticated."),
    ("5.7.1", "554 5.7.1 Service unavailable; Client host [198.51.100.7] blocked using zen.spamhaus.example"),
    ("5.5.0", "550 5.7.1 Unfortunately, messages from [198.51.100.7] weren't sent: part of their network is on our block list (S3140)."),
    ("5.7.515", "550 5.7.515 Access denied, sending domain does not meet the required authentication level"),
    ("5.1.8", "550 5.1.8 Access denied, bad outbound sender"),
    ("5.7.1", ""),
    ("", "554 5.7.9 Message not accepted for policy reasons."),
    ("", "550 Requested action not taken: mailbox unavailable 550 Reject due to policy restrictions."),
    ("5.7.1", "550 5.7.1 Relaying denied"),
    ("", "554 <taro@reader.example>: Relay access denied"),
    ("", "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"),
    ("", "550 5.7.27 Sender address has null MX"),
    ("4.7.28", "421-4.7.28 Our system has detected an unusual rate of mail from your IP address; mail has been rate limited."),
    ("", "451 4.7.1 Greylisting in action, please come back later"),
    ("", "452 4.3.1 Insufficient system storage"),
    ("5.0.0", "554 Message rejected: contains virus"),
    ("", "550 SPF check failed"),
    ("", "受信拒否設定のため受け取れませんでした"),
    ("5.1.1", "550 5.7.1 Message blocked due to spam content"),
    ("5.7.1", "550 5.7.1 Requested action not taken: mailbox unavailable"),
    ("5.3.5", "system incorrectly configured"),
]


@pytest.mark.parametrize(("strength", "status", "said"), [
    *(("hard", *one) for one in HARD), *(("soft", *one) for one in SOFT), *(("blocked", *one) for one in BLOCKED)])
def test_an_answer_counts_for_what_it_says(strength: str, status: str, said: str) -> None:
    """Each shape that servers are known to use."""
    assert classify(status, said) == strength


@given(st.sampled_from(["4.1.1", "4.2.2", "4.7.1", "4.0.0"]), st.sampled_from([said for _status, said in HARD if not status_in(said)]))
def test_what_is_temporary_is_never_hard(status: str, said: str) -> None:
    """Who is not sure may be mistaken, whatever the words are."""
    assert classify(status, said) != "hard"


@given(st.text(max_size=30), st.text(max_size=3000))
def test_any_text_has_an_answer(status: str, said: str) -> None:
    """Nothing that a server says breaks the reading."""
    assert classify(status, said) in ("hard", "soft", "blocked")
    assert "taro@reader.example" not in without_names(f"{said} taro@reader.example")
    says_why(said)


@pytest.mark.parametrize(("said", "status"), [
    ("550 5.1.1 <x>", "5.1.1"), ("550-5.1.1 one 550 5.1.1 two", "5.1.1"), ("556 no", "5.1.10"), ("552 full", "5.2.2"), ("450 later", "4.0.0"),
    ("(#5.1.2)", "5.1.2"), ("host 10.5.1.1 is down", ""), ("version 2.0.0.1", ""), ("nothing", ""), ("", "")])
def test_the_number_in_a_text(said: str, status: str) -> None:
    """An enhanced status, else what the SMTP code says; neither an address of the network nor a version."""
    assert status_in(said) == status


def test_a_reason_holds_neither_an_address_nor_its_name() -> None:
    """Promise 11: an address stands in one table only."""
    said = 'unknown user: "Hanako.Y" <hanako.y@example.jp>; hanako.y=example.jp was tried, hanako.yamada was not'
    assert without_names(said, "hanako.y@example.jp") == 'unknown user: "<…>" <…>; <…> was tried, hanako.yamada was not'


def test_a_long_answer_costs_no_time() -> None:
    """Patterns that look back would stand still over a megabyte of one letter."""
    for letter in ("a", "@", "user ", "5.1.", "<", "メ"):
        assert classify("", letter * 200_000)
        assert without_names(letter * 200_000) is not None
