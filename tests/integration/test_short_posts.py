"""Short posts: first the fact, then whose, then the link, and always within the limits of the network."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from publisher.compose.post import hashtags, story_post
from publisher.compose.rendering import templates
from publisher.errors import PublisherError
from publisher.settings import Account
from publisher.text.length import limit_of
from tests.composing import facts, morning, settings, story

SETTINGS = settings()
MADE = templates(SETTINGS)
NETWORKS = ("x", "bluesky", "mastodon", "somewhere")


def _account(network: str) -> Account:
    return Account(name="dry", kind="outbox", newsletter="morning", network=network)


def _post(fields: dict, network: str = "x") -> str:
    return story_post(MADE, SETTINGS, _account(network), fields | {"id": 7}, "morning-12").text


def test_a_post_tells_the_fact_then_whose_then_where() -> None:
    """Two tags at most, the link last and whole, with the campaign and the address's own query and fragment."""
    assert _post(morning()[0]) == (
        "速さ：前世代の2.5倍\n\nあおばモデル、重みを公開 カード1枚で動く400億パラメータ（見本通信）\n\n#生成AI #オープンモデル\n"
        "https://wire.example.com/aoba?id=1&utm_source=x&utm_medium=social&utm_campaign=morning-12#top")


def test_without_a_figure_the_headline_speaks_and_the_first_sentence_follows() -> None:
    """A story without a link leads to its page here."""
    assert _post(morning()[3]) == (
        "学習データの記録、地裁が三社に30日以内の提出を求める（見本新報）\n東京の地方裁判所は、三つの事業者に学習データの記録を出すよう求めた。\n\n"
        "https://news.example.jp/stories/7?utm_source=x&utm_medium=social&utm_campaign=morning-12")


def test_tags_are_two_words_and_no_figures() -> None:
    """Spaces and hyphens join, marks and numbers are no tags."""
    assert hashtags(["生成 AI", "#Open-Models", "2025", "生成AI", "三つ目"]) == ("#生成AI", "#OpenModels")
    assert hashtags(["C++", "…"]) == ()


def test_a_long_story_is_shortened_between_phrases_and_keeps_its_link() -> None:
    """Tags go first, then words of the headline: … stands where a reader would pause"""
    text = _post(story("港の新しい計算センターが動き始め、" * 12, source_name="見本通信", source_url="https://wire.example.com/1",
                       facts=facts(("投資額", "134億ドル")), tags=["AI"]))
    lines = text.splitlines()
    assert lines[0] == "投資額：134億ドル"
    assert lines[2].endswith("港の新しい…（見本通信）")
    assert "#AI" not in text
    assert lines[-1].startswith("https://wire.example.com/1?")
    assert limit_of("x").allows(text)


def test_an_address_that_would_fill_the_post_gives_way_to_our_page() -> None:
    """A link of 250 characters leaves no news on a network of 300."""
    long = story("見出し", source_url="https://wire.example.com/" + "a" * 250)
    assert "https://news.example.jp/stories/7?" in _post(long, "bluesky")
    assert "https://wire.example.com/aaa" in _post(long, "x")


def test_a_template_without_room_is_refused_by_name(tmp_path: Path) -> None:
    """Nothing is cut that the newsroom wrote itself."""
    file = tmp_path / "ours" / "social" / "x" / "story.txt"
    file.parent.mkdir(parents=True)
    file.write_text("長い挨拶" * 80 + "{{ post.headline }} {{ post.link }}", "utf-8")
    own = settings(root=tmp_path, templates="ours")
    with pytest.raises(PublisherError, match="social/x/story.txt leaves no room"):
        story_post(templates(own), own, _account("x"), morning()[0] | {"id": 1}, "morning-12")


WORDS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Co", "Cn"]), max_size=120)
JAPANESE = st.text(alphabet="あいうモデル公開性能「」、。（）50億円%…AI😀 ", max_size=250)
ADDRESSES = st.from_regex(r"https://[a-z]{1,20}\.example\.com/[a-z0-9/あ-ん-]{0,200}(\?[a-z]=[a-z0-9]{1,40})?(#[a-z]{1,9})?", fullmatch=True)
STORIES = st.fixed_dictionaries({
    "headline": st.one_of(JAPANESE, WORDS).filter(lambda text: text.strip()), "summary": st.one_of(JAPANESE, WORDS),
    "facts": st.lists(st.fixed_dictionaries({"label": WORDS, "value": JAPANESE}), max_size=4), "tags": st.lists(WORDS, max_size=4),
    "source_name": st.one_of(st.none(), WORDS), "language": st.sampled_from(["ja", "en"]),
    "source_url": st.one_of(st.none(), ADDRESSES)})


@given(STORIES, st.sampled_from(NETWORKS))
@examples(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_post_fits_its_network_and_holds_its_link_whole(fields: dict, network: str) -> None:
    """Whatever a story says."""
    post = story_post(MADE, SETTINGS, _account(network), story("") | fields | {"id": 7}, "morning-12")
    assert limit_of(network).allows(post.text)
    assert post.text.splitlines()[-1] == post.link
    assert post.link.isascii()
