"""Mails whose answer was lost: what comes back settles them, a person's word settles them, and nothing else touches them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from publisher.db import Database
from publisher.deliver.unknowns import accept, count_unknown, resend, settle_by_events, unknown_mails
from publisher.errors import PublisherError
from publisher.links import BOUNCE, MESSAGE
from publisher.models import OUTCOMES, Delivery, Issue
from publisher.models_mail import Event, Notice
from publisher.notices import write_notice
from publisher.track.apply import apply
from publisher.track.hooks.handling import Hooks
from publisher.track.hooks.proof import Call
from publisher.track.report import Report
from tests import hooks
from tests.afterwards import HANAKO, TARO, Afterwards, add_issue, afterwards
from tests.hooks import TOPIC
from tests.readers import KEYS
from tests.rows import NOW

LATER = NOW + timedelta(hours=2)


def lost(database: Database, folder: Path, state: str = "unknown", issue: str = "sending") -> Afterwards:
    """Of Taro's mail nobody knows; Hanako's was taken."""
    room = afterwards(database, folder, state=issue)
    with database.writing() as session:
        session.execute(update(Delivery).where(Delivery.subscriber_id == room.reader()).values(state=state, reason="the answer was lost", settled_at=NOW))
    room.clock.now = LATER
    return room


def row(room: Afterwards, address: str = TARO) -> Delivery:
    """What is known of a reader's mail."""
    with room.database.reading() as session:
        return session.scalars(select(Delivery).where(Delivery.issue_id == room.issue_id, Delivery.subscriber_id == room.reader(address))).one()


@pytest.mark.parametrize(("kind", "strength", "becomes"), [
    ("bounce", "hard", "refused"), ("bounce", "soft", "refused"), ("bounce", "blocked", "refused"), ("complaint", "", "accepted"),
    ("delay", "", "accepted"), ("left", "", "accepted"), ("other", "", "unknown")])
def test_what_comes_back_settles_an_unknown_mail(database: Database, tmp_path: Path, kind: str, strength: str, becomes: str) -> None:
    """What came back did not arrive, and is not sent again; who complains, or leaves by its link, had it."""
    room = lost(database, tmp_path)
    assert room.told(room.reader(), kind, strength, source="ses") == "applied"
    found = row(room)
    assert found.state == becomes
    if becomes != "unknown":
        assert (found.not_before, found.settled_at, (found.reason or "").startswith(f"known from ses: {kind}")) == (None, LATER, True)


def test_it_is_settled_once_and_by_the_first_that_came(database: Database, tmp_path: Path) -> None:
    """A bounce and a complaint of one mail: both are kept as events, and the row keeps its first word."""
    room = lost(database, tmp_path)
    room.told(room.reader())
    before = row(room)
    assert room.told(room.reader()) == "seen"
    assert room.told(room.reader(), "complaint", "") == "applied"
    assert (row(room).state, row(room).reason) == ("refused", before.reason)


def test_a_report_that_was_seen_before_settles_what_became_unknown_since(database: Database, tmp_path: Path) -> None:
    """The bounce was quicker than the next start after the crash: told again, it still counts for the row."""
    room = lost(database, tmp_path, "sending")
    assert room.told(room.reader()) == "applied"
    assert row(room).state == "sending"
    with database.writing() as session:
        session.execute(update(Delivery).where(Delivery.state == "sending").values(state="unknown"))
    assert room.told(room.reader()) == "seen"
    assert row(room).state == "refused"


@pytest.mark.parametrize("state", [state for state in OUTCOMES if state != "unknown"])
def test_a_mail_in_any_other_state_stays_as_it_is(database: Database, tmp_path: Path, state: str) -> None:
    """Whatever is told of it."""
    room = lost(database, tmp_path, state)
    for kind, strength in (("bounce", "soft"), ("complaint", ""), ("delay", ""), ("arrived", "")):
        room.told(room.reader(), kind, strength)
    assert (row(room).state, row(room).reason) == (state, "the answer was lost")


