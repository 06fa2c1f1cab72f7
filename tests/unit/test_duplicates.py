"""Copies are found, and stories that only look alike are left alone."""

import time
from dataclasses import replace
from pathlib import Path

from publisher.curate.choose import Candidate
from publisher.curate.duplicates import Duplicates
from publisher.ingest.document import read_document
from publisher.text.fingerprint import text_fingerprint
from publisher.text.urls import canonical_url
from tests.stories import own_words, story

RELEASE = ("OpenAIは11日、新しい大規模言語モデル「GPT-5.2」を発表した。推論の性能が大きく向上し、コーディングの評価で80%を記録したという。"
           "料金は据え置かれ、APIでも同日から利用できる。企業向けの機能は来月から順に加わる予定だ。")


def families(*stories: Candidate) -> list[set[int]]:
    return [{one.id for one in family} for family in Duplicates(stories).families()]


def test_seven_stories_that_share_one_address_are_seven() -> None:
    shared = [story(number, canonical_url="https://ai.example.jp/roundup", container="report.md") for number in range(1, 8)]
    assert len(families(*shared)) == 7


def test_the_real_report_holds_fifteen_different_stories(seeds: Path) -> None:
    """Seven of them share one source address."""
    path = next(seeds.glob("000_*"))
    found = read_document(path.read_bytes(), where=path.name).drafts
    stories = [story(number, headline=one.headline, text=f"{one.summary}\n{one.body}", container=path.name,
                     canonical_url=canonical_url(one.source_url) if one.source_url else None,
                     fingerprint=text_fingerprint(one.headline, one.body)) for number, one in enumerate(found, 1)]
    assert max(sum(a.canonical_url == b.canonical_url for b in stories) for a in stories if a.canonical_url) == 7
    assert len(families(*stories)) == 15


def test_the_same_text_is_the_same_story_wherever_it_stands() -> None:
    assert families(story(1, fingerprint="f"), story(2, fingerprint="f"), story(3, fingerprint="g")) == [{1, 2}, {3}]


def test_an_edited_copy_at_another_source_is_found_in_japanese() -> None:
    edited = RELEASE.replace("大きく向上し", "高まり").replace("という", "としている") + "(共同)"
    assert families(story(1, headline="OpenAI、新モデル「GPT-5.2」を発表", text=RELEASE),
                    story(2, headline="「GPT-5.2」公開 OpenAI", text=edited), story(3)) == [{1, 2}, {3}]


def test_a_copy_in_full_width_letters_is_found() -> None:
    wide = RELEASE.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
    assert families(story(1, headline="発表", text=RELEASE), story(2, headline="公開", text=wide)) == [{1, 2}]


def test_two_products_announced_in_the_same_words_are_two_stories() -> None:
    text = "Googleは軽量モデル「Gemini 3 Flash」を発表した。高速な応答と低い費用が特徴で、開発者はAPIから利用できる。"
    assert len(families(story(1, headline="Google、「Gemini 3 Flash」を発表", text=text),
                        story(2, headline="Google、「Gemini 3 Pro」を発表", text=text.replace("Flash", "Pro")))) == 2


def test_weekly_reports_with_different_numbers_are_two() -> None:
    boiler = "This week's figures for the whole market, compared with the week before and with the same week of last year."
    assert len(families(story(1, headline="Weekly report 12", text=boiler), story(2, headline="Weekly report 13", text=boiler))) == 2


def test_a_figure_more_in_one_headline_is_no_contradiction() -> None:
    assert families(story(1, headline="GPT-5.2を発表", text=RELEASE),
                    story(2, headline="GPT-5.2を発表、評価で80%", text=RELEASE + "以上。")) == [{1, 2}]


def test_a_recurring_headline_over_other_words_is_another_story() -> None:
    """「今日のAIニュース」 comes every day, and tells something else each time."""
    assert len(families(story(1, headline="今日のAIニュース", text=own_words(1, 300)),
                        story(2, headline="今日のAIニュース", text=own_words(2, 300)))) == 2


def test_an_empty_phrase_in_common_says_nothing() -> None:
    assert len(families(story(1, text="詳しくはリンク先で。"), story(2, text="詳しくはリンク先で。"), story(3, text=""), story(4, text=""))) == 4


def test_one_address_with_nearly_one_headline_is_one_story() -> None:
    url = "https://example.jp/a"
    assert families(story(1, headline="楽天グループが新しい翻訳モデルを公開", canonical_url=url, container="feed one"),
                    story(2, headline="楽天グループが新しい翻訳モデルを公開した", canonical_url=url, container="feed two")) == [{1, 2}]


def test_no_chain_of_likenesses_ties_two_stories_that_differ() -> None:
    """A report without a number resembles both that have one; it joins the first, and the other stays a story of its own."""
    boiler = "This week's figures for the whole market, compared with the week before and with the same week of last year."
    found = families(story(1, headline="Weekly report 12", text=boiler), story(2, headline="Weekly report", text=boiler),
                     story(3, headline="Weekly report 13", text=boiler))
    assert found == [{1, 2}, {3}]


def test_what_was_tied_once_stays_tied() -> None:
    """The unique key of tellings stands on the group, also after one copy was edited beyond recognition."""
    assert families(story(1, group=1), story(2, group=1), story(3, group=2)) == [{1, 2}, {3}]
    assert families(story(2), story(5, group=2)) == [{2, 5}]


def test_fifteen_hundred_stories_take_seconds() -> None:
    """Also when every one of them shares an address and an opening phrase with the rest."""
    stories = [story(number, text="本日の発表によると、" + own_words(5000 + number, 1500), canonical_url="https://hub.example.jp/",
                     headline="発表: " + own_words(number, 20)) for number in range(1, 1501)]
    stories += [replace(one, id=one.id + 5000, headline=one.headline + "。", text=one.text + "以上") for one in stories[:20]]
    begun = time.perf_counter()
    found = Duplicates(stories).families()
    assert time.perf_counter() - begun < 15
    assert len(found) == 1500
