"""HTML of feeds becomes Markdown that shows the same words."""

import pytest

from publisher.text.from_html import html_line, html_markdown

BASE = "https://wire.example.com/today/"


@pytest.mark.parametrize(("source", "markdown"), [
    ("<p>One.</p><p>Two.</p>", "One.\n\nTwo."),
    ("<h1>Head</h1>text", "## Head\n\ntext"),
    ("<ul><li>one<li><p>two</p></ul>", "- one\n- two"),
    ("<ol><li>one<ul><li>inner</li></ul></li><li>two</li></ol>", "1. one\n    - inner\n2. two"),
    ("a <b>bold </b>word", "a **bold** word"),
    ('<a href="/aoba?a=1">Aoba</a>', "[Aoba](https://wire.example.com/aoba?a=1)"),
    ('<a href="javascript:alert(1)">Aoba</a>', "Aoba"),
    ('<a href="https://[broken">Aoba</a>', "Aoba"),
    ("<script>alert(1)</script><style>p{}</style>left", "left"),
    ("3 &lt; 4 &amp; 5", "3 &lt; 4 &amp; 5"),
    ("<pre>a\n  b</pre>", "```\na\n  b\n```"),
    ("a * b_c [d]", "a \\* b\\_c \\[d\\]"),
    ("<p># no heading</p><p>1. no list</p>", "\\# no heading\n\n1\\. no list"),
    ('<img src="/dot.gif"><img src="/p.png" alt="A port">', "![A port](https://wire.example.com/p.png)"),
])
def test_each_mark_of_html_has_its_mark_in_markdown(source: str, markdown: str) -> None:
    """And what is no mark stays text."""
    assert html_markdown(source, BASE) == markdown


def test_a_title_is_its_text_on_one_line() -> None:
    """Entities are read once."""
    assert html_line("AT&amp;T  <b>buys</b>\n&lt;Aoba&gt;") == "AT&T buys <Aoba>"