def test_only_the_mail_it_is_about_is_settled(database: Database, tmp_path: Path) -> None:
    """Another issue's mail to the same reader, and the same issue's to another, stay unknown."""
    room = lost(database, tmp_path)
    other = add_issue(database, 2, "sent", NOW)
    with database.writing() as session:
        session.execute(update(Delivery).values(state="unknown"))
        session.add(Delivery(issue_id=other, edition_id=1, subscriber_id=room.reader(), state="unknown", attempts=1))
    room.told(room.reader())
    with database.reading() as session:
        assert sorted(session.scalars(select(Delivery.state))) == ["refused", "unknown", "unknown"]


def test_a_returned_mail_settles_by_its_token_and_never_by_an_address(database: Database, tmp_path: Path) -> None:
    """Anybody can write an address: a bounce without a mark of ours is no word about this mail."""
    room = lost(database, tmp_path)
    assert room.comes_back("postfix-no-such-user", to="news@news.example.jp", issue=99) in ("bounce", "nobody")
    assert row(room).state == "unknown"
    assert room.comes_back("postfix-delay") == "delay"
    assert row(room).state == "accepted"


def test_an_unknown_notice_is_settled_too(database: Database, tmp_path: Path) -> None:
    """A welcome that bounced is not sent again."""
    room = lost(database, tmp_path)
    with database.writing() as session:
        notice = write_notice(session, "welcome", room.reader(), "ja", NOW, list_id=1)
        session.get_one(Notice, notice).state = "unknown"
    apply(database, room.settings, KEYS, Report("bounce", "soft", "dsn", "e", NOW, "452 full", notice_id=notice, subscriber_id=room.reader()), LATER)
    with database.reading() as session:
        assert (session.get_one(Notice, notice).state, row(room).state) == ("refused", "unknown")


def tell(room: Afterwards, provider: str, sent: tuple[dict[str, str], bytes]) -> None:
    """A provider calls."""
    made = room.settings.model_copy(update={"hooks": room.settings.hooks.model_copy(update={"ses_topics": (TOPIC,)})})
    headers, body = sent
    Hooks(room.database, made, KEYS, hooks.secrets(), lambda _url: hooks.certificate(LATER)).take(provider, Call(headers, body, LATER))


def by(provider: str, name: str, message_id: str, envelope: str) -> tuple[dict[str, str], bytes]:
    """A provider's message that one mail went its way."""
    made: dict[str, Any] = {
        "ses": lambda: hooks.sns(LATER, {"eventType": name, "mail": {
            "messageId": "x", "destination": [TARO], "headers": [{"name": "Message-ID", "value": message_id}]}}),
        "mailgun": lambda: hooks.mailgun(LATER, hooks.mailgun_event(name, TARO, envelope={"sender": envelope})),
        "sendgrid": lambda: hooks.sendgrid(LATER, [{"event": name, "email": TARO, "smtp-id": message_id, "sg_event_id": "1"}]),
        "resend": lambda: hooks.resend(LATER, {"type": name, "data": {"to": [TARO], "headers": [{"name": "Message-ID", "value": message_id}]}})}
    return made[provider]()  # type: ignore[no-any-return]


@pytest.mark.parametrize(("provider", "name"), [
    ("ses", "Send"), ("ses", "Delivery"), ("ses", "Open"), ("ses", "Click"), ("mailgun", "accepted"), ("mailgun", "delivered"), ("mailgun", "opened"),
    ("sendgrid", "processed"), ("sendgrid", "delivered"), ("sendgrid", "click"), ("resend", "email.sent"), ("resend", "email.delivered")])
def test_a_provider_that_took_it_settles_it_and_no_event_is_kept(database: Database, tmp_path: Path, provider: str, name: str) -> None:
    """There is one for every mail: a million rows of them would say nothing."""
    room = lost(database, tmp_path)
    message_id = f"<{KEYS.sign(MESSAGE, room.issue_id, room.reader())}@news.example.jp>"
    tell(room, provider, by(provider, name, message_id, f"b+{KEYS.sign(BOUNCE, room.issue_id, room.reader())}@bounces.example.jp"))
    assert (row(room).state, row(room).settled_at) == ("accepted", LATER)
    assert (row(room).reason or "").startswith(f"known from {provider}: arrived")
    assert room.events() == []


