"""Chooses what an issue tells: `choose(stories, rules, now)` is pure, and every story gets a place or a reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from publisher.curate.duplicates import Duplicates


@dataclass(frozen=True, slots=True)
class ToldIn:
    """Where the story was told before: the issue's number and its day (ISO) in the newsletter's zone."""

    number: int
    day: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One approved story as the choice sees it. `group` ties copies that are known to tell the same thing; `judged` says that an earlier
    choice of this newsletter has seen it."""

    id: int
    headline: str
    text: str
    approved_at: datetime
    fingerprint: str = ""
    canonical_url: str | None = None
    container: str = ""
    source: str | None = None
    section: str | None = None
    tags: tuple[str, ...] = ()
    language: str = "ja"
    date: str | None = None
    pinned: int = 0
    weight: float = 0.0
    own: bool = True
    facts: int = 0
    group: int | None = None
    told: ToldIn | None = None
    judged: bool = True


@dataclass(frozen=True, slots=True)
class Rules:
    """A newsletter's rules. `since` is the last issue's moment (None before the first one); spans are as in publisher.toml."""

    max_stories: int = 12
    min_stories: int = 3
    since: datetime | None = None
    window: timedelta | None = None
    first_window: timedelta = timedelta(days=7)
    carry_over: timedelta = timedelta(days=3)
    sections: tuple[tuple[str, int | None], ...] = ()
    only_sections: bool = False
    tags: tuple[str, ...] = ()
    without_tags: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    zone: str = "UTC"

    def opens(self, now: datetime) -> datetime:
        """The moment from which approved stories are new."""
        if self.window is not None:
            return now - self.window
        return self.since if self.since is not None else now - self.first_window


@dataclass(frozen=True, slots=True)
class Picked:
    """A story in its place; `also` are copies of it from other sources."""

    story: Candidate
    section: str | None
    also: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Passed:
    """A story without a place: the reason, and whether it may still be picked another day."""

    story: Candidate
    reason: Mapping[str, Any]
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The picks in their order and the rest with reasons. `enough` is false when too few were `found`: then nothing is picked."""

    picks: tuple[Picked, ...]
    passed: tuple[Passed, ...]
    enough: bool
    groups: Mapping[int, int]
    found: int


def choose(stories: Sequence[Candidate], rules: Rules, now: datetime) -> Choice:
    """Picks and reasons for `stories` at the moment `now` (aware). The same arguments give the same answer in any order of `stories`."""
    passed: list[Passed] = []
    fresh, told = [], []
    for story in sorted(stories, key=_priority):
        refusal = _refusal(story, rules, now)
        if refusal is None:
            fresh.append(story)
        else:
            passed.append(refusal)
        if story.told:
            told.append(story)
    best, copies, groups, doubles = _without_duplicates(fresh, told)
    taken, left = _fill(best, rules, now)
    enough = len(taken) >= rules.min_stories
    passed += doubles + left
    if not enough:
        passed += [Passed(story, {"code": "too_few", "found": len(taken), "min": rules.min_stories}, waits=True) for story in taken]
    passed += _copies_passed(best, copies, taken if enough else [])
    picks = [Picked(story, story.section, tuple(copies[story.id])) for story in taken] if enough else []
    return Choice(tuple(_in_section_order(picks, rules)), tuple(passed), enough=enough, groups=groups, found=len(taken))


def _copies_passed(best: Sequence[Candidate], copies: Mapping[int, Sequence[Candidate]], taken: Sequence[Candidate]) -> list[Passed]:
    """Copies of a story that is told are settled; copies of one that stays behind stay behind with it and are judged again next time."""
    ids = {story.id for story in taken}
    return [Passed(copy, {"code": "duplicate" if kept.id in ids else "duplicate_waits", "headline": kept.headline}, waits=kept.id not in ids)
            for kept in best for copy in copies[kept.id]]


def _priority(story: Candidate) -> tuple[float, float, int]:
    """Pins first, then freshness with the source's weight counted in days, then age in the database."""
    return (-story.pinned, -(_moment(story).timestamp() + story.weight * 86400), story.id)


def _moment(story: Candidate) -> datetime:
    """When the story is from: its own date where it has one, never later than its approval."""
    if story.date:
        try:
            own = datetime.fromisoformat(story.date)
        except ValueError:
            return story.approved_at
        return min(own if own.tzinfo else own.replace(tzinfo=UTC), story.approved_at)
    return story.approved_at


