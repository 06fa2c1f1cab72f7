"""Feeds of every kind become stories."""

import json

import pytest

from publisher.errors import BadInput
from publisher.ingest.draft import Draft
from publisher.ingest.feed import read_feed

URL = "https://wire.example.com/feed.xml"
ITEM = """<item><title>港の待ち時間が縮む</title><link>https://wire.example.com/port?utm_source=rss</link><guid isPermaLink="false">port-1</guid>
<pubDate>Thu, 05 Mar 2026 09:30:00 +0900</pubDate><category>物流</category><dc:creator>山田 花子</dc:creator>
<description>&lt;p&gt;待ち時間が64分から43分に縮んだ。&lt;script&gt;alert(1)&lt;/script&gt;&lt;/p&gt;</description></item>"""
RSS2 = f"""<?xml version="1.0" encoding="%s"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>例示通信</title>
<language>ja</language>{ITEM}</channel></rss>"""
RSS1 = """<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="https://wire.example.com/"><title>Example Wire</title></channel>
<item rdf:about="https://wire.example.com/aoba"><title>Aoba opens its model</title><link>https://wire.example.com/aoba</link>
<description>Forty billion parameters.</description><dc:date>2026-03-05T09:30:00+09:00</dc:date></item></rdf:RDF>"""
RSS091 = """<?xml version="1.0"?><rss version="0.91"><channel><title>Example Wire</title><item><title>Aoba opens its model</title>
<link>https://wire.example.com/aoba</link><description>Forty billion parameters.</description></item></channel></rss>"""
ATOM = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><title>Example &amp; Wire</title>
<entry><id>tag:wire.example.com,2026:1</id><title type="html">Aoba &lt;b&gt;opens&lt;/b&gt; its model</title><link href="/aoba"/>
<published>2026-03-05T00:30:00Z</published><updated>2026-03-06T00:30:00Z</updated><author><name>Hanako Yamada</name></author>
<category term="models" label="Models"/><summary>Forty billion.</summary>
<content type="html">&lt;p&gt;Forty billion parameters, on &lt;a href="/card"&gt;one card&lt;/a&gt;.&lt;/p&gt;</content></entry></feed>"""
JSON = {"version": "https://jsonfeed.org/version/1.1", "title": "Example Wire", "language": "en", "items": [
    {"id": 7, "url": "/aoba", "title": "Aoba opens its model", "content_html": "<p>Forty billion parameters.</p><script>x</script>",
     "summary": "Forty billion.", "date_published": "2026-03-05T09:30:00+09:00", "tags": ["Models", 5], "authors": [{"name": "Hanako"}, {"name": "Taro"}],
     "image": "https://wire.example.com/p.png"}, "no item", {"id": "empty"}]}


def read(feed: str | bytes, content_type: str = "") -> tuple[Draft, ...]:
    """The stories of a feed."""
    return read_feed(feed.encode() if isinstance(feed, str) else feed, where=URL, url=URL, content_type=content_type).drafts


@pytest.mark.parametrize(("encoding", "content_type"), [
    ("utf-8", ""), ("shift_jis", ""), ("euc-jp", "application/rss+xml"), ("shift_jis", "application/xml; charset=Shift_JIS")])
def test_an_rss_feed_in_any_japanese_encoding(encoding: str, content_type: str) -> None:
    """By its declaration, or by what the server says."""
    (draft,) = read((RSS2 % encoding).encode(encoding), content_type)
    assert (draft.headline, draft.key, draft.date) == ("港の待ち時間が縮む", "port-1", "2026-03-05T09:30:00+09:00")
    assert (draft.source_name, draft.author, draft.tags, draft.language) == ("例示通信", "山田 花子", ("物流",), "ja")
    assert draft.body == "待ち時間が64分から43分に縮んだ。"
    assert draft.source_url == "https://wire.example.com/port?utm_source=rss"


def test_rss_1_with_its_dublin_core_date() -> None:
    """RDF, as Japanese blogs write it."""
    (draft,) = read(RSS1)
    assert (draft.headline, draft.date, draft.key) == ("Aoba opens its model", "2026-03-05T09:30:00+09:00", "https://wire.example.com/aoba")


def test_rss_0_91_has_neither_ids_nor_dates() -> None:
    """Then the link is the id, and there is no date."""
    (draft,) = read(RSS091)
    assert (draft.key, draft.date, draft.summary) == ("https://wire.example.com/aoba", None, "Forty billion parameters.")


def test_atom_with_markup_and_relative_links() -> None:
    """The title is text; when it was published counts, not when a comma was moved."""
    (draft,) = read(ATOM)
    assert (draft.headline, draft.source_name, draft.author) == ("Aoba opens its model", "Example & Wire", "Hanako Yamada")
    assert (draft.date, draft.source_url, draft.tags) == ("2026-03-05T00:30:00+00:00", "https://wire.example.com/aoba", ("Models",))
    assert draft.body == "Forty billion parameters, on [one card](https://wire.example.com/card)."
    assert draft.summary == "Forty billion."


def test_json_feed_with_types_of_all_kinds() -> None:
    """An id that is a number, an item that is none, tags that are no text."""
    (draft,) = read(json.dumps(JSON))
    assert (draft.key, draft.headline, draft.body, draft.author) == ("7", "Aoba opens its model", "Forty billion parameters.", "Hanako, Taro")
    assert (draft.source_url, draft.image_url, draft.tags) == ("https://wire.example.com/aoba", "https://wire.example.com/p.png", ("Models",))


def test_an_entry_that_a_feed_repeats_is_one_story() -> None:
    """The first of them is the newest."""
    twice = (RSS2 % "utf-8").replace("</channel>", ITEM.replace("縮む", "伸びる") + "</channel>")
    assert [draft.headline for draft in read(twice)] == ["港の待ち時間が縮む"]


def test_a_feed_without_entries_is_a_feed() -> None:
    """Nothing today is no fault."""
    assert read((RSS2 % "utf-8").replace(ITEM, "")) == ()


@pytest.mark.parametrize("footer", [
    "<p>The post <a href='/a'>Aoba</a> appeared first on <a href='/'>Wire</a>.</p>", "<p>Continue reading &rarr;</p>", " [&hellip;]", "<p>続きを読む</p>"])
def test_what_blog_programs_add_below_is_no_body(footer: str) -> None:
    """Every entry would end with it."""
    feed = json.dumps({**JSON, "items": [{"id": "a", "title": "T", "content_html": f"<p>Forty billion parameters.</p>{footer}"}]})
    assert read(feed)[0].body == "Forty billion parameters."


@pytest.mark.parametrize(("data", "says"), [
    ("", "empty"), ("<html><body>Hello</body></html>", "web page"), ("just words", "neither RSS nor Atom"),
    ('{"version": "https://jsonfeed.org/version/1", "items": [}', "broken JSON"), ('{"a": 1}', "no JSON Feed"), ("<rss", "no feed"),
    ("[" * 100_000, "JSON that cannot be read")])
def test_what_is_no_feed_is_refused_in_one_line(data: str, says: str) -> None:
    """With the address, and the reason."""
    with pytest.raises(BadInput, match=says) as refused:
        read(data)
    assert str(refused.value).startswith(URL)
    assert "\n" not in str(refused.value)


def test_a_web_page_that_names_its_feed_is_told_so() -> None:
    """The remedy is the address to write into publisher.toml."""
    page = '<!doctype html><html><head><link rel="alternate" type="application/rss+xml" href="/real.xml"></head></html>'
    with pytest.raises(BadInput, match=r"the page names a feed: https://wire\.example\.com/real\.xml"):
        read(page)


def test_entities_of_a_feed_open_no_file_and_grow_no_mountain() -> None:
    """External and nested entities (XML bombs) are not resolved."""
    bomb = ('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
            '<rss version="2.0"><channel><title>t</title><item><title>x &b; &f;</title></item></channel></rss>')
    drafts = read(bomb)
    assert all("root:" not in draft.headline and len(draft.headline) < 200 for draft in drafts)
