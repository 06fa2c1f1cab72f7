"""Which answers are about our pace, whom they slow, and how it goes on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.deliver.dispatch.groups import Groups
from publisher.deliver.dispatch.slowing import Slowed, is_about_pace, is_of_receivers, slow
from publisher.deliver.verdict import State, Verdict
from publisher.settings_sending import Limit

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

PACE = [
    "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address. gsmtp",
    "450 4.7.28 [192.0.2.1] Our system has detected an unusual rate of mail",
    "421 4.7.0 Try again later, closing connection. gsmtp",
    "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints",
    "421 RP-001 (COL004-MC1F37) Unfortunately, some messages from 192.0.2.1 weren't sent. The mail server IP connecting has exceeded the rate limit allowed",
    "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation. (S775)",
    "450 4.7.1 Error: too much mail from 192.0.2.1",
    "450 4.7.1 Error: too many recipients from 192.0.2.1",
    "421 4.7.0 relay.example.net Error: too many connections from 192.0.2.1",
    "421 Too many concurrent SMTP connections; please try again later",
    "421 4.3.2 Too many open connections",
    "454 Throttling failure: Maximum sending rate exceeded.",
    "454 Throttling failure: Daily message quota exceeded.",
    "432 4.3.2 Concurrent connections limit exceeded",
    "452 Too many messages received, slow down",
    "421 try later",
    "429 Too Many Requests",
    "420 Domain has been sending too fast",
    "ThrottlingException Rate exceeded",
    "TooManyRequestsException Please come back",
    "LimitExceededException Account limit exceeded",
    "SlowDown Please reduce",
]
NO_PACE = [
    "421 4.4.2 relay.example.net Error: timeout exceeded",
    "421 4.3.2 Service shutting down",
    "421 Max message per connection reached, closing transmission channel",
    "421 4.7.0 Too many messages in this session",
    "450 4.2.0 Greylisted, try again in 300 seconds",
    "451 4.7.1 Greylisting in action, please come back later",
    "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages. gsmtp",
    "452 4.2.2 The email account that you tried to reach is over quota",
    "452 4.2.2 Mailbox full",
    "452 4.3.1 Insufficient system storage",
    "451 4.3.0 Temporary lookup failure",
    "450 4.1.2 Recipient address rejected: Domain not found",
    "not given: no answer of the provider: Connection was closed before we received a valid response",
    "200 100 Maintenance",
    "552 5.2.2 The email account that you tried to reach is over quota. Quota exceeded",
    "552 5.3.4 message size exceeds fixed maximum message size",
]


@pytest.mark.parametrize("said", PACE)
def test_this_answer_is_about_our_pace(said: str) -> None:
    assert is_about_pace(Verdict("deferred", said))


@pytest.mark.parametrize("said", NO_PACE)
def test_this_answer_is_not_about_our_pace(said: str) -> None:
    assert not is_about_pace(Verdict("deferred", said))


@pytest.mark.parametrize("state", ["accepted", "unknown", "refused"])
def test_only_a_mail_that_was_put_off_tells_of_our_pace(state: State) -> None:
    """But Google's own code does also where it is final."""
    assert not is_about_pace(Verdict(state, "550 5.7.1 too many complaints about you"))
    assert is_about_pace(Verdict("refused", "550 5.7.28 unusual rate of unsolicited mail"))


@pytest.mark.parametrize(("domain", "said", "theirs"), [
    ("gmail.com", "421 4.7.0 Try again later, closing connection. gsmtp", True),
    ("newsroom.example", "421 4.7.28 Gmail has detected an unusual rate", True),
    ("hotmail.co.jp", "451 4.7.650 The mail server has been temporarily rate limited (S775)", True),
    ("docomo.ne.jp", "421 mail.docomo.ne.jp too many connections", True),
    ("example.jp", "450 host mx.other.example said: 450 too many mails", True),
    ("example.jp", "450 mx1.example.jp too many mails", True),
    ("example.jp", "421 4.7.0 Try again later, closing connection. gsmtp", False),
    ("gmail.com", "454 Throttling failure: Maximum sending rate exceeded.", False),
    ("gmail.com", "450 4.7.1 Error: too much mail from 192.0.2.1", False),
    ("", "421 4.7.28 Gmail has detected an unusual rate", False),
])
def test_an_answer_of_the_receivers_server_is_told_from_the_relays_own(domain: str, said: str, theirs: bool) -> None:
    assert is_of_receivers(said, domain, Groups([]).family_of(domain)) is theirs


