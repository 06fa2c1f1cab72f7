"""The HTML and text parts of an issue, as a reader gets them."""

import re
import tempfile
from functools import cache
from pathlib import Path

import pytest
from lxml import html as lxml_html

from publisher.compose.colours import DARK, LIGHT
from publisher.db import Database
from publisher.ingest.document import read_document
from publisher.models import Edition
from publisher.text.slots import fill
from publisher.text.wrap import WIDTH, columns
from tests.composing import Newsroom, morning, settings, story

LEAVE, PREFERENCES = "https://news.example.jp/u/hanako", "https://news.example.jp/preferences/hanako"


def _compose(stories: list[dict], **more: object) -> Edition:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/p.db")
        database.migrate()
        edition = Newsroom(database, settings(**more)).composed(stories, also={1: [{"name": "北の声", "url": "https://kita.example.com/1"}]})[1]  # type: ignore[arg-type]
        database.close()
    edition.html, edition.text = (fill(part, {"leave_url": LEAVE, "preferences_url": PREFERENCES}) for part in (edition.html, edition.text))
    return edition


@cache
def _morning() -> Edition:
    return _compose(morning())


def _links(page: str) -> dict[str, str]:
    return {link.get("href"): link.text_content() for link in lxml_html.fromstring(page).iter("a")}


def test_every_table_is_presentation_and_every_picture_has_a_description() -> None:
    """A screen reader hears the stories, not the layout."""
    tree = lxml_html.fromstring(_morning().html)
    tables = list(tree.iter("table"))
    assert tables
    for table in tables:
        assert [table.get(name) for name in ("role", "border", "cellpadding", "cellspacing")] == ["presentation", "0", "0", "0"]
    assert all(image.get("alt") is not None for image in tree.iter("img"))
    assert not list(tree.iter("th"))
    assert (tree.get("lang"), tree.get("dir")) == ("ja", "ltr")
    assert tree.findtext(".//title") == _morning().subject


