"""One catalogue for everything a person sees: English in the code, Japanese in `locale/ja`.

A command sets the language of its process once; the web sets it for a request, composing for an issue.
"""

import gettext
import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES = ("ja", "en")
_current: ContextVar[str | None] = ContextVar("language", default=None)
# Threads begin with an empty context: what they say is in the language of the process.
_of_process = "en"


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The translations of `language`; an unknown language and English answer with the text itself."""
    path = Path(__file__).parent / "locale" / language / "LC_MESSAGES" / "publisher.po"
    if language not in LANGUAGES or not path.exists():
        return gettext.NullTranslations()
    # Compiled in memory, so that a checkout, a wheel and an edited catalogue can never disagree.
    with path.open("rb") as file:
        source = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, source)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def current_language() -> str:
    """The language of the text made now: `ja` or `en`."""
    return _current.get() or _of_process


def use_language(language: str) -> None:
    """Set the language of this process: of every thread that does not set its own with `in_language`."""
    global _of_process
    _of_process = language if language in LANGUAGES else "en"


@contextmanager
def in_language(language: str) -> Iterator[None]:
    """Make text in `language` inside the block."""
    token = _current.set(language if language in LANGUAGES else "en")
    try:
        yield
    finally:
        _current.reset(token)


def _(message: str, **values: object) -> str:
    """`message` in the current language, with `%(name)s` filled from `values`."""
    text = catalogue(current_language()).gettext(message)
    return text % values if values else text


def ngettext(singular: str, plural: str, number: int, **values: object) -> str:
    """The form of the sentence for `number`, in the current language; `%(n)s` is the number."""
    text = catalogue(current_language()).ngettext(singular, plural, number)
    return text % {"n": number, **values}


def N_(message: str) -> str:
    """Mark `message` for the catalogue; it is translated later, when it is shown."""
    return message
