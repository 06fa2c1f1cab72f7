"""A browser for the tests of a module. Not for longer: while Playwright runs, nothing else in its thread may start an event loop."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.pages import CHROMIUM, chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium."""
    if not CHROMIUM.exists():
        pytest.skip("not run: there is no /usr/bin/chromium (make servers)")
    with chromium() as started:
        yield started
