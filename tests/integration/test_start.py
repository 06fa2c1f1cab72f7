"""Start-up writes the names of publisher.toml into the database, once, and never deletes what history hangs on."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from publisher.app import Publisher, open_publisher
from publisher.models import AccountRow, Installation, NewsletterRow, SourceRow
from publisher.settings_file import load_settings
from subscribers.models import ReaderListRow
from tests.rows import FILE, NOW

DAY = timedelta(days=1)
ACCOUNT = '[[accounts]]\nname = "x-dry-run"\nkind = "outbox"\nnewsletter = "morning"\n[[sources]]\nname = "desk"\nkind = "folder"\npath = "stories"\n'


@pytest.fixture(autouse=True)
def _no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PUBLISHER_SECRET", raising=False)


def opened(folder: Path, url: str, text: str = FILE, now: timedelta = timedelta(0)) -> Publisher:
    path = folder / "publisher.toml"
    path.write_text(f"{text}\n[database]\nurl = '{url}'\n", "utf-8")
    return open_publisher(load_settings(path), NOW + now)


def newsletter(publisher: Publisher) -> NewsletterRow:
    with publisher.database.reading() as session:
        return session.scalars(select(NewsletterRow)).one()


def test_every_name_of_the_file_has_its_row(tmp_path: Path, database_url: str) -> None:
    publisher = opened(tmp_path, database_url, FILE + ACCOUNT)
    with publisher.database.reading() as session:
        for model, name in ((SourceRow, "desk"), (NewsletterRow, "morning"), (AccountRow, "x-dry-run"), (ReaderListRow, "daily")):
            assert [(row.name, row.present) for row in session.scalars(select(model))] == [(name, True)]
        assert session.get_one(Installation, "configuration").value == publisher.settings.fingerprint
    publisher.close()


def test_what_left_the_file_stays_in_the_database_and_is_marked(tmp_path: Path, database_url: str) -> None:
    opened(tmp_path, database_url, FILE + ACCOUNT).close()
    publisher = opened(tmp_path, database_url)
    with publisher.database.reading() as session:
        assert [(row.name, row.present) for row in session.scalars(select(AccountRow))] == [("x-dry-run", False)]
    publisher.close()
    again = opened(tmp_path, database_url, FILE + ACCOUNT)
    with again.database.reading() as session:
        assert [(row.id, row.present) for row in session.scalars(select(AccountRow))] == [(1, True)]
    again.close()


def test_a_timetable_counts_from_when_it_was_first_seen(tmp_path: Path, database_url: str) -> None:
    """A change of anything else leaves it alone, a change of the timetable or of its zone begins anew."""
    timetable = FILE + 'timetable = "0 7 * * *"\n'
    steps = [(FILE, 0), (timetable, 1), (timetable + "max_stories = 9\n", 1),
             (timetable.replace('"0 7', '"0 8'), 3),
             (timetable.replace('"UTC"', '"Asia/Tokyo"'), 4)]
    for day, (text, seen) in enumerate(steps):
        publisher = opened(tmp_path, database_url, text, day * DAY)
        assert newsletter(publisher).first_seen_at == NOW + seen * DAY
        publisher.close()


def test_a_newsletter_that_was_away_missed_nothing(tmp_path: Path, database_url: str) -> None:
    timetable = FILE + 'timetable = "0 7 * * *"\n'
    away = timetable.partition("[[newsletters]]")[0]
    for day, text in enumerate((timetable, away, timetable)):
        publisher = opened(tmp_path, database_url, text, day * DAY)
        seen = newsletter(publisher).first_seen_at
        publisher.close()
    assert seen == NOW + 2 * DAY


def test_several_first_starts_at_once_agree(tmp_path: Path, database_url: str) -> None:
    """One key, one row a name, no error in anybody's face."""
    gate, found, errors = threading.Barrier(5), [], []
    path = tmp_path / "publisher.toml"
    path.write_text(f"{FILE}{ACCOUNT}[database]\nurl = '{database_url}'\n", "utf-8")
    settings = load_settings(path)

    def start() -> None:
        gate.wait()
        try:
            publisher = open_publisher(settings, NOW)
            found.append(publisher.keys.sign("leave", 1))
            publisher.close()
        except Exception as error:  # whatever it is, the test shows it
            errors.append(error)

    threads = [threading.Thread(target=start) for _number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(found) == 5
    assert len(set(found)) == 1
