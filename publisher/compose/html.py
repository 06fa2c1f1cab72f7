"""The HTML part and the web page of an issue: one template, styles inlined once, and small enough that no mail program clips it."""

import structlog
from jinja2.sandbox import SandboxedEnvironment

from publisher.compose.footer import SLOTS
from publisher.compose.inlining import finished, inlined, placeholder
from publisher.compose.issue import reduced
from publisher.compose.page import as_page
from publisher.compose.rendering import render
from publisher.compose.views import IssueView

TEMPLATE = "email/issue/body.html"
# Gmail clips at 102 KB what it has decoded; the second figure is where an editor should hear of it.
MOST_BYTES, MANY_BYTES = 100_000, 80_000
_MOST_STEPS = 9
_log = structlog.get_logger()


def mail_html(made: SandboxedEnvironment, view: IssueView, issue_id: int) -> str:
    """The HTML part, under 100,000 bytes: facts, then summaries, then stories stay on the web page where there are too many. Raises BadInput."""
    html = ""
    for step in range(_MOST_STEPS):
        rendered = render(made, TEMPLATE, {"issue": reduced(view, step), "web": False} | {name: placeholder(name) for name in SLOTS})
        # Inlining only adds: what is too large before it need not go through it.
        if len(rendered.encode()) >= MOST_BYTES and step < _MOST_STEPS - 1:
            continue
        html = finished(inlined(rendered, TEMPLATE), SLOTS)
        size = len(html.encode())
        if size < MOST_BYTES:
            break
    if step or size > MANY_BYTES:
        _log.warning("mail_is_long", issue=issue_id, bytes=size, shortened=step)
    return html


def page_html(made: SandboxedEnvironment, view: IssueView) -> str:
    """The page of the issue, whole, without anything that is a reader's. Raises BadInput."""
    return as_page(finished(render(made, TEMPLATE, {"issue": view, "web": True} | dict.fromkeys(SLOTS, "")), ()))
