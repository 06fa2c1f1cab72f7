"""Rows and journal as a killed process leaves them: what is known is believed, what is not is sent with the same Message-ID."""

from pathlib import Path

from sqlalchemy import update

from publisher.db import Database
from publisher.deliver import control
from publisher.deliver.journal import Journal, database_identity, intent_line, outcome_line
from publisher.deliver.verdict import Verdict
from publisher.models import Delivery, Issue
from tests.mailing import START, Newsroom, newsroom
from tests.readers import ALICE, HANAKO, TARO
from tests.relay import Relay

EVERYBODY = [HANAKO, TARO, ALICE]


def abandoned(database: Database, tmp_path: Path, relay: Relay) -> tuple[Newsroom, Journal]:
    """Every row is claimed, and nothing is in the journal yet."""
    room = newsroom(database, tmp_path, f"smtp://127.0.0.1:{relay.port}", EVERYBODY)
    with database.writing() as session:
        session.execute(update(Delivery).values(state="sending", attempts=1, first_tried_at=START))
    return room, Journal(tmp_path / "state" / "journal", database_identity(database, START), room.issue_id)


def test_known_outcomes_are_believed_and_only_the_rest_is_sent(database: Database, tmp_path: Path) -> None:
    """Hanako's was accepted, Taro's was on the wire, Alice's had not begun."""
    with Relay() as relay:
        room, journal = abandoned(database, tmp_path, relay)
        rows = room.rows()
        journal.write(intent_line(rows[HANAKO].id, START))
        journal.write(outcome_line(rows[HANAKO].id, Verdict("accepted", "250 ok"), START))
        journal.write(intent_line(rows[TARO].id, START))
        journal.close(settled=False)
        assert room.send().accepted == 3
        assert relay.recipients() == {TARO: 1, ALICE: 1}


def test_a_torn_last_line_is_no_fact(database: Database, tmp_path: Path) -> None:
    """The power went in the middle of a write."""
    with Relay() as relay:
        room, journal = abandoned(database, tmp_path, relay)
        rows = room.rows()
        journal.write(intent_line(rows[HANAKO].id, START))
        journal.close(settled=False)
        with journal.path.open("a") as file:
            file.write(f"{rows[HANAKO].id}\taccepted\t2025")
        assert room.send().accepted == 3
        assert relay.recipients() == dict.fromkeys(EVERYBODY, 1)


def test_without_a_journal_everything_claimed_may_have_left(database: Database, tmp_path: Path) -> None:
    """Another machine takes over: the rows are unknown, and are sent with the same Message-IDs."""
    with Relay() as relay:
        room, journal = abandoned(database, tmp_path, relay)
        journal.close(settled=True)
        assert room.send().accepted == 3
    assert len(relay.taken) == 3


def test_what_the_relay_took_stays_taken_when_the_database_came_from_a_backup(database: Database, tmp_path: Path) -> None:
    """The journal is younger than the rows: nobody is mailed twice."""
    with Relay() as relay:
        room, journal = abandoned(database, tmp_path, relay)
        rows = room.rows()
        journal.write(intent_line(rows[HANAKO].id, START))
        journal.write(outcome_line(rows[HANAKO].id, Verdict("accepted", "250 ok"), START))
        journal.close(settled=False)
        with database.writing() as session:
            session.execute(update(Delivery).values(state="queued", attempts=0))
            session.execute(update(Issue).values(state="sending"))
        assert room.send().accepted == 3
        assert relay.recipients() == {TARO: 1, ALICE: 1}


def test_a_cancelled_issue_leaves_what_was_on_the_wire_unknown(database: Database, tmp_path: Path) -> None:
    """Nobody can say whether it arrived, so its stories count as told."""
    with Relay() as relay:
        room, journal = abandoned(database, tmp_path, relay)
        journal.close(settled=False)
        control.cancel(database, room.issue_id, START)
    assert {row.state for row in room.rows().values()} == {"unknown"}
