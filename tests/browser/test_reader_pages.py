"""Readers' pages in a real browser: on the narrowest phone, in the dark, by keyboard, without JavaScript."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from publisher.db import Database
from publisher.web.app import create_web
from tests.readers import HANAKO, KEYS, state_of
from tests.serving import Site, site

CHROMIUM = Path("/usr/bin/chromium")
SWITCHES = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="not run: there is no /usr/bin/chromium (apt-get install chromium)")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, once for all tests here."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=SWITCHES)
        yield opened
        opened.close()


@pytest.fixture(params=["ja", "en"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A site that is really served, in Japanese and in English."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    database = Database(f"sqlite:///{tmp_path / 'publisher.db'}")
    database.migrate()
    made = site(database, language=request.param, site={"url": f"http://127.0.0.1:{port}"})
    server = uvicorn.Server(uvicorn.Config(create_web(database, made.settings, KEYS, health=dict), port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield made
    server.should_exit = True
    thread.join()
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
    page.keyboard.press("Enter")
    page.wait_for_selector("form", state="detached")
    assert served.settings.site.name in page.locator("h1").inner_text()
    assert state_of(served.database, HANAKO) == "left"
    assert context.cookies() == []
    context.close()
