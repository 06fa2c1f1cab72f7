"""Providers for tests: each signs as the real one does, with keys of its own."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

TOPIC = "arn:aws:sns:ap-northeast-1:123456789012:bounces"
CERTIFICATE = "https://sns.ap-northeast-1.amazonaws.com/SimpleNotificationService-0123abcd.pem"
MAILGUN, POSTMARK = "key-of-mailgun", "password-of-postmark"
RESEND = b"secret-of-resend"
Sent = tuple[dict[str, str], bytes]


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    """Amazon's key."""
    return rsa.generate_private_key(65537, 2048)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    """SendGrid's key."""
    return ec.generate_private_key(ec.SECP256R1())


def certificate(now: datetime, days: int = 30) -> bytes:
    """Amazon's certificate, valid from a day before `now`."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(rsa_key().public_key()).serial_number(7)
            .not_valid_before(now - timedelta(days=40 if days < 0 else 1)).not_valid_after(now + timedelta(days=days)).sign(rsa_key(), SHA256()))
    return made.public_bytes(Encoding.PEM)


def secrets() -> dict[str, str]:
    """What the environment would hold."""
    shown = ec_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {"mailgun": MAILGUN, "postmark": POSTMARK, "sendgrid": base64.b64encode(shown).decode(),
            "resend": "whsec_" + base64.b64encode(RESEND).decode()}


def sns(now: datetime, message: Any, *, version: str = "2", mark: str = "m-1", topic: str = TOPIC, **more: str) -> Sent:
    """A message of SNS; `more` replaces fields after signing."""
    kind = more.pop("Type", "Notification")
    fields = {"Type": kind, "MessageId": mark, "TopicArn": topic, "Timestamp": now.isoformat(),
              "Message": message if isinstance(message, str) else json.dumps(message), "SignatureVersion": version, "SigningCertURL": CERTIFICATE}
    if kind != "Notification":
        fields |= {"Token": "t", "SubscribeURL": "https://sns.ap-northeast-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=a&Token=t"}
        names = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    else:
        names = ("Message", "MessageId", "Timestamp", "TopicArn", "Type")
    signed = "".join(f"{name}\n{fields[name]}\n" for name in names).encode()
    fields["Signature"] = base64.b64encode(rsa_key().sign(signed, padding.PKCS1v15(), SHA256() if version == "2" else SHA1())).decode()
    return {"content-type": "text/plain; charset=UTF-8"}, json.dumps(fields | more).encode()


def ses_bounce(address: str, *, kind: str = "Permanent", detail: str = "General", status: str | None = "5.1.1", mail: dict[str, Any] | None = None,
               mark: str = "feedback-1") -> dict[str, Any]:
    """SES's event of a bounce."""
    person = {"emailAddress": address} | ({"action": "failed", "status": status, "diagnosticCode": f"smtp; 550 {status} user unknown"} if status else {})
    return {"eventType": "Bounce", "mail": {"messageId": "x", "destination": [address], **(mail or {})},
            "bounce": {"bounceType": kind, "bounceSubType": detail, "bouncedRecipients": [person], "timestamp": "2025-12-05T01:00:00.000Z",
                       "feedbackId": mark}}


def ses_complaint(address: str, kind: str = "abuse", mark: str = "feedback-2") -> dict[str, Any]:
    """SES's notification of a complaint."""
    return {"notificationType": "Complaint", "mail": {"messageId": "x", "destination": [address]},
            "complaint": {"complainedRecipients": [{"emailAddress": address}], "complaintFeedbackType": kind, "feedbackId": mark,
                          "timestamp": "2025-12-05T01:00:00.000Z"}}


def mailgun(now: datetime, event: dict[str, Any], *, token: str = "token-1", key: str = MAILGUN) -> Sent:
    """A message of Mailgun."""
    timestamp = str(int(now.timestamp()))
    signature = hmac.digest(key.encode(), (timestamp + token).encode(), "sha256").hex()
    body = {"signature": {"timestamp": timestamp, "token": token, "signature": signature}, "event-data": event}
    return {"content-type": "application/json"}, json.dumps(body).encode()


def mailgun_event(name: str, address: str, **more: Any) -> dict[str, Any]:
    """One of Mailgun's events."""
    return {"event": name, "id": f"{name}-1", "timestamp": 1764896400.5, "recipient": address, "message": {"headers": {}}, **more}


def postmark(record: dict[str, Any], password: str = POSTMARK) -> Sent:
    """A message of Postmark."""
    return {"authorization": "Basic " + base64.b64encode(f"hook:{password}".encode()).decode()}, json.dumps(record).encode()


def sendgrid(now: datetime, events: Any) -> Sent:
    """A message of SendGrid."""
    timestamp, body = str(int(now.timestamp())), json.dumps(events).encode()
    signature = ec_key().sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
    return {"x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
            "x-twilio-email-event-webhook-timestamp": timestamp}, body


def resend(now: datetime, message: dict[str, Any], *, mark: str = "msg_1", key: bytes = RESEND) -> Sent:
    """A message of Resend."""
    timestamp, body = str(int(now.timestamp())), json.dumps(message).encode()
    signature = base64.b64encode(hmac.digest(key, f"{mark}.{timestamp}.".encode() + body, "sha256")).decode()
    return {"svix-id": mark, "svix-timestamp": timestamp, "svix-signature": f"v1,AAAA v1,{signature}"}, body


def at(year: int = 2025, month: int = 12, day: int = 5) -> datetime:
    """A moment."""
    return datetime(year, month, day, 3, tzinfo=UTC)
