"""Amazon SES through SNS: a certificate's signature, only from Amazon's own address, only for topics that publisher.toml names.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
"""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate

from publisher.track.hooks.proof import Call, CannotTell, Fetch, NoProof, Reading, Told, an_object, as_json, moment, some_text, words

_HOST = r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE = re.compile(_HOST + r"/SimpleNotificationService-[A-Za-z0-9]{1,80}\.pem")
_VISIT = re.compile(_HOST + r"/\?Action=ConfirmSubscription&[A-Za-z0-9=&:%._~+-]{1,2000}")
_OF_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
# The fields that are signed, in their order; Subject is there where it was given.
_SIGNED = {"Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
           "SubscriptionConfirmation": _OF_CONFIRMATION, "UnsubscribeConfirmation": _OF_CONFIRMATION}
_CERTIFICATES_KEPT = 8
# Complaints that say the opposite, or speak of signatures.
_NO_COMPLAINT = ("not-spam", "auth-failure")
_GONE = ("NoEmail", "Suppressed", "OnAccountSuppressionList")
_BLOCKED = ("ContentRejected", "AttachmentRejected")
# https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
_ARRIVED = ("Send", "Delivery", "Open", "Click")


class Certificates:
    """Amazon's signing certificates, each fetched once."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch, self._known = fetch, dict[str, bytes]()

    def get(self, url: str) -> bytes:
        """The certificate at `url`. Raises NoProof for an address that is not Amazon's, CannotTell when it cannot be had."""
        if not _CERTIFICATE.fullmatch(url):
            raise NoProof("the certificate is not Amazon's")
        if url not in self._known:
            try:
                found = self._fetch(url)
            except Exception as error:  # whatever the network does: the provider comes again
                raise CannotTell("the certificate cannot be had") from error
            if len(self._known) >= _CERTIFICATES_KEPT:
                self._known.clear()
            self._known[url] = found
        return self._known[url]

    def forget(self, url: str) -> None:
        """What came was no certificate."""
        self._known.pop(url, None)


def read(call: Call, topics: Sequence[str], certificates: Certificates) -> Reading:
    """What SES tells. Raises NoProof, CannotTell, WrongContent; `visit` is the address that confirms the subscription of a known topic."""
    message = an_object(as_json(call.body), "the body")
    kind = some_text(message, "Type")
    # Looked at before any certificate is fetched: whoever is not on the list causes no traffic.
    if some_text(message, "TopicArn") not in topics:
        raise NoProof("the topic is not named in hooks.ses_topics")
    _check(message, kind, certificates, call)
    mark = some_text(message, "MessageId")
    if kind == "SubscriptionConfirmation":
        url = some_text(message, "SubscribeURL")
        if not _VISIT.fullmatch(url):
            raise NoProof("the address to confirm at is not Amazon's")
        return Reading(mark, visit=url)
    if kind != "Notification":
        return Reading(mark)
    # SES itself announces a new topic by a sentence, which is no report.
    text = some_text(message, "Message")
    if not text.lstrip().startswith("{"):
        return Reading(mark)
    return Reading(mark, _told(an_object(as_json(text.encode()), "Message"), call))


def _check(message: dict[str, Any], kind: str, certificates: Certificates, call: Call) -> None:
    names = _SIGNED.get(kind, ())
    version, url = str(message.get("SignatureVersion")), some_text(message, "SigningCertURL")
    if not names or version not in ("1", "2"):
        raise NoProof("the message is signed in no way that is known")
    signed = "".join(f"{name}\n{message[name]}\n" for name in names if isinstance(message.get(name), str))
    pem = certificates.get(url)
    try:
        certificate = load_pem_x509_certificate(pem)
        key = certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey) or not certificate.not_valid_before_utc <= call.now <= certificate.not_valid_after_utc:
            raise NoProof("the certificate is not valid")
        key.verify(base64.b64decode(some_text(message, "Signature"), validate=True), signed.encode(), padding.PKCS1v15(),
                   SHA256() if version == "2" else SHA1())
    except InvalidSignature:
        raise NoProof("the signature is wrong") from None
    except (binascii.Error, ValueError) as error:
        if isinstance(error, binascii.Error):
            raise NoProof("the signature is wrong") from None
        certificates.forget(url)
        raise CannotTell("the certificate cannot be read") from None


def _told(event: dict[str, Any], call: Call) -> list[Told]:
    """The reports of one SES event, one for each address it names."""
    name = str(event.get("eventType") or event.get("notificationType"))
    mail = an_object(event.get("mail") or {}, "mail")
    headers = {str(entry.get("name")).lower(): str(entry.get("value")) for entry in mail.get("headers") or () if isinstance(entry, dict)}
    about = {"envelope": mail.get("source"), "message_id": headers.get("message-id"), "unsubscribe": headers.get("list-unsubscribe")}
    detail = an_object(event.get({"Bounce": "bounce", "Complaint": "complaint", "DeliveryDelay": "deliveryDelay", "Subscription": "subscription"}
                                 .get(name, "")) or {}, "the event")
    kind, strength = _kind(name, detail)
    if not kind:
        return []
    people = next((detail[key] for key in ("bouncedRecipients", "complainedRecipients", "delayedRecipients") if isinstance(detail.get(key), list)),
                  [{"emailAddress": address} for address in mail.get("destination") or ()])
    mark = str(detail.get("feedbackId") or f"{name} {mail.get('messageId')} {detail.get('timestamp')}")
    return [Told(kind, f"{mark} {place}", moment(detail.get("timestamp"), call.now), strength or _permanent(kind, detail, person),
                 words(detail.get("bounceSubType") or detail.get("complaintFeedbackType"), person.get("status"), person.get("diagnosticCode")),
                 person.get("emailAddress"), **about)
            for place, person in enumerate(people) if isinstance(person, dict)]


def _permanent(kind: str, detail: dict[str, Any], person: dict[str, Any]) -> str:
    """A bounce that will not pass: the address does not exist, unless what the other side said tells otherwise, which is classified later."""
    said = person.get("status") or person.get("diagnosticCode")
    return "hard" if kind == "bounce" and (not said or detail.get("bounceSubType") in _GONE) else ""


def _kind(name: str, detail: dict[str, Any]) -> tuple[str, str]:
    if name == "Complaint":
        return ("", "") if detail.get("complaintFeedbackType") in _NO_COMPLAINT else ("complaint", "")
    if name == "Bounce":
        if detail.get("bounceSubType") in _BLOCKED:
            return "bounce", "blocked"
        return "bounce", {"Permanent": "", "Transient": "soft"}.get(str(detail.get("bounceType")), "soft")
    if name == "DeliveryDelay":
        return "delay", ""
    if name in _ARRIVED:
        return "arrived", ""
    return ("left", "") if name == "Subscription" else ("", "")
