"""What every public page keeps, asked of a real browser: no violation that axe-core knows, valid HTML, the keyboard alone, 320 pixels, the dark, no third party.

Use the fixture `browser` in tests/browser, or `with chromium() as browser` elsewhere; then `with opened(browser, address) as page` and what is below.
"""

import atexit
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from fastapi import FastAPI

CHROMIUM = Path("/usr/bin/chromium")
NODE_FOLDER = Path(__file__).parent / "browser" / "node"
SWITCHES = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"]
NEEDS_CHROMIUM = pytest.mark.skipif(not CHROMIUM.exists(), reason="not run: there is no /usr/bin/chromium (make servers)")
NEEDS_NODE = pytest.mark.skipif(not (shutil.which("node") and (NODE_FOLDER / "node_modules" / "axe-core" / "axe.min.js").exists()),
                                reason="not run: axe-core and html-validate are absent (make servers)")
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@contextmanager
def chromium() -> Iterator[Any]:
    """Debian's Chromium without a window, which knows no host but this machine. Playwright takes no second one in the same thread."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened_browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=SWITCHES)
        yield opened_browser
        opened_browser.close()


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(web: FastAPI, port: int) -> Iterator[None]:
    """The application, really served at 127.0.0.1:`port`."""
    server = uvicorn.Server(uvicorn.Config(web, port=port, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield
    server.should_exit = True
    thread.join(10)


@dataclass
class Opened:
    """A page in a browser, and what was seen while it opened: `strangers` are requests to other hosts, `complaints` the browser's own."""

    page: Any
    status: int = 0
    html: str = ""
    strangers: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def cookies(self) -> list[Any]:
        """What the page left behind."""
        return list(self.page.context.cookies())

    def width(self) -> int:
        """How wide the content is; more than the window is scrolling sideways."""
        return int(self.page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"))

    def faults_of_use(self, *, contrast_only: bool = False) -> list[str]:
        """What axe-core has against the page as it stands, contrast included: rule, element, reason. Empty is good."""
        self.page.evaluate(_axe())
        asked = {"type": "rule", "values": ["color-contrast"]} if contrast_only else {"type": "tag", "values": _RULES}
        found = self.page.evaluate("asked => axe.run(document, {runOnly: asked}).then(seen => seen.violations)", asked)
        return [f"{rule['id']}: {node['target']} {node['failureSummary']}" for rule in found for node in rule["nodes"]]

    def ground(self) -> str:
        """The colour of the paper."""
        return str(self.page.evaluate("getComputedStyle(document.body).backgroundColor"))

    def faults_of_html(self) -> list[str]:
        """What html-validate has against the page as the server sent it. Empty is good."""
        return html_faults(self.html)

    def unreached(self) -> list[str]:
        """Walks through the page with the Tab key alone. What cannot be reached, or is not seen to have the focus. Empty is good."""
        wanted = self.page.evaluate(_MARK_FOCUSABLE)
        reached: dict[str, str] = {}
        self.page.evaluate("document.activeElement && document.activeElement.blur()")
        for _step in range(2 * len(wanted) + 2):
            if len(reached) == len(wanted):
                break
            self.page.keyboard.press("Tab")
            name, problem = self.page.evaluate(_FOCUSED)
            if name and name not in reached:
                reached[name] = problem
        missed = [f"not reached: {what}" for name, what in wanted.items() if name not in reached]
        return missed + [f"{problem}: {wanted[name]}" for name, problem in reached.items() if problem and name in wanted]


@contextmanager
def opened(browser: Any, address: str, *, width: int = 390, height: int = 800, dark: bool = False, script: bool = True) -> Iterator[Opened]:
    """`address` in a window of its own, without anything that an earlier one kept."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", java_script_enabled=script)
    page = context.new_page()
    seen = Opened(page)
    home = urlsplit(address).netloc
    page.on("request", lambda request: seen.strangers.append(request.url) if urlsplit(request.url).netloc not in ("", home) else None)
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    answer = page.goto(address)
    seen.status = answer.status
    # The browser notes the status of the page itself as a fault of loading; a page that says "not found" is meant to.
    seen.complaints = [complaint for complaint in seen.complaints if f"status of {answer.status}" not in complaint]
    seen.html = answer.text()
    yield seen
    context.close()


def check_page(browser: Any, address: str) -> None:
    """Every public page, whole: raises AssertionError that names what is wrong, in light and dark, on the narrowest phone, by keyboard."""
    with opened(browser, address, width=320) as seen:
        found: dict[str, Any] = {"paper": seen.ground(), "use": seen.faults_of_use(), "html": seen.faults_of_html(), "keyboard": seen.unreached()}
        seen.page.emulate_media(color_scheme="dark")
        found |= {"dark paper": seen.ground(), "dark ink": seen.faults_of_use(contrast_only=True), "width": seen.width(),
                  "strangers": seen.strangers, "complaints": seen.complaints, "cookies": seen.cookies}
    expected = dict.fromkeys(found, []) | {"paper": "rgb(251, 250, 247)", "dark paper": "rgb(20, 19, 17)", "width": 320}
    wrong = {name: value for name, value in found.items() if value != expected[name]}
    assert wrong == {}, f"{address}: " + json.dumps(wrong, ensure_ascii=False, indent=1)


@cache
def _axe() -> str:
    return (NODE_FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


@cache
def _validator() -> subprocess.Popen[str]:
    """One process for all documents: starting it takes longer than judging a page."""
    process = subprocess.Popen(["node", str(NODE_FOLDER / "validate.js")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.kill)
    return process


def html_faults(html: str) -> list[str]:
    """What html-validate says of a document: line, rule, message. Reads no network."""
    process = _validator()
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(html) + "\n")
    process.stdin.flush()
    return list(json.loads(process.stdout.readline()))


_MARK_FOCUSABLE = """() => {
  const wanted = {}, radios = new Set();
  const shown = e => e.getClientRects().length && getComputedStyle(e).visibility !== 'hidden' && !e.closest('[inert],[hidden],[aria-hidden=true]');
  document.querySelectorAll('a[href],button,input,select,textarea,summary,iframe,[tabindex],[contenteditable=true]').forEach((e, n) => {
    if (e.tabIndex < 0 || e.disabled || e.type === 'hidden' || !shown(e)) return;
    if (e.type === 'radio') { if (radios.has(e.name)) return; radios.add(e.name); }
    const name = e.type === 'radio' ? 'radio:' + e.name : String(n);
    if (e.type === 'radio') document.querySelectorAll('input[type=radio]').forEach(o => { if (o.name === e.name) o.dataset.walk = name; });
    else e.dataset.walk = name;
    wanted[name] = e.outerHTML.slice(0, 120);
  });
  return wanted;
}"""
_FOCUSED = """() => {
  const e = document.activeElement;
  if (!e || !e.dataset.walk) return ['', ''];
  const box = e.getBoundingClientRect(), style = getComputedStyle(e);
  // `auto` is the ring of the browser's own.
  const lines = style.outlineStyle === 'auto' || (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2);
  if (!lines) return [e.dataset.walk, 'the focus is not seen'];
  if (box.right <= 0 || box.bottom <= 0 || box.left >= innerWidth || box.top >= innerHeight) return [e.dataset.walk, 'outside the window'];
  return [e.dataset.walk, ''];
}"""
