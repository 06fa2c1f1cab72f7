"""What an export holds, whichever tool wrote it: past issues and files of readers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from publisher.errors import Problem
from publisher.moving.opening import Export
from subscribers.transfer.states import Meaning


@dataclass(frozen=True, slots=True)
class Past:
    """One past issue. `key` names it within its tool for ever, `body` is Markdown without raw HTML and without pictures, `paths` are the addresses at
    which its page stood."""

    key: str
    title: str
    at: datetime
    body: str
    subtitle: str = ""
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReaderFile:
    """A file of readers in the export; `usual` is what a row without a state of its own is."""

    name: str
    usual: Meaning = Meaning("join")


@dataclass(slots=True)
class Found:
    """Everything; `problems` are the items that cannot come along, each with its reason."""

    past: list[Past] = field(default_factory=list)
    readers: list[ReaderFile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


# An export, the zone of its naive dates, and the address of our site, which stands where theirs stood.
Reader = Callable[[Export, str, str], Found]
