"""Finds copies of one story across sources: the same text, the same address with the same story, or nearly the same words.

Character n-grams need no word segmentation, which Japanese has not got. A sketch of the smallest hashes proposes pairs, an exact
comparison decides them, so that a thousand stories cost a thousand sketches and not half a million comparisons
(Broder, "On the resemblance and containment of documents", 1997).
"""

import re
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar

SKETCH = 48
# Two reports of one event in their own words share about a third of their trigrams, two different events under a tenth.
SAME_BODY = 0.45
SAME_HEADLINE = 0.72
SAME_STORY_AT_ONE_ADDRESS = 0.4
_TOO_COMMON = 40


class Copy(Protocol):
    """What the comparison looks at."""

    @property
    def id(self) -> int: ...
    @property
    def headline(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def canonical_url(self) -> str | None: ...
    @property
    def group(self) -> int | None: ...


C = TypeVar("C", bound=Copy)


def grams(text: str, size: int) -> frozenset[int]:
    """The hashed character n-grams of `text`, blind to width, case, spaces and punctuation."""
    flat = "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum())
    return frozenset(zlib.crc32(flat[index:index + size].encode()) for index in range(max(1, len(flat) - size + 1))) if flat else frozenset()


def likeness(one: frozenset[int], other: frozenset[int]) -> float:
    """The share of n-grams in common (Jaccard), from 0 to 1."""
    return len(one & other) / len(one | other) if one and other else 0.0


def _figures(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\d+(?:[.,]\d+)*", unicodedata.normalize("NFKC", text)))


class Duplicates(Generic[C]):
    """The families of stories that tell the same thing, among `stories`."""

    def __init__(self, stories: Sequence[C]) -> None:
        self._stories = {story.id: story for story in stories}
        self._headline = {story.id: grams(story.headline, 2) for story in stories}
        self._text = {story.id: grams(story.text[:4000], 3) for story in stories}
        self._figures = {story.id: _figures(story.headline) for story in stories}
        self._parent = {story.id: story.id for story in stories}
        for one, other in self._proposed():
            if self._find(one) != self._find(other) and self._same(self._stories[one], self._stories[other]):
                self._parent[self._find(one)] = self._find(other)

    def families(self) -> list[list[C]]:
        """Every story once, with its copies."""
        found: dict[int, list[C]] = defaultdict(list)
        for story in self._stories.values():
            found[self._find(story.id)].append(story)
        return list(found.values())

    def _find(self, story: int) -> int:
        while self._parent[story] != story:
            self._parent[story] = self._parent[self._parent[story]]
            story = self._parent[story]
        return story

    def _proposed(self) -> Iterator[tuple[int, int]]:
        """Pairs worth an exact look: they share a group, a text, an address, or some of the rarest n-grams."""
        rooms: dict[tuple[str, object], list[int]] = defaultdict(list)
        for story in self._stories.values():
            keys: list[tuple[str, object]] = [("text", story.fingerprint or story.id), ("group", story.group or story.id)]
            if story.canonical_url:
                keys.append(("url", story.canonical_url))
            keys += [("body", gram) for gram in sorted(self._text[story.id])[:SKETCH]]
            keys += [("headline", gram) for gram in sorted(self._headline[story.id])[:12]]
            for key in keys:
                rooms[key].append(story.id)
        met: dict[tuple[int, int], int] = defaultdict(int)
        for key, members in rooms.items():
            if len(members) < 2 or (key[0] in ("body", "headline") and len(members) > _TOO_COMMON):
                continue
            step = 1 if key[0] == "body" else 3
            for index, one in enumerate(members):
                for other in members[index + 1:index + 1 + 4 * _TOO_COMMON]:
                    met[(one, other)] += step
        return (pair for pair, times in met.items() if times >= 3)

    def _same(self, one: Copy, other: Copy) -> bool:
        if one.fingerprint and one.fingerprint == other.fingerprint or one.group is not None and one.group == other.group:
            return True
        headline = likeness(self._headline[one.id], self._headline[other.id])
        body = likeness(self._text[one.id], self._text[other.id])
        if one.canonical_url and one.canonical_url == other.canonical_url:
            return max(headline, body) >= SAME_STORY_AT_ONE_ADDRESS
        # "Weekly report 12" and "Weekly report 13" differ in nothing but the figure, and are two stories.
        counted = self._figures[one.id], self._figures[other.id]
        if all(counted) and counted[0] != counted[1] and headline >= SAME_STORY_AT_ONE_ADDRESS:
            return False
        return body >= SAME_BODY or headline >= SAME_HEADLINE
