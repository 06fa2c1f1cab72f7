"""The keys are made on first use, survive a rotation, and are missed loudly when they are gone."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, text

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.keyring import KEY_FILE, OLD_KEYS, open_keys
from publisher.models import Installation, Issue
from publisher.settings import Settings
from tests.rows import NOW, newsroom

FIRST, SECOND = "the first secret of this newsroom", "the second secret of this newsroom"


@pytest.fixture
def settings(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A newsroom without a secret in its environment."""
    for name in ("PUBLISHER_SECRET", "PUBLISHER_SECRET_OLD"):
        monkeypatch.delenv(name, raising=False)
    return newsroom(tmp_path, database)[0]


def with_an_issue(database: Database) -> None:
    with database.writing() as session:
        session.add(Issue(newsletter_id=1, number=1, state="sent", created_at=NOW))


def test_a_key_is_made_on_first_use_for_its_owner_only(tmp_path: Path, database: Database, settings: Settings) -> None:
    token = open_keys(settings, database, NOW).sign("leave", 1, 2, 3)
    path = tmp_path / "state" / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_keys(settings, database, NOW).read("leave", token) == (1, 2, 3)


def test_a_new_line_on_top_of_the_key_file_rotates_it(tmp_path: Path, database: Database, settings: Settings) -> None:
    old = open_keys(settings, database, NOW)
    path = tmp_path / "state" / KEY_FILE
    path.write_text("a new key that somebody put on top\n" + path.read_text("ascii"), "ascii")
    new = open_keys(settings, database, NOW)
    assert new.read("leave", old.sign("leave", 7)) == (7,)
    assert old.read("leave", new.sign("leave", 7)) is None


def test_a_rotated_secret_keeps_old_links_working(tmp_path: Path, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to remember the old one: what verifies it was noted, and not the secret itself."""
    monkeypatch.setenv("PUBLISHER_SECRET", FIRST)
    token = open_keys(settings, database, NOW).sign("leave", 7)
    with_an_issue(database)
    monkeypatch.setenv("PUBLISHER_SECRET", SECOND)
    assert open_keys(settings, database, NOW).read("leave", token) == (7,)
    kept = tmp_path / "state" / OLD_KEYS
    assert "secret" not in kept.read_text("ascii")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_machine_without_the_noted_keys_takes_the_old_secret_from_the_environment(
        tmp_path: Path, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLISHER_SECRET", FIRST)
    token = open_keys(settings, database, NOW).sign("leave", 7)
    with_an_issue(database)
    (tmp_path / "state" / OLD_KEYS).unlink()
    monkeypatch.setenv("PUBLISHER_SECRET", SECOND)
    with pytest.raises(PublisherError, match="PUBLISHER_SECRET_OLD"):
        open_keys(settings, database, NOW)
    monkeypatch.setenv("PUBLISHER_SECRET_OLD", f"another one, {FIRST}")
    assert open_keys(settings, database, NOW).read("leave", token) == (7,)


def test_a_start_with_issues_and_no_key_is_refused(tmp_path: Path, database: Database, settings: Settings) -> None:
    open_keys(settings, database, NOW)
    with_an_issue(database)
    (tmp_path / "state" / KEY_FILE).unlink()
    with pytest.raises(PublisherError, match="the signing key is missing"):
        open_keys(settings, database, NOW)
    assert not (tmp_path / "state" / KEY_FILE).exists()


def test_a_start_with_issues_and_another_key_is_refused(tmp_path: Path, database: Database, settings: Settings) -> None:
    open_keys(settings, database, NOW)
    with_an_issue(database)
    (tmp_path / "state" / KEY_FILE).write_text("a key from somewhere else\n", "ascii")
    with pytest.raises(PublisherError, match="the signing key is missing"):
        open_keys(settings, database, NOW)


def test_whoever_complained_is_not_forgotten_with_the_key(tmp_path: Path, database: Database, settings: Settings) -> None:
    """A suppression is a keyed hash: a new key would mail that address again, also before the first issue."""
    open_keys(settings, database, NOW)
    with database.writing() as session:
        session.execute(text("INSERT INTO suppressions (address_hash, reason, at) VALUES ('h', 'complaint', '2026-11-20 07:00:00')"))
    (tmp_path / "state" / KEY_FILE).unlink()
    with pytest.raises(PublisherError, match="the signing key is missing"):
        open_keys(settings, database, NOW)


def test_where_nothing_hangs_on_it_a_new_key_is_made(tmp_path: Path, database: Database, settings: Settings) -> None:
    open_keys(settings, database, NOW)
    (tmp_path / "state" / KEY_FILE).unlink()
    assert open_keys(settings, database, NOW).sign("leave", 1)


def test_an_empty_key_file_is_said_in_one_line(tmp_path: Path, database: Database, settings: Settings) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / KEY_FILE).touch()
    with pytest.raises(PublisherError, match="holds no key"):
        open_keys(settings, database, NOW)


def test_a_key_file_full_of_something_else_is_said_in_one_line(tmp_path: Path, database: Database, settings: Settings) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / KEY_FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(PublisherError, match="cannot be read or written"):
        open_keys(settings, database, NOW)


def test_a_state_folder_that_cannot_be_made_is_said_in_one_line(
        tmp_path: Path, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(PublisherError, match="cannot be read or written"):
        open_keys(settings, database, NOW)
    monkeypatch.setenv("PUBLISHER_SECRET", FIRST)
    with pytest.raises(PublisherError, match="cannot be read or written"):
        open_keys(settings, database, NOW)


def test_a_secret_that_can_be_guessed_is_refused(database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLISHER_SECRET", "geheim")
    with pytest.raises(PublisherError, match="too short") as refused:
        open_keys(settings, database, NOW)
    assert "geheim" not in str(refused.value)


def test_the_database_knows_a_key_and_tells_nothing_of_it(tmp_path: Path, database: Database, settings: Settings) -> None:
    keys = open_keys(settings, database, NOW)
    secret = (tmp_path / "state" / KEY_FILE).read_text("ascii").splitlines()[1]
    with database.writing() as session:
        values = [row.value for row in session.query(Installation)]
        session.execute(delete(Installation))
    assert values == keys.fingerprints()
    assert secret not in values[0]
