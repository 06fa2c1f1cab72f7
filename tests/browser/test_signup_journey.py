"""Join, confirm, choose, leave and come back in a real browser: with JavaScript switched off, by keyboard alone, and for everybody."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from publisher.db import Database
from publisher.links import confirm_token, leave_token, preferences_token
from publisher.models_mail import Notice
from publisher.settings import Settings
from publisher.web.app import create_web
from publisher.web.embed import form_snippet, frame_snippet
from publisher.web.lists import offered
from subscribers.models import SignupRequest
from subscribers.registry.lists import sync_lists
from subscribers.registry.preferences import read_preferences
from tests.composing import settings
from tests.pages import NEEDS_CHROMIUM, NEEDS_NODE, check_page, free_port, html_faults, opened, running
from tests.readers import HANAKO, KEYS, TARO, ids_of, join, state_of
from tests.webserver import Web, web_server

pytestmark = NEEDS_CHROMIUM
TWO = [{"name": "daily", "title": "朝刊 AI Morning", "description": "平日の朝7時に。 Every weekday at seven."}, {"name": "weekly", "title": "週刊 AI Weekly"}]


@dataclass(frozen=True, slots=True)
class Served:
    """A newsroom with two lists, really served; Hanako reads both."""

    database: Database
    settings: Settings
    site: Web  # the newsroom's own, which may show the form in a frame

    def url(self, path: str) -> str:
        """An address of ours."""
        return self.settings.site.url + path

    def token(self) -> str:
        """The token in the last confirmation mail."""
        with self.database.reading() as session:
            return confirm_token(KEYS, *session.execute(
                select(Notice.request_id, Notice.subscriber_id).where(Notice.kind == "confirm").order_by(Notice.id.desc()).limit(1)).one())

    def preferences(self) -> str:
        """Hanako's preferences of `daily`."""
        return self.url(f"/preferences/{preferences_token(KEYS, *ids_of(self.database, HANAKO))}")

    def leave(self, address: str = HANAKO) -> str:
        """Somebody's leave link of `daily`."""
        return self.url(f"/u/{leave_token(KEYS, *ids_of(self.database, address), 7)}")


