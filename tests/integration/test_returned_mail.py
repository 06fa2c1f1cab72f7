"""What comes back is applied once, to whom it is about, and by what we signed: nobody is given up for a stranger's word."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select

from publisher.db import Database
from publisher.models_mail import Event
from publisher.notices import write_notice
from publisher.tokens import Keys
from publisher.track.apply import apply
from publisher.track.report import Report, evidence_of
from publisher.track.returned import handle_returned
from subscribers.addresses import parse_address
from subscribers.models import Subscriber, Subscription
from subscribers.registry.suppressions import lift
from tests import returns
from tests.afterwards import HANAKO, TARO, add_issue, afterwards
from tests.readers import KEYS, consents, join, state_of
from tests.rows import NOW

STRANGER = Keys(["somebody else's key"])
DAY = timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where publisher.toml stands."""
    return tmp_path


def test_a_hard_bounce_suppresses_and_takes_the_reader_off_the_list(database: Database, folder: Path) -> None:
    """One is enough: there is no such address. The ledger says why."""
    room = afterwards(database, folder)
    assert room.comes_back("postfix-no-such-user") == "bounce"
    assert room.suppressed() == "hard-bounce"
    assert state_of(database, TARO) == "left"
    assert [action for action, _wording in consents(database)][-1] == "bounced"
    assert room.events() == [("bounce", "hard")]
    assert room.suppressed(HANAKO) is None


def test_the_same_report_twice_counts_once(database: Database, folder: Path) -> None:
    """Handed over again, or told by a provider as well: one mail bounces once."""
    room = afterwards(database, folder)
    assert room.comes_back("postfix-no-such-user") == "bounce"
    assert room.comes_back("postfix-no-such-user") == "seen"
    assert room.comes_back("gmail-no-such-user") == "seen"
    assert room.told(room.reader(), source="ses") == "seen"
    assert room.events() == [("bounce", "hard")]


@pytest.mark.parametrize("name", ["postfix-delay", "postfix-delivered", "no-bounce-vacation", "no-bounce-vacation-ja", "no-bounce-challenge",
                                  "no-bounce-reply", "no-bounce-receipt", "exchange-blocked", "gmail-unauthenticated"])
def test_what_counts_for_nothing_costs_the_reader_nothing(database: Database, folder: Path, name: str) -> None:
    """A delay, a success, an absence note, a challenge, a receipt, and what is our fault: no score, no suppression, five days in a row."""
    room = afterwards(database, folder)
    for number in range(2, 8):
        room.clock.pass_by(DAY)
        room.comes_back(name, issue=add_issue(database, number, "sent", room.clock()))
    assert (room.suppressed(), room.score(), state_of(database, TARO)) == (None, None, "subscribed")


def test_a_forged_token_changes_nothing(database: Database, folder: Path) -> None:
    """Signed by somebody else, cut, or with another reader's number: not even an event is kept."""
    room = afterwards(database, folder)
    reader = room.reader()
    data = returns.mail("postfix-no-such-user", issue=room.issue_id, reader=reader, keys=STRANGER)
    for recipient in (returns.to(room.issue_id, reader, keys=STRANGER), returns.to(room.issue_id, reader)[:20] + "@bounces.example.jp", "b+@bounces.example.jp"):
        assert handle_returned(database, room.settings, KEYS, recipient, data, NOW) == "forged"
    assert room.events() == []
    assert room.suppressed() is None


def test_without_an_address_of_its_own_the_mail_that_came_back_says_whose_it_is(database: Database, folder: Path) -> None:
    """Its Message-ID, its unsubscribe link, its envelope: what we signed proves it, wherever the report was sent to."""
    room = afterwards(database, folder)
    for name in ("qmail-no-mailbox", "ses-bounce", "docomo-unknown-user", "arf-link-only", "arf-opt-out"):
        with database.writing() as session:
            session.execute(delete(Event))
        assert room.comes_back(name, to="news@news.example.jp") in ("bounce", "complaint"), name
    assert room.suppressed() == "hard-bounce"


