"""The HTML part and the web page of an issue: one template, styles inlined once, and small enough that no mail program clips it."""

import logging
import re

import structlog
from jinja2.sandbox import SandboxedEnvironment

from publisher.compose.issue import PLACEHOLDER, reduced
from publisher.compose.rendering import BORDER, render
from publisher.compose.views import IssueView
from publisher.errors import BadInput
from publisher.i18n import _
from publisher.text.slots import slot

TEMPLATE = "email/issue/body.html"
# Gmail clips at 102 KB what it has decoded; the second figure is where an editor should hear of it.
MOST_BYTES, MANY_BYTES = 100_000, 80_000
_MOST_STEPS = 9
_LINK_ELEMENT = re.compile(r"<link\b[^>]*>", re.IGNORECASE)
_log = structlog.get_logger()


def mail_html(made: SandboxedEnvironment, view: IssueView, issue_id: int) -> str:
    """The HTML part, under 100,000 bytes: facts, then summaries, then stories stay on the web page where there are too many. Raises BadInput."""
    html = ""
    for step in range(_MOST_STEPS):
        rendered = render(made, TEMPLATE, {"issue": reduced(view, step), "web": False, "leave_url": PLACEHOLDER})
        # Inlining only adds: what is too large before it need not go through it.
        if len(rendered.encode()) >= MOST_BYTES and step < _MOST_STEPS - 1:
            continue
        html = _finished(_inlined(rendered))
        size = len(html.encode())
        if size < MOST_BYTES:
            break
    if step or size > MANY_BYTES:
        _log.warning("mail_is_long", issue=issue_id, bytes=size, shortened=step)
    return html


def page_html(made: SandboxedEnvironment, view: IssueView) -> str:
    """The page of the issue, whole, without anything that is a reader's. Raises BadInput."""
    return _finished(render(made, TEMPLATE, {"issue": view, "web": True, "leave_url": ""}))


def _inlined(html: str) -> str:
    """`html` with its styles on its elements; nothing is fetched and no file is read."""
    # The inliner costs start-up time and memory that only composing should pay.
    from premailer import Premailer

    try:
        return str(Premailer(
            _LINK_ELEMENT.sub("", html), keep_style_tags=True, remove_classes=False, strip_important=False, allow_network=False,
            allow_loading_external_files=False, disable_validation=True, cssutils_logging_level=logging.CRITICAL, base_url=None).transform())
    # premailer, cssutils and lxml raise whatever they meet in a newsroom's own styles.
    except Exception as error:
        raise BadInput(TEMPLATE, _("the styles cannot be put into the mail: %(reason)s", reason=str(error) or type(error).__name__),
                       remedy=_("compare it with the shipped template of that name")) from error


def _finished(html: str) -> str:
    """What the inliner would have escaped comes last: borders of phrases and the slot of the leave link."""
    return html.replace(BORDER, "<wbr>").replace(PLACEHOLDER, slot("leave_url"))
