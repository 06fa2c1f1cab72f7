"""How requests to X leave: with a time limit, without tries of the library's own, and to another address in tests."""

from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

# tweepy 4.17 names this host in its code and passes no timeout: without one a stalled connection would hang a thread for ever.
HOST = "https://api.twitter.com"
TIMEOUT = (5, 30)  # seconds to connect, seconds between two bytes of the answer


class Adapter(HTTPAdapter):
    """Mounted at HOST. `base` leads elsewhere; a signature made before (OAuth 1.0a) still names HOST."""

    def __init__(self, base: str | None, timeout: tuple[float, float] = TIMEOUT) -> None:
        self._base, self._timeout = base.rstrip("/") if base else None, timeout
        super().__init__(max_retries=0)

    def send(self, request: PreparedRequest, **more: Any) -> Response:  # type: ignore[override]
        """Send one request with the time limit."""
        more["timeout"] = more.get("timeout") or self._timeout
        if self._base and request.url and request.url.startswith(HOST):
            request.url = self._base + request.url.removeprefix(HOST)
        return super().send(request, **more)
