"""A headline is shortened where a reader would pause."""

from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.text.phrases import clusters, cut, phrases


def test_a_headline_is_cut_between_phrases_and_its_brackets_are_closed() -> None:
    """Hanako reads 「OpenAIは…」 and never half a word."""
    headline = "サム・アルトマンが衝撃の告白：「OpenAIはDeepSeekから学ばなければならない」"
    assert cut(headline, lambda text: len(text) <= 28) == "サム・アルトマンが衝撃の告白：「OpenAIは…」"
    assert cut(headline, lambda text: len(text) <= 18) == "サム・アルトマンが衝撃の告白…"


def test_what_fits_is_left_alone() -> None:
    """No dots without need."""
    assert cut("短い見出し", lambda text: len(text) <= 5) == "短い見出し"
    assert cut("", lambda text: True) == ""


def test_a_number_is_never_parted_from_its_unit() -> None:
    """134億ドル is not 134億."""
    for text, whole in (("調達額は134億ドルになる", "134億ドル"), ("速さは2.5倍", "2.5倍"), 
                        ("It raised 5.2 billion dollars today", "5.2 billion"), ("有効率は94.5％だ", "94.5％"),
                        ("メモリは30TBある", "30TB")):
        assert any(whole in part for part in phrases(text))
        assert any(whole in part for part in clusters(text)), clusters(text)


def test_addresses_and_tags_are_whole() -> None:
    """A cut link leads nowhere, a cut tag somewhere else."""
    text = "詳しくはhttps://example.com/a?b=1#cと #生成AI技術動向を見る"
    for found in (phrases(text), clusters(text)):
        assert any("https://example.com/a?b=1#c" in part for part in found)
        assert any("#生成AI技術動向を見る" in part for part in found)


@given(st.text(max_size=120))
@settings(max_examples=60, deadline=None)
def test_joined_phrases_are_the_text(text: str) -> None:
    """Nothing is added, lost or moved."""
    assert "".join(phrases(text)) == text
    assert "".join(clusters(text)) == text


@given(st.text(alphabet="あいう公開、。「」（）12億円 abc.", max_size=80), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_what_is_cut_fits(text: str, most: int) -> None:
    """Or it is empty."""
    assert len(cut(text, lambda shorter: len(shorter) <= most)) <= most