def test_ten_minutes_of_rest_then_one_connection_then_one_more_each_minute() -> None:
    slowed = slow(None, NOW, "421 slower")
    assert [slowed.most(NOW + minutes * MINUTE, 4) for minutes in (0, 9, 10, 60)] == [0, 0, 1, 1]
    climbing = slowed.passing(NOW + 11 * MINUTE)
    assert [climbing.most(NOW + minutes * MINUTE, 4) for minutes in (11, 12, 13, 14, 15)] == [1, 2, 3, 4, 4]
    assert [climbing.is_over(NOW + minutes * MINUTE, 4) for minutes in (13, 14)] == [False, True]


def test_a_mail_that_passes_during_the_pause_was_on_the_wire_before_it() -> None:
    slowed = slow(None, NOW, "421 slower")
    assert slowed.passing(NOW + MINUTE) is slowed
    assert slow(slowed, NOW + MINUTE, "421 slower still") is slowed


def test_each_failed_climb_costs_ten_minutes_more_and_an_hour_at_most() -> None:
    slowed, now, pauses = None, NOW, []
    for _try in range(9):
        slowed = slow(slowed, now, "421 slower")
        pauses.append((slowed.paused_until - now) // MINUTE)
        now = slowed.paused_until + MINUTE
    assert pauses == [10, 20, 30, 40, 50, 60, 60, 60, 60]


def test_a_pause_of_yesterday_says_nothing_of_today() -> None:
    slowed = slow(None, NOW, "421 slower")
    assert not slowed.is_over(NOW + timedelta(hours=23), 4)
    assert slowed.is_over(NOW + timedelta(hours=25), 4)


def test_a_pause_that_a_clock_of_tomorrow_wrote_holds_nobody() -> None:
    assert slow(None, NOW + timedelta(days=1), "421 slower").is_over(NOW, 4)
    assert not slow(slow(None, NOW - timedelta(hours=1), "421 slower"), NOW, "421 slower").is_over(NOW, 4)


@given(st.integers(0, 600), st.integers(1, 64))
def test_never_more_connections_than_usual_and_never_fewer_than_a_minute_before(minutes: int, full: int) -> None:
    climbing = Slowed(NOW, NOW, 1, "")
    now = NOW + minutes * MINUTE
    assert 1 <= climbing.most(now, full) <= climbing.most(now + MINUTE, full) <= full
    assert climbing.most(climbing.over_at(now, full), full) == full


LIMITS: list[dict[str, Any]] = [{"name": "carriers", "domains": ("docomo.ne.jp", "au.com")}, {"name": "google", "mx": ("*.google.com",)},
                                {"name": "late", "domains": ("docomo.ne.jp",), "mx": ("*",)}]


def test_receivers_are_counted_by_limit_by_operator_or_by_themselves() -> None:
    groups = Groups([Limit(**one) for one in LIMITS[:2]])
    assert groups.key_of("docomo.ne.jp") == groups.key_of("au.com") == "limit:carriers"
    assert groups.key_of("googlemail.com") == groups.key_of("gmail.com") == "to:gmail.com"
    assert groups.key_of("live.jp") == groups.key_of("hotmail.com") == "to:outlook.com"
    assert groups.key_of("i.softbank.jp") == groups.key_of("t.vodafone.ne.jp") == "to:softbank.ne.jp"
    assert groups.key_of("ymail.ne.jp") == "to:yahoo.co.jp"
    assert groups.key_of("example.jp") == "to:example.jp"
    assert len(groups.key_of("a." * 120 + "jp")) == 160


def test_a_host_that_is_known_puts_a_domain_into_its_limit() -> None:
    groups = Groups([Limit(**one) for one in LIMITS[:2]])
    groups.learn([("gmail.com", "gmail-smtp-in.l.google.com"), ("company.example", "aspmx.l.google.com"), ("other.example", "mx.other.example")])
    assert groups.key_of("gmail.com") == groups.key_of("company.example") == "limit:google"
    assert groups.key_of("other.example") == "to:other.example"
    assert groups.family_of("company.example") == "gmail.com"


def test_a_limit_that_names_the_domain_goes_before_one_that_names_its_host() -> None:
    groups = Groups([Limit(**one) for one in LIMITS])
    groups.learn([("docomo.ne.jp", "mfsmax.docomo.ne.jp"), ("gmail.com", "gmail-smtp-in.l.google.com"), ("example.jp", "mx.example.jp")])
    assert groups.key_of("docomo.ne.jp") == "limit:carriers"
    assert groups.key_of("gmail.com") == "limit:google"
    assert groups.key_of("example.jp") == "limit:late"
