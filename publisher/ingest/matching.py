"""Tells which story of a file is which story of before: by text first, then by place, so that an edited headline is no second story."""

from collections.abc import Sequence
from dataclasses import dataclass

from publisher.ingest.draft import Draft
from publisher.text.fingerprint import flat, ngrams

# Measured as for duplicates: two stories of one day share under a tenth of their trigrams, an edited text keeps more than half of them.
_ALIKE = 0.4
_SOMEWHAT = 0.15
_READ = 3000
# A file of hundreds of stories that all changed at once: each is compared with those that stood near its place.
_MANY_PAIRS, _NEAR = 40_000, 20


@dataclass(frozen=True, slots=True)
class Known:
    """A story that the file held before. A place in the file proves nothing where it was `told` or `withdrawn` already."""

    id: int
    position: int
    headline: str
    body: str
    content_hash: str
    told: bool = False
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """The story that a draft is; `by_place` where the text says nothing of the old one any more."""

    known: Known
    by_place: bool = False


class _Text:
    """A text's n-grams, made once."""

    def __init__(self, headline: str, body: str) -> None:
        self.headline, self.flat = ngrams(headline, 2), flat(headline)
        self.body = ngrams(body[:_READ], 3)

    def likeness(self, other: "_Text") -> float:
        """From 0 to 1: the more alike of headline and body counts, and the other one a little."""
        headline, body = _jaccard(self.headline, other.headline), _jaccard(self.body, other.body)
        return max(headline, body) * 0.8 + min(headline, body) * 0.2


def match(drafts: Sequence[Draft], hashes: Sequence[str], known: Sequence[Known]) -> list[Match | None]:
    """For each draft (with its content hash) the known story it is, or None for a new one; no story twice."""
    found: list[Match | None] = [None] * len(drafts)
    left = {story.id: story for story in known}
    _same(hashes, found, left)
    open_drafts = [index for index in range(len(drafts)) if found[index] is None]
    if open_drafts and left:
        _alike(drafts, open_drafts, found, left)
        _in_place(drafts, known, found, left)
    return found


def _same(hashes: Sequence[str], found: list[Match | None], left: dict[int, Known]) -> None:
    """Nothing changed in them; of two that are the same, each keeps its place."""
    for index, content_hash in enumerate(hashes):
        equal = [story for story in left.values() if story.content_hash == content_hash]
        if equal:
            found[index] = Match(left.pop(min(equal, key=lambda story: (story.withdrawn, abs(story.position - index - 1))).id))


def _alike(drafts: Sequence[Draft], open_drafts: Sequence[int], found: list[Match | None], left: dict[int, Known]) -> None:
    texts = {index: _Text(drafts[index].headline, drafts[index].body) for index in open_drafts}
    olds = {story.id: _Text(story.headline, story.body) for story in left.values()}
    pairs = []
    many = len(open_drafts) * len(left) > _MANY_PAIRS
    for index in open_drafts:
        for story in left.values():
            if many and abs(story.position - index - 1) > _NEAR:
                continue
            likeness = texts[index].likeness(olds[story.id]) + (texts[index].flat == olds[story.id].flat)
            in_place = story.position == index + 1 and not story.withdrawn
            if likeness >= (_SOMEWHAT if in_place else _ALIKE):
                pairs.append((-likeness, abs(story.position - index - 1), index, story.id))
    for _likeness, _distance, index, story_id in sorted(pairs):
        if found[index] is None and story_id in left:
            found[index] = Match(left.pop(story_id))


def _in_place(drafts: Sequence[Draft], known: Sequence[Known], found: list[Match | None], left: dict[int, Known]) -> None:
    """A story rewritten from top to bottom keeps its place among the others. A file whose stories are all new ones is another edition."""
    present = [story for story in known if not story.withdrawn]
    if len(present) != len(drafts) or (len(drafts) > 1 and not any(found)):
        return
    by_position = {story.position: story for story in left.values() if not story.withdrawn and not story.told}
    for index in range(len(drafts)):
        story = by_position.get(index + 1)
        if found[index] is None and story:
            found[index] = Match(left.pop(story.id), by_place=True)


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common) if common else 0.0
