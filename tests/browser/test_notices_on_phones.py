"""Notices in a real browser: nothing scrolls sideways on the smallest phone, and the button can be read by day and by night."""

from pathlib import Path

import pytest

from publisher.compose.colours import LEAST_CONTRAST, contrast
from publisher.db import Database
from tests.notices import INBOUND, KINDS, NoticeRoom, settings
from tests.pages import NEEDS_CHROMIUM
from tests.readers import HANAKO

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each kind in both languages, with names that are hard to break."""
    folder = tmp_path_factory.mktemp("notices")
    database = Database(f"sqlite:///{folder / 'p.db'}")
    database.migrate()
    hard = {"title": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft", "description": "長い説明の文です。" * 12}
    room = NoticeRoom(database, settings(inbound=INBOUND | {"domain": "a-domain-with-a-very-long-name-indeed.example.jp"}, daily=hard))
    hanako = room.reader(HANAKO)
    made = {}
    for language in ("ja", "en"):
        for kind in KINDS:
            made[f"{kind}-{language}"] = folder / f"{kind}-{language}.html"
            made[f"{kind}-{language}"].write_text(room.letter(room.write(kind, hanako, language)).html, "utf-8")
    database.close()
    return made


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_scrolls_sideways(browser, pages: dict[str, Path], width: int) -> None:
    """Every kind, both languages."""
    page = browser.new_page(viewport={"width": width, "height": 800})
    for name, path in pages.items():
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width, name
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_on_its_ground(browser, pages: dict[str, Path], scheme: str) -> None:
    """The colours that a browser arrives at, the button's among them."""
    page = browser.new_page(color_scheme=scheme)
    script = """[...document.querySelectorAll('h1, p, a, td, span')].filter(one => [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
        .map(one => { let ground = one; while (getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
                      return [getComputedStyle(one).color, getComputedStyle(ground).backgroundColor] })"""
    for name, path in pages.items():
        page.goto(path.as_uri())
        pairs = {tuple(pair) for pair in page.evaluate(script)}
        assert pairs
        assert all(contrast(*map(_hexadecimal, pair)) >= LEAST_CONTRAST for pair in pairs), name
    page.close()


def _hexadecimal(colour: str) -> str:
    return "#" + "".join(f"{int(part):02X}" for part in colour.removeprefix("rgb(").rstrip(")").split(","))
