"""Resend: signed as Svix does it, HMAC-SHA256 over id, moment and body (https://docs.svix.com/receiving/verifying-payloads/how-manual)."""

import base64
import binascii
import hmac
from typing import Any

from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.track.hooks.proof import FRESH, Call, NoProof, Reading, Told, an_object, as_json, is_fresh, moment, same, seconds, some_text, words

_KINDS = {"email.complained": "complaint", "email.delivery_delayed": "delay", "email.bounced": "bounce", "email.suppressed": "bounce",
          "email.sent": "arrived", "email.delivered": "arrived", "email.opened": "arrived", "email.clicked": "arrived"}


def secret(text: str) -> bytes:
    """The signing secret as Resend shows it: `whsec_` and base64. Raises PublisherError for what is none."""
    try:
        found = base64.b64decode(text.strip().removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not found:
        raise PublisherError(_("PUBLISHER_RESEND_SIGNING_SECRET is no signing secret"), remedy=_("copy it from Resend: Webhooks, Signing Secret"))
    return found


def read(call: Call, key: bytes) -> Reading:
    """What Resend tells. Raises NoProof for a wrong signature or one older than five minutes, WrongContent."""
    mark, timestamp = call.headers.get("svix-id", ""), call.headers.get("svix-timestamp", "")
    expected = base64.b64encode(hmac.digest(key, f"{mark}.{timestamp}.".encode() + call.body, "sha256")).decode()
    given = [part.partition(",")[2] for part in call.headers.get("svix-signature", "").split() if part.startswith("v1,")]
    # Several while a secret is being changed.
    if not mark or not any([same(expected, one) for one in given]):
        raise NoProof("the signature is wrong")
    if not is_fresh(seconds(timestamp), call.now, FRESH):
        raise NoProof("the message is too old")
    message = an_object(as_json(call.body), "the body")
    kind = _KINDS.get(some_text(message, "type"))
    if kind is None:
        return Reading(mark)
    data = an_object(message.get("data"), "data")
    headers = _headers(data.get("headers"))
    receivers = data.get("to")
    bounce = an_object(data.get("bounce") or {}, "bounce")
    said = words(bounce.get("type"), bounce.get("subType"), bounce.get("message"))
    return Reading(mark, [Told(
        kind, f"{mark} {place}", moment(message.get("created_at"), call.now), _strength(kind, bounce), said, address, None,
        headers.get("message-id"), headers.get("list-unsubscribe"))
        for place, address in enumerate(receivers if isinstance(receivers, list) else [receivers]) if isinstance(address, str)])


def _headers(value: Any) -> dict[str, str]:
    """The mail's own headers, where Resend tells them: a list of names and values."""
    found = {}
    for entry in value if isinstance(value, list) else []:
        if isinstance(entry, dict):
            found[str(entry.get("name")).lower()] = str(entry.get("value"))
    return found


def _strength(kind: str, bounce: dict[str, Any]) -> str:
    """Resend passes on what Amazon SES says: Permanent, Transient or Undetermined. A permanent one may still be about the content."""
    if kind != "bounce":
        return ""
    name, detail = str(bounce.get("type")), str(bounce.get("subType"))
    if name == "Permanent":
        return "hard" if detail in ("General", "NoEmail", "Suppressed", "OnAccountSuppressionList") else ""
    return "blocked" if detail in ("ContentRejected", "AttachmentRejected") else "soft"
