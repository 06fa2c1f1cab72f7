"""What is known of people is kept as long as the newsroom said, and not longer; what proves consent outlives the rest."""

import threading

import pytest
from sqlalchemy import func, insert, select, update

from publisher.db import Base, Database
from publisher.duties import duties
from publisher.models_mail import Event, Notice, Received
from subscribers.addresses import parse_address
from subscribers.models import Consent, SignupRequest, Subscriber, Subscription
from subscribers.registry.people import person
from subscribers.registry.retention import AT_ONCE, Swept, sweep
from tests.asking import Door, every_text
from tests.readers import HANAKO, KEYS, TARO


@pytest.fixture
def door(database: Database) -> Door:
    """The newsroom's door: 30 days for requests and mails, three years for consent, 400 days for events."""
    return Door(database)


def _sweep(door: Door) -> Swept:
    return sweep(door.database, door.settings, door.now)


def _count(door: Door, model: type[Base]) -> int:
    with door.database.reading() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def _settle_notices(door: Door) -> None:
    with door.database.writing() as session:
        session.execute(update(Notice).values(state="accepted", settled_at=door.now))


def test_who_never_confirmed_is_forgotten_after_a_month(door: Door) -> None:
    door.ask(HANAKO)
    _settle_notices(door)
    door.wait(days=29)
    assert _sweep(door).all == 0
    door.wait(days=2)
    assert _sweep(door) == Swept(requests=1, subscriptions=1, people=1, notices=1)
    assert "hanako" not in every_text(door.database)
    assert _count(door, Consent) == 0
    assert _sweep(door).all == 0
    assert door.ask(HANAKO).outcome == "mailed"


def test_who_confirmed_and_who_left_stay(door: Door) -> None:
    """The second so that no import brings them back."""
    door.joined(HANAKO)
    door.joined(TARO)
    door.leave(TARO)
    _settle_notices(door)
    door.wait(days=60)
    assert _sweep(door) == Swept(requests=2, notices=4)
    assert door.mailable(HANAKO)
    assert door.person(TARO)
    assert len(door.ledger(TARO)) == 3


def test_a_question_that_was_asked_again_is_not_forgotten_in_between(door: Door) -> None:
    door.ask(HANAKO)
    _settle_notices(door)
    door.wait(days=29)
    asked = door.ask(HANAKO)
    door.wait(days=2)
    assert _sweep(door) == Swept(requests=1, notices=1)
    door.confirm(asked)
    assert door.mailable()


def test_somebody_who_was_only_answered_goes_when_the_mail_is_forgotten(door: Door) -> None:
    with door.database.writing() as session:
        taro = person(session, KEYS, parse_address(TARO), door.now)
        session.add(Notice(kind="help", subscriber_id=taro, language="ja", created_at=door.now))
    door.wait(days=40)
    assert _sweep(door).all == 0
    _settle_notices(door)
    door.wait(days=29)
    assert _sweep(door).all == 0
    door.wait(days=2)
    assert _sweep(door) == Swept(people=1, notices=1)


def test_proof_of_consent_is_kept_three_years_after_the_last_list_was_left(door: Door) -> None:
    door.joined(HANAKO, "daily", "weekly")
    door.joined(TARO)
    _settle_notices(door)
    door.wait(days=400)
    door.leave(HANAKO, "daily")
    door.wait(days=3 * 365 + 1)
    assert _sweep(door).consents == 0
    door.leave(HANAKO, "weekly")
    door.wait(days=3 * 365 - 1)
    assert _sweep(door).consents == 0
    door.wait(days=2)
    assert _sweep(door).consents == 6
    assert door.ledger(HANAKO) == []
    assert len(door.ledger(TARO)) == 2
    assert door.person(HANAKO)


def test_events_mails_received_and_mails_sent_go_in_their_time(door: Door) -> None:
    with door.database.writing() as session:
        session.add(Event(evidence="old", kind="bounce", source="dsn", at=door.now))
        session.add(Received(digest="old", outcome="bounce", at=door.now))
        session.add(Notice(kind="alert", language="ja", created_at=door.now, state="skipped", settled_at=door.now))
    door.wait(days=401)
    with door.database.writing() as session:
        session.add(Event(evidence="new", kind="bounce", source="dsn", at=door.now))
        session.add(Received(digest="new", outcome="bounce", at=door.now))
        session.add(Notice(kind="alert", language="ja", created_at=door.now))
    assert _sweep(door) == Swept(notices=1, events=1, received=1)
    assert [_count(door, model) for model in (Event, Received, Notice)] == [1, 1, 1]


def test_thousands_go_in_batches_and_it_stops_when_told(door: Door) -> None:
    rows = [{"address": f"{number}@example.jp", "address_key": f"{number}@example.jp", "address_hash": str(number), "created_at": door.now}
            for number in range(2 * AT_ONCE + 7)]
    with door.database.writing() as session:
        session.execute(insert(Subscriber), rows)
    door.joined(HANAKO)
    _settle_notices(door)
    door.wait(days=31)
    stopped = threading.Event()
    stopped.set()
    assert sweep(door.database, door.settings, door.now, stopped).all == 0
    assert _sweep(door).people == 2 * AT_ONCE + 7
    assert _count(door, Subscriber) == 1


def test_joining_and_forgetting_at_once_end_in_one_or_the_other(door: Door) -> None:
    """On PostgreSQL both really run beside each other: whoever asks anew is not swept away with what they asked before."""
    for number in range(20):
        door.ask(f"{number}@example.jp")
    _settle_notices(door)
    door.wait(days=31)
    faults: list[BaseException] = []

    def run(act: object) -> None:
        try:
            act()  # type: ignore[operator]
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in (
        lambda: _sweep(door), lambda: [door.ask(f"{number}@example.jp") for number in range(20)])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with door.database.reading() as session:
        people = set(session.scalars(select(Subscriber.id)))
        assert set(session.scalars(select(SignupRequest.subscriber_id).where(SignupRequest.created_at == door.now))) == people
        assert len(people) == 20
        assert set(session.scalars(select(Subscription.subscriber_id))) == people


def test_the_service_sweeps_every_day() -> None:
    (duty,) = [duty for duty in duties() if duty.name == "retention"]
    assert duty.every.days == 1
