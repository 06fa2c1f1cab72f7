"""Readers' pages in a real browser: on the narrowest phone, in the dark, by keyboard, without JavaScript."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from publisher.db import Database
from publisher.web.app import create_web
from tests.pages import NEEDS_CHROMIUM, free_port, running
from tests.readers import HANAKO, KEYS, state_of
from tests.serving import Site, site

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(params=["ja", "en"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A site that is really served, in Japanese and in English."""
    port = free_port()
    database = Database(f"sqlite:///{tmp_path / 'publisher.db'}")
    database.migrate()
    made = site(database, language=request.param, site={"url": f"http://127.0.0.1:{port}"})
    with running(create_web(database, made.settings, KEYS, health=dict), port):
        yield made
    database.close()


def addresses(made: Site) -> list[str]:
    """Every kind of page."""
    paths = ["/", f"/issues/{made.issue_id}", "/stories/1", "/stories/2", f"/u/{made.token()}", "/u/wrong", "/nowhere"]
    return [made.settings.site.url + path for path in paths]


def test_nothing_scrolls_sideways_on_the_narrowest_phone_and_nothing_is_blocked(browser: Any, served: Site) -> None:
    """At 320 px; and the policy of each page lets through all that the page needs."""
    context = browser.new_context(viewport={"width": 320, "height": 640})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    for address in addresses(served):
        page.goto(address)
        assert (address, page.evaluate("document.documentElement.scrollWidth")) == (address, 320)
        assert page.evaluate("document.documentElement.lang") in ("ja", "en")
        assert page.locator("h1").count() == 1
    context.close()
    assert [complaint for complaint in complaints if "404" not in complaint] == []


def test_dark_is_dark_and_light_is_light(browser: Any, served: Site) -> None:
    for scheme, ground in (("light", "rgb(251, 250, 247)"), ("dark", "rgb(20, 19, 17)")):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        for address in addresses(served):
            page.goto(address)
            assert (address, page.evaluate("getComputedStyle(document.body).backgroundColor")) == (address, ground)
        context.close()


def test_the_button_is_reached_and_pressed_by_keyboard_without_javascript(browser: Any, served: Site) -> None:
    """Skip link, name of the paper, button: three steps, and what has the focus is seen."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{served.settings.site.url}/u/{served.token()}")
    page.keyboard.press("Tab")
    assert page.locator(".skip").is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert served.settings.site.name in page.locator("h1").inner_text()
    assert state_of(served.database, HANAKO) == "left"
    assert context.cookies() == []
    context.close()
