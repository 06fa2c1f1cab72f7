"""Renders a template and says of a broken one in a line: file, line, reason."""

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from publisher.compose.colours import palette
from publisher.errors import BadInput
from publisher.i18n import _
from publisher.pages import environment
from publisher.settings import Settings
from publisher.text.phrases import phrases
from publisher.text.wrap import WIDTH, columns, wrap

# Stands for a border of phrases until the inliner is through; no cleaned text holds a private-use character.
BORDER = "\ue002"


def templates(settings: Settings) -> SandboxedEnvironment:
    """The environment of pages.py with what mails and posts need besides: `phrased` for headlines, `wrapped` and `hanging` for the text part."""
    made = environment(settings)
    made.filters |= {"phrased": _phrased, "wrapped": _wrapped, "hanging": _hanging}
    made.globals |= {"colours": palette(settings.site), "rule": lambda char: char * WIDTH}
    return made


def render(made: SandboxedEnvironment, name: str, context: Mapping[str, Any]) -> str:
    """The text of the template `name`. Raises BadInput with file, line and reason where the template is broken."""
    try:
        return made.get_template(name).render(context)
    except TemplateSyntaxError as error:
        raise BadInput(error.filename or error.name or name, error.message or _("this is no template"), line=error.lineno) from error
    # A newsroom's template may fail in any way that Python knows: division by zero, a wrong type, a missing key.
    except Exception as error:
        where, line = _place(error, name)
        reason = error.message if isinstance(error, TemplateError) else str(error)
        raise BadInput(where, _("the template fails: %(reason)s", reason=reason or type(error).__name__), line=line,
                       remedy=_("compare it with the shipped template of that name")) from error


def _place(error: Exception, name: str) -> tuple[str, int | None]:
    """The innermost line of a template in the traceback, which Jinja writes with the template's own file and lines."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).suffix in (".html", ".txt")]
    return (frames[-1].filename, frames[-1].lineno) if frames else (name, None)


def _phrased(text: str) -> str:
    """`text` with a mark at each border of phrases, where a headline may break. What a sentence of the catalogue has escaped is escaped once."""
    return BORDER.join(phrases(text.unescape() if isinstance(text, Markup) else text))


def _wrapped(text: str) -> str:
    return "\n".join(wrap(text))


def _hanging(text: str, mark: str) -> str:
    """`text` behind `mark`, its further lines indented as far as the mark is wide."""
    indent = columns(mark)
    lines = wrap(text, WIDTH - indent)
    return "\n".join((mark if place == 0 else " " * indent) + line for place, line in enumerate(lines))
