"""What is known of a reader is theirs to have, and to be forgotten: afterwards the address is in no file, and still never mailed."""

import json
import random
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from publisher.db import Database
from publisher.models import Delivery
from publisher.models_mail import Event, Notice
from subscribers.addresses import parse_address
from subscribers.consent import Evidence, record
from subscribers.models import BounceScore, Consent, Subscriber, Suppression
from subscribers.registry.enrolment import Agreement, Person, enrol
from subscribers.registry.erasure import erase, everything_known, settle_files
from subscribers.registry.people import person
from subscribers.registry.preferences import Preferences, set_preferences
from subscribers.registry.suppressions import lift, suppress, suppress_reader
from subscribers.wordings import wording_id
from tests.asking import BUTTON, Door, every_text
from tests.mailing import newsroom
from tests.readers import HANAKO, KEYS, TARO, join, state_of


@pytest.fixture
def door(database: Database) -> Door:
    """The newsroom's door."""
    return Door(database)


def test_everything_known_is_everything_and_json(door: Door) -> None:
    with door.database.writing() as session:
        shown = wording_id(session, "form", "ja", "毎朝のニュースを送ってください。", door.now)
    asked = door.ask(HANAKO, "daily", wording_id=shown, name="山田 花子", client="192.0.2.1", origin="https://news.example.jp/subscribe")
    door.confirm(asked)
    set_preferences(door.database, door.list_ids("daily")[0], door.person(), Preferences("weekly", ("研究",), 7, "Asia/Tokyo", "ja"), BUTTON, door.now)
    with door.database.writing() as session:
        session.add(Event(evidence="e", kind="bounce", strength="soft", source="dsn", subscriber_id=door.person(), at=door.now, reason="mailbox full"))
        session.add(BounceScore(subscriber_id=door.person(), score=1.0, last_day=door.now.date(), last_reason="mailbox full"))
    suppress(door.database, KEYS, parse_address(HANAKO), "hard-bounce", door.now)
    with door.database.reading() as session:
        known = json.loads(json.dumps(everything_known(session, KEYS, parse_address("HANAKO@example.jp"))))
    assert (known["address"], known["name"], known["timezone"], known["language"]) == (HANAKO, "山田 花子", "Asia/Tokyo", "ja")
    (daily,) = known["lists"]
    assert {key: daily[key] for key in ("list", "state", "rhythm", "sections", "hour")} == {
        "list": "daily", "state": "left", "rhythm": "weekly", "sections": ["研究"], "hour": 7}
    assert [one["action"] for one in known["consents"]] == ["asked", "confirmed", "changed", "bounced"]
    assert known["consents"][1]["shown"]["text"] == "毎朝のニュースを送ってください。"
    assert known["consents"][0]["origin"] == "https://news.example.jp/subscribe"
    assert [one["lists"] for one in known["requests"]] == [["daily"]]
    assert [one["kind"] for one in known["notices"]] == ["confirm", "welcome"]
    assert [one["reason"] for one in known["events"]] == ["mailbox full"]
    assert known["bounce_score"]["score"] == 1.0
    assert known["suppressions"] == [{"reason": "hard-bounce", "at": door.now.isoformat()}]


def test_the_issues_somebody_was_sent_stand_in_it(database: Database, tmp_path: Path) -> None:
    room = newsroom(database, tmp_path, "smtp://127.0.0.1:9", [HANAKO, TARO])
    with database.reading() as session:
        known = everything_known(session, KEYS, parse_address(HANAKO))
    (one,) = known["deliveries"]
    assert (one["issue_id"], one["newsletter"], one["number"], one["state"]) == (room.issue_id, "morning", 12, "queued")
    assert one["subject"]


def test_nothing_is_known_of_a_stranger(door: Door) -> None:
    with door.database.reading() as session:
        assert everything_known(session, KEYS, parse_address(HANAKO)) == {"address": HANAKO, "known": False, "suppressions": []}
    assert not erase(door.database, KEYS, parse_address(HANAKO), door.now)