def _refusal(story: Candidate, rules: Rules, now: datetime) -> Passed | None:
    """Why the story cannot be in this newsletter at all, by the rules that look at it alone."""
    if story.told:
        return Passed(story, {"code": "told", "number": story.told.number, "day": story.told.day})
    if story.section is None and rules.only_sections:
        return Passed(story, {"code": "no_section"})
    if rules.only_sections and story.section not in [name for name, _most in rules.sections]:
        return Passed(story, {"code": "section_not_taken", "section": story.section})
    if rules.languages and story.language not in rules.languages:
        return Passed(story, {"code": "language", "language": story.language})
    excluded = next((tag for tag in story.tags if _same_word(tag, rules.without_tags)), None)
    if excluded:
        return Passed(story, {"code": "tag_excluded", "tag": excluded})
    if rules.tags and not any(_same_word(tag, rules.tags) for tag in story.tags):
        return Passed(story, {"code": "tags_missing", "tags": ", ".join(rules.tags)})
    return _too_old(story, rules, now)


def _same_word(tag: str, among: Sequence[str]) -> bool:
    return tag.casefold() in {other.casefold() for other in among}


def _too_old(story: Candidate, rules: Rules, now: datetime) -> Passed | None:
    if story.pinned or story.approved_at >= rules.opens(now):
        return None
    if rules.window is None and story.approved_at >= now - rules.carry_over:
        return None
    if rules.window is None and rules.since is not None:
        # What came in while the last issue was being picked is older than that issue, and no issue has looked at it yet.
        return Passed(story, {"code": "waited_too_long", "span": _days(rules.carry_over)}) if story.judged else None
    return Passed(story, {"code": "outside_window", "window": _days(rules.window or rules.first_window)})


def _days(span: timedelta) -> str:
    """As it is written in publisher.toml."""
    seconds = int(span.total_seconds())
    size, unit = next((size, unit) for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")) if seconds % size == 0)
    return f"{seconds // size}{unit}"


def _without_duplicates(stories: Sequence[Candidate], told: Sequence[Candidate]
                        ) -> tuple[list[Candidate], dict[int, list[Candidate]], dict[int, int], list[Passed]]:
    """The best copy of each story, its other copies, the group of every fresh story, and the copies of what was told, with their reasons."""
    known = Duplicates([*sorted(told, key=lambda story: story.id), *sorted(stories, key=_worth)])
    groups: dict[int, int] = {}
    passed: list[Passed] = []
    best: list[Candidate] = []
    copies: dict[int, list[Candidate]] = {}
    for family in known.families():
        fresh = [story for story in family if story.told is None]
        before = next((story for story in family if story.told), None)
        group = min(story.group or story.id for story in ([before] if before else fresh))
        groups.update({story.id: group for story in fresh})
        if before and before.told:
            reason = {"code": "told_elsewhere", "number": before.told.number, "headline": before.headline}
            passed += [Passed(story, reason) for story in fresh]
            continue
        best.append(fresh[0])
        copies[fresh[0].id] = fresh[1:]
    return sorted(best, key=_priority), copies, groups, passed


def _worth(story: Candidate) -> tuple[Any, ...]:
    """The copy worth telling: an editor's pin, our own words, a link, more facts, more text, the earlier one."""
    return (-story.pinned, not story.own, story.canonical_url is None, -story.weight, -story.facts, -len(story.text), story.id)


def _fill(stories: Sequence[Candidate], rules: Rules, now: datetime) -> tuple[list[Candidate], list[Passed]]:
    """The stories that find a place, by priority, and those for which there was none."""
    quota = {name: most for name, most in rules.sections if most is not None}
    used: dict[str | None, int] = {}
    taken: list[Candidate] = []
    left: list[Passed] = []
    for story in stories:
        most = quota.get(story.section or "")
        until = (story.approved_at + rules.carry_over).astimezone(ZoneInfo(rules.zone)).date().isoformat()
        if most is not None and used.get(story.section, 0) >= most:
            left.append(Passed(story, {"code": "waits_section", "section": story.section, "max": most, "until": until}, waits=True))
        elif len(taken) >= rules.max_stories:
            left.append(Passed(story, {"code": "waits_room", "max": rules.max_stories, "until": until}, waits=True))
        else:
            taken.append(story)
            used[story.section] = used.get(story.section, 0) + 1
    return taken, left


def _in_section_order(picks: Sequence[Picked], rules: Rules) -> list[Picked]:
    """Configured sections in their order, then the others in the order of their best story; inside a section by priority."""
    order = [name for name, _most in rules.sections]
    for pick in picks:
        if pick.section not in order:
            order.append(pick.section)  # type: ignore[arg-type]
    return sorted(picks, key=lambda pick: order.index(pick.section))  # type: ignore[arg-type]
