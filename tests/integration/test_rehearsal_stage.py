"""The scratch newsroom of a rehearsal: as many readers and the same issue, no address, nothing left of it afterwards and nothing changed before it."""

import hashlib
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import inspect, select, text, update

from publisher.db import Base, Database
from publisher.errors import Busy, PublisherError
from publisher.locks import hold
from publisher.models import Delivery, Edition, Issue
from publisher.rehearsal.scratch import scratch
from publisher.rehearsal.stage import LEAST, Stage, staged, traces
from publisher.settings import Settings
from publisher.settings_file import load_settings
from subscribers.models import Subscriber, Subscription, Suppression
from tests import mailing
from tests.commands import NewsroomFolder
from tests.mailing import START
from tests.readers import ALICE, HANAKO, TARO

RELAY = "smtp://127.0.0.1:2"


def contents(database: Database) -> str:
    """A hash of every row of every table of ours."""
    whole = hashlib.sha256()
    with database.reading() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(table.select().order_by(*table.primary_key.columns)):
                whole.update(repr((table.name, *row)).encode())
    return whole.hexdigest()


def real(database: Database, tmp_path: Path, *, issue: bool = True) -> tuple[Path, Settings]:
    """A newsroom with an issue and three readers, of whom Taro has left and Alice is suppressed; its file, read."""
    NewsroomFolder.make(tmp_path / "room", relay_port=1, database_url=database.url)
    if issue:
        mailing.newsroom(database, tmp_path / "room", "smtp://127.0.0.1:1", [HANAKO, TARO, ALICE], started=False)
        with database.writing() as session:
            people = {person.address: person for person in session.scalars(select(Subscriber))}
            session.execute(update(Subscription).where(Subscription.subscriber_id == people[TARO].id).values(state="left", left_at=START))
            session.execute(update(Subscription).where(Subscription.subscriber_id == people[HANAKO].id).values(sections=["AI"], sections_key="k"))
            session.add(Suppression(address_hash=people[ALICE].address_hash, reason="complaint", at=START))
    return tmp_path / "room" / "publisher.toml", load_settings(tmp_path / "room" / "publisher.toml")


def rows(stage: Stage) -> set[int]:
    with stage.database.reading() as session:
        return set(session.scalars(select(Delivery.subscriber_id)))


def test_the_readers_come_with_their_groups_and_without_their_addresses(database: Database, tmp_path: Path) -> None:
    """Ids, states and sections are kept; who left or is suppressed gets no row; the list is filled up with invented ones."""
    file, settings = real(database, tmp_path)
    with database.reading() as session:
        ids = dict(session.execute(select(Subscriber.address, Subscriber.id)).tuples().all())
    with staged(file, settings, database, RELAY, None, START) as stage, stage.database.reading() as session:
        addresses = dict(session.execute(select(Subscriber.id, Subscriber.address)).tuples().all())
        assert all(address == f"reader-{one}@rehearsal.invalid" for one, address in addresses.items())
        assert set(ids.values()) <= set(addresses)
        assert stage.people.readers[0] == ids[HANAKO]
        assert sorted(stage.people.others) == sorted([ids[TARO], ids[ALICE]])
        assert len(stage.people.readers) == LEAST == stage.people.invented + 1
        assert rows(stage) == set(stage.people.readers)
        assert session.scalars(select(Subscription.sections_key).where(Subscription.subscriber_id == ids[HANAKO])).one() == "k"
        assert session.scalars(select(Suppression)).one().address_hash == session.get_one(Subscriber, ids[ALICE]).address_hash


def test_the_issue_is_the_latest_one_word_for_word(database: Database, tmp_path: Path) -> None:
    """The editions and their headers are the same; it goes to another relay, over as many connections."""
    file, settings = real(database, tmp_path)

    def editions(of: Database) -> list[tuple[str, str, dict[str, str]]]:
        with of.reading() as session:
            return [(row.html, row.text, row.headers) for row in session.scalars(select(Edition).order_by(Edition.id))]

    with staged(file, settings, database, RELAY, 5, START) as stage:
        assert stage.copied
        assert editions(stage.database) == editions(database)
        assert [entry.url for entry in stage.settings.all_relays()] == [RELAY]
        assert stage.connections == settings.mail.connections
        assert len(rows(stage)) == 5
        with stage.database.reading() as session:
            assert session.get_one(Issue, stage.issue_id).state == "sending"


