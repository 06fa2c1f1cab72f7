"""Out of a report come its stories, all of them and nothing else."""

from pathlib import Path

import pytest

from publisher.ingest.document import read_document
from publisher.ingest.draft import Draft, Reading

ROOT = Path(__file__).parent.parent.parent
SAMPLES = ROOT / "samples" / "stories"
HUB = "https://radicaldatascience.wordpress.com/2025/12/04/ai-news-briefs-bulletin-board-for-december-2025/"


def read(text: str) -> Reading:
    """The stories of a text."""
    return read_document(text.encode(), where="report.md")


def headlines(drafts: tuple[Draft, ...]) -> list[str]:
    """Their headlines, in order."""
    return [draft.headline for draft in drafts]


@pytest.fixture
def report(seeds: Path) -> tuple[Draft, ...]:
    """The stories of the real report."""
    path = next(seeds.glob("000_*"))
    return read_document(path.read_bytes(), where=path.name).drafts


def test_the_real_report_holds_exactly_its_fifteen_dated_stories(report: tuple[Draft, ...]) -> None:
    """Headlines without number and emoji; introduction, outlook, links and conclusion are no stories."""
    assert headlines(report) == [
        "OpenAIの防御的姿勢への転換", "GoogleのTPU開発とハードウェア戦略", "AWSの「AI Factory」戦略", "NVIDIAのMoEパフォーマンスブレークスルー",
        "Mistral 3ファミリーの発表", "Anthropicの内部調査とClaude 4.5 Opus", "OpenAIの正直性ベース報酬システム", "OpenAIによるNeptune.ai買収",
        "Databricksの資金調達計画", "Weights & Biasesの新機能", "Token SecurityのAIエージェントセキュリティツール", "GoogleとReplitのパートナーシップ",
        "AIエンジニアリングの失敗パターン分析", "AI投資に関する専門家の警告", "AI生成音楽のチャート達成"]


def test_each_story_of_the_real_report_has_its_own_date_and_not_the_reports(report: tuple[Draft, ...]) -> None:
    """The report is of 5 December; none of its stories is."""
    assert [draft.date for draft in report] == [
        "2025-12-04", "2025-12-04", "2025-12-02", "2025-12-04", "2025-12-04", "2025-12-04", "2025-12-04", "2025-12-03", "2025-12-01", "2025-12-04",
        "2025-12-04", "2025-12-04", "2025-12-04", "2025-12-03", "2025-12-02"]


def test_seven_stories_share_one_address_and_are_seven_stories(report: tuple[Draft, ...]) -> None:
    """The trap of a bulletin board that everybody links to."""
    sharing = [draft for draft in report if draft.source_url == HUB]
    assert len(sharing) == 7
    assert len({draft.headline for draft in sharing}) == 7
    assert {draft.source_name for draft in sharing} == {"Radical Data Science"}


def test_garlic_belongs_to_the_story_before_it(report: tuple[Draft, ...]) -> None:
    """It has neither date nor source of its own."""
    holding = [draft for draft in report if "Garlic" in draft.body]
    assert headlines(tuple(holding)) == ["OpenAIの防御的姿勢への転換"]
    assert not any("Garlic" in draft.headline for draft in report)


def test_sections_of_the_real_report_stand_without_emoji(report: tuple[Draft, ...]) -> None:
    """The `##` heading above a story is its section."""
    assert list(dict.fromkeys(draft.section for draft in report)) == [
        "緊急動向：OpenAIの「コードレッド」宣言と業界地図の変革", "主要テック企業のAI戦略動向", "AIモデルの革新動向", "M&Aと投資動向",
        "技術インフラと開発ツール", "統計データと業界分析", "AIのクリエイティブ産業への影響"]


def test_sources_facts_and_bodies_of_the_real_report_are_whole(report: tuple[Draft, ...]) -> None:
    """A source without a link keeps its name; labelled lines that became fields are no body; every story has key facts."""
    databricks = report[8]
    assert (databricks.source_name, databricks.source_url) == ("Tech Industry Reports", None)
    assert all(draft.facts for draft in report)
    assert all(draft.summary and draft.body for draft in report)
    assert not any("リリース日" in draft.body or "情報源" in draft.body for draft in report)
    assert ("発令時期", "2025年12月2日") in [(fact.label, fact.value) for fact in report[0].facts]


def test_the_samples_give_the_stories_that_their_readme_counts() -> None:
    """What `make demo` shows is read whole and without a problem."""
    readings = {path.name: read_document(path.read_bytes(), where=path.name) for path in SAMPLES.iterdir()}
    assert {name: len(reading.drafts) for name, reading in readings.items()} == {
        "ai-report.md": 7, "morning-bullets.md": 4, "weekly-en.md": 2, "post-edge-hospital.md": 1, "post-school-guideline.md": 1, "saved-page.txt": 1,
        "plain-article.txt": 1}
    assert not [problem for reading in readings.values() for problem in reading.problems]
    drafts = [draft for reading in readings.values() for draft in reading.drafts]
    assert len({draft.section for draft in drafts if draft.section}) == 5
    assert {draft.language for draft in drafts} == {"ja", "en"}
    assert not any("{%" in draft.body or "<div" in draft.body or "コピー" in draft.body for draft in drafts)


