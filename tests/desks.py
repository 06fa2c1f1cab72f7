"""A newsroom's desk for tests of reading: a folder of files, settings, and what was filed of them."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from publisher.db import Database
from publisher.ingest.filing import IngestReport
from publisher.ingest.reading import read_paths, read_sources
from publisher.models import SourceRow, Story, StoryChange, Telling
from publisher.settings import Settings
from publisher.settings_file import load_settings

NOW = datetime(2026, 3, 6, 7, 0, tzinfo=UTC)
FILE = """\
[site]
url = "http://127.0.0.1:8000"
timezone = "Asia/Tokyo"
[mail]
sender = "news@news.example.jp"
[[lists]]
name = "daily"
[[newsletters]]
name = "morning"
list = "daily"
first_window = "7d"
"""
DESK = {"name": "desk", "kind": "folder", "path": "stories", "curated": True}
# Each has words of its own, as the news of one day have.
TEXTS = {
    "chip": ("青葉研究所、推論チップの消費電力を6割減らす", "新しい推論チップは1枚で90ワットしか使わない。量産は秋に始まり、価格は1枚12万円になる見込みだ。"),
    "court": ("見本地裁、学習データの記録を開示するよう命じる", "裁判長は被告の3社に対し、30日以内に記録を提出するよう求めた。控訴するかどうかは決まっていない。"),
    "school": ("港市の小学校42校、作文の添削に対話型AIを試す", "児童の書いた下書きに助言が付く。教員は夏休みの前に効果を報告し、保護者向けの説明会も開く。"),
    "rice": ("雪国農協、米の等級判定をカメラに任せる", "検査員が一粒ずつ見ていた作業を、ベルトの上の撮影で置き換える。昨年の収穫では誤りが0.3%だった。"),
}


def told(name: str, *, headline: str | None = None, body: str | None = None, day: str = "2026-03-05") -> str:
    """One story of a report, with another headline, body or day where a test says so."""
    usual = TEXTS[name]
    return f"### {headline or usual[0]}\n**リリース日**: {day}\n**情報源**: [例通信](https://wire.example.com/{name})\n\n{body or usual[1]}\n"


def report(*stories: str, section: str = "企業の動き") -> str:
    """A report that holds `stories`."""
    return f"# AIニュースレポート\n\n## {section}\n\n" + "\n".join(stories)


def post(title: str, body: str, *, excerpt: str = "", day: str = "2026-03-05 08:00:00 +0900") -> str:
    """A post with front matter."""
    return f'---\ntitle: "{title}"\ndate: {day}\nexcerpt: "{excerpt}"\n---\n\n{body}\n'


def _toml(table: str, values: dict[str, Any]) -> str:
    # JSON's strings, numbers, booleans and lists are TOML's as well.
    return f"[[{table}]]\n" + "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())


@dataclass(frozen=True, slots=True)
class Desk:
    """A folder with publisher.toml and `stories/`, and the database that it is read into."""

    path: Path
    database: Database
    settings: Settings

    @classmethod
    def make(cls, path: Path, database: Database, *sources: dict[str, Any], more: str = "") -> "Desk":
        """Write the settings; without `sources` there is one curated folder."""
        (path / "stories").mkdir(exist_ok=True)
        (path / "publisher.toml").write_text(FILE + "".join(_toml("sources", source) for source in sources or (DESK,)) + more, "utf-8")
        return cls(path, database, load_settings(path / "publisher.toml"))

    def write(self, name: str, text: str | bytes) -> Path:
        """A file in `stories/`."""
        file = self.path / "stories" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def read(self, now: datetime = NOW) -> IngestReport:
        """What `publisher stories ingest` does."""
        return read_sources(self.database, self.settings, now)

    def read_clean(self, now: datetime = NOW) -> IngestReport:
        """The same, where nothing may be refused."""
        report = self.read(now)
        assert not report.problems
        return report

    def read_named(self, *paths: Path, now: datetime = NOW, inbox: bool = False) -> IngestReport:
        """What `publisher stories ingest PATH…` does."""
        return read_paths(self.database, self.settings, paths, now, inbox=inbox)

    def stories(self) -> list[Story]:
        """What stands in the files now, in their order."""
        with self.database.reading() as session:
            return list(session.scalars(select(Story).where(Story.withdrawn_at.is_(None)).order_by(Story.container, Story.position)))

    def story(self, headline: str) -> Story:
        """The one story whose headline begins so."""
        with self.database.reading() as session:
            return session.scalars(select(Story).where(Story.headline.startswith(headline))).one()

    def ids(self) -> dict[str, int]:
        """Each story's origin and id."""
        return {story.origin: story.id for story in self.stories()}

    def everything(self) -> list[dict[str, Any]]:
        """Every column of every story, to see that nothing changed."""
        with self.database.reading() as session:
            rows = session.scalars(select(Story).order_by(Story.id))
            return [{column.name: getattr(row, column.name) for column in Story.__table__.columns} for row in rows]

    def tell(self, story_id: int) -> None:
        """Reserve the story for an issue, as picking does."""
        with self.database.writing() as session:
            session.add(Telling(target_kind="newsletter", target_id=1, duplicate_group=story_id, story_id=story_id, reserved_at=NOW))

    def changes(self) -> list[tuple[int, str]]:
        """What was noted of told stories."""
        with self.database.reading() as session:
            return [(change.story_id, change.kind) for change in session.scalars(select(StoryChange).order_by(StoryChange.id))]

    def source(self, name: str = "desk") -> SourceRow:
        """What is remembered of a source."""
        with self.database.reading() as session:
            return session.scalars(select(SourceRow).where(SourceRow.name == name)).one()


def counts(report: IngestReport) -> dict[str, int]:
    """The numbers that are not zero."""
    names = ("read", "new", "updated", "unchanged", "archived", "noted", "withdrawn")
    return {name: getattr(report, name) for name in names if getattr(report, name)}
