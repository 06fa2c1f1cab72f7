"""Links with a token: who shows one that is not ours is told so, and after many of them has to wait."""

from starlette.responses import Response

from publisher.settings import Settings
from publisher.web.patience import Patience
from publisher.web.rendering import Pages

# A token has 48 characters and some more for large ids.
LONGEST_TOKEN = 128
# The address holds the token: no cache, no search engine, no other site may learn it.
HEADERS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}


class Guard:
    """Answers for wrong tokens, counted by client over all kinds of links."""

    def __init__(self, settings: Settings, pages: Pages) -> None:
        self._settings, self._pages, self._patience = settings, pages, Patience()

    def not_ours(self, client: str, *, leaving: bool = False) -> Response:
        """404 in words; 429 for a client that showed too many. `leaving`: a person who wants to leave is told how else."""
        language = self._settings.site.language
        if self._patience.lost(client or None):
            return self._pages.fault(429, language, {"Retry-After": "600", **HEADERS})
        return self._pages.page("no_link", language, status=404, headers=HEADERS, leaving=leaving)
