"""Everything a person sees is there in Japanese, whole, and with the same blanks to fill in."""

import ast
import re

import pytest

from publisher.i18n import N_, _, in_language, ngettext
from tools.catalogue import ROOT, _forms, extracted, stored, untranslated, updated

BLANK = re.compile(r"%\((\w+)\)[sd]|(?<!\{)\{(\w+)(?:![rs])?\}")


def blanks(text: str) -> set[str]:
    return {one or other for one, other in BLANK.findall(text)}


def test_every_sentence_has_a_japanese_one() -> None:
    """Bring the catalogue up to date with: make catalogue"""
    missing = [message.id for message in untranslated(updated())]
    assert missing == [], f"{len(missing)} sentences have no Japanese; see: python tools/catalogue.py --missing"


def test_no_translation_is_a_guess() -> None:
    assert [message.id for message in stored() if message.id and message.fuzzy] == []


def test_no_translation_is_of_a_sentence_that_is_gone() -> None:
    """Let it leave with: make catalogue"""
    now = {message.id for message in extracted()}
    assert [message.id for message in stored() if message.id and message.id not in now] == []


def test_the_blanks_agree() -> None:
    """A blank that is misspelt in the catalogue would be a crash in front of a reader. A count may be said by another value of the same call."""
    given = values_given()
    wrong = []
    for message in stored():
        counted = isinstance(message.id, (tuple, list))
        ours = blanks(message.id[-1] if counted else message.id)
        for form in filter(None, _forms(message) if message.id else ()):
            if not (blanks(form) <= ours | given.get(message.id[0], set()) if counted else blanks(form) == ours):
                wrong.append(message.id)
    assert wrong == []


def values_given() -> dict[str, set[str]]:
    """The values that calls of ngettext in the code hand over, by the sentence."""
    given: dict[str, set[str]] = {}
    for path in (ROOT / "publisher").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ngettext":
                given[ast.literal_eval(node.args[0])] = {"n"} | {keyword.arg for keyword in node.keywords if keyword.arg}
    return given


def test_code_and_templates_are_both_read() -> None:
    places = {location[0] for message in extracted() for location in message.locations}
    assert "publisher/reasons.py" in places
    assert any(place.startswith("templates/") for place in places)
    assert any(place.startswith("subscribers/") for place in places)
    # Babel passes over folders that begin with _ unless it is told not to.
    assert "templates/email/_base/way_out.html" in places


def test_an_unknown_sentence_is_itself_in_every_language() -> None:
    for language in ("ja", "en", "fr"):
        with in_language(language):
            assert _(N_("no such sentence: 100%")) == "no such sentence: 100%"
            assert ngettext("%(n)s thing of none", "%(n)s things of none", 2) == "2 things of none"


def test_a_value_with_a_percent_sign_is_data() -> None:
    assert _("%(reason)s of none", reason="100%(x)s") == "100%(x)s of none"


def test_a_missing_value_is_a_fault_of_ours_and_seen_in_tests() -> None:
    with pytest.raises(KeyError):
        _("%(reason)s of none", other=1)