def _everywhere(door: Door) -> None:
    """Hanako leaves a trace in every table that could hold one, and more than that: in words that should not name her."""
    door.joined(HANAKO, "daily", "weekly")
    door.ask(HANAKO, "weekly", in_reply_to="<1@hanako@example.jp>")
    with door.database.writing() as session:
        record(session, door.list_ids("daily")[0], [door.person()], "added", Evidence("command", "Mail of Hanako@Example.jp, 3 May"), door.now)
        session.add(Event(evidence="e", kind="bounce", source="dsn", subscriber_id=door.person(), at=door.now, reason="<hanako@example.jp>: full"))


def test_erasing_takes_the_address_out_of_every_table_and_keeps_it_suppressed(door: Door) -> None:
    _everywhere(door)
    door.joined(TARO)
    ledger, hanako = door.ledger(), door.person()
    assert erase(door.database, KEYS, parse_address("Hanako@example.jp"), door.now)
    assert "hanako" not in every_text(door.database).lower()
    assert door.mailable(TARO)
    with door.database.reading() as session:
        kept = session.scalars(select(Consent.action).where(Consent.subscriber_id == hanako).order_by(Consent.id)).all()
        assert kept == [*ledger, "erased", "erased"]
        assert session.scalars(select(Suppression.reason)).all() == ["erased"]
        assert session.scalars(select(Notice).where(Notice.subscriber_id == hanako)).all() == []
    assert join(door.database, "HANAKO@example.jp", rejoin=True) == "suppressed"
    assert door.ask(HANAKO).outcome == "suppressed"
    assert not erase(door.database, KEYS, parse_address(HANAKO), door.now)


def test_the_number_of_somebody_erased_is_nobody_elses(door: Door) -> None:
    """The links in Hanako's old mails hold her number: the next person must not get it."""
    door.joined(HANAKO)
    hanako = door.person()
    erase(door.database, KEYS, parse_address(HANAKO), door.now)
    door.joined(TARO)
    assert door.person(TARO) > hanako


def test_a_lifted_erasure_begins_anew(door: Door) -> None:
    asked = door.joined(HANAKO)
    erase(door.database, KEYS, parse_address(HANAKO), door.now)
    assert lift(door.database, KEYS, parse_address(HANAKO), "they want to come back", door.now)
    assert door.confirm(asked) is None
    door.joined(HANAKO)
    assert door.mailable()


def _bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_file_of_sqlite_holds_an_erased_address(door: Door, tmp_path: Path) -> None:
    """Among thousands, so that pages were split and rows moved; the log of changes is emptied, the file has nothing left of them."""
    addresses = [f"reader.{number:05}@example.jp" for number in range(1500)]
    random.Random(7).shuffle(addresses)
    gone = [*random.Random(8).sample(addresses, 12), HANAKO]
    with door.database.writing() as session:
        agreement = Agreement(door.list_ids("daily")[0], "imported", "open day", door.now)
        for start in range(0, len(addresses), 100):
            enrol(session, KEYS, [Person(parse_address(one), f"Name of {one}") for one in addresses[start:start + 100]], agreement)
    _everywhere(door)
    settle_files(door.database)
    assert all(one.encode() in _bytes(tmp_path) for one in gone)
    for one in gone:
        assert erase(door.database, KEYS, parse_address(one), door.now)
    after = _bytes(tmp_path).lower()
    assert [one for one in gone if one.encode() in after] == []
    assert b"hanako" not in after
    assert addresses[0].encode() in after or addresses[0] in gone


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_while_somebody_reads_the_log_of_changes_stays_and_that_is_said(door: Door) -> None:
    door.joined(HANAKO)
    with door.database.reading() as session:
        session.execute(select(Subscriber)).all()
        assert erase(door.database, KEYS, parse_address(HANAKO), door.now)
        assert not settle_files(door.database)
    assert settle_files(door.database)


