"""The text part fits a terminal of 70 columns and reads as Japanese is set."""

import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.text.phrases import NOT_FIRST, NOT_LAST
from publisher.text.wrap import WIDTH, columns, wrap

JAPANESE = st.text(
    alphabet="あいうえおかがきくけこさしすせそはひふをんッャーアイコンモデル公開性能東京都、。「」（）！？・…012345.%abcAI😀", max_size=160)
ADDRESS = st.from_regex(r"https://[a-z]{1,12}\.example\.com/[a-z0-9/%?=&-]{0,120}", fullmatch=True)


def _is_link(line: str) -> bool:
    return regex.fullmatch(r"https?://[!-~]+", line) is not None


def test_wide_characters_count_two_and_half_width_ones_one() -> None:
    """Combining marks take nothing, an emoji family takes two, and what Japanese terminals show wide is counted wide."""
    assert [columns(text) for text in ("あ", "ｱ", "ｶﾞ", "a", "…", "e\u0301", "👨‍👩‍👧", "❤️", "１")] == [2, 1, 2, 1, 2, 1, 2, 2, 2]


def test_a_japanese_paragraph_breaks_between_phrases() -> None:
    """No word is torn where a border of phrases is near."""
    text = "サム・アルトマンが衝撃の告白をし、「OpenAIはDeepSeekから学ばなければならない」と語った。"
    assert wrap(text, 34) == ["サム・アルトマンが衝撃の告白をし、", "「OpenAIはDeepSeekから", "学ばなければならない」と語った。"]


def test_english_breaks_between_words_and_keeps_figures_with_their_units() -> None:
    """30 TB and $5.2 billion stay together."""
    assert wrap("The machine has 30 TB of memory and cost $5.2 billion in all", 17) == [
        "The machine has", "30 TB of memory", "and cost", "$5.2 billion in", "all"]


def test_an_address_longer_than_a_line_stays_whole_on_a_line_of_its_own() -> None:
    """A link that was broken is a link that does not work."""
    address = "https://example.com/" + "a" * 90
    assert address in wrap(f"詳細は{address}を参照してください。")


def test_no_last_line_holds_one_character() -> None:
    """A single 。or る at the end is taken up by another break."""
    for length in range(30, 60):
        lines = wrap("情報" * length + "だ")
        assert len(lines[-1]) > 1


@given(JAPANESE)
@settings(max_examples=50, deadline=None)
def test_no_line_is_too_wide_and_nothing_is_lost(text: str) -> None:
    """Joined, the lines of a text without spaces are the text."""
    lines = wrap(text)
    assert "".join(lines) == text
    assert all(columns(line) <= WIDTH for line in lines)


@given(st.lists(st.sampled_from(["モデルを", "公開した。", "「あおば」は、", "性能が", "2.5倍に", "（速報）", "さらに、",
                                 "チェック", "ツール", "です。", "GPT-5.2"]),
                min_size=1, max_size=60), st.integers(20, 70))
@settings(max_examples=50, deadline=None)
def test_no_line_begins_or_ends_with_what_kinsoku_forbids(words: list[str], width: int) -> None:
    """JIS X 4051: 、。」 and small kana begin no line, 「（ end none, and no last line holds one character."""
    lines = wrap("".join(words), width)
    assert not any(line[0] in NOT_FIRST for line in lines[1:])
    assert not any(line[-1] in NOT_LAST for line in lines)
    assert len(lines) == 1 or len(regex.findall(r"\X", lines[-1])) > 1


@given(st.lists(st.one_of(ADDRESS, st.from_regex(r"[a-z]{1,90}", fullmatch=True), JAPANESE), max_size=12))
@settings(max_examples=40, deadline=None)
def test_words_and_addresses_keep_their_order(parts: list[str]) -> None:
    """No line is wider than 70 columns unless it is one link; every link is whole."""
    text = " ".join(parts)
    lines = wrap(text)
    assert regex.sub(r"\s", "", "".join(lines)) == regex.sub(r"\s", "", text)
    assert all(columns(line) <= WIDTH or _is_link(line) for line in lines)
    for part in parts:
        if part.startswith("https://"):
            assert any(part in line for line in lines)
