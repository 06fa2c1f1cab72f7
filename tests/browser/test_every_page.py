"""Every public page in Japanese and English: what axe-core, an HTML validator, a keyboard and the narrowest phone say."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from publisher.db import Database
from publisher.moving.filing import move_issues
from publisher.moving.found import Past
from publisher.web.app import create_web
from tests.composing import NOW
from tests.pages import NEEDS_CHROMIUM, NEEDS_NODE, check_page, free_port, opened, running
from tests.readers import KEYS
from tests.serving import BODY, Site, site

pytestmark = [NEEDS_CHROMIUM, NEEDS_NODE]
PAGES = {
    "the list of issues": lambda made: "/",
    "an issue": lambda made: f"/issues/{made.issue_id}",
    "an issue that was moved in": lambda made: f"/issues/{made.issue_id + 1}",
    "a story of our own": lambda made: "/stories/1",
    "a story of which we have the summary": lambda made: "/stories/2",
    "the search field": lambda made: "/search",
    "what a search found": lambda made: "/search?q=" + ("推論" if made.settings.site.language == "ja" else "inference"),
    "a search without result": lambda made: "/search?q=zebra",
    "a search that is too long": lambda made: "/search?q=" + "x" * 101,
    "leaving": lambda made: f"/u/{made.token()}",
    "a link that is not ours": lambda made: "/u/wrong",
    "a page that is not there": lambda made: "/nowhere",
}


@pytest.fixture(scope="module", params=["ja", "en"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A newsroom's site, really served."""
    port = free_port()
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('site') / 'publisher.db'}")
    database.migrate()
    made = site(database, language=request.param, site={"url": f"http://127.0.0.1:{port}"})
    moved = Past("past", "An issue of long ago", NOW - timedelta(days=900), BODY)
    move_issues(database, made.settings, made.settings.newsletters[0], "ghost", [moved], NOW, after=True)
    with running(create_web(database, made.settings, KEYS, health=dict), port):
        yield made
    database.close()


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_for_everybody(browser: Any, served: Site, name: str) -> None:
    check_page(browser, served.settings.site.url + PAGES[name](served))


def test_the_link_is_copied_by_keyboard_and_it_is_said_so(browser: Any, served: Site) -> None:
    """The one script there is: its button comes with it, works with Enter, and a screen reader hears that it worked."""
    address = f"{served.settings.site.url}/stories/1"
    with opened(browser, address) as seen:
        seen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        button = seen.page.locator("button[data-copy]")
        button.focus()
        seen.page.keyboard.press("Enter")
        said = seen.page.get_by_role("status")
        said.get_by_text("コピーしました。" if served.settings.site.language == "ja" else "Copied.").wait_for()
        assert seen.page.evaluate("navigator.clipboard.readText()") == address
        assert seen.complaints == []
    with opened(browser, address, script=False) as seen:
        assert not seen.page.locator("button[data-copy]").is_visible()
        assert seen.page.get_by_role("link", name="Bluesky").is_visible()


def test_a_browser_that_gives_no_clipboard_is_answered_in_words(browser: Any, served: Site) -> None:
    with opened(browser, f"{served.settings.site.url}/stories/1") as seen:
        seen.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('refused')); }")
        seen.page.locator("button[data-copy]").click()
        seen.page.get_by_role("status").get_by_text("アドレスバー" if served.settings.site.language == "ja" else "address bar").wait_for()


def test_a_search_is_made_by_keyboard(browser: Any, served: Site) -> None:
    """From the list of issues: the field, the words, Enter; then the first result, Enter."""
    with opened(browser, f"{served.settings.site.url}/", script=False) as seen:
        seen.page.locator("input[type=search]").focus()
        seen.page.keyboard.type("クラウド" if served.settings.site.language == "ja" else "minato")
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_url("**/search?q=*")
        assert seen.page.locator("ol.found li").count() == 1
        seen.page.locator("ol.found a").focus()
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_url("**/stories/2")