def test_an_address_alone_is_no_proof(database: Database, folder: Path) -> None:
    """Anybody can write one: what a report without any mark of ours says is scored and not believed, and only of whom an issue reached lately."""
    room = afterwards(database, folder)
    data = returns.mail("postfix-no-such-user", issue=room.issue_id, reader=room.reader(), keys=STRANGER)
    assert handle_returned(database, room.settings, KEYS, "news@news.example.jp", data, NOW) == "bounce"
    assert (room.suppressed(), room.score(), room.events()) == (None, 1.0, [("bounce", "soft")])
    assert handle_returned(database, room.settings, KEYS, "news@news.example.jp", data, NOW) == "seen"
    late = NOW + timedelta(days=11)
    assert handle_returned(database, room.settings, KEYS, "news@news.example.jp", data + b" ", late) == "nobody"
    stranger = returns.mail("postfix-no-such-user", keys=STRANGER, address="nobody@example.com")
    assert handle_returned(database, room.settings, KEYS, "news@news.example.jp", stranger, NOW) == "nobody"


def test_a_full_mailbox_is_given_up_after_five_days(database: Database, folder: Path) -> None:
    """Mailman's figures: one increment a day, a threshold of five."""
    room = afterwards(database, folder)
    for number in range(2, 6):
        assert room.comes_back("exchange-full", issue=add_issue(database, number, "sent", room.clock())) == "bounce"
        assert room.score() == number - 1
        room.clock.pass_by(DAY)
    assert room.suppressed() is None
    assert room.comes_back("exchange-full", issue=add_issue(database, 6, "sent", room.clock())) == "bounce"
    assert (room.suppressed(), room.score()) == ("soft-bounces", None)


def test_several_bounces_of_one_day_count_once(database: Database, folder: Path) -> None:
    """The day is the newsroom's, here UTC."""
    room = afterwards(database, folder)
    for number in range(2, 9):
        assert room.comes_back("exchange-full", issue=add_issue(database, number, "sent", room.clock())) == "bounce"
    assert room.score() == 1.0
    room.clock.pass_by(timedelta(hours=17))
    assert room.clock().date() != NOW.date()
    room.comes_back("exchange-full")
    assert room.score() == 2.0


def test_after_a_week_without_a_bounce_the_score_begins_anew(database: Database, folder: Path) -> None:
    """Exactly a week apart still adds up, so that a weekly newsletter is counted; longer does not."""
    room = afterwards(database, folder)
    for days, score in ((0, 1.0), (7, 2.0), (7, 3.0), (8, 1.0)):
        room.clock.pass_by(timedelta(days=days))
        room.comes_back("exchange-full", issue=add_issue(database, 2 + (room.clock() - NOW).days, "sent", room.clock()))
        assert room.score() == score


def test_a_report_that_comes_late_adds_nothing_to_later_ones(database: Database, folder: Path) -> None:
    """A provider's event of three days ago is no bounce of today."""
    room = afterwards(database, folder)
    for number, days in ((1, 0), (2, 3), (3, 0)):
        room.told(room.reader(), strength="soft", at=NOW - timedelta(days=days), evidence=evidence_of("late", number))
    assert room.score() == 1.0


def test_a_token_of_somebody_erased_is_about_nobody(database: Database, folder: Path) -> None:
    """Nothing is kept of it, and nobody else gets the number."""
    room = afterwards(database, folder)
    reader = room.reader(HANAKO)
    with database.writing() as session:
        session.execute(delete(Subscription).where(Subscription.subscriber_id == reader))
        session.execute(delete(Subscriber).where(Subscriber.id == reader))
    join(database, "yoko@reader.example")
    data = returns.mail("postfix-no-such-user", issue=room.issue_id, reader=reader)
    assert handle_returned(database, room.settings, KEYS, returns.to(room.issue_id, reader), data, NOW) == "nobody"
    assert room.events() == []
    assert room.suppressed("yoko@reader.example") is None


@pytest.mark.parametrize(("name", "reason"), [("postfix-no-such-user", "hard-bounce"), ("arf-abuse", "complaint")])
def test_a_notice_that_comes_back_counts_too(database: Database, folder: Path, name: str, reason: str) -> None:
    """The confirmation to an address that does not exist, or whose owner calls it spam, is the last mail to it."""
    room = afterwards(database, folder)
    with database.writing() as session:
        notice = write_notice(session, "confirm", room.reader(), "en", NOW)
    data = returns.mail(name, keys=STRANGER)
    assert handle_returned(database, room.settings, KEYS, returns.to_notice(notice, room.reader()), data, NOW) in ("bounce", "complaint")
    assert room.suppressed() == reason
    with database.reading() as session:
        assert session.scalars(select(Event.notice_id)).one() == notice


