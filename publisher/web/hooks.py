"""`/hooks/PROVIDER`: where mail providers report. Nothing is looked at before the proof of origin; a closed provider is no page at all."""

from collections.abc import Callable
from datetime import datetime

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from publisher.settings import Settings
from publisher.track.hooks.handling import Hooks
from publisher.track.hooks.proof import Call, CannotTell, NoProof, WrongContent
from publisher.web.client import client_of
from publisher.web.patience import Patience

log = structlog.get_logger("publisher")
_SECONDS = "60"


class Reporting:
    """The pages that providers call."""

    def __init__(self, hooks: Hooks, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._hooks, self._settings, self._clock = hooks, settings, clock
        self._patience = Patience()

    def take(self, provider: str, request: Request, body: bytes) -> Response:
        """200 for what was taken or had come before, 403 without proof, 400 for wrong content, 503 when the proof could not be checked."""
        if not self._hooks.is_open(provider):
            raise HTTPException(404)
        call = Call({name.lower(): value for name, value in request.headers.items()}, body, self._clock())
        try:
            return PlainTextResponse(self._hooks.take(provider, call) + "\n")
        except NoProof as error:
            log.warning("hook_without_proof", provider=provider, reason=str(error))
            # Whoever guesses is slowed down; a provider with a wrong secret hears of it all the same.
            many = self._patience.lost(client_of(request, self._settings))
            return PlainTextResponse("no proof of origin\n", 429 if many else 403)
        except WrongContent as error:
            log.warning("hook_misunderstood", provider=provider, reason=str(error))
            return PlainTextResponse(f"{error}\n", 400)
        except CannotTell as error:
            log.warning("hook_unchecked", provider=provider, reason=str(error))
            return PlainTextResponse("try again\n", 503, {"Retry-After": _SECONDS})