def test_a_sub_heading_without_labels_belongs_to_the_story_above_in_the_samples() -> None:
    """The cost of training is part of the story about the model."""
    first = read_document((SAMPLES / "ai-report.md").read_bytes(), where="ai-report.md").drafts[0]
    assert first.headline == "青葉研究所、400億パラメータの「アオバ3」を重みごと公開"
    assert "21日" in first.body
    assert "出る前" not in first.body


@pytest.mark.parametrize("colon", [":", "："])
@pytest.mark.parametrize(("day", "url", "source"), [("公開日", "URL", "情報源"), ("Date", "Link", "Source"), ("日付", "リンク", "出典")])
def test_labelled_bullets_are_read_in_both_languages_and_with_both_colons(colon: str, day: str, url: str, source: str) -> None:
    """The sister shape of newsletters that machines write."""
    text = f"""# Daily

### 1. Aoba opens its model
- {day}{colon} 2026-03-05
- {source}{colon} Example Wire
- {url}{colon} https://wire.example.com/aoba
- 要約{colon} Aoba opened the weights.

### 2. Minato halves its price
- **{day}**{colon} 2026年3月4日
- **{source}**{colon} [Example Wire](https://wire.example.com/minato)
- Summary{colon} Minato halved it.
"""
    first, second = read(text).drafts
    assert (first.headline, first.date, first.source_name, first.source_url) == (
        "Aoba opens its model", "2026-03-05", "Example Wire", "https://wire.example.com/aoba")
    assert first.summary == "Aoba opened the weights."
    assert (second.date, second.source_url) == ("2026-03-04", "https://wire.example.com/minato")


def test_lists_of_links_under_a_heading_that_names_the_source() -> None:
    """A summary line is nested below each; front matter on top changes nothing."""
    text = """---
title: Links of the day
---
# Links of the day

## Example Wire
- [Aoba opens its model](https://wire.example.com/aoba)
  - The weights are there for all.
- [Minato halves its price](https://wire.example.com/minato)
  - Half the price from today.

## 例示新聞
1. [検査ロボットを300台](https://shimbun.example.jp/robots)
   見落としが減った。
"""
    drafts = read(text).drafts
    assert headlines(drafts) == ["Aoba opens its model", "Minato halves its price", "検査ロボットを300台"]
    assert [draft.source_name for draft in drafts] == ["Example Wire", "Example Wire", "例示新聞"]
    assert drafts[0].summary == "The weights are there for all."
    assert drafts[2].source_url == "https://shimbun.example.jp/robots"


def test_a_report_that_names_no_stories_is_one_article() -> None:
    """Never an error and never nothing."""
    drafts = read("# 今週のレポート\n\n## 概観\n\n静かな一週間だった。\n\n## まとめ\n\n来週も見ていく。\n").drafts
    assert headlines(drafts) == ["今週のレポート"]
    assert "静かな一週間" in drafts[0].body


def test_a_date_that_is_none_costs_the_date_and_is_told_with_its_line() -> None:
    """31 February does not exist; the story does."""
    text = "# R\n\n### A first story\n- Date: 2026-02-31\n- Source: Wire\n\nText one.\n\n### A second story\n- Date: 2026-03-01\n- Source: Wire\n\nText two.\n"
    reading = read(text)
    assert [draft.date for draft in reading.drafts] == [None, "2026-03-01"]
    assert [(problem.where, problem.line) for problem in reading.problems] == [("report.md", 4)]
    assert "2026-02-31" in reading.problems[0].reason


def test_pictures_in_a_list_are_no_stories() -> None:
    """They look like links, and lead to a file; before a linked title they are its picture."""
    charts = "# Report\n\n## Charts\n\n- ![prices](https://example.com/p.png) Prices in 2026\n- ![wages](https://example.com/q.png) Wages in 2027\n"
    assert [draft.headline for draft in read_document(charts.encode(), where="r.md").drafts] == ["Report"]
    linked = ("# Report\n\n## Wire\n\n- ![logo](https://example.com/p.png) [Aoba opens a model](https://example.com/1)\n  It runs on one card.\n"
              "- ![logo](https://example.com/p.png) [Minato halves a price](https://example.com/2)\n  All customers pay 50% less.\n")
    assert [(draft.headline, draft.source_url) for draft in read_document(linked.encode(), where="r.md").drafts] == [
        ("Aoba opens a model", "https://example.com/1"), ("Minato halves a price", "https://example.com/2")]


def test_a_tag_that_was_written_to_be_seen_stays_text() -> None:
    """`&lt;b&gt;` beside a title is no HTML of the body."""
    listed = "# Report\n\n## Wire\n\n" + "".join(
        f"- [Story {number} of the wire](https://example.com/{number}): the tag &lt;b&gt; is bold, says page {number}\n" for number in (1, 2))
    for draft in read_document(listed.encode(), where="r.md").drafts:
        assert draft.body.startswith("the tag &lt;b> is bold")
        assert draft.summary.startswith("the tag <b> is bold")
