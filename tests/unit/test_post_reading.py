"""A Jekyll post: front matter wins, and what builds the site never reaches a reader."""

from pathlib import Path

import pytest

from publisher.errors import BadInput
from publisher.ingest.document import read_document
from publisher.ingest.draft import Draft

POST = """---
layout: post
title: "港の待ち時間が3分の1に"
date: 2026-03-05 02:07:53 +0900
categories: ["企業と製品", "物流"]
tags: [港, 予測]
author: 編集部
excerpt: "%s"
image: https://cdn.example.jp/port.png
canonical_url: https://blog.example.jp/port
reading_time: 8
---
# **港の待ち時間が三分の一に**
{: .no_toc }

{%% include share.html %%}

港のゲートの混み具合を1時間ごとに予測する仕組みで、トラックの待ち時間が64分から43分に縮んだ。運送会社38社が予測を見て出発を決めている。{{ site.note }}

<div class="ad">広告です</div>

続きの段落。
"""


def read(text: str) -> Draft:
    """The one story of a post."""
    return read_document(text.encode(), where="post.md").drafts[0]


def test_the_real_post_is_one_story_whose_front_matter_wins(seeds: Path) -> None:
    """Title and first heading differ by a letter; the excerpt would fit any post, so the lead is the summary."""
    path = next(seeds.glob("001_*"))
    drafts = read_document(path.read_bytes(), where=path.name).drafts
    assert len(drafts) == 1
    assert drafts[0].headline == "オープンースAIモデルの台頭と競争化"
    assert drafts[0].date == "2025-09-04T02:07:53+00:00"
    assert (drafts[0].section, drafts[0].author, drafts[0].reading_minutes) == ("技術解説", "ALLFORCES編集部", 8)
    assert drafts[0].tags == ("AI", "最新ニュース", "技術動向", "OpenAI", "Google", "Microsoft")
    assert drafts[0].summary.startswith("2025年9月4日現在、AI業界では")
    assert "オープンソースAIモデルの台頭と競争激化" not in drafts[0].body[:60]


def test_all_fields_of_front_matter_are_read() -> None:
    """A moment keeps its zone; the first category is the section, the others are no tags where tags are given."""
    draft = read(POST % "予測で港のトラックの待ち時間が43分に。")
    assert draft.headline == "港の待ち時間が3分の1に"
    assert draft.date == "2026-03-05T02:07:53+09:00"
    assert (draft.section, draft.author) == ("企業と製品", "編集部")
    assert draft.tags[:2] == ("港", "予測")
    assert (draft.image_url, draft.source_url, draft.reading_minutes) == ("https://cdn.example.jp/port.png", "https://blog.example.jp/port", 8)


def test_liquid_kramdown_and_html_blocks_are_left_out() -> None:
    """The body is Markdown and nothing else; the heading that repeats the title is not told twice."""
    body = read(POST % "x").body
    assert body.startswith("港のゲートの混み具合")
    assert body.endswith("続きの段落。")
    assert not any(mark in body for mark in ("{%", "{{", "{:", "<div", "広告です"))


def test_an_excerpt_that_names_something_is_the_summary_and_boilerplate_is_not() -> None:
    """Boilerplate names nothing that title or body name."""
    assert read(POST % "予測で港のトラックの待ち時間が43分に。").summary == "予測で港のトラックの待ち時間が43分に。"
    assert read(POST % "最新のAI技術動向と市場分析をお届けします。").summary.startswith("港のゲートの混み具合")


@pytest.mark.parametrize(("front", "line"), [
    ('title: "unclosed\ndate: 2026-03-05', 2), ("title: [a, b\ndate: x", 2), ("title: a\n  bad: : indent\n- x", 3)])
def test_broken_front_matter_is_refused_with_its_line(front: str, line: int) -> None:
    """One line that says where to look."""
    with pytest.raises(BadInput) as refused:
        read(f"---\n{front}\n---\nText.\n")
    assert refused.value.problem.line is not None
    assert refused.value.problem.line >= line
    assert "front matter" in refused.value.problem.reason
    assert "\n" not in str(refused.value)


def test_front_matter_without_an_end_is_refused() -> None:
    """Else the whole post would be taken for it."""
    with pytest.raises(BadInput, match="no end"):
        read("---\ntitle: a\ndate: 2026-03-05\n\nText.\n")


def test_a_date_in_front_matter_that_is_none_is_told_with_its_line() -> None:
    """The story is kept without one."""
    reading = read_document(b"---\ntitle: A title\ndate: 2026-13-45\n---\nSome text here.\n", where="post.md")
    assert reading.drafts[0].date is None
    assert [problem.line for problem in reading.problems] == [3]