def test_suppressing_takes_a_reader_off_every_list(door: Door) -> None:
    door.joined(HANAKO, "daily", "weekly")
    suppress(door.database, KEYS, parse_address(HANAKO), "asked by telephone", door.now)
    assert state_of(door.database, HANAKO) == state_of(door.database, HANAKO, "weekly") == "left"
    assert door.ledger()[-2:] == ["removed", "removed"]
    suppress(door.database, KEYS, parse_address(HANAKO), "complaint", door.now)
    assert door.ledger()[-2:] == ["removed", "removed"]


@pytest.mark.parametrize(("reason", "action"), [("complaint", "complained"), ("hard-bounce", "bounced"), ("bounces", "bounced"), ("opt-out", "left")])
def test_the_ledger_says_why(door: Door, reason: str, action: str) -> None:
    door.joined(HANAKO)
    with door.database.writing() as session:
        assert suppress_reader(session, KEYS, door.person(), reason, Evidence("mail", "dsn"), door.now)
        assert not suppress_reader(session, KEYS, 4711, reason, Evidence("mail", "dsn"), door.now)
    assert door.ledger()[-1] == action


def test_lifting_puts_nobody_back(door: Door) -> None:
    """Not even somebody whom an older version had left on the list beside the suppression."""
    door.joined(HANAKO)
    with door.database.writing() as session:
        session.add(Suppression(address_hash=parse_address(HANAKO).digest(KEYS), reason="complaint", at=door.now))
    assert not door.mailable()
    assert lift(door.database, KEYS, parse_address(HANAKO), "wrote", door.now)
    assert not door.mailable()
    assert door.ledger()[-2:] == ["removed", "lifted"]
    assert not lift(door.database, KEYS, parse_address(HANAKO), "wrote", door.now)
    assert not lift(door.database, KEYS, parse_address(TARO), "wrote", door.now)


def test_consents_cannot_be_changed(door: Door) -> None:
    door.joined(HANAKO)
    with pytest.raises(Exception, match="append-only"), door.database.writing() as session:
        session.execute(update(Consent).values(action="confirmed"))


def test_an_import_brings_each_persons_own_day_and_language(door: Door) -> None:
    day, future = door.now - timedelta(days=900), door.now + timedelta(days=9)
    people = [Person(parse_address(HANAKO), "山田 花子", day, "ja"), Person(parse_address(TARO), None, future), Person(parse_address("x@example.jp"))]
    door.ask("x@example.jp")
    with door.database.writing() as session:
        answers = enrol(session, KEYS, people, Agreement(door.list_ids("daily")[0], "imported", "export of 2023", door.now, origin="listmonk"))
    assert set(answers.values()) == {"added"}
    with door.database.reading() as session:
        rows = session.execute(select(Subscriber.address, Consent.at, Consent.door, Consent.origin).join(Consent, Consent.subscriber_id == Subscriber.id)
                               .where(Consent.action == "imported").order_by(Subscriber.address)).all()
        assert [tuple(row) for row in rows] == [(HANAKO, day, "import", "listmonk"), (TARO, door.now, "import", "listmonk"),
                                                ("x@example.jp", door.now, "import", "listmonk")]
        assert session.scalars(select(Subscriber.language).order_by(Subscriber.address)).all() == ["ja", None, None]


def test_a_person_who_is_only_answered_is_on_no_list(door: Door) -> None:
    with door.database.writing() as session:
        first = person(session, KEYS, parse_address(HANAKO), door.now, "en")
        assert person(session, KEYS, parse_address("HANAKO@EXAMPLE.JP"), door.now, "ja") == first
        assert session.scalars(select(Subscriber.language)).all() == ["en"]
    assert not door.mailable()
    with door.database.reading() as session:
        assert session.scalars(select(Delivery)).all() == []
