"""A story's Markdown becomes HTML that can do no harm."""

from publisher.text.markup import markdown_html


def test_scripts_raw_html_and_dangerous_links_are_text() -> None:
    """They are shown, never run."""
    html = markdown_html("<script>alert(1)</script>\n\n[x](javascript:alert(1)) <b onclick=x>raw</b>")
    assert "<script" not in html
    assert "<b" not in html
    assert "href" not in html


def test_links_lead_to_the_web_and_say_nothing_of_where_they_come_from() -> None:
    """`rel` keeps the other side out of our window."""
    assert markdown_html("[論文](https://example.com/a?b=1&c=2)").strip() == (
        '<p><a href="https://example.com/a?b=1&amp;c=2" rel="noopener noreferrer">論文</a></p>')


def test_a_picture_from_elsewhere_leaves_its_description() -> None:
    """Its server would learn who reads."""
    assert markdown_html("![図 <1>](https://example.com/a.png)").strip() == "<p>図 &lt;1&gt;</p>"


def test_the_highest_heading_is_h2() -> None:
    """The page's h1 is the headline; steps between headings stay."""
    html = markdown_html("# 概要\n\n## 詳細\n\n| a | b |\n|---|---|\n| 1 | 2 |")
    assert "<h2>概要</h2>" in html
    assert "<h3>詳細</h3>" in html
    assert "<td>2</td>" in html
    assert "<h2>" in markdown_html("#### 小さい見出しだけ")
