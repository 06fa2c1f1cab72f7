"""Makes of a mail's HTML a page of the web: what only old mail programs need goes, what a page must have comes; not a word changes."""

import re

_FOR_OUTLOOK = re.compile(r"[ \t]*<!--\[if mso\]>.*?<!\[endif\]-->\n?", re.DOTALL)
_CELL = re.compile(r"<(?:table|tr|td|th)\b[^>]*>", re.IGNORECASE)
# HTML Living Standard, "Obsolete features": fine in a mail, wrong on a page.
_OBSOLETE = re.compile(r"""\s+(?:align|valign|bgcolor|border|cellpadding|cellspacing|width|height)\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+)""",
                       re.IGNORECASE)
_HEAD = re.compile(r"<head\b[^>]*>\n?", re.IGNORECASE)
_BODY = re.compile(r"<body\b[^>]*>\n?", re.IGNORECASE)
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
# The same as the attributes said; it comes first, so that every style of the template's own goes before it.
_STYLE = ("<style>table { width: 100%; border-spacing: 0; } td, th { padding: 0; } "
          ":focus-visible { outline: 3px solid currentcolor; outline-offset: 3px; }</style>\n")


def as_page(html: str) -> str:
    """`html` with its text and links as they were, without obsolete attributes, and with its content in a landmark."""
    html = _CELL.sub(lambda tag: _OBSOLETE.sub("", tag[0]), _FOR_OUTLOOK.sub("", html))
    html = _HEAD.sub(lambda tag: tag[0] + _STYLE, html, count=1)
    html = _BODY.sub(lambda tag: tag[0] + "<main>\n", html, count=1)
    return _BODY_END.sub(lambda tag: "</main>\n" + tag[0], html, count=1)
