"""SendGrid: ECDSA P-256 over timestamp and body.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

import base64
import binascii
import hashlib
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.track.hooks.proof import (
    PATIENT,
    Call,
    NoProof,
    Reading,
    Told,
    WrongContent,
    an_object,
    as_json,
    is_fresh,
    moment,
    seconds,
    some_text,
    words,
)

_SIGNATURE, _TIMESTAMP = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"
# https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event#bounce-classifications
_CLASSES = {"invalid address": "hard", "mailbox unavailable": "soft", "content": "blocked", "reputation": "blocked",
            "frequency or volume too high": "blocked", "technical failure": "soft"}
_OTHERS = {"deferred": ("delay", ""), "spamreport": ("complaint", ""), "unsubscribe": ("left", ""), "group_unsubscribe": ("left", ""),
           "processed": ("arrived", ""), "delivered": ("arrived", ""), "open": ("arrived", ""), "click": ("arrived", "")}
_DROPPED = {"bounced address": ("bounce", "hard"), "invalid": ("bounce", "hard"), "spam reporting address": ("complaint", ""),
            "unsubscribed address": ("left", "")}


def public_key(text: str) -> ec.EllipticCurvePublicKey:
    """The verification key as SendGrid shows it: base64 of a SubjectPublicKeyInfo. Raises PublisherError for what is none."""
    try:
        key = load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise PublisherError(_("PUBLISHER_SENDGRID_PUBLIC_KEY is no verification key"),
                             remedy=_("copy it from SendGrid: Settings, Mail Settings, Event Webhook, Signature Verification"))
    return key


def read(call: Call, key: ec.EllipticCurvePublicKey) -> Reading:
    """What SendGrid tells, up to a thousand events at once. Raises NoProof, WrongContent."""
    signature, timestamp = call.headers.get(_SIGNATURE, ""), call.headers.get(_TIMESTAMP, "")
    try:
        key.verify(base64.b64decode(signature, validate=True), timestamp.encode() + call.body, ec.ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        raise NoProof("the signature is wrong") from None
    if not is_fresh(seconds(timestamp), call.now, PATIENT):
        raise NoProof("the message is too old")
    events = as_json(call.body)
    if not isinstance(events, list):
        raise WrongContent("the body is no list")
    told = [one for event in events if (one := _told(an_object(event, "an event"), call)) is not None]
    return Reading(hashlib.sha256(call.body).hexdigest(), told)


def _told(event: dict[str, Any], call: Call) -> Told | None:
    name = some_text(event, "event")
    kind, strength = _kind(name, event)
    if not kind:
        return None
    mark = str(event.get("sg_event_id") or f"{name} {event.get('sg_message_id')} {event.get('timestamp')}")
    return Told(kind, mark, moment(event.get("timestamp"), call.now), strength, words(name, event.get("status"), event.get("reason")),
                event.get("email"), None, event.get("smtp-id"))


def _kind(name: str, event: dict[str, Any]) -> tuple[str, str]:
    if name == "bounce":
        if event.get("type") == "blocked":
            return "bounce", "blocked"
        return "bounce", _CLASSES.get(str(event.get("bounce_classification", "")).lower(), "")
    if name == "dropped":
        reason = str(event.get("reason", "")).lower()
        return next((kind for words, kind in _DROPPED.items() if reason.startswith(words)), ("", ""))
    return _OTHERS.get(name, ("", ""))