@pytest.fixture(scope="module", params=["ja", "en"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The doors, in Japanese and in English."""
    port, folder = free_port(), tmp_path_factory.mktemp("doors")
    database = Database(f"sqlite:///{folder / 'publisher.db'}")
    database.migrate()
    with web_server() as own:
        made = settings(language=request.param, root=Path(folder), site={"url": f"http://127.0.0.1:{port}"}, lists=TWO,
                        signup={"privacy": "https://news.example.jp/privacy", "per_client": 1000}, web={"embed_origins": [own.address]},
                        inbound={"domain": "lists.example.jp", "listen": "lmtp://127.0.0.1:8024"},
                        newsletter={"sections": ["モデル", "産業", "制度"], "timetable": "0 7 * * mon-fri"})
        with database.writing() as session:
            sync_lists(session, made.lists)
        for name in ("daily", "weekly"):
            join(database, HANAKO, name)
        with running(create_web(database, made, KEYS, health=dict), port):
            yield Served(database, made, own)
    database.close()


def tab_to(page: Any, selector: str) -> None:
    """Press Tab until `selector` has the focus."""
    for _step in range(60):
        page.keyboard.press("Tab")
        if page.locator(f"{selector}:focus").count():
            return
    raise AssertionError(f"not reached by keyboard: {selector}")


def press(page: Any, selector: str, key: str = "Enter") -> None:
    """Reach `selector` by keyboard and press it; the next page comes."""
    tab_to(page, selector)
    with page.expect_navigation():
        page.keyboard.press(key)


def test_the_whole_way_by_keyboard_without_javascript(browser: Any, served: Served) -> None:
    """One press for each decision; nothing is kept in the browser."""
    with opened(browser, served.url("/subscribe"), script=False) as seen:
        page = seen.page
        tab_to(page, "input[value=daily]")
        page.keyboard.press("Space")
        tab_to(page, "#email")
        page.keyboard.type("taro@exmaple")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.locator("#email:focus").count() == 1  # what has to be mended has the focus
        assert page.locator("input[value=daily]").is_checked()
        page.keyboard.press("Control+A")
        page.keyboard.type("taro@gmial.com")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        press(page, "button[value='taro@gmail.com']")
        assert state_of(served.database, "taro@gmail.com") == "unconfirmed"
        page.goto(served.url(f"/confirm/{served.token()}"))
        press(page, "main form button")
        assert state_of(served.database, "taro@gmail.com") == "subscribed"
        press(page, "main a[href^='/preferences/']")
        tab_to(page, "input[value=産業]")
        page.keyboard.press("Space")
        tab_to(page, "input[name=rhythm]:checked")
        page.keyboard.press("ArrowDown")
        tab_to(page, "#hour")
        page.keyboard.type("9")
        press(page, "main form button")
        with served.database.reading() as session:
            kept = read_preferences(session, *ids_of(served.database, "taro@gmail.com"))
        assert kept is not None
        assert (kept.rhythm, kept.sections, kept.hour) == ("daily", ("モデル", "制度"), 9)
        press(page, "main .alone a")
        press(page, "main a[href^='/u/']")
        press(page, "main form button")
        assert state_of(served.database, "taro@gmail.com") == "left"
        press(page, "button[value=undo]")
        assert state_of(served.database, "taro@gmail.com") == "subscribed"
        assert seen.cookies == []
        assert seen.strangers == []


def test_what_is_typed_arrives_as_it_was_typed(browser: Any, served: Served) -> None:
    """No browser may refuse a carrier's address, or write another domain than the reader did."""
    for typed in ("a..b@docomo.ne.jp", "hanako@日本語.jp"):
        with opened(browser, served.url("/subscribe/daily")) as seen:
            seen.page.fill("#email", typed)
            with seen.page.expect_navigation():
                seen.page.keyboard.press("Enter")
        assert state_of(served.database, typed) == "unconfirmed"


def test_the_forms_work_on_the_newsrooms_own_site_and_the_frame_on_no_other(browser: Any, served: Served) -> None:
    """Of another origin than ours: the frame keeps what follows inside it, the pasted form leads to our page."""
    with served.database.reading() as session:
        entry = offered(session, served.settings)[0]
    page = f"<!DOCTYPE html><title>News</title>{frame_snippet(served.settings, entry, 'ja')}{form_snippet(served.settings, entry, 'ja')}"
    own = served.site.put("/news", page, Content_Type="text/html; charset=utf-8")
    with opened(browser, own) as seen:
        frame = seen.page.frame_locator("iframe")
        frame.locator("#email").fill("ume@example.jp")
        frame.locator("main form button").click()
        frame.locator("ol.steps").wait_for()
        assert seen.page.url == own
        seen.page.fill("form [name=email]", "momo@example.jp")
        with seen.page.expect_navigation():
            seen.page.click("form button")
        assert seen.page.url == served.url("/subscribe/daily?lang=ja")
    with served.database.reading() as session:
        kept = session.execute(select(SignupRequest.door, SignupRequest.origin).order_by(SignupRequest.id.desc()).limit(2)).all()
    assert [tuple(row) for row in kept] == [("embed", served.site.address)] * 2
    assert state_of(served.database, "ume@example.jp") == state_of(served.database, "momo@example.jp") == "unconfirmed"
    with opened(browser, own.replace("127.0.0.1", "localhost")) as seen:
        seen.page.wait_for_load_state("networkidle")
        assert seen.page.frame_locator("iframe").locator("#email").count() == 0


LOOKED_AT: dict[str, Callable[[Served], str]] = {
    "all lists": lambda made: made.url("/subscribe"), "one list": lambda made: made.url("/subscribe/daily"),
    "a frame": lambda made: made.url("/embed/daily"), "preferences": lambda made: made.preferences(), "leaving": lambda made: made.leave()}


@NEEDS_NODE
@pytest.mark.parametrize("name", LOOKED_AT)
def test_every_form_is_for_everybody(browser: Any, served: Served, name: str) -> None:
    check_page(browser, LOOKED_AT[name](served))


def check_here(seen: Any, act: Callable[[], None]) -> None:
    """The page that comes after `act`: valid, usable, no wider than the narrowest phone, and nothing to press smaller than a finger."""
    with seen.page.expect_navigation() as coming:
        act()
    html = coming.value.text()
    small = seen.page.evaluate("""[...document.querySelectorAll('main button,main select,main input:not([type=hidden])')]
        .filter(e => !e.closest('.trap')).map(e => [e.outerHTML, (e.closest('label') || e).getBoundingClientRect()])
        .filter(([html, box]) => box.height < 44 || box.width < 44).map(([html]) => html)""")
    assert (seen.faults_of_use(), html_faults(html), seen.width(), small) == ([], [], 320, [])


@NEEDS_NODE
def test_every_answer_is_for_everybody(browser: Any, served: Served) -> None:
    """Each page that only comes after a press: in Japanese by day, in English by night."""
    address, dark = "saburo@example.jp", served.settings.site.language == "en"
    with opened(browser, served.url("/subscribe"), width=320, dark=dark) as seen:
        page = seen.page
        check_here(seen, lambda: page.click("main form button"))
        page.check("input[value=daily]")
        page.check("input[value=weekly]")
        page.fill("#email", "taro@gmial.com")
        check_here(seen, lambda: page.click("main form button"))
        check_here(seen, lambda: page.click("button[name=again]"))
        page.fill("#email", "info@example.jp")
        check_here(seen, lambda: page.click("main form button"))
        check_here(seen, lambda: page.click("button[name=again]"))
        page.fill("#email", address)
        check_here(seen, lambda: page.click("main form button"))
        token = served.token()
        check_here(seen, lambda: page.goto(served.url(f"/confirm/{token}")))
        check_here(seen, lambda: page.click("main form button"))
        check_here(seen, lambda: page.goto(served.url(f"/confirm/{token}")))
        page.goto(served.url(f"/preferences/{preferences_token(KEYS, *ids_of(served.database, address))}"))
        for box in page.query_selector_all("input[name=section]"):
            box.uncheck()
        check_here(seen, lambda: page.click("main form button"))
        page.check("input[name=section] >> nth=0")
        check_here(seen, lambda: page.click("main form button"))
        page.goto(served.leave(address))
        check_here(seen, lambda: page.click("button[value=all]"))
        check_here(seen, lambda: page.click("button[value=undo]"))
        assert state_of(served.database, address, "weekly") == "subscribed"
        page.goto(served.leave(address))
        page.click("main form button >> nth=0")
        check_here(seen, lambda: page.goto(served.url(f"/preferences/{preferences_token(KEYS, *ids_of(served.database, address))}")))
        assert [complaint for complaint in seen.complaints if "422" not in complaint] == []
        assert seen.strangers == []
    assert state_of(served.database, TARO) is None