def test_a_provider_that_names_an_address_alone_settles_nothing(database: Database, tmp_path: Path) -> None:
    """Which of the reader's mails it speaks of is not told."""
    room = lost(database, tmp_path)
    tell(room, "mailgun", hooks.mailgun(LATER, hooks.mailgun_event("delivered", TARO)))
    assert row(room).state == "unknown"


def test_what_came_back_before_the_row_was_unknown_is_found(database: Database, tmp_path: Path) -> None:
    """The process died, its events came in, and only then the next one found out what it had left behind."""
    room = lost(database, tmp_path, "sending")
    ids = room.deliveries({"sending": 3})
    room.told(room.reader(), "complaint", "")
    room.told(ids[0], "bounce", "soft")
    room.told(ids[0], "delay", "")
    room.told(ids[1], "delay", "")
    with database.writing() as session:
        session.execute(update(Delivery).where(Delivery.state == "sending").values(state="unknown"))
    assert settle_by_events(database, room.issue_id, LATER) == 3
    with database.reading() as session:
        states = {reader: state for reader, state in session.execute(select(Delivery.subscriber_id, Delivery.state))}
        assert session.scalar(select(Event.id).limit(1)) is not None
    assert (states[room.reader()], states[ids[0]], states[ids[1]], states[ids[2]]) == ("accepted", "refused", "accepted", "unknown")
    assert settle_by_events(database, room.issue_id, LATER) == 0


def test_they_are_listed_with_their_reader_and_since_when(database: Database, tmp_path: Path) -> None:
    room = lost(database, tmp_path)
    with database.reading() as session:
        (one,) = unknown_mails(session, room.issue_id)
        assert (one.subscriber_id, one.address, one.since, one.attempts, one.reason) == (room.reader(), TARO, NOW, 1, "the answer was lost")
        assert list(unknown_mails(session, room.issue_id, room.reader(HANAKO))) == []
        assert (count_unknown(session, room.issue_id), count_unknown(session, room.issue_id, room.reader(HANAKO))) == (1, 0)


def test_a_person_has_them_sent_again_with_the_same_marks(database: Database, tmp_path: Path) -> None:
    """The attempts and the first moment stay: Message-ID and Date are made of them."""
    room = lost(database, tmp_path)
    before = row(room)
    assert resend(database, room.issue_id, room.reader(HANAKO)) == 0
    assert resend(database, room.issue_id) == 1
    assert (row(room).state, row(room).not_before, row(room).attempts, row(room).first_tried_at) == ("queued", None, before.attempts, before.first_tried_at)
    assert resend(database, room.issue_id) == 0


@pytest.mark.parametrize("state", ["sent", "cancelled"])
def test_nothing_of_an_issue_that_has_ended_is_sent_again(database: Database, tmp_path: Path, state: str) -> None:
    """It would wait for ever: they can be settled as they are."""
    room = lost(database, tmp_path, issue=state)
    with pytest.raises(PublisherError, match=f"is {state}: nothing of it is sent again"):
        resend(database, room.issue_id)
    assert accept(database, room.issue_id, LATER) == 1
    assert (row(room).state, room.state()) == ("accepted", state)


def test_the_last_one_that_a_person_settles_ends_the_issue(database: Database, tmp_path: Path) -> None:
    """Two are unknown: after one the issue is still being sent."""
    room = lost(database, tmp_path)
    (other,) = room.deliveries({"unknown": 1})
    assert accept(database, room.issue_id, LATER, other) == 1
    assert room.state() == "sending"
    assert accept(database, room.issue_id, LATER) == 1
    assert (row(room).state, row(room).reason) == ("accepted", "accepted by an operator's word")
    with database.reading() as session:
        issue = session.get_one(Issue, room.issue_id)
        assert (issue.state, issue.finished_at) == ("sent", LATER)
