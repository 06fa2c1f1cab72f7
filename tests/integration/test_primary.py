"""A database that was restored or copied sends nothing until it is claimed; reboots, upgrades, other processes and a lost folder fence nothing."""

import multiprocessing
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from json import loads
from pathlib import Path

import pytest
from sqlalchemy import select, text

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.models import Installation
from publisher.primary import ClockBack, check_clock, check_primary, claim_primary, look, sending
from publisher.rounds import note_round
from publisher.settings import Settings
from publisher.whereabouts import mark_of, place_of
from tests import composing
from tests.fences import fenced, row_of, sends, write_row
from tests.mailing import START

HOUR = timedelta(hours=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A newsroom whose state folder lies beside its database."""
    return composing.settings(root=tmp_path)


def again(database: Database) -> Database:
    """The same address opened anew, as the next command does."""
    database.close()
    return Database(database.url)


def backed_up(database: Database, folder: Path) -> Path:
    """A copy as `sqlite3 publisher.db ".backup copy.db"` makes it."""
    copy = folder / "copy.db"
    with closing(sqlite3.connect(folder / "publisher.db")) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def test_a_database_that_never_sent_is_adopted_without_a_word(database: Database, settings: Settings) -> None:
    """A new one, and one that comes from a version without a fence."""
    assert look(database, settings).row is None
    check_primary(database, settings, START)
    sends(database, settings)
    found = look(database, settings)
    assert (found.why, found.row and found.row.count, found.sent_at) == (None, 2, START)


def test_the_state_folder_keeps_the_count_for_its_owner_alone(database: Database, settings: Settings, tmp_path: Path) -> None:
    """What was counted is on the disk, whole, before the run goes on."""
    sends(database, settings)
    path = tmp_path / "state" / "primary.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert loads(path.read_text())["lines"][row_of(database).line]["count"] == 2
    assert sorted(one.name for one in path.parent.iterdir()) == ["primary.json", "primary.lock"]


def test_a_lost_state_folder_fences_nothing(database: Database, settings: Settings, tmp_path: Path) -> None:
    """A container without a volume for it; a damaged file is as good as a lost one."""
    sends(database, settings)
    shutil.rmtree(tmp_path / "state")
    sends(database, settings)
    (tmp_path / "state" / "primary.json").write_bytes(b"\0" * 40)
    sends(database, settings)
    assert row_of(database).count == 6


def test_an_old_state_folder_beside_a_newer_database_fences_nothing(database: Database, settings: Settings, tmp_path: Path) -> None:
    """Somebody brought the folder back from a backup, and the database stayed."""
    sends(database, settings)
    shutil.copytree(tmp_path / "state", tmp_path / "kept")
    sends(database, settings)
    shutil.rmtree(tmp_path / "state")
    shutil.copytree(tmp_path / "kept", tmp_path / "state")
    sends(database, settings)
    sends(database, settings)


def test_a_state_folder_that_cannot_be_used_stops_the_sending_with_a_sentence(database: Database, settings: Settings, tmp_path: Path) -> None:
    """Without its witness nothing is sent: a backup would not be known."""
    (tmp_path / "state").write_text("a file where a folder should be")
    with pytest.raises(PublisherError, match=r"primary\.json cannot be read or written.*paths\.state"):
        sends(database, settings)


def test_the_run_that_failed_is_what_a_person_hears(database: Database, settings: Settings) -> None:
    """And its beginning was counted."""
    with pytest.raises(ZeroDivisionError), sending(database, settings, lambda: START):
        raise ZeroDivisionError
    assert row_of(database).count == 2


def restored(how: str, copy: Path, live: Path) -> None:
    """Put the copy where the database was, as people do it."""
    for rest in ("-wal", "-shm"):
        live.with_name(live.name + rest).unlink(missing_ok=True)
    if how == "cp":
        shutil.copyfile(copy, live)
    elif how == "mv":
        os.replace(copy, live)
    elif how == "rm and cp":
        live.unlink()
        shutil.copyfile(copy, live)
    else:
        part = live.with_name(".publisher.db.Xy12")
        shutil.copy2(copy, part)
        os.replace(part, live)


@pytest.mark.parametrize("how", ["cp", "mv", "rm and cp", "rsync"])
@pytest.mark.parametrize("sent_since", [True, False])
def test_a_backup_that_took_the_place_of_the_database_is_fenced(sqlite_template: Path, settings: Settings, tmp_path: Path, how: str,
                                                                sent_since: bool) -> None:
    """Copied into the file it is known by its count; as a file of its own also where nothing was sent since, and though the number may be the same."""
    live = tmp_path / "publisher.db"
    shutil.copy(sqlite_template, live)
    database = Database(f"sqlite:///{live}")
    sends(database, settings)
    copy = backed_up(database, tmp_path)
    if sent_since:
        sends(database, settings)
    database.close()
    restored(how, copy, live)
    database = Database(database.url)
    if how == "cp" and not sent_since:
        check_primary(database, settings, START)  # its past is the world's past
    elif how == "cp":
        assert fenced(database, settings) == "older"
    else:
        assert fenced(database, settings) == "handle"
        claim_primary(database, settings, START, "hanako")
        sends(database, settings)
    database.close()


def test_a_number_that_is_given_out_again_is_another_file(tmp_path: Path) -> None:
    """ext4 gives a new file the number of the one that was just deleted, with another generation in its handle."""
    path = tmp_path / "publisher.db"
    path.write_text("one")
    before = mark_of(path)
    if "handle" not in before:
        pytest.skip("not run: this file system has no handles")
    path.unlink()
    path.write_text("two")
    assert mark_of(path)["handle"] != before["handle"]
    assert mark_of(tmp_path / "nothing") == {}


def test_the_whole_folder_overwritten_with_its_backup_is_fenced(sqlite_template: Path, settings: Settings, tmp_path: Path) -> None:
    """`cp -r backup/. .` keeps every file's number, and brings the old count with the old database: the mark of the state file tells."""
    live = tmp_path / "publisher.db"
    shutil.copy(sqlite_template, live)
    database = Database(f"sqlite:///{live}")
    sends(database, settings)
    copy, kept = backed_up(database, tmp_path), (tmp_path / "state" / "primary.json").read_bytes()
    sends(database, settings)
    database.close()
    restored("cp", copy, live)
    (tmp_path / "state" / "primary.json").write_bytes(kept)
    database = Database(database.url)
    assert fenced(database, settings) == "together"
    claim_primary(database, settings, START, "hanako")
    sends(database, settings)
    database.close()


def test_a_backup_from_before_the_first_mail_is_fenced(sqlite_template: Path, settings: Settings, tmp_path: Path) -> None:
    """It has no row to compare: the folder knows that another one sent from here."""
    live = tmp_path / "publisher.db"
    shutil.copy(sqlite_template, live)
    database = Database(f"sqlite:///{live}")
    copy = backed_up(database, tmp_path)
    sends(database, settings)
    database.close()
    restored("mv", copy, live)
    database = Database(database.url)
    assert fenced(database, settings) == "other"
    claim_primary(database, settings, START, "hanako")
    sends(database, settings)
    database.close()


def test_upgrades_of_the_database_keep_its_place(sqlite_template: Path, settings: Settings, tmp_path: Path) -> None:
    """VACUUM and a table that is changed by copying it write into the same file; so does a folder that is renamed."""
    (tmp_path / "old").mkdir()
    shutil.copy(sqlite_template, tmp_path / "old" / "publisher.db")
    database = Database(f"sqlite:///{tmp_path / 'old' / 'publisher.db'}")
    sends(database, settings)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.connection.dbapi_connection.execute("VACUUM")  # type: ignore[union-attr]
    with database.writing() as session:
        session.execute(text("CREATE TABLE other_slices AS SELECT * FROM slices"))
        session.execute(text("DROP TABLE slices"))
        session.execute(text("ALTER TABLE other_slices RENAME TO slices"))
    database = again(database)
    sends(database, settings)
    database.close()
    (tmp_path / "old").rename(tmp_path / "new")
    database = Database(f"sqlite:///{tmp_path / 'new' / 'publisher.db'}")
    sends(database, settings)
    database.close()


def test_another_machine_is_known_by_its_name(sqlite_template: Path, tmp_path: Path) -> None:
    """As a hash: machine-id(5) does not want it shown. One that is empty or not yet given says nothing."""
    shutil.copy(sqlite_template, tmp_path / "publisher.db")
    database, name = Database(f"sqlite:///{tmp_path / 'publisher.db'}"), tmp_path / "machine-id"
    name.write_text("3d1219c7c4c5404aaa1f6d2a48adfda4\n")
    here = place_of(database, name)
    name.write_text("4e1219c7c4c5404aaa1f6d2a48adfda4\n")
    there = place_of(database, name)
    assert here["machine"] != there["machine"]
    assert "3d1219c7" not in here["machine"]
    for strange in ("", "uninitialized\n"):
        name.write_text(strange)
        assert "machine" not in place_of(database, name)
    database.close()


def test_a_database_that_says_another_place_is_fenced_until_claimed(database: Database, settings: Settings) -> None:
    """Whatever moved: the machine of a file, the cluster of a server. The claim is remembered with who made it."""
    sends(database, settings)
    part = "machine" if database.is_sqlite else "system"
    write_row(database, replace(row_of(database), place={**place_of(database), part: "elsewhere"}))
    if database.is_sqlite and "machine" not in place_of(database):
        write_row(database, replace(row_of(database), place={**place_of(database), "kind": "postgresql"}))
        part = "kind"
    assert fenced(database, settings) == part
    assert claim_primary(database, settings, START - HOUR, "hanako").found == part
    assert (row_of(database).by, row_of(database).since) == ("hanako", (START - HOUR).isoformat())
    sends(database, settings)


def count_on(url: str, folder: Path, times: int) -> None:
    """A process that sends again and again."""
    database = Database(url)
    for _time in range(times):
        sends(database, composing.settings(root=folder))
    database.close()


def test_processes_that_send_at_the_same_time_never_fence_each_other(database: Database, tmp_path: Path) -> None:
    """Three with one state folder and one with another, adopting the database at the same moment; and everything was counted."""
    database.close()
    folders, times = [*[tmp_path] * 3, tmp_path / "b"], 8
    spawn = multiprocessing.get_context("spawn")
    running = [spawn.Process(target=count_on, args=(database.url, folder, times)) for folder in folders]
    for process in running:
        process.start()
    for process in running:
        process.join(60)
    assert [process.exitcode for process in running] == [0] * len(folders)
    assert row_of(database).count == 2 * times * len(folders)
    assert loads((tmp_path / "state" / "primary.json").read_text())["lines"][row_of(database).line]["count"] >= 2 * times * 3


def test_a_clock_that_jumped_back_sends_nothing(database: Database, settings: Settings) -> None:
    """Ten minutes are what clocks may differ by; the sentence says by how much it is."""
    with sending(database, settings, lambda: START):
        pass
    check_primary(database, settings, START - timedelta(minutes=9))
    for check in (lambda now: check_primary(database, settings, now), lambda now: check_clock(database, now)):
        with pytest.raises(ClockBack, match=r"2025-12-04 21:00 UTC, 60 minutes before .*set the clock right"):
            check(START - HOUR)
    assert row_of(database).count == 2


def test_the_rounds_of_the_service_are_moments_as_well(database: Database, settings: Settings) -> None:
    """Nothing was sent since Monday, and the service noted Friday."""
    note_round(database, START)
    with pytest.raises(ClockBack):
        check_primary(database, settings, START - HOUR)


def test_a_clock_that_was_wrong_before_is_believed_after_a_claim(database: Database, settings: Settings) -> None:
    """It said 2036 for a day: without an operator's word nothing would be sent for ten years. Nothing is paused for it."""
    future = START + timedelta(days=3650)
    note_round(database, future)
    with sending(database, settings, lambda: future):
        pass
    with pytest.raises(ClockBack):
        check_primary(database, settings, START)
    assert claim_primary(database, settings, START, "hanako").found is None
    sends(database, settings)
    with database.reading() as session:
        assert max(session.scalars(select(Installation.noted_at))) == START
