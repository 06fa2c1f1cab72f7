"""The web application over a newsroom with one sent issue, for tests of pages."""

import base64
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from httpx import Response
from sqlalchemy import update
from starlette.testclient import TestClient

from publisher.db import Database
from publisher.links import leave_token
from publisher.models import Issue
from publisher.settings import Settings
from publisher.web.app import create_web
from tests.composing import NOW, Newsroom, settings, story
from tests.readers import HANAKO, KEYS, TARO, ids_of, join, lists

BODY = """## 何が変わったか

青葉研究所は、4000億パラメータのモデルを公開した。1枚のカードで動く。

- 重みは**すべて**公開
- [技術報告](https://aoba.example.jp/report)つき

> 誰でも試せることが大事だ。

| 大きさ | 速さ |
|---|---|
| 40B | 120 |
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A site with one issue that is out: its pages, and Hanako's leave link in that issue."""

    database: Database
    settings: Settings
    newsroom: Newsroom
    issue_id: int

    def token(self, address: str = HANAKO) -> str:
        """The leave token of one reader."""
        return leave_token(KEYS, *ids_of(self.database, address), self.issue_id)

    @contextmanager
    def browse(self, **health: Any) -> Iterator[TestClient]:
        """A client without the habit of following redirects."""
        web = create_web(self.database, self.settings, KEYS, health=lambda: health, clock=lambda: NOW + timedelta(hours=2))
        with TestClient(web, base_url=self.settings.site.url, follow_redirects=False, raise_server_exceptions=False) as client:
            yield client


def set_state(database: Database, issue_id: int, state: str) -> None:
    """Put an issue into a state, as sending would."""
    started = NOW if state in ("sending", "paused", "sent") else None
    with database.writing() as session:
        session.execute(update(Issue).where(Issue.id == issue_id).values(state=state, started_at=started))


def stories(language: str) -> list[dict[str, Any]]:
    """Two stories: one of our own, and one of which we have the summary only."""
    if language == "ja":
        return [
            story("青葉研究所、4000億パラメータのモデルを公開 — 1枚のカードで動作", section="モデル", source_name="編集部", author="山田 花子",
                  summary="青葉研究所がモデルの重みを公開した。1枚のカードで動く。", body=BODY, date="2025-12-04", reading_minutes=3,
                  facts=[{"label": "パラメータ数", "value": "4,000億"}, {"label": "公開日", "value": "2025年12月4日"},
                         {"label": "利用条件", "value": "商用利用も可"}]),
            story("港クラウド、推論の価格を半額に", section="市場", summary="港クラウドは全顧客の推論価格を50%引き下げた。", body="Their own words.",
                  rights="summary", source_name="例通信", source_url="https://wire.example.com/minato", date="2025-12-04")]
    return [
        story("Aoba Labs opens a model with 400 billion parameters that runs on one card", section="Models", language="en", author="Hanako Yamada",
              summary="Aoba Labs published the weights of its model. It runs on one card.", source_name="Desk", date="2025-12-04", reading_minutes=3,
              body="## What changes\n\nThe weights are **open**.\n\n- one\n- two\n", facts=[{"label": "Parameters", "value": "400 billion"}]),
        story("Minato Cloud halves the price of inference", section="Market", language="en", summary="Minato Cloud cut its price by 50%.",
              body="Their own words.", rights="summary", source_name="Example Wire", source_url="https://wire.example.com/minato", date="2025-12-04")]


def site(database: Database, *, language: str = "en", state: str = "sent", told: list[dict[str, Any]] | None = None, **changes: Any) -> Site:
    """A site whose one issue is in `state`, read by Hanako and Taro."""
    lists(database)
    made = settings(language=language, **changes)
    newsroom = Newsroom(database, made)
    issue, _edition, _posts = newsroom.composed(told or stories(language))
    set_state(database, issue.id, state)
    for address in (HANAKO, TARO):
        join(database, address)
    return Site(database, made, newsroom, issue.id)


def plain(answer: Response) -> None:
    """What every answer keeps: no redirect, no cookie, no script, no third party, no address given away."""
    assert not answer.is_redirect
    assert "set-cookie" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    # Data is no script; the one script there is stands in the page's policy by its hash.
    for attributes, script in re.findall(r"<script\b([^>]*)>(.*?)</script", answer.text, re.DOTALL | re.IGNORECASE):
        named = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert attributes == ' type="application/ld+json"' or f"script-src 'sha256-{named}'" in answer.headers["content-security-policy"], script
    assert "unsafe" not in answer.headers["content-security-policy"].partition("script-src")[2]
