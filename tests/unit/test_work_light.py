"""Processes that only send load nothing that composes, posts or serves pages: there may be many of them on one machine."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
HEAVY = ("jinja2", "trafilatura", "lxml", "premailer", "tweepy", "PIL", "fastapi", "uvicorn", "feedparser", "markdown_it", "nh3", "apscheduler", "httpx",
         "click", "checkdmarc", "publisher.compose", "publisher.ingest", "publisher.channels", "publisher.web", "publisher.cli", "publisher.app",
         "publisher.jobs", "publisher.schedule")
ASK = "import sys; import {module}; print(*(name for name in {heavy!r} if name in sys.modules))"


@pytest.mark.parametrize("module", ["publisher.work.worker, publisher.work.opening", "publisher.work.child", "publisher.work.processes"])
def test_a_process_that_sends_imports_nothing_that_composes(module: str) -> None:
    """Each is asked in a process of its own, as it is started."""
    done = subprocess.run([sys.executable, "-c", ASK.format(module=module, heavy=HEAVY)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_process_that_keeps_the_others_is_smaller_still() -> None:
    """It does not even load what sends."""
    ask = ASK.format(module="publisher.work.__main__", heavy=(*HEAVY, "publisher.deliver", "procrastinate", "sqlalchemy"))
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
