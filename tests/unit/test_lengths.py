"""Each network counts in its own way."""

from publisher.text.campaign import ascii_url, with_campaign
from publisher.text.length import graphemes, limit_of, mastodon_length, x_weight


def test_x_counts_japanese_twice_and_every_address_as_23() -> None:
    """Configuration v3 of twitter-text."""
    assert x_weight("あ" * 140) == 280
    assert x_weight("abc") == 3
    assert x_weight("https://example.com/" + "a" * 200) == 23
    assert limit_of("x").allows("あ" * 140)
    assert not limit_of("x").allows("あ" * 141)


def test_bluesky_counts_graphemes_and_bytes() -> None:
    """300 of them, and 3,000 bytes: a family of emoji is one grapheme and 25 bytes."""
    family = "👨‍👩‍👧‍👦"
    assert graphemes(family) == 1
    assert limit_of("bluesky").allows("あ" * 300)
    assert not limit_of("bluesky").allows("あ" * 301)
    assert not limit_of("bluesky").allows(family * 121)


def test_mastodon_counts_an_address_as_23() -> None:
    """However long it is."""
    assert mastodon_length("見出し https://example.com/" + "a" * 200) == 4 + 23


def test_a_network_nobody_told_us_of_gets_the_shortest_limit() -> None:
    """So that a post fits there as well."""
    assert not limit_of("somewhere").allows("a" * 281)


def test_a_campaign_keeps_query_and_fragment() -> None:
    """Only the three names of our own are set; those of another campaign are replaced."""
    assert with_campaign("https://example.com/a?id=1&utm_source=rss#part", source="x", medium="social", campaign="morning-12") == (
        "https://example.com/a?id=1&utm_source=x&utm_medium=social&utm_campaign=morning-12#part")
    assert with_campaign("https://example.com/", source="x", medium="social", campaign="m 1") == (
        "https://example.com/?utm_source=x&utm_medium=social&utm_campaign=m%201")


def test_an_address_in_japanese_becomes_ascii() -> None:
    """Networks end a link at the first Japanese character; escapes that are there stay."""
    assert ascii_url("https://例え.jp/記事?q=%E3%81%82&r=100%") == "https://xn--r8jz45g.jp/%E8%A8%98%E4%BA%8B?q=%E3%81%82&r=100%25"
