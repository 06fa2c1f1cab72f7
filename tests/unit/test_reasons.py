"""A stored reason becomes a sentence for whoever looks."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from publisher.curate.choose import ToldIn, choose
from publisher.reasons import _SENTENCES, sentence
from tests.stories import NOW, rules, story

ROOT = Path(__file__).parent.parent.parent / "publisher"
TODAY = date(2026, 11, 20)


def test_told_is_said_as_people_say_it() -> None:
    told = {"code": "told", "number": 12}
    assert sentence(told | {"day": "2026-11-20"}, TODAY) == "told in today's issue (12)"
    assert sentence(told | {"day": "2026-11-19"}, TODAY) == "told in yesterday's issue (12)"
    assert sentence(told | {"day": "2026-11-12"}, TODAY) == "told in issue 12"
    assert sentence(told, TODAY) == "told in issue 12"


def test_a_code_of_a_later_version_is_shown_as_it_is() -> None:
    assert sentence({"code": "moon_phase"}, TODAY) == "moon_phase"


def test_a_headline_with_a_percent_sign_is_data() -> None:
    assert sentence({"code": "duplicate", "headline": "Up 100%(name)s"}, TODAY) == "the same story as “Up 100%(name)s”, which is told instead"


CHOSEN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"told": ToldIn(3, "2026-11-19")}, {}), ({"section": "市場"}, {"only_sections": True}), ({}, {"only_sections": True}),
    ({"language": "en"}, {"languages": ("ja",)}),
    ({"tags": ("PR",)}, {"without_tags": ("pr",)}), ({}, {"tags": ("AI",)}), ({}, {"min_stories": 5})]


@pytest.mark.parametrize(("changes", "limits"), CHOSEN)
def test_every_reason_of_the_choice_is_a_sentence(changes: dict[str, Any], limits: dict[str, Any]) -> None:
    (passed,) = choose([story(1, **changes)], rules(**limits), NOW).passed
    words = sentence(passed.reason, TODAY)
    assert " " in words
    assert "%(" not in words


def test_every_sentence_has_a_code_that_somebody_gives() -> None:
    """A sentence for a code that is given nowhere is dead."""
    code = "".join(path.read_text("utf-8") for path in ROOT.rglob("*.py") if path.name != "reasons.py")
    spare = [name for name in _SENTENCES if f'"{name}"' not in code and name not in ("told_today", "told_yesterday")]
    assert spare == []
