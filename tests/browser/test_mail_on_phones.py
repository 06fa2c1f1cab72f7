"""An issue in a real browser: nothing scrolls sideways on the smallest phone, and the dark has its own colours."""

import pytest

from publisher.db import Database
from tests.composing import Newsroom, morning, settings, story
from tests.pages import NEEDS_CHROMIUM

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def issue(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An issue with a headline, a label and an address that are hard to break."""
    folder = tmp_path_factory.mktemp("issue")
    database = Database(f"sqlite:///{folder / 'p.db'}")
    database.migrate()
    hard = story("Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft", language="en",
                 section="長い名前の部門" * 5,
                 source_name="wire-with-a-very-long-name-indeed.example.com", facts=[{"label": "https://example.com/" + "a" * 80, "value": "b" * 99}])
    edition = Newsroom(database, settings()).composed([*morning(), hard])[1]
    database.close()
    path = folder / "issue.html"
    path.write_text(edition.html, "utf-8")
    return path.as_uri()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_scrolls_sideways(browser, issue: str, width: int) -> None:
    """At 320 pixels as on a desk, where the column is 600 wide and in the middle."""
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(issue)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    column = page.evaluate("(box => [box.left, box.width])(document.querySelector('.column').getBoundingClientRect())")
    assert column == [max(0, (width - 600) / 2), min(width, 600)]
    page.close()


def test_the_dark_has_dark_paper_and_light_ink(browser, issue: str) -> None:
    """The colours of the dark win over those on the elements."""
    page = browser.new_page(color_scheme="dark")
    page.goto(issue)
    style = "getComputedStyle(document.querySelector('%s')).%s"
    assert page.evaluate(style % ("body", "backgroundColor")) == "rgb(20, 19, 17)"
    assert page.evaluate(style % ("h3 a", "color")) == "rgb(236, 232, 224)"
    assert page.evaluate(style % ("a.on", "color")) == "rgb(255, 138, 107)"
    assert page.evaluate(style % (".label", "color")) == "rgb(168, 162, 150)"
    page.close()
