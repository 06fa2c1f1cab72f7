"""Shapes an issue by preference group: an edition for each set of stories that some readers want, not for each reader.

`grouped(items, wishes)` is pure. A reader gets the stories of the sections they chose, and every story that has no section or one that the
newsletter does not list: what nobody could choose goes to everybody.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from publisher.audience import Gathered, audience_of
from publisher.models import Issue
from publisher.settings import Newsletter, Settings
from subscribers.models import EVERY_SECTION, Subscription

# Editions beside the one for everybody; more would take longer to compose than readers are worth waiting for.
MOST_EDITIONS = 100
# Groups of readers that are looked at, the largest first.
_MOST_GROUPS = 5000
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Item:
    """One pick as grouping sees it. `bit` is that of its issue in a digest, the oldest being 0; None in a regular issue."""

    story_id: int
    section: str | None
    bit: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """One group of readers: their key, the sections they chose (None: every one), what of a digest is not for them (a bit for each of its issues),
    and how many they are."""

    key: str
    sections: frozenset[str] | None
    had: int = 0
    readers: int = 0

    def wants(self, item: Item, listed: Collection[str]) -> bool:
        """Whether a story is for these readers."""
        if item.bit is not None and self.had >> item.bit & 1:
            return False
        return self.sections is None or item.section not in listed or item.section in self.sections


@dataclass(frozen=True, slots=True)
class Grouping:
    """The editions beside the whole one, as positions in the picks by their name; and for each group (key, had) its edition, or None when
    nothing is for them. A group that is not here gets the whole issue; `left_out` counts those for which there were too many editions."""

    editions: Mapping[str, tuple[int, ...]]
    rows: Mapping[tuple[str, int], str | None]
    left_out: int = 0


def grouped(items: Sequence[Item], wishes: Sequence[Wish], listed: Collection[str], most: int = MOST_EDITIONS) -> Grouping:
    """The editions that `wishes` need, those of the most readers first; at most `most` beside the whole one."""
    readers: dict[tuple[int, ...], int] = {}
    wanted: dict[tuple[str, int], tuple[int, ...]] = {}
    for wish in wishes:
        part = tuple(index for index, item in enumerate(items) if wish.wants(item, listed))
        wanted[wish.key, wish.had] = part
        readers[part] = readers.get(part, 0) + wish.readers
    # Whoever changes their sections while the issue waits falls back on the group that takes every section: that edition comes first.
    first = {part for (key, _had), part in wanted.items() if key == EVERY_SECTION}
    parts = sorted((part for part in readers if part and len(part) < len(items)), key=lambda part: (part not in first, -readers[part], part))
    names = {part: _name(items, part) for part in parts[:most]}
    rows = {group: names.get(part) for group, part in wanted.items() if part in names or not part}
    left_out = sum(1 for part in wanted.values() if part and len(part) < len(items) and part not in names)
    return Grouping({name: part for part, name in names.items()}, rows, left_out)


def _name(items: Sequence[Item], part: Sequence[int]) -> str:
    """The same stories make the same name, so that composing a draft anew gives the same approval hash."""
    return "g:" + hashlib.sha256(json.dumps([items[index].story_id for index in part]).encode()).hexdigest()[:24]


def listed_sections(newsletter: Newsletter) -> frozenset[str]:
    """The sections that readers can choose from."""
    return frozenset(section.name for section in newsletter.sections)


def wishes_of(session: Session, settings: Settings, newsletter: Newsletter, issue: Issue) -> tuple[list[Wish], Gathered | None]:
    """The groups of the readers of an issue, the largest first, and what a digest gathers."""
    audience = audience_of(session, newsletter, issue)
    rows = select(Subscription.id, Subscription.sections_key.label("key"), audience.had.label("had")).where(audience.condition).subquery()
    found: Sequence[Any] = session.execute(
        select(rows.c.key, rows.c.had, func.count(), func.min(rows.c.id)).group_by(rows.c.key, rows.c.had)
        .order_by(func.count().desc(), rows.c.key, rows.c.had).limit(_MOST_GROUPS)).all()
    names: dict[int, list[str] | None] = {}
    examples = [example for _key, _had, _number, example in found]
    for start in range(0, len(examples), _AT_ONCE):
        names.update({row_id: sections for row_id, sections in session.execute(
            select(Subscription.id, Subscription.sections).where(Subscription.id.in_(examples[start:start + _AT_ONCE])))})
    known = frozenset().union(*(listed_sections(entry) for entry in settings.newsletters_of(newsletter.list)))
    wishes = [Wish(key, _chosen(key, names.get(example), known), had, number) for key, had, number, example in found]
    if audience.gathered is None:
        return wishes, None
    # Those who have had some of it, whatever sections they choose until it leaves; and who took this rhythm since has had all of it.
    usual = {(wish.key, wish.had) for wish in wishes}
    hads = dict.fromkeys([*(wish.had for wish in wishes), audience.gathered.everything])
    wishes += [Wish(EVERY_SECTION, None, had) for had in hads if (EVERY_SECTION, had) not in usual]
    return wishes, audience.gathered


def _chosen(key: str, sections: Sequence[str] | None, known: Collection[str]) -> frozenset[str] | None:
    """The sections of a group. Names that no newsletter of the list has any more choose nothing: those readers get everything."""
    chosen = frozenset(sections or ())
    return chosen if key != EVERY_SECTION and chosen & set(known) else None

