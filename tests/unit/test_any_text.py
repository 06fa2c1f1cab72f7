"""Whatever stands in a document: stories or one refusal, and nothing dangerous in a body."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.errors import BadInput
from publisher.ingest.document import read_document
from publisher.ingest.draft import Draft
from publisher.ingest.feed import read_feed
from publisher.text.from_html import html_markdown
from publisher.text.markup import markdown_html

PIECES = st.sampled_from([
    "# ", "## ", "### 1. ", "- ", "**リリース日**: 2026年3月5日\n", "- Date: 2026-99-99\n", "[a](https://example.com/x)", "[a](javascript:alert(1))", "<script>",
    "</script>", "<img src=x onerror=alert(1)>", "{% raw %}", "{{ x }}", "{: .y }", "```\n", "---\n", "title: a\n", "\n", "\n\n", "| a | b |\n", "<!--", "-->",
    "見出し", "本文です。", "text. ", "&lt;b&gt;", "[x]: https://example.com\n", "\u202e", "\ue000", "<a href='data:x'>", "![p](https://example.com/p.png)"])
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=20)), max_size=40).map("".join)
_TAG = re.compile(r"<(?:[A-Za-z/!?])")
_CODE = re.compile(r"^( *)(```|~~~).*?(?:^ *\2|\Z)|`[^`\n]+`|``[^\n]+?``", re.MULTILINE | re.DOTALL)


def safe(draft: Draft) -> bool:
    """No raw HTML and no Liquid outside code, no address but those of web and mail, no mark that our slots use."""
    prose = _CODE.sub("", draft.body)
    shown = markdown_html(draft.body)
    return not (_TAG.search(prose) or "{%" in prose or "javascript:" in shown.replace("](javascript", "") and 'href="javascript' in shown
                or "\ue000" in draft.body or "\u202e" in draft.headline + draft.body or "<script" in shown)


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_any_text_gives_stories_or_one_refusal(text: str) -> None:
    """Never another exception, never raw HTML or Liquid."""
    try:
        reading = read_document(text.encode("utf-8", "surrogatepass"), where="any.md")
    except BadInput:
        return
    assert reading.drafts
    assert all(draft.headline and safe(draft) for draft in reading.drafts)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_stories_or_one_refusal(data: bytes) -> None:
    """A file may hold anything."""
    for parse in (lambda: read_document(data, where="any"), lambda: read_feed(data, where="https://example.com/feed")):
        try:
            said = "" if parse().drafts else "nothing"
        except BadInput as refused:
            said = str(refused)
        assert "\n" not in said


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_any_html_becomes_markdown_without_html(text: str) -> None:
    """What feeds send is sanitised at the border."""
    shown = markdown_html(html_markdown(text, "https://example.com/"))
    assert "<script" not in shown
    assert "<img" not in shown
    assert 'href="javascript' not in shown
