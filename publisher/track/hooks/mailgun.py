"""Mailgun: HMAC-SHA256 over timestamp and token, inside the body.

https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
"""

import hmac

from publisher.track.hooks.proof import (
    PATIENT,
    Call,
    NoProof,
    Reading,
    Told,
    an_object,
    as_json,
    is_fresh,
    moment,
    same,
    seconds,
    some_text,
    words,
)

_ARRIVED = ("accepted", "delivered", "opened", "clicked")
# A mail that Mailgun itself would not send, because it remembers the address: the reader's own doing, or a bounce of before.
_REMEMBERED = {"suppress-bounce": ("bounce", "hard"), "suppress-complaint": ("complaint", ""), "suppress-unsubscribe": ("left", "")}


def read(call: Call, key: str) -> Reading:
    """What Mailgun tells. Raises NoProof for a wrong or old signature, WrongContent for what Mailgun does not write."""
    message = an_object(as_json(call.body), "the body")
    signature = an_object(message.get("signature"), "signature")
    timestamp, token = some_text(signature, "timestamp"), some_text(signature, "token")
    expected = hmac.digest(key.encode(), (timestamp + token).encode(), "sha256").hex()
    if not same(expected, some_text(signature, "signature").lower()):
        raise NoProof("the signature is wrong")
    if not is_fresh(seconds(timestamp), call.now, PATIENT):
        raise NoProof("the message is too old")
    event = an_object(message.get("event-data"), "event-data")
    name = some_text(event, "event")
    kind, strength = _kind(name, event)
    if not kind:
        return Reading(token)
    headers = an_object(an_object(event.get("message") or {}, "message").get("headers") or {}, "headers")
    status = an_object(event.get("delivery-status") or {}, "delivery-status")
    envelope = an_object(event.get("envelope") or {}, "envelope")
    return Reading(token, [Told(
        kind, str(event.get("id") or token), moment(event.get("timestamp"), call.now), strength,
        words(name, status.get("enhanced-code") or status.get("code"), status.get("message") or status.get("description") or event.get("reason")),
        event.get("recipient"), envelope.get("sender"), headers.get("message-id"))])


def _kind(name: str, event: dict[str, object]) -> tuple[str, str]:
    """A report's kind and strength; a failure says by its text whose fault it is, and is classified later."""
    if name == "failed":
        if event.get("severity") == "temporary":
            return "delay", ""
        return _REMEMBERED.get(str(event.get("reason")), ("bounce", ""))
    return ("arrived", "") if name in _ARRIVED else {"complained": ("complaint", ""), "unsubscribed": ("left", "")}.get(name, ("", ""))
