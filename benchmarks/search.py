"""How fast stories are found: `python -m benchmarks.search [--stories N] [--chars N] [--database URL] [--json]`.

Invented Japanese stories are told and indexed; then the same words are looked for by the search and by a plain LIKE over the same texts in the same
database, so that the ratio can be compared from machine to machine. A database that is named must be empty.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, or_, select

from publisher.db import Database
from publisher.models import Issue, NewsletterRow, Pick, SourceRow, Story
from publisher.search import bring_up_to_date, find
from publisher.text.terms import wanted

_A_ISSUE = 10
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_WORDS = ["楽天", "東京", "言語モデル", "推論チップ", "青葉研究所", "港北大学", "検査ロボット", "データセンター", "翻訳サービス", "音声認識",
          "学習データ", "評価の手引き", "料金体系", "省電力技術", "AI", "GPU", "open", "model"]
_BETWEEN = ["は", "が", "を", "で", "に", "の", "と", "、", "。", "した", "する", "という"]
_LETTERS = "新電気車社会長年月日本国人大学生体力方法定期間時代表現実行動物語文化学校正直線路地図書店員工場所有名前後半分野原料理由来訪問題"
# Common and rare, Japanese and Latin, one character, two, several words, nothing.
_QUERIES = ["楽天", "東京", "第7777号", "言語モデル", "音", "AI", "open 楽天", "学習データ", "料金体系 東京 GPU", "存在しない語"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--stories", type=int, default=20_000)
    parser.add_argument("--chars", type=int, default=800)
    parser.add_argument("--database")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each of the two is measured")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        found = _measure(asked, asked.database or f"sqlite:///{Path(folder) / 'publisher.db'}")
    print(json.dumps(found) if asked.json else "\n".join(f"{name:28} {value:,}" for name, value in found.items()))
    return 0


def _measure(asked: argparse.Namespace, url: str) -> dict[str, float]:
    database = Database(url)
    database.migrate()
    _fill(database, asked.stories, asked.chars)
    began = time.perf_counter()
    bring_up_to_date(database)
    indexed = asked.stories / (time.perf_counter() - began)
    searched, slowest = _pace(lambda query: find(database, wanted(query)), asked.seconds)
    plain, _slowest = _pace(lambda query: _like(database, query), asked.seconds)
    database.close()
    return {"stories": asked.stories, "indexed a second": round(indexed), "searches a second": round(searched, 1),
            "slowest search, ms": round(slowest * 1000, 1), "LIKE a second": round(plain, 1), "ratio": round(searched / plain, 1)}


def _pace(ask: Callable[[str], Any], seconds: float) -> tuple[float, float]:
    """Questions a second in whole rounds of all queries, and the slowest question in seconds."""
    count, slowest, began = 0, 0.0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for query in _QUERIES:
            before = time.perf_counter()
            ask(query)
            slowest, count = max(slowest, time.perf_counter() - before), count + 1
    return count / (time.perf_counter() - began), slowest


def _like(database: Database, query: str) -> list[int]:
    """What a search without an index would do: every word somewhere in the story, newest first, and how many there are."""
    words = query.split()
    holds = [or_(*(column.like(f"%{word}%") for column in (Story.headline, Story.summary, Story.body))) for word in words]
    with database.reading() as session:
        return list(session.scalars(select(Story.id, func.count().over()).where(*holds).order_by(Story.id.desc()).limit(20)))


def _fill(database: Database, stories: int, chars: int) -> None:
    made = random.Random(7)
    with database.writing() as session:
        session.add_all([SourceRow(name="desk", kind="folder"), NewsletterRow(name="morning")])
        session.flush()
        session.execute(insert(Issue), [
            {"newsletter_id": 1, "number": number, "state": "sent", "created_at": _NOW, "started_at": _NOW + timedelta(days=number)}
            for number in range(1, stories // _A_ISSUE + 2)])
        for rows in _batches(stories, chars, made):
            session.execute(insert(Story), [row for row, _snapshot in rows])
            session.execute(insert(Pick), [
                {"issue_id": 1 + (row["id"] - 1) // _A_ISSUE, "story_id": row["id"], "position": 1 + (row["id"] - 1) % _A_ISSUE, "snapshot": snapshot,
                 "also": []} for row, snapshot in rows])


def _batches(stories: int, chars: int, made: random.Random) -> Iterator[list[tuple[dict[str, Any], dict[str, Any]]]]:
    for first in range(1, stories + 1, 1000):
        yield [_story(number, chars, made) for number in range(first, min(first + 1000, stories + 1))]


def _story(number: int, chars: int, made: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    def words(length: int) -> str:
        """Mostly words that stand in few stories, as in a real paper: two letters of many, now and then a word that everybody writes of."""
        text = ""
        while len(text) < length:
            text += made.choice(_WORDS) if made.random() < 0.01 else made.choice(_LETTERS) + made.choice(_LETTERS)
            text += made.choice(_BETWEEN)
        return text

    said = {"headline": f"{words(24)}（第{number}号）", "summary": words(100), "body": words(chars), "rights": "own", "language": "ja"}
    row = said | {"id": number, "source_id": 1, "container": "x", "origin": f"x#{number}", "status": "approved", "fingerprint": "",
                  "content_hash": "", "created_at": _NOW, "updated_at": _NOW}
    return row, said | {"id": number, "facts": []}


if __name__ == "__main__":
    raise SystemExit(main())