def test_headings_go_down_step_by_step() -> None:
    """h1 is the paper, h2 a section, h3 a story."""
    levels = [int(heading.tag[1]) for heading in lxml_html.fromstring(_morning().html).iter("h1", "h2", "h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


def test_nothing_is_fetched_and_nothing_runs() -> None:
    """No style sheet, script, form or picture from elsewhere; a foreign picture is never shown."""
    for page in (_morning().html, _morning().page):
        assert not re.search(r"<(?:link|script|form|iframe|object|base)\b|@import|url\(", page)
        assert "p.jpg" not in page


def test_no_mark_of_a_template_is_left() -> None:
    """No braces, no placeholder, no private-use character."""
    for part in (_morning().html, _morning().text, _morning().page, _morning().subject):
        assert not re.search("{{|{%|placeholder|[\ue000-\uf8ff]", part)


def test_styles_are_small_and_letters_large_enough() -> None:
    """Gmail drops more than 16 KB of styles; nobody reads 12 pixels."""
    html = _morning().html
    assert sum(len(style.encode()) for style in re.findall(r"<style>.*?</style>", html, re.DOTALL)) < 16_000
    assert min(int(size) for size in re.findall(r"font-size:\s*(\d+)px", html)) >= 14


def test_only_colours_whose_contrast_was_computed_are_used() -> None:
    """Those of the two schemes."""
    known = {colour.upper() for scheme in (LIGHT, DARK) for colour in scheme.values()}
    assert {colour.upper() for colour in re.findall(r"#[0-9A-Fa-f]{6}\b", _morning().html)} <= known


def test_dark_phones_and_outlook_are_thought_of() -> None:
    """Media queries survive the inliner, and conditional comments do."""
    html = _morning().html
    assert "prefers-color-scheme: dark" in html
    assert "<!--[if mso]>" in html
    assert '<meta name="color-scheme" content="light dark">' in html
    assert 'style="margin:0' in html


def test_the_preheader_is_short_and_says_what_stands_below() -> None:
    """Real words, at most 90 characters; the web page has none."""
    assert 10 < len(_morning().preheader) <= 90
    assert "みなとクラウド、推論の料金を一律50%値下げ" in _morning().preheader
    assert "display:none" in _morning().html
    assert "display:none" not in _morning().page


def test_a_story_shows_headline_summary_facts_and_its_source() -> None:
    """At most three sentences and five facts, the most telling first; never a body."""
    tree = lxml_html.fromstring(_morning().html)
    block = tree.get_element_by_id("story-1")
    text = block.text_content()
    assert "利用は商用も無償で認める。" in text
    assert "四つ目" not in text
    labels = [cell.text_content() for cell in block.xpath(".//td[contains(@class,'label')]")]
    assert labels[0] == "速さ"
    assert len(labels) == 5
    assert "ほかに報じた媒体：北の声" in text
    assert "続きを読む — 見本通信" in text
    assert not re.search("SECRET BODY|LONG BODY", _morning().html + _morning().text + _morning().page)


def test_links_lead_to_the_source_and_without_one_to_our_page() -> None:
    """In the mail as on the page."""
    for page in (_morning().html, _morning().page):
        links = _links(page)
        assert links["https://wire.example.com/aoba?id=1#top"] == "続きを読む — 見本通信"
        assert links["https://news.example.jp/stories/4"] == "続きを読む — AI モーニング"


def test_a_story_in_another_language_says_so() -> None:
    """So that a screen reader changes its voice."""
    block = lxml_html.fromstring(_morning().html).get_element_by_id("story-3")
    assert block.get("lang") == "en"
    assert [element.get("lang") for element in block.iter("p") if "続きを読む" in element.text_content()] == ["ja"]


def test_headlines_break_between_phrases() -> None:
    """A <wbr> at each border, and nowhere else."""
    assert "推論の<wbr>料金を<wbr>一律50%値下げ" in _morning().html


def test_both_parts_end_with_the_sender_block_and_the_way_out() -> None:
    """Name, postal address, contact, the sentence that one can leave, the link."""
    for part in (_morning().html, _morning().text):
        assert LEAVE in part
        block = part[-3000:].replace("\n", "")
        for words in ("AI モーニング", "〒100-0000 東京都千代田区見本町1-1", "desk@news.example.jp", "配信はいつでも停止できます。"):
            assert words in block
    assert LEAVE not in _morning().page
    assert "配信を停止する" not in _morning().page


def test_the_text_part_fits_70_columns_with_links_on_lines_of_their_own() -> None:
    """In the same order as the HTML."""
    text = _morning().text
    for line in text.splitlines():
        assert columns(line) <= WIDTH or re.fullmatch(r"https://\S+", line), line
        assert "http" not in line or re.fullmatch(r"https?://\S+", line), line
        assert line == line.rstrip()
    places = [text.rindex(part) for part in ("速さ：前世代の2.5倍", "値下げ幅：50%", "- Raised: $1.2 billion", "期限：30日以内", "https://wire.example.com/niigata")]
    assert places == sorted(places)
    assert "<" not in text


def test_hostile_words_stay_words() -> None:
    """A headline is no markup, a link to a script is none, and no story can open a slot or a leave link of its own."""
    edition = _compose([
        story("<script>alert(1)</script>\r\nBcc: x@example.com \ue000leave_url\ue001 {{ 7 * 7 }}",
              source_url="javascript:alert(1)", source_name="<b>\u202e",
              summary="<img src=x onerror=alert(1)>。", facts=[{"label": "<i>", "value": "\"><b>"}]),
        story("二本目", source_url="https://placeholder.invalid/leave"), story("三本目")])
    for page in (edition.html, edition.page):
        tree = lxml_html.fromstring(page)
        assert not list(tree.iter("script", "img", "b", "i"))
        assert not [link for link in tree.iter("a") if not link.get("href").startswith(("https://", "mailto:", "#"))]
        assert "49" not in tree.text_content()
    assert edition.html.count(LEAVE) == 1
    assert "\n" not in edition.subject
    assert not re.search("[\x00-\x1f\x7f-\x9f\ue000-\uf8ff]", edition.subject)


def test_two_hundred_long_stories_are_not_clipped() -> None:
    """The mail stays under 100,000 bytes and says what is on the page; page and text hold everything."""
    many = [story(f"{number}本目の記事はとても長い見出しを持っていて読むのに時間がかかる", section=f"部{number // 20}", source_url=f"https://wire.example.com/{number}",
                  summary="長い要約の文である。" * 20,
                  facts=[{"label": f"項目{place}", "value": "値" * 60} for place in range(6)]) for number in range(1, 201)]
    edition = _compose(many)
    assert len(edition.html.encode()) < 100_000
    assert "この号のページで" in edition.html
    assert edition.page.count('id="story-') == 200
    assert "200本目" in edition.text


def test_an_english_newsletter_speaks_english() -> None:
    """Words, date and subject; a Japanese story in it keeps its own signs."""
    edition = _compose([story("Minato Cloud halves the price", language="en", summary="It did.", source_name="Wire", source_url="https://wire.example.com/1"),
                        *morning()[:2]], language="en")
    assert "Friday, 5 December 2025" in edition.text
    assert "Read on — Wire" in edition.html
    assert edition.subject == "Minato Cloud halves the price | Example Morning No. 12"
    assert not re.search("続きを読む|目次", edition.html)
    assert '<td class="air" id="story-2"' in edition.html


def test_a_long_headline_is_shortened_in_the_subject_between_phrases() -> None:
    """At most 46 characters, with the paper and the number whole."""
    subject = _compose([story("「数ヶ月は遅れをとる」OpenAIがGoogleを追う側へ：アルトマン内部メモが暴露したAIレース逆転劇とShallotpeat戦略")]).subject
    assert len(subject) <= 46
    assert subject.endswith("…｜AI モーニング 第12号")


def test_a_picture_without_a_copy_is_not_shown() -> None:
    """No mail asks somebody else's server for anything; tests/integration/test_picture_copies.py shows those that have one."""
    own = [story(name, image_url=f"https://pictures.example.jp/{name}.jpg", image_alt="港の写真") for name in ("a", "b")]
    assert not list(lxml_html.fromstring(_compose(own).html).iter("img"))


def test_an_issue_of_the_real_documents_is_whole(seeds: Path) -> None:
    """Eighteen stories in one mail that no program clips."""
    stories = []
    for path in sorted(seeds.iterdir()):
        for draft in read_document(path.read_bytes(), where=path.name).drafts:
            facts = [{"label": fact.label, "value": fact.value} for fact in draft.facts]
            stories.append(story(draft.headline, summary=draft.summary, facts=facts, section=draft.section, source_name=draft.source_name,
                                 source_url=draft.source_url, date=draft.date, language=draft.language))
    edition = _compose(stories)
    assert len(edition.html.encode()) < 100_000
    assert all(columns(line) <= WIDTH or line.startswith("https://") for line in edition.text.splitlines())
    assert edition.html.count('id="story-') == len(stories)


@pytest.mark.parametrize("site", [{"name": "長い名前の新聞" * 8}, {"logo": "https://news.example.jp/logo.png", "logo_alt": ""}])
def test_long_names_and_logos_are_borne(site: dict) -> None:
    """The subject keeps a piece of the headline; a logo without a description is described by the paper's name."""
    edition = _compose(morning(), site=site)
    assert edition.subject.startswith("あおばモデル")
    assert all(image.get("alt") for image in lxml_html.fromstring(edition.html).iter("img"))