def test_without_an_issue_the_sample_stories_make_one(database: Database, tmp_path: Path) -> None:
    """A new newsroom can rehearse before its first morning."""
    file, settings = real(database, tmp_path, issue=False)
    database.migrate()
    with staged(file, settings, database, RELAY, 3, START) as stage:
        assert not stage.copied
        assert stage.people.readers == [1, 2, 3]
        with stage.database.reading() as session:
            assert len(session.scalars(select(Edition)).one().html) > 5000


def test_the_real_newsroom_is_as_it_was(database: Database, tmp_path: Path) -> None:
    """Not a row is written to it, and nothing of the rehearsal is left, however it ends."""
    file, settings = real(database, tmp_path)
    before, files = contents(database), sorted((tmp_path / "room").rglob("*"))
    seen: list[Stage] = []

    def broken_off() -> None:
        with staged(file, settings, database, RELAY, None, START) as stage:
            seen.append(stage)
            assert stage.place.folder.is_dir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert contents(database) == before
    assert sorted((tmp_path / "room").rglob("*")) == files
    assert not seen[0].place.folder.exists()
    if not database.is_sqlite:
        assert seen[0].place.name not in inspect(database.engine).get_schema_names()


def test_locks_of_a_rehearsal_never_meet_those_in_earnest(database: Database) -> None:
    """The same name in both places is two locks, and in one place one."""
    with scratch(database) as place, ExitStack() as stack:
        beside = Database(place.url)
        stack.callback(beside.close)
        stack.enter_context(hold(database.engine, "issue-1-1"))
        stack.enter_context(hold(beside.engine, "issue-1-1"))
        with pytest.raises(Busy), hold(beside.engine, "issue-1-1"):
            raise AssertionError("two holders of one lock")


def test_a_schema_that_a_killed_rehearsal_left_is_swept_away(postgres_url: str) -> None:
    """The next rehearsal does it; one that is in use stays."""
    database = Database(postgres_url)
    with database.engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA rehearsal_0123456789ab"))
    with scratch(database) as first, scratch(database) as second:
        assert {first.name, second.name} == {name for name in inspect(database.engine).get_schema_names() if name.startswith("rehearsal_")}
    assert not [name for name in inspect(database.engine).get_schema_names() if name.startswith("rehearsal_")]
    database.close()


def test_a_server_that_allows_no_schema_is_said_so(postgres_url: str) -> None:
    """In a sentence, with what to do."""
    database = Database(postgres_url)
    with database.engine.begin() as connection:
        connection.execute(text("CREATE ROLE rehearsal_guest LOGIN"))
    guest = Database(database.engine.url.set(username="rehearsal_guest").render_as_string(hide_password=False))
    try:
        with pytest.raises(PublisherError, match="allows no schema"), scratch(guest):
            raise AssertionError("it was allowed")
    finally:
        guest.close()
        with database.engine.begin() as connection:
            connection.execute(text("DROP ROLE rehearsal_guest"))
        database.close()


def test_an_address_in_the_state_folder_or_in_a_reason_is_found(database: Database, tmp_path: Path) -> None:
    """As promise 11 wants it looked for."""
    file, settings = real(database, tmp_path)
    with staged(file, settings, database, RELAY, 3, START) as stage:
        assert traces(stage) == []
        (stage.place.folder / "state" / "journal").mkdir(parents=True, exist_ok=True)
        (stage.place.folder / "state" / "journal" / "x").write_text("550 <reader-7@rehearsal.invalid> unknown")
        with stage.database.writing() as session:
            session.execute(update(Delivery).values(reason="550 reader-7@rehearsal.invalid"))
        assert traces(stage) == ["journal/x", "deliveries.reason"]


def test_a_long_list_is_copied_whole(database: Database, tmp_path: Path) -> None:
    """More readers than rows in one statement."""
    file, settings = real(database, tmp_path)
    mailing.crowd(database, 2500)
    with staged(file, settings, database, RELAY, None, START) as stage:
        assert stage.people.invented == 0
        assert len(stage.people.readers) == 2501 == len(rows(stage))
