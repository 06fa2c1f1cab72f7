"""The service believes no header about who asks, unless the configuration names the proxy that wrote it."""

import time
from pathlib import Path

import httpx

from tests.commands import NewsroomFolder
from tests.pages import free_port


def test_a_reader_cannot_choose_the_network_they_ask_from(tmp_path: Path) -> None:
    """The server's own rule would believe every program on this machine; with it, a limit of one would never be reached."""
    port = free_port()
    newsroom = NewsroomFolder.make(tmp_path, relay_port=9, site_url=f"http://127.0.0.1:{port}", extra="[signup]\nper_client = 1\n")
    service = newsroom.start("run")
    try:
        page = f"http://127.0.0.1:{port}/subscribe/daily"
        deadline = time.monotonic() + 30
        while not _answers(page) and time.monotonic() < deadline:
            time.sleep(0.1)
        codes = [httpx.post(page, data={"email": f"r{number}@example.jp"}, headers={"X-Forwarded-For": f"198.51.100.{number}"}).status_code
                 for number in range(3)]
    finally:
        service.terminate()
        service.wait(15)
    assert codes == [200, 429, 429]


def _answers(page: str) -> bool:
    try:
        return httpx.get(page).status_code == 200
    except httpx.TransportError:
        return False
