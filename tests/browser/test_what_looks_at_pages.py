"""What looks at every page sees a page that is wrong: each fault that it is there for is found."""

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.responses import HTMLResponse

from tests.pages import NEEDS_CHROMIUM, NEEDS_NODE, check_page, free_port, running

pytestmark = [NEEDS_CHROMIUM, NEEDS_NODE]
WRONG = """<!DOCTYPE html><html><head><title>x</title><style>a{outline:none;color:#ddd}body{background:#fbfaf7}</style></head>
<body><ul><p>A</p></ul><a href="/x">pale</a><div style="width:900px;height:1px"></div><img src="http://127.0.0.1:9/spy.png"></body></html>"""


def test_every_fault_is_named(browser: Any) -> None:
    """Contrast, language, invalid HTML, a focus that is not seen, width, a third party, a cookie, a dark that is not dark."""
    web, port = FastAPI(), free_port()

    @web.get("/")
    def wrong() -> HTMLResponse:
        answer = HTMLResponse(WRONG)
        answer.set_cookie("who", "you")
        return answer

    with running(web, port), pytest.raises(AssertionError) as found:
        check_page(browser, f"http://127.0.0.1:{port}/")
    said = str(found.value)
    for fault in ("color-contrast", "html-has-lang", "element-permitted-content", "the focus is not seen", '"width": 908', "spy.png", '"who"', '"dark paper"', "image-alt"):
        assert fault in said, fault
