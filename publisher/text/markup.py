"""Turns the Markdown of a story into HTML that is safe to show: no raw HTML, no scripts, no pictures from elsewhere, links to web and mail only."""

import html
from collections.abc import Sequence
from functools import cache

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

_TAGS = frozenset({"p", "br", "hr", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "s", "a",
                   "table", "thead", "tbody", "tr", "th", "td"})
_ATTRIBUTES = {"a": {"href"}, "ol": {"start"}, "th": {"align", "scope"}, "td": {"align"}}


def markdown_html(body: str) -> str:
    """`body` as an HTML fragment. Its highest heading becomes h2, because the page's h1 is the headline; a picture leaves its description."""
    tokens = _markdown().parse(body)
    _lower_headings(tokens)
    for token in tokens:
        if token.type == "th_open":
            token.attrSet("scope", "col")  # Markdown's tables have heads of columns only
    rendered = _markdown().renderer.render(tokens, _markdown().options, {})
    return nh3.clean(rendered, tags=set(_TAGS), attributes={name: set(names) for name, names in _ATTRIBUTES.items()},
                     url_schemes={"http", "https", "mailto"}, link_rel="noopener noreferrer", clean_content_tags={"script", "style"})


@cache
def _markdown() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    made.add_render_rule("image", _picture)
    return made


def _picture(renderer: RendererProtocol, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """The description of a picture: the picture itself stands on somebody else's server, which would learn who reads."""
    return html.escape(tokens[index].content)


def _lower_headings(tokens: list[Token]) -> None:
    levels = [int(token.tag[1]) for token in tokens if token.type == "heading_open"]
    shift = 2 - min(levels, default=2)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + shift)}"
