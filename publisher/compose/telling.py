"""Finds the fact of a story that tells the most: money, multiples and shares before counts, counts before times, and words last."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from publisher.compose.figures import BARELY, figures, strength, without_figures
from publisher.text.lead import sentences

# Words that lean on the sentence before.
_CONNECTIVE = re.compile(r"^(?:また|さらに|一方で?|なお|しかし|そして|加えて|その結果|このほか|同時に)、")
# A sentence longer than this is hard to take in as the first line of a post.
_EASY = {"ja": 46, "en": 90}
# A figure without a unit is told its measure by the label: 「顧客数」「20,000」.
_COUNTING_LABEL = re.compile(r"(?:数|率|額|量|人口|count|number|rate)$", re.IGNORECASE)
_TOLD_BY_LABEL, _PREFERENCE_FOR_FACTS, _HARD_TO_READ = 16, 5, 6


def telling_fact(facts: Sequence[Mapping[str, str]]) -> Mapping[str, str] | None:
    """The fact that tells the most; the earlier one of two that tell as much, None where no fact has a figure."""
    best = max(facts, key=_fact_strength, default=None)
    return best if best is not None and _fact_strength(best) > BARELY else None


def ranked(facts: Sequence[Mapping[str, str]], most: int) -> list[Mapping[str, str]]:
    """At most `most` facts: the most telling one first, the others as their source ordered them."""
    kept = sorted(range(len(facts)), key=lambda place: -_fact_strength(facts[place]))[:most]
    return [facts[place] for place in kept[:1] + sorted(kept[1:])]


def telling_line(story: Mapping[str, Any]) -> str | None:
    """The most telling fact of a story's snapshot in one line, or None where the headline tells as much or nothing has a figure.

    A sentence of the summary speaks where its figure is of a stronger kind than that of any fact.
    """
    fact = telling_fact(story["facts"])
    candidates = [(_fact_strength(fact) + _PREFERENCE_FOR_FACTS, _line(fact, story["language"]))] if fact else []
    easy = _EASY.get(story["language"], _EASY["en"])
    for sentence in sentences(story["summary"])[:4]:
        worth = strength(sentence) - (_HARD_TO_READ if len(sentence) > easy else 0)
        if worth > BARELY:
            candidates.append((worth, _CONNECTIVE.sub("", sentence.strip())))
    if not candidates:
        return None
    _worth, line = max(candidates, key=lambda candidate: candidate[0])
    said = figures(story["headline"])
    return None if said and figures(line) <= said else line


def _fact_strength(fact: Mapping[str, str]) -> int:
    worth = strength(fact["value"])
    return worth + _TOLD_BY_LABEL if worth == BARELY and _COUNTING_LABEL.search(fact["label"]) else worth


def _line(fact: Mapping[str, str], language: str) -> str:
    """The value alone where it says what it measures, else with its label."""
    label, value = fact["label"], fact["value"]
    rest = without_figures(value)
    speaks = len(re.findall(r"[\u30a1-\u30f6\u4e00-\u9fff]", rest)) >= 6 if language == "ja" else len(re.findall(r"[A-Za-z]{2,}", rest)) >= 5
    return value if speaks or not label else f"{label}：{value}" if language == "ja" else f"{label}: {value}"
