"""Postmark: signs nothing; the address it calls holds a name and password of ours (https://postmarkapp.com/developer/webhooks/webhooks-overview)."""

import base64
import binascii

from publisher.track.hooks.proof import Call, NoProof, Reading, Told, an_object, as_json, moment, same, some_text, words

# https://postmarkapp.com/developer/api/bounce-api#bounce-types
_HARD = {"HardBounce", "BadEmailAddress", "ManuallyDeactivated"}
_SOFT = {"SoftBounce", "DnsError", "SMTPApiError", "InboundError"}
_BLOCKED = {"SpamNotification", "Blocked", "DMARCPolicy", "VirusNotification", "TemplateRenderingFailed"}


def read(call: Call, password: str) -> Reading:
    """What Postmark tells. Raises NoProof without the right password (any name), WrongContent for what Postmark does not write."""
    if not same(_password(call), password):
        raise NoProof("the password is wrong")
    message = an_object(as_json(call.body), "the body")
    kind = some_text(message, "RecordType")
    mark = f"{kind} {message.get('ID') or message.get('MessageID')} {message.get('ChangedAt') or message.get('BouncedAt') or ''}"
    found, strength = _kind(kind, message)
    if not found:
        return Reading(mark)
    at = moment(message.get("BouncedAt") or message.get("ChangedAt"), call.now)
    said = words(message.get("Type") or kind, message.get("Details") or message.get("Description"))
    # What a relay of ours gave with the mail (providers/postmark.py): the reader is known by our own mark, and not by an address alone.
    given = message.get("Metadata")
    own_id = given.get("message-id") if isinstance(given, dict) else None
    return Reading(mark, [Told(found, mark, at, strength, said, message.get("Email") or message.get("Recipient"), message_id=own_id)])


def _password(call: Call) -> str:
    scheme, _space, value = call.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(value, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, ValueError):
        given = ""
    return given.partition(":")[2]


def _kind(record: str, message: dict[str, object]) -> tuple[str, str]:
    kind = str(message.get("Type"))
    if record == "SpamComplaint" or kind == "SpamComplaint":
        return "complaint", ""
    if record == "SubscriptionChange":
        # SuppressSending false is an operator's word at Postmark, which lifts nothing here.
        return ("left", "") if message.get("SuppressSending") is True and message.get("Origin") == "Recipient" else ("", "")
    if record != "Bounce":
        return "", ""
    if kind == "Unsubscribe":
        return "left", ""
    if kind == "Transient":
        return "delay", ""
    strength = "hard" if kind in _HARD else "soft" if kind in _SOFT else "blocked" if kind in _BLOCKED else ""
    return ("bounce", strength) if strength else ("", "")
