"""A newsroom with an issue that was picked and not yet composed, for tests of `compose`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import select

from publisher.compose.drafting import compose_draft
from publisher.curate.picking import add_pick
from publisher.db import Database
from publisher.models import AccountRow, Edition, Issue, NewsletterRow, Pick, Post, SourceRow, Story
from publisher.settings import Settings

NOW = datetime(2025, 12, 4, 22, 0, tzinfo=UTC)  # 7 o'clock of 5 December in Tokyo


_NOWHERE = TemporaryDirectory(prefix="publisher-tests-")


def settings(*, accounts: Sequence[Mapping[str, Any]] = (), root: Path | None = None, language: str = "ja", site: Mapping[str, Any] | None = None,
             newsletter: Mapping[str, Any] | None = None, mail: Mapping[str, Any] | None = None, templates: str | None = None, **sections: Any) -> Settings:
    """The settings of a newsroom in Tokyo with the newsletter `morning`; further `sections` (signup, inbound, lists …) stand as given."""
    made = Settings.model_validate({
        "site": {"name": "AI モーニング" if language == "ja" else "Example Morning", "url": "https://news.example.jp", "language": language,
                 "postal_address": "〒100-0000 東京都千代田区見本町1-1" if language == "ja" else "1-1 Example, Chiyoda, Tokyo 100-0000, Japan",
                 "contact": "desk@news.example.jp"} | dict(site or {}),
        "mail": {"sender": "AI モーニング <news@news.example.jp>"} | dict(mail or {}),
        "lists": [{"name": "daily"}],
        "newsletters": [{"name": "morning", "list": "daily"} | dict(newsletter or {})],
        "accounts": [{"newsletter": "morning", "kind": "outbox"} | dict(account) for account in accounts],
        "paths": {"templates": templates} if templates else {}} | sections)
    # What a test writes without naming a place goes with the tests.
    object.__setattr__(made, "_root", root or Path(_NOWHERE.name))
    return made


def story(headline: str, **fields: Any) -> dict[str, Any]:
    """The fields of a story, as an issue keeps them."""
    return {"headline": headline, "summary": "", "body": "", "facts": [], "section": None, "tags": [], "author": None, "source_name": None,
            "source_url": None, "image_url": None, "image_alt": None, "date": None, "language": "ja", "rights": "own", "reading_minutes": 1} | fields


def facts(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    """Key facts as a story keeps them."""
    return [{"label": label, "value": value} for label, value in pairs]


def morning() -> list[dict[str, Any]]:
    """Five invented stories in three sections, one of them in English and one without a link."""
    return [
        story("あおばモデル、重みを公開　カード1枚で動く400億パラメータ", section="モデル", source_name="見本通信", source_url="https://wire.example.com/aoba?id=1#top",
              date="2025-12-04", tags=["生成AI", "オープン モデル", "三つ目"],
              summary="あおば研究所は、400億パラメータの言語モデル「あおば2」の重みを公開した。民生用のカード1枚で動く。利用は商用も無償で認める。四つ目の文は載らない。",
              facts=facts(("利用条件", "商用も無償"), ("速さ", "前世代の2.5倍"), ("メモリ", "24GB"),
                          ("公開日", "2025年12月4日"), ("言語", "日本語と英語"), ("対象", "開発者"))),
        story("みなとクラウド、推論の料金を一律50%値下げ", section="産業", source_name="見本経済", source_url="https://biz.example.com/minato",
              date="2025-12-04", summary="みなとクラウドは5日から、推論の料金をすべての利用者で半額にする。", facts=facts(("値下げ幅", "50%"))),
        story("Sora Semiconductor tapes out a chip of 2 nanometres", section="産業", source_name="Example Wire", source_url="https://wire.example.com/sora",
              date="2025-12-04", language="en", rights="summary", body="SECRET BODY", image_url="https://wire.example.com/p.jpg",
              summary="Sora Semiconductor has finished the design of its first accelerator.", facts=facts(("Raised", "$1.2 billion"))),
        story("学習データの記録、地裁が三社に30日以内の提出を求める", section="制度", source_name="見本新報",
              date="2025-12-04T23:30:00+00:00", reading_minutes=4, body="LONG BODY",
              summary="東京の地方裁判所は、三つの事業者に学習データの記録を出すよう求めた。", facts=facts(("期限", "30日以内"))),
        story("新潟の12校、家庭教師AIで授業", section=None, source_name="見本通信", source_url="https://wire.example.com/niigata",
              summary="新潟県の12の小中学校が、新しい仕組みを使い始めた。"),
    ]


@dataclass
class Newsroom:
    """A database with one newsletter and its accounts."""

    database: Database
    settings: Settings
    count: int = field(default=0)

    def __post_init__(self) -> None:
        with self.database.writing() as session:
            session.add_all([SourceRow(name="desk", kind="folder"), NewsletterRow(name="morning"),
                             *(AccountRow(name=account.name, kind=account.kind) for account in self.settings.accounts)])

    def draft(self, stories: Sequence[Mapping[str, Any]], *, number: int = 12, also: Mapping[int, Sequence[Mapping[str, Any]]] | None = None) -> int:
        """A draft of these stories in their order; the id of the issue. `also` names other sources by the story's place."""
        with self.database.writing() as session:
            newsletter = session.scalars(select(NewsletterRow)).one()
            issue = Issue(newsletter_id=newsletter.id, number=number, state="draft", created_at=NOW)
            session.add(issue)
            session.flush()
            for place, fields in enumerate(stories, 1):
                row = self._story(dict(fields))
                session.add(row)
                session.flush()
                row.duplicate_group = row.id
                add_pick(session, issue, row, place, NOW)
                session.flush()
            for place, names in (also or {}).items():
                session.scalars(select(Pick).where(Pick.issue_id == issue.id, Pick.position == place)).one().also = list(names)
            return issue.id

    def _story(self, fields: dict[str, Any]) -> Story:
        self.count += 1
        return Story(source_id=1, container="stories/report.md", position=self.count, origin=f"stories/report.md#{self.count}", status="approved",
                     fingerprint=f"{self.count}", content_hash=f"{self.count}", approved_at=NOW, created_at=NOW, updated_at=NOW, **fields)

    def composed(self, stories: Sequence[Mapping[str, Any]], **more: Any) -> tuple[Issue, Edition, list[Post]]:
        """The issue of these stories with its texts."""
        issue_id = self.draft(stories, **more)
        compose_draft(self.database, self.settings, issue_id, NOW)
        return self.read(issue_id)

    def read(self, issue_id: int) -> tuple[Issue, Edition, list[Post]]:
        """An issue, its edition and its posts in their order."""
        with self.database.reading() as session:
            return (session.get_one(Issue, issue_id), session.scalars(select(Edition).where(Edition.issue_id == issue_id)).one(),
                    list(session.scalars(select(Post).where(Post.issue_id == issue_id).order_by(Post.account_id, Post.position))))
