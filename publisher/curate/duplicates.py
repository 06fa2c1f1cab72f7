"""Finds copies of one story across sources: the same text, the same address with the same story, or nearly the same words.

Character n-grams need no word segmentation, which Japanese has not got. A sketch of the smallest hashes proposes pairs, an exact
comparison decides them, so that a thousand stories cost a thousand sketches and not half a million comparisons
(Broder, "On the resemblance and containment of documents", 1997).
"""

import re
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

SKETCH = 48
# Measured on news of one day: two events share under a tenth of their trigrams, an edited copy keeps more than half of them.
SAME_BODY = 0.45
SAME_HEADLINE = 0.72
SAME_STORY_AT_ONE_ADDRESS = 0.4
# Below this many n-grams a text is too short to say anything ("details behind the link"); with this many it can contradict a headline.
_TELLING, _LONG = 40, 120
_OTHER_BODY = 0.1
# What more stories share than this (a phrase, an address that is a hub) tells none of them from another.
_TOO_COMMON = 40
_READ = 2000
_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


class Copy(Protocol):
    """What the comparison looks at. `container` is the file or feed that the story stood in."""

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
    def container(self) -> str: ...
    @property
    def group(self) -> int | None: ...


C = TypeVar("C", bound=Copy)


def grams(text: str, size: int) -> frozenset[int]:
    """The hashed character n-grams of `text`, blind to width, case, spaces and punctuation."""
    flat = "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum())
    data, width = flat.encode("utf-32-le", "surrogatepass"), 4 * size
    return frozenset(zlib.crc32(data[start:start + width]) for start in range(0, max(4, len(data) - width + 4), 4)) if flat else frozenset()


def likeness(one: frozenset[int], other: frozenset[int]) -> float:
    """The share of n-grams in common (Jaccard), from 0 to 1."""
    common = len(one & other)
    return common / (len(one) + len(other) - common) if common else 0.0


def names(headline: str) -> frozenset[str]:
    """What tells two headlines of one pattern apart: figures, and in Japanese the words in Latin letters, which are products and firms."""
    flat = unicodedata.normalize("NFKC", headline).casefold()
    found = re.findall(r"[0-9]+(?:[.,][0-9]+)*", flat)
    return frozenset(found + (re.findall(r"[a-z]+", flat) if _JAPANESE.search(flat) else []))


class Duplicates(Generic[C]):
    """The families of stories that tell the same thing. `stories` come in order of preference: the first of a family is its head, and
    every other one is a copy of the head, not of a copy, so that no chain of likenesses ties two stories that differ."""

    def __init__(self, stories: Sequence[C]) -> None:
        self._stories = list(stories)
        self._headline = {story.id: grams(story.headline, 2) for story in stories}
        self._text = {story.id: grams(story.text[:_READ], 3) for story in stories}
        self._names = {story.id: names(story.headline) for story in stories}

    def families(self) -> list[list[C]]:
        """Every story once, the head of each family first. Stories of one group or one text are in one family, whatever else they hold."""
        near = self._proposed()
        families: dict[int, list[C]] = {}
        by_group: dict[int, int] = {}
        by_text: dict[str, int] = {}
        for story in self._stories:
            group = story.group or story.id
            head = by_group.get(group) or by_text.get(story.fingerprint) or self._head(story, near.get(story.id, ()), families)
            families.setdefault(head, []).append(story)
            by_group.setdefault(group, head)
            if story.fingerprint:
                by_text.setdefault(story.fingerprint, head)
        return list(families.values())

    def _head(self, story: C, near: Sequence[int], families: Mapping[int, list[C]]) -> int:
        for other in near:
            if other in families and self._same(families[other][0], story):
                return other
        return story.id

    def _proposed(self) -> dict[int, list[int]]:
        """For each story the earlier ones worth an exact look, in their order: they share an address or some of the rarest n-grams."""
        rooms: dict[tuple[str, object], list[int]] = defaultdict(list)
        for place, story in enumerate(self._stories):
            if story.canonical_url:
                rooms["url", story.canonical_url].append(place)
            for gram in sorted(self._text[story.id])[:SKETCH]:
                rooms["body", gram].append(place)
            for gram in sorted(self._headline[story.id])[:12]:
                rooms["headline", gram].append(place)
        met: dict[tuple[int, int], int] = defaultdict(int)
        weight = {"url": 4, "headline": 2, "body": 1}
        for (kind, _gram), members in rooms.items():
            if 1 < len(members) <= _TOO_COMMON:
                for index, one in enumerate(members):
                    for other in members[index + 1:]:
                        met[one, other] += weight[kind]
        near: dict[int, list[int]] = defaultdict(list)
        for one, other in sorted(pair for pair, times in met.items() if times > 3):
            near[self._stories[other].id].append(self._stories[one].id)
        return near

    def _same(self, one: Copy, other: Copy) -> bool:
        # "Weekly report 12" and "Weekly report 13", "… Flash" and "… Pro" differ in nothing but a name, and are two stories.
        mine, theirs = self._names[one.id], self._names[other.id]
        if mine - theirs and theirs - mine:
            return False
        headline = likeness(self._headline[one.id], self._headline[other.id])
        body = likeness(self._text[one.id], self._text[other.id])
        shorter = min(len(self._text[one.id]), len(self._text[other.id]))
        alike_body = body >= SAME_BODY and shorter >= _TELLING
        alike_headline = headline >= SAME_HEADLINE and (body >= _OTHER_BODY or shorter < _LONG)
        if one.container and one.container == other.container:
            # A report does not tell one story twice, though its stories may share a source and a pattern.
            return alike_headline and alike_body
        if one.canonical_url and one.canonical_url == other.canonical_url and max(headline, body) >= SAME_STORY_AT_ONE_ADDRESS:
            return True
        return alike_body or alike_headline
