"""The footer rules of Japan, the EU and the US: the shipped templates keep them, and a newsroom's own that do not are told so, part by part."""

from pathlib import Path

import pytest

from publisher.compose.law import RULES, law_problems
from publisher.i18n import use_language
from tests.commands import NewsroomFolder
from tests.composing import settings

HTML = ("<tr><td><p>{{ issue.footer.sender }}, {{ issue.footer.postal_address }}, {{ issue.footer.contact }}</p>"
        '<p>You may stop this: <a href="{{ leave_url }}">here</a></p></td></tr>')
TEXT = "{{ issue.footer.sender }}\n{{ issue.footer.postal_address }}\n{{ issue.footer.contact }}\n\nTo unsubscribe:\n\n{{ leave_url }}\n"


def problems(folder: Path, *, html: str = HTML, text: str = TEXT, **more: object) -> list[tuple[str, str]]:
    """What is missing with these footers: part, and the beginning of the sentence about it."""
    base = folder / "ours" / "email" / "_base"
    base.mkdir(parents=True, exist_ok=True)
    (base / "footer.html").write_text(html)
    (base / "footer.txt").write_text(text)
    found = law_problems(settings(root=folder, templates="ours", **more))  # type: ignore[arg-type]
    return [(problem.where.rpartition(".")[2], problem.reason) for problem in found]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_shipped_templates_keep_every_rule(language: str) -> None:
    """In both languages; an empty setting is told elsewhere, once."""
    assert law_problems(settings(language=language)) == []
    assert law_problems(settings(language=language, site={"contact": "", "postal_address": "", "name": ""})) == []
    assert {rule.what for rule in RULES} == {"name", "leave", "postal_address", "contact"}


def test_a_newsrooms_own_footer_may_say_it_in_its_own_words(tmp_path: Path) -> None:
    """Only what is shown counts."""
    assert problems(tmp_path) == []
    assert problems(tmp_path, html=HTML.replace("You may stop this: ", "配信の停止は").replace("here", "こちら")) == []


@pytest.mark.parametrize(("broken", "missing", "laws"), [
    (HTML.replace(", {{ issue.footer.postal_address }}", ""), "the postal address", ("article 4", "2000/31", "CAN-SPAM")),
    (HTML.replace(", {{ issue.footer.postal_address }}", '<span style="display: none">{{ issue.footer.postal_address }}</span>'),
     "the postal address", ("article 4", "CAN-SPAM")),
    (HTML.replace("<p>You", '<p style="font-size:0px">You'), "a sentence that one can leave", ("article 4", "GDPR", "CAN-SPAM")),
    (HTML.replace("You may stop this: ", "").replace(">here<", "><"), "a sentence that one can leave", ("article 4", "GDPR", "CAN-SPAM")),
    (HTML.replace("You may stop this: ", ""), "a sentence that one can leave", ("GDPR",)),
    (HTML.replace(", {{ issue.footer.contact }}", "<!-- {{ issue.footer.contact }} -->"), "the contact", ("article 4", "2000/31")),
])
def test_what_the_html_part_hides_or_forgets_is_told_with_its_laws(tmp_path: Path, broken: str, missing: str, laws: tuple[str, ...]) -> None:
    """One line for each thing, and none for the text part."""
    found = problems(tmp_path, html=broken)
    assert [part for part, _reason in found] == ["html"]
    assert missing in found[0][1]
    assert all(law in found[0][1] for law in laws)


@pytest.mark.parametrize(("broken", "missing"), [
    (TEXT.replace("To unsubscribe:", "→"), "a sentence that one can leave"), (TEXT.replace("{{ leave_url }}", ""), "a sentence that one can leave"),
    (TEXT.replace("{{ issue.footer.postal_address }}", ""), "the postal address"), (TEXT.replace("{{ issue.footer.contact }}", ""), "the contact")])
def test_what_the_text_part_forgets_is_told(tmp_path: Path, broken: str, missing: str) -> None:
    """A link alone is no sentence."""
    found = problems(tmp_path, text=broken)
    assert [part for part, _reason in found] == ["txt"]
    assert missing in found[0][1]


def test_a_long_address_that_is_wrapped_is_still_there(tmp_path: Path) -> None:
    """The text part breaks lines at 70 columns."""
    assert law_problems(settings(site={"postal_address": "〒100-0000 東京都千代田区見本町1-1 " + "見本ビルディング" * 12, "name": "A & B <c>"})) == []


def test_a_template_that_fails_is_one_problem(tmp_path: Path) -> None:
    """With its file and line."""
    assert problems(tmp_path, html="{{ nothing.there }}")[0][0] == "html"
    assert len(problems(tmp_path, html="{{ nothing.there }}")) == 1


def test_the_sentences_are_there_in_japanese(tmp_path: Path) -> None:
    """The law by its own name."""
    use_language("ja")
    assert "特定電子メール法第4条" in problems(tmp_path, text="")[0][1]


def test_check_tells_it_and_ends_with_one(tmp_path: Path) -> None:
    """As a person would see it; the configuration itself is in order."""
    newsroom = NewsroomFolder.make(tmp_path, relay_port=25, extra='[paths]\ntemplates = "ours"\n')
    base = tmp_path / "ours" / "email" / "_base"
    base.mkdir(parents=True)
    assert newsroom.run("check").code == 0
    (base / "footer.txt").write_text(TEXT.replace("{{ issue.footer.postal_address }}", ""))
    answer = newsroom.run("check")
    assert answer.code == 1
    assert answer.err.count("the text part does not show the postal address") == 1
    assert "CAN-SPAM" in answer.err
