"""Calls of a provider's API over HTTP: each ends in an answer, in the certainty that nothing was given, or in nobody knowing."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx

from publisher.deliver.providers.base import lost, reason_of, trouble, wants_rest
from publisher.deliver.smtp import RelayTrouble
from publisher.deliver.verdict import Verdict
from publisher.i18n import _
from publisher.settings_secrets import relay_variable
from publisher.settings_sending import RelayEntry

# Mailgun says 420 to a domain that has sent its share (https://github.com/TryGhost/Ghost/issues/24494).
_TOO_MANY = (420, 429)
# What the provider itself judges by its words: 400 and 422 are about what was sent, 413 about how much of it.
_ABOUT_THE_MAIL = (400, 413, 422)


@dataclass(frozen=True)
class Answer:
    """What a provider said: a success, or an error about what was sent."""

    status: int
    text: str
    body: Any

    @cached_property
    def reason(self) -> str:
        """Its words, for an outcome."""
        said = self.body.get("message") or self.body.get("Message") if isinstance(self.body, dict) else None
        return reason_of(self.status, said or self.text)


class Calls:
    """Calls of one API at `base`, over connections that stay open. `timeout` is in seconds, for each step of a call."""

    def __init__(self, relay: RelayEntry, base: str, timeout: float, *, auth: tuple[str, str] | None = None,
                 headers: dict[str, str] | None = None) -> None:
        self._name, self._base = relay.name, relay.endpoint or base
        self._client = httpx.Client(timeout=timeout, auth=auth, headers=headers, trust_env=False, follow_redirects=False)

    def post(self, path: str, **content: Any) -> Answer | Verdict:
        """The answer to one call; or what it makes of every mail in it alike.

        Raises RelayTrouble when nothing was taken and no reader is to blame.
        """
        sent = _Sent()
        request = self._client.build_request("POST", self._base + path, extensions={"trace": sent.trace}, **content)
        request.read()  # a form leaves in one piece, not field by field
        try:
            response = self._client.send(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise self._unreachable(error) from error
        except httpx.HTTPError as error:
            if not sent.whole:
                # A request that breaks off in the middle is none: its length was announced.
                raise self._unreachable(error) from error
            return lost(str(error) or type(error).__name__)
        return self._read(response, whole=sent.whole)

    def _read(self, response: httpx.Response, *, whole: bool) -> Answer | Verdict:
        status = response.status_code
        try:
            body = response.json()
        except ValueError:
            body = None
        answer = Answer(status, response.text, body)
        if status in _TOO_MANY:
            return wants_rest(answer.reason)
        if status >= 500:
            if whole:
                return lost(answer.reason)
            raise self._unreachable(answer.reason)
        if status in (401, 403):
            raise trouble(self._name, _("refuses the key: %(reason)s", reason=answer.reason), _("check %(name)s", name=relay_variable(self._name)))
        if not 200 <= status < 300 and status not in _ABOUT_THE_MAIL:
            raise trouble(self._name, _("turns us away: %(reason)s", reason=answer.reason),
                          _("check its entry in relays: url and endpoint, and the account there"))
        return answer

    def _unreachable(self, why: object) -> RelayTrouble:
        if "CERTIFICATE" in str(why).upper():
            return trouble(self._name, _("offers no trustworthy TLS: %(reason)s", reason=reason_of(why)),
                           _("check relays.endpoint and the certificates of this machine"))
        return trouble(self._name, _("does not answer: %(reason)s", reason=reason_of(str(why) or type(why).__name__)),
                       _("check relays.endpoint, and the network"), passing=True)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class _Sent:
    """Watches whether a request left as a whole (httpx, "Extensions: trace")."""

    def __init__(self) -> None:
        self.whole = False

    def trace(self, event: str, _info: dict[str, Any]) -> None:
        """Take note of the last byte."""
        if event.endswith(".send_request_body.complete"):
            self.whole = True
