"""Finds and reads publisher.toml, and says of every fault: line, key, reason, remedy."""

import difflib
import hashlib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from publisher.errors import Problem, SettingsError
from publisher.i18n import N_, _
from publisher.settings import Settings

FILE_NAME = "publisher.toml"


def settings_path(given: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """The configuration file: the one given, else PUBLISHER_CONFIG, else publisher.toml in this folder."""
    return given or Path(environ.get("PUBLISHER_CONFIG") or FILE_NAME)


def load_settings(path: Path | None = None) -> Settings:
    """The settings of `path`. Raises SettingsError with every fault found, not only the first."""
    path = settings_path(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise SettingsError([Problem(str(path), _("there is no such file"), remedy=_("run \"publisher init\", or name one with --config"))]) from None
    except OSError as error:
        raise SettingsError([Problem(str(path), _("cannot be read: %(reason)s", reason=error.strerror))]) from None
    try:
        text = raw.decode("utf-8-sig")
        data = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError([_syntax_problem(path, raw, error)]) from None
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise SettingsError([_problem(path, text, fault) for fault in error.errors()]) from None
    problems = list(_cross_check(path, text, settings))
    if problems:
        raise SettingsError(problems)
    object.__setattr__(settings, "_root", path.resolve().parent)
    object.__setattr__(settings, "_fingerprint", hashlib.sha256(raw).hexdigest())
    return settings


def _syntax_problem(path: Path, raw: bytes, error: UnicodeDecodeError | tomllib.TOMLDecodeError) -> Problem:
    if isinstance(error, UnicodeDecodeError):
        return Problem(str(path), _("is not UTF-8"), raw.count(b"\n", 0, error.start) + 1, _("save the file as UTF-8"))
    found = re.search(r"line (\d+)", str(error))
    return Problem(str(path), _("cannot be read as TOML: %(reason)s", reason=re.sub(r" \(at .*\)", "", str(error))),
                   line=int(found[1]) if found else len(raw.splitlines()) or None, remedy=_("check quotes, brackets and = on that line"))


def _problem(path: Path, text: str, fault: Any) -> Problem:
    """One fault of the validator as a line for a person."""
    place = fault["loc"]
    key = ".".join(_label(part) for part in place)
    line = line_of(text, place)
    kind = fault["type"]
    if kind == "extra_forbidden":
        known = _known_keys(place[:-1])
        near = difflib.get_close_matches(str(place[-1]), known, n=1)
        remedy = _("did you mean %(key)s?", key=near[0]) if near else _("known here: %(keys)s", keys=", ".join(known))
        return Problem(str(path), _("%(key)s is not a key of this program", key=key), line, remedy)
    if kind == "missing":
        return Problem(str(path), _("%(key)s is missing", key=key), line, _("add it; publisher.example.toml shows how"))
    if kind == "value_error":
        message = str(fault["ctx"]["error"])
        return Problem(str(path), f"{key} {_(message)}", line, _("it is %(value)s now", value=_shown(fault["input"])))
    if kind == "literal_error":
        return Problem(str(path), _("%(key)s cannot be %(value)s", key=key, value=_shown(fault["input"])), line,
                       _("choose one of: %(choices)s", choices=fault["ctx"]["expected"].replace(" or ", ", ")))
    if kind in _LIMITS:
        name, remedy = _LIMITS[kind]
        return Problem(str(path), _("%(key)s is out of range: %(value)s", key=key, value=_shown(fault["input"])), line,
                       _(remedy, limit=fault["ctx"][name]))
    remedy = _(next((words for start, words in _KINDS.items() if kind.startswith(start)), _EXAMPLE))
    return Problem(str(path), _("%(key)s has a value of the wrong kind: %(value)s", key=key, value=_shown(fault["input"])), line, remedy)


_LIMITS = {"greater_than_equal": ("ge", N_("%(limit)s at least")), "less_than_equal": ("le", N_("%(limit)s at most")),
           "greater_than": ("gt", N_("more than nothing"))}
_KINDS = {"string": N_("write it in quotes"), "bool": N_("write true or false"), "int": N_("write a whole number without quotes"),
          "float": N_("write a number without quotes"), "tuple": N_("write a list in brackets: [\"…\"]")}
_EXAMPLE = N_("publisher.example.toml shows its form")


def _shown(value: object) -> str:
    """The value as it stands in the file, cut short; a password inside an address is not shown."""
    if isinstance(value, dict):
        return _("a table")
    text = re.sub(r"(://[^/\s:@]*):[^@\s]*@", r"\1:…@", value if isinstance(value, str) else repr(value))
    text = text if len(text) <= 60 else text[:59] + "…"
    return f'"{text}"' if isinstance(value, str) else text


def _label(part: object) -> str:
    return f"#{part + 1}" if isinstance(part, int) else str(part)


def _known_keys(place: tuple[Any, ...]) -> list[str]:
    """The keys that may stand at `place` of the file."""
    model: Any = Settings
    for part in place:
        if isinstance(part, int) or not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        nested = [inner for inner in (annotation, *getattr(annotation, "__args__", ())) if isinstance(inner, type) and issubclass(inner, BaseModel)]
        model = nested[0] if nested else model
    return sorted(model.model_fields)


def line_of(text: str, place: tuple[Any, ...]) -> int | None:
    """The line (from 1) at which the key `place` stands, or else its table's heading; None when neither is written."""
    keys = [part for part in place if isinstance(part, str)]
    wanted = next((part for part in place if isinstance(part, int)), 0)
    table, seen, heading = "", -1, None
    for number, line in enumerate(text.splitlines(), 1):
        if not table and len(keys) == 1 and re.match(rf"\s*\"?{re.escape(keys[0])}\"?\s*=", line):
            return number
        found = re.match(r"\s*\[\[?\s*([\w.-]+)\s*\]\]?", line)
        if found:
            table = found[1]
            seen += table == keys[0] if keys else 0
            if keys and table == keys[0] and max(seen, 0) == wanted:
                heading = number
        elif heading and len(keys) > 1 and table == keys[0] and max(seen, 0) == wanted and re.match(rf"\s*\"?{re.escape(keys[1])}\"?\s*=", line):
            return number
    return heading


def _cross_check(path: Path, text: str, settings: Settings) -> list[Problem]:
    """Names that must be unique or must exist elsewhere in the file."""
    problems = []
    for group in ("sources", "lists", "newsletters", "accounts", "relays", "limits"):
        names: set[str] = set()
        for index, entry in enumerate(getattr(settings, group)):
            if entry.name in names:
                problems.append(Problem(str(path), _("%(key)s: the name %(name)s is given twice", key=group, name=entry.name),
                                        line_of(text, (group, index, "name")), _("give each a name of its own")))
            names.add(entry.name)
    for group, key, among in (("newsletters", "list", "lists"), ("accounts", "newsletter", "newsletters"), ("relays", "newsletters", "newsletters")):
        known = [entry.name for entry in getattr(settings, among)]
        for index, entry in enumerate(getattr(settings, group)):
            value = getattr(entry, key)
            for name in (value,) if isinstance(value, str) else value:
                if name not in known:
                    problems.append(Problem(str(path), _("%(key)s names %(name)s, which is not in %(among)s", key=f"{group}.#{index + 1}.{key}",
                                                         name=name, among=among),
                                            line_of(text, (group, index, key)), _("known: %(names)s", names=", ".join(known) or "-")))
    return problems
