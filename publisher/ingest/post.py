"""Front matter: what a post says about itself above its body, in YAML (Jekyll) or TOML (Hugo)."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from publisher.errors import BadInput
from publisher.i18n import _

_LONGEST = 64 * 1024
_KEY = re.compile(r"\s*[\w\"'][\w \"'.-]{0,60}:(?:\s|$)")
_ASCII_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*:(?:\s|$)")
# Every scalar stays a string: a date that does not exist is then ours to report, and `title: 2025` or `title: yes` is a title.
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The fields of a front matter by lower-case name, and the line of the file where each stands."""

    fields: Mapping[str, Any]
    lines: Mapping[str, int]

    def text(self, *names: str) -> str | None:
        """The first of the fields `names` that holds a text."""
        for name in names:
            value = self.fields.get(name)
            if isinstance(value, str) and value.strip() and value.strip() not in ("null", "~"):
                return value.strip()
        return None

    def texts(self, *names: str, spaced: bool = False) -> list[str]:
        """The first of the fields `names` that is there, as a list; a text is split at commas, and with `spaced` at spaces (Jekyll's way)."""
        for name in names:
            value = self.fields.get(name)
            if isinstance(value, list):
                return [item.strip() for item in value if isinstance(item, str) and item.strip()]
            if isinstance(value, str) and value.strip() and value.strip() not in ("null", "~"):
                parts = re.split(r"[,、，;；]", value)
                return [part.strip() for part in (value.split() if spaced and len(parts) == 1 else parts) if part.strip()]
        return []

    def part(self, name: str, *names: str) -> str | None:
        """The text `names` within the mapping `name` (`image: {path: …}`)."""
        value = self.fields.get(name)
        return FrontMatter({str(key).lower(): inner for key, inner in value.items()}, {}).text(*names) if isinstance(value, dict) else None


def split_front_matter(text: str, where: str) -> tuple[FrontMatter | None, str]:
    """The front matter of `text`, if it has one, and the rest, in as many lines as before. Raises BadInput where it is broken, with its line."""
    lines = text[:_LONGEST].split("\n")
    first = next((index for index, line in enumerate(lines[:20]) if line.strip()), 0)
    mark = lines[first].rstrip()
    if mark not in ("---", "+++"):
        return None, text
    ends = ("---", "...") if mark == "---" else ("+++",)
    last = next((index for index in range(first + 1, len(lines)) if lines[index].rstrip() in ends), None)
    begins = next((line for line in lines[first + 1:last] if line.strip() and not line.lstrip().startswith("#")), "")
    if last is None:
        if _ASCII_KEY.match(begins) or (mark == "+++" and "=" in begins):
            raise BadInput(where, _("the front matter has no end"), line=first + 1, remedy=_("put a line %(mark)s after it", mark=mark))
        return None, text
    fields = _read(lines[first + 1:last], first, where, mark, likely=bool(_KEY.match(begins)))
    if fields is None:
        return None, text
    cut = sum(len(line) + 1 for line in lines[:last + 1])
    rest = "\n" * (last + 1) + text[cut:]
    return FrontMatter(fields, _places(lines, first + 1, last)), rest


def _read(lines: list[str], offset: int, where: str, mark: str, *, likely: bool) -> dict[str, Any] | None:
    """The fields, or None where what stands between two rules is no front matter but text."""
    source = "\n".join(lines)
    try:
        read = tomllib.loads(source) if mark == "+++" else yaml.load(source, Loader=_LOADER)
    except (yaml.YAMLError, tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        if not likely and mark == "---":
            return None
        place = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or str(error).split("\n")[0]
        line = (place.line if place else 0) + offset + 2
        raise BadInput(where, _("the front matter is broken: %(problem)s", problem=problem), line=min(line, offset + len(lines) + 2),
                       remedy=_("put values that hold a colon or a bracket in quotation marks")) from error
    if read is None or read == "":
        return {}
    if not isinstance(read, dict):
        return None
    return {str(key).strip().lower(): value if isinstance(value, str | list | dict) else str(value) for key, value in read.items()}


def _places(lines: list[str], first: int, last: int) -> dict[str, int]:
    """The line of each field of the first level, from 1."""
    places: dict[str, int] = {}
    for index in range(first, last):
        name, colon, _value = lines[index].partition(":" if ":" in lines[index] else "=")
        if colon and name == name.lstrip():
            places.setdefault(name.strip(" \"'").lower(), index + 1)
    return places
