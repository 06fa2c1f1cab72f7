"""The text part of an issue: made from the stories, never from the HTML; lines of 70 columns, links on lines of their own."""

import re

from jinja2.sandbox import SandboxedEnvironment

from publisher.compose.footer import SLOTS
from publisher.compose.rendering import render
from publisher.compose.views import IssueView
from publisher.text.slots import slot

TEMPLATE = "email/issue/body.txt"


def mail_text(made: SandboxedEnvironment, view: IssueView) -> str:
    """The text part, with the slots of the reader's own links. Raises BadInput."""
    return tidy(render(made, TEMPLATE, {"issue": view, "web": False} | {name: slot(name) for name in SLOTS}))


def tidy(text: str) -> str:
    """`text` without spaces at the ends of lines, with at most two empty lines in a row, and one line feed at the end."""
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{4,}", "\n\n\n", text).strip("\n") + "\n"
