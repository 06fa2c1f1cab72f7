"""A newsroom moves in, from each of the four tools once whole: issues, pages, readers, old addresses, and what cannot come along is said."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from publisher.db import Database
from subscribers.models import Subscription, Suppression
from tests.moving import exports
from tests.moving.office import Office, harmless
from tests.readers import HANAKO, TARO, consents, state_of

GONE = "gone@example.jp"


def reasons(database: Database) -> list[str]:
    """Why addresses are suppressed."""
    with database.reading() as session:
        return sorted(session.scalars(select(Suppression.reason)))


def confirmed(database: Database) -> list[datetime]:
    """When each reader agreed."""
    with database.reading() as session:
        return [at for at in session.scalars(select(Subscription.confirmed_at).where(Subscription.state == "subscribed").order_by(Subscription.id)) if at]


def test_from_substack(database: Database, tmp_path: Path) -> None:
    office = Office.made(database)
    moved = office.move("substack", exports.zipped(tmp_path / "export.zip", exports.substack()))
    assert office.issues() == [(1, "2024-05-01", "First letter"), (2, "2024-05-08", "Second letter")]
    assert office.addresses() == {"/p/first-letter": 1, "/p/second-letter": 2}
    assert [problem.line for problem in moved.found.problems] == [7, 8]
    assert "readers only" in moved.found.problems[0].reason
    harmless(office.pages())
    assert "Secret" not in "".join(office.pages())
    assert "Thanks for reading" not in "".join(office.pages())
    assert (moved.readers.added, moved.readers.gone, moved.readers.refused) == (2, 1, 1)
    assert [state_of(database, who) for who in (HANAKO, TARO, GONE, "spy@example.com")] == ["subscribed", "subscribed", "left", None]
    assert consents(database)[0] == ("imported", "imported from Substack; signed up 2023-01-02")
    assert confirmed(database)[0] == datetime(2023, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_from_ghost(database: Database, tmp_path: Path) -> None:
    """Posts sent by mail only have an address of their own; a link within the site leads to our site, which knows the old address."""
    office = Office.made(database)
    moved = office.move("ghost", exports.folder(tmp_path / "ghost", exports.ghost()))
    assert [entry[2] for entry in office.issues()] == ["Letter 1", "Letter 2", "Letter 3"]
    assert office.addresses() == {f"/letter-{number}": number for number in (1, 2, 3)} | {
        f"/email/00000000-0000-4000-8000-{number:012}": number for number in (1, 2, 3)}
    assert [problem.reason.partition("”")[0] for problem in moved.found.problems] == ["“Letter 6", "“Letter 7"]
    pages = office.pages()
    harmless(pages)
    assert "How it began" in pages[0]
    assert f'href="{office.settings.site.url}/letter-1/"' in pages[1]
    assert "Join" not in pages[1]
    assert (moved.readers.added, moved.readers.gone) == (2, 1)


def test_from_buttondown(database: Database, tmp_path: Path) -> None:
    office = Office.made(database)
    moved = office.move("buttondown", exports.zipped(tmp_path / "export.zip", exports.buttondown()))
    assert [entry[2] for entry in office.issues()] == ["Plain mail", "Fancy mail", "Alone: a letter"]
    assert office.addresses() == {"/archive/plain-mail": 1, "/archive/fancy-mail": 2, "/archive/alone": 3}
    pages = office.pages()
    harmless(pages)
    assert "(A card on a desk)" in pages[0]
    assert "Hello !" in pages[0]
    assert "What changed" in pages[1]
    assert [problem.reason.partition("”")[0] for problem in moved.found.problems] == ["“Paid"]
    assert (moved.readers.added, moved.readers.pending, moved.readers.closed, moved.readers.gone) == (2, 1, 2, 1)
    assert reasons(database) == ["complaint", "hard-bounce"]


def test_from_listmonk(database: Database, tmp_path: Path) -> None:
    office = Office.made(database, "ja")
    moved = office.move("listmonk", exports.folder(tmp_path / "listmonk", exports.listmonk()))
    assert [entry[2] for entry in office.issues()] == ["Campaign 1", "Campaign 2"]
    first, second = (f"57702beb-6fae-4355-a324-{number:012}" for number in (1, 2))
    assert office.addresses() == {f"/archive/{first}": 1, f"/campaign/{first}": 1, "/archive/first": 1, f"/archive/{second}": 2, f"/campaign/{second}": 2}
    pages = office.pages()
    harmless(pages)
    assert "@TrackLink" not in "".join(pages)
    assert 'href="https://wire.example.com/aoba"' in pages[1]
    assert "第1号" in pages[0]
    assert (moved.readers.added, moved.readers.gone, moved.readers.closed) == (2, 1, 1)
    assert reasons(database) == ["blocklist"]
    assert consents(database)[0] == ("imported", "listmonkからの移行、登録日：2023-01-02")
    with office.browse() as client:
        answer = client.get(f"/campaign/{first}/0b0b0b0b-0000-4000-8000-000000000001")
    assert (answer.status_code, answer.headers["location"]) == (301, "/issues/1")


def test_of_listmonks_campaigns_those_of_the_archive_where_there_is_one(database: Database, tmp_path: Path) -> None:
    """A newsroom that chose what is public has chosen here too."""
    office = Office.made(database)
    files = exports.listmonk()
    files["campaigns.json"] = files["campaigns.json"].replace('"archive_slug": "first"', '"archive_slug": "first", "archive": true')
    office.move("listmonk", exports.zipped(tmp_path / "export.zip", files))
    assert [entry[2] for entry in office.issues()] == ["Campaign 1"]
