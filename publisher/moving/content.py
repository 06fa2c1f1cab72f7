"""The text of a past issue: what the old tool put in by reader is taken out, no script and no tag is left, a picture leaves its description.

Pictures are not brought along: they stand on the old tool's servers, which would learn who reads here, and go when the account there is closed.
"""

import re

from publisher.text.clean import clean_markdown, clean_text
from publisher.text.from_html import html_markdown
from publisher.text.language import language_of
from publisher.text.lead import as_markdown

# {{ subscriber.email }} (Buttondown, Liquid), {{ UnsubscribeURL }} (listmonk, Go), {% if … %}, %%checkout_url%% (Substack).
_TAG = re.compile(r"\{\{[^{}]{0,2000}\}\}|\{%.{0,2000}?%\}|%%[a-z_]{3,60}%%", re.DOTALL)
# A link that leads to such a place says nothing without it.
_TAGGED_ANCHOR = re.compile(r"<a\b[^<>]{0,2000}?(?:\{\{|\{%|%%[a-z_]{3,60}%%)[^<>]{0,2000}>.{0,500}?</a\s*>", re.DOTALL | re.IGNORECASE)
_TAGGED_LINK = re.compile(r"(?<!!)\[[^\[\]]{0,500}\]\(\s*<?(?:\{\{|\{%|%%)[^()\n]{0,1000}\)")
# listmonk counts clicks on addresses that end so.
_TRACKED = re.compile(r"@TrackLink\b")
# Boxes that ask to subscribe, to share, to pay: of Substack, and the cards of Ghost.
_BOX = re.compile(
    r"""<(?P<tag>div|p|form|a)\b[^<>]{0,3000}?\bclass\s*=\s*["'][^"'<>]{0,300}?\b(?:subscription-widget-wrap|subscribe-widget|button-wrapper"""
    r"""|captioned-button-wrap|kg-signup-card|kg-email-cta-card)\b[^<>]*>""", re.IGNORECASE)
_FANCY = re.compile(r"<!--\s*buttondown-editor-mode:\s*(\w+)\s*-->")
_PICTURE = re.compile(r"!\[((?:[^\[\]\\]|\\.)*)\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)")
_GAPS = re.compile(r"\n{3,}")


def from_html(source: str, base: str) -> str:
    """The Markdown of an HTML body; relative links are taken from `base`."""
    source = _TAG.sub("", _TAGGED_ANCHOR.sub("", _without_boxes(source)))
    return _tidied(html_markdown(_TRACKED.sub("", source), base))


def _without_boxes(source: str) -> str:
    """`source` without the boxes that ask to subscribe, each up to the next closing tag of its kind."""
    lowered, kept, done = source.lower(), [], 0
    for box in _BOX.finditer(source):
        if box.start() < done:
            continue
        end = lowered.find(f"</{box['tag'].lower()}", box.end())
        if end < 0:  # nothing closes it, nor any box after it
            break
        kept.append(source[done:box.start()])
        done = source.find(">", end) + 1 or len(source)
    return "".join([*kept, source[done:]]) if len(lowered) == len(source) else source


def from_markdown(source: str, base: str) -> str:
    """The Markdown of a Markdown body; one that Buttondown's visual editor wrote is HTML."""
    mode = _FANCY.search(source)
    source = _FANCY.sub("", source)
    if (mode and mode[1] == "fancy") or source.lstrip()[:1] == "<":
        return from_html(source, base)
    source = _TAG.sub("", _TAGGED_ANCHOR.sub("", _TAGGED_LINK.sub("", source)))
    return _tidied(clean_markdown(_TRACKED.sub("", source)))


def from_plain(source: str) -> str:
    """The Markdown of a body without any marks: its lines stay lines."""
    lines = as_markdown(clean_text(_TRACKED.sub("", _TAG.sub("", source)))).split("\n")
    return _tidied("\n".join(f"{line.rstrip()}  " if line.strip() else "" for line in lines))


def _tidied(markdown: str) -> str:
    # A picture within a link leaves the link with the picture's description.
    return _GAPS.sub("\n\n", _PICTURE.sub(_described, markdown).replace("[]", "")).strip()


def _described(picture: re.Match[str]) -> str:
    """The description of a picture, in brackets of its language, apart from the words beside it."""
    words = picture[1].strip()
    if not words:
        return ""
    return f"（{words}）" if language_of(words) == "ja" else f" ({words}) "
