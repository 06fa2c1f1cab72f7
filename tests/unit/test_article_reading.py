"""A page saved as text and a plain article: the words of the author, and nothing that buttons left."""

from pathlib import Path

import pytest

from publisher.ingest.document import read_document
from publisher.ingest.draft import Draft


def read(text: str) -> Draft:
    """The one story of a text."""
    drafts = read_document(text.encode(), where="article.txt").drafts
    assert len(drafts) == 1
    return drafts[0]


def seed(seeds: Path, number: str) -> Draft:
    """The one story of a real document."""
    path = next(seeds.glob(f"{number}_*"))
    drafts = read_document(path.read_bytes(), where=path.name).drafts
    assert len(drafts) == 1
    return drafts[0]


def test_the_real_saved_page_is_one_story_without_debris(seeds: Path) -> None:
    """Its first line is the headline."""
    page = seed(seeds, "002")
    assert page.headline.startswith("「数ヶ月は遅れをとる」OpenAIがGoogleを追う側へ")
    lines = [line.strip("# ") for line in page.body.split("\n")]
    assert not {"URLをコピーしました!", "コメント", "目次", "Sources:", "コメントする", "よかったらシェアしてね!"}.intersection(lines)
    assert "The Informationが入手したAltmanの内部メモは" in page.body
    assert lines.count("Googleの事前学習突破") == 0


def test_the_real_article_is_one_story_without_its_character_count(seeds: Path) -> None:
    """Leading blank lines, headline, 4,226 文字, paragraphs."""
    article = seed(seeds, "003")
    assert article.headline == "OpenAIのサム・アルトマンが衝撃の告白:「OpenAIはDeepSeekから学ばなければならない」"
    assert article.body.startswith("業界に激震が走っています。")
    assert "4,226" not in article.body
    assert article.date is None


@pytest.mark.parametrize("debris", ["URLをコピーしました!", "コメント", "Sources:", "シェアする", "1,234 文字", "Share this", "Copy link", "ツイート"])
def test_what_buttons_and_forms_leave_is_no_body(debris: str) -> None:
    """Each alone on its line."""
    body = read(f"見出しの一行\n\n{debris}\n\n本文の最初の段落です。ここに続きがあります。\n\n二つ目の段落です。\n\n{debris}\n").body
    assert debris not in body
    assert body.startswith("本文の最初の段落です。")
    assert body.endswith("二つ目の段落です。")


def test_lines_without_blank_lines_between_are_paragraphs() -> None:
    """A plain article sets each paragraph as one line."""
    body = read("\n\n見出し\n1,020 文字\n一つ目の段落です。\n二つ目の段落です。\n三つ目の段落です。\n").body
    assert body.split("\n\n") == ["一つ目の段落です。", "二つ目の段落です。", "三つ目の段落です。"]


def test_an_english_article_is_english() -> None:
    """The script tells the language, and words tell the reading time."""
    draft = read("# Port cuts queues\n\n" + "The port publishes a forecast of its gates every hour. " * 60)
    assert (draft.headline, draft.language) == ("Port cuts queues", "en")
    assert draft.reading_minutes == 3