@pytest.mark.parametrize("name", ["arf-abuse", "arf-opt-out", "arf-seven", "arf-link-only", "arf-microsoft"])
def test_a_complaint_suppresses(database: Database, folder: Path, name: str) -> None:
    """Found by what we signed, though the address is blacked out; the same complaint again is known."""
    room = afterwards(database, folder)
    assert room.comes_back(name, to="complaints@bounces.example.jp") == "complaint"
    assert room.suppressed() == "complaint"
    assert [action for action, _wording in consents(database)][-1] == "complained"
    assert room.comes_back(name, to="complaints@bounces.example.jp") == "seen"
    assert room.suppressed(HANAKO) is None


@pytest.mark.parametrize("name", ["arf-not-spam", "arf-auth-failure"])
def test_a_report_that_is_no_complaint_suppresses_nobody(database: Database, folder: Path, name: str) -> None:
    """RFC 6430 and RFC 6591."""
    room = afterwards(database, folder)
    assert room.comes_back(name, to="complaints@bounces.example.jp") == "ignored"
    assert room.suppressed() is None
    assert room.events() == []


def test_a_complaint_about_a_mail_of_somebody_else_is_nobodys(database: Database, folder: Path) -> None:
    """Signed by nobody here: neither the address in it nor the envelope says anything."""
    room = afterwards(database, folder)
    data = returns.mail("arf-abuse", issue=room.issue_id, reader=room.reader(), keys=STRANGER)
    assert handle_returned(database, room.settings, KEYS, "complaints@bounces.example.jp", data, NOW) == "nobody"
    assert room.suppressed() is None


def test_of_a_mail_passed_on_to_several_the_mildest_counts(database: Database, folder: Path) -> None:
    """The address is not the reader's own, and one of those behind it got the mail; the reader's own address alone would decide."""
    room = afterwards(database, folder, TARO, "first@elsewhere.example")
    assert room.comes_back("forwarded-to-two") == "bounce"
    assert (room.suppressed(), room.score()) == (None, 1.0)
    assert room.comes_back("forwarded-to-two", "first@elsewhere.example") == "bounce"
    assert room.suppressed("first@elsewhere.example") == "hard-bounce"


def test_whom_an_operator_let_back_in_begins_anew(database: Database, folder: Path) -> None:
    """The old report is known and suppresses nobody again; a new one does."""
    room = afterwards(database, folder)
    room.comes_back("postfix-no-such-user")
    assert lift(database, KEYS, parse_address(TARO), "he wrote to us", NOW)
    assert room.comes_back("postfix-no-such-user") == "seen"
    assert (room.suppressed(), room.score()) == (None, None)
    assert room.comes_back("postfix-no-such-user", issue=add_issue(database, 2, "sent", NOW)) == "bounce"
    assert room.suppressed() == "hard-bounce"


def test_no_address_stands_in_what_is_kept(database: Database, folder: Path) -> None:
    """Promise 11, whatever the server wrote."""
    room = afterwards(database, folder)
    room.comes_back("postfix-local-unknown")
    room.comes_back("docomo-unknown-user", HANAKO)
    with database.reading() as session:
        reasons = list(session.scalars(select(Event.reason)))
    assert reasons == ['5.0.0 unknown user: "<…>"', "5.2.0 550 Unknown user <…>"]
    assert not any("taro" in wording or "@" in wording for _action, wording in consents(database)[-2:])


def test_leaving_at_the_providers_leaves_the_issues_list(database: Database, folder: Path) -> None:
    """Once; and a message that is older than a coming back takes nobody off again."""
    room = afterwards(database, folder)
    assert room.told(room.reader(), "left", "", source="mailgun", at=NOW) == "applied"
    assert state_of(database, TARO) == "left"
    assert room.suppressed() is None
    assert room.told(room.reader(), "left", "", source="mailgun") == "seen"
    assert join(database, TARO, rejoin=True) == "rejoined"
    old = Report("left", "", "mailgun", evidence_of("old"), NOW - timedelta(days=3650), "", None, None, room.reader())
    assert apply(database, room.settings, KEYS, old, NOW) == "applied"
    assert state_of(database, TARO) == "subscribed"


def test_parts_within_parts_are_not_followed_for_ever(database: Database, folder: Path) -> None:
    """A mail of three thousand open parts is no report, and no fault either."""
    room = afterwards(database, folder)
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3_000))
    assert handle_returned(database, room.settings, KEYS, returns.to(room.issue_id, room.reader()), nested, NOW) == "ignored"
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Event)) == 0
