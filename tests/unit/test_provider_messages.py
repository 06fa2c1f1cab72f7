"""Messages of providers: proof before content, and every kind of event read as what it is."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.errors import PublisherError
from publisher.track.hooks import mailgun, postmark, resend, sendgrid, ses
from publisher.track.hooks.proof import Call, CannotTell, NoProof, Reading, WrongContent
from tests import hooks

NOW = hooks.at()
READER = "hanako@example.jp"


def call(sent: hooks.Sent, **changes: Any) -> Call:
    headers, body = sent
    return Call(**{"headers": headers, "body": body, "now": NOW} | changes)


def amazon(sent: hooks.Sent, fetch: Any = None, **changes: Any) -> Reading:
    return ses.read(call(sent, **changes), [hooks.TOPIC], ses.Certificates(fetch or (lambda _url: hooks.certificate(NOW))))


def kinds(reading: Reading) -> list[tuple[str, str]]:
    return [(told.kind, told.strength) for told in reading.told]


@pytest.mark.parametrize("version", ["1", "2"])
def test_ses_is_believed_when_amazons_certificate_signed_it(version: str) -> None:
    """Both signature versions: SHA-1 is still SNS's default."""
    reading = amazon(hooks.sns(NOW, hooks.ses_bounce(READER), version=version))
    assert [(told.kind, told.address) for told in reading.told] == [("bounce", READER)]
    assert "5.1.1" in reading.told[0].reason


@pytest.mark.parametrize("changed", [{"Message": "{}"}, {"MessageId": "other"}, {"Timestamp": "2020-01-01T00:00:00Z"}, {"Signature": "AAAA"},
                                     {"Signature": "no base64!"}, {"SignatureVersion": "3"}])
def test_ses_changed_after_signing_proves_nothing(changed: dict[str, str]) -> None:
    """Every signed field, and a signature of no known kind."""
    with pytest.raises(NoProof):
        amazon(hooks.sns(NOW, hooks.ses_bounce(READER), **changed))


@pytest.mark.parametrize("url", ["https://sns.evil.example/SimpleNotificationService-1.pem", "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
                                 "https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
                                 "https://sns.us-east-1.amazonaws.com@evil.example/SimpleNotificationService-1.pem",
                                 "https://bucket.s3.amazonaws.com/SimpleNotificationService-1.pem",
                                 "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem?x", "https://127.0.0.1/x.pem"])
def test_a_certificate_from_elsewhere_is_not_even_fetched(url: str) -> None:
    """Whoever signs with a key of his own names a certificate of his own."""
    asked: list[str] = []
    with pytest.raises(NoProof):
        amazon(hooks.sns(NOW, "{}", SigningCertURL=url), fetch=lambda found: asked.append(found) or b"")
    assert asked == []


def test_a_topic_that_is_not_named_is_refused_before_anything_is_fetched() -> None:
    """Amazon signs for all its customers alike: the topic is what makes a message ours."""
    asked: list[str] = []
    with pytest.raises(NoProof):
        amazon(hooks.sns(NOW, hooks.ses_bounce(READER), topic="arn:aws:sns:us-east-1:999999999999:others"), fetch=lambda found: asked.append(found) or b"")
    assert asked == []


def test_a_certificate_that_cannot_be_had_is_no_answer() -> None:
    """The provider is to come again: 503. What is no certificate is fetched anew next time."""
    def broken(_url: str) -> bytes:
        raise OSError("no route")

    with pytest.raises(CannotTell):
        amazon(hooks.sns(NOW, "{}"), fetch=broken)
    answers = [b"<html>busy</html>", hooks.certificate(NOW)]
    certificates = ses.Certificates(lambda _url: answers.pop(0))
    with pytest.raises(CannotTell):
        ses.read(call(hooks.sns(NOW, "{}")), [hooks.TOPIC], certificates)
    assert ses.read(call(hooks.sns(NOW, "{}")), [hooks.TOPIC], certificates).told == []
    assert ses.read(call(hooks.sns(NOW, "{}", mark="m-2")), [hooks.TOPIC], certificates).mark == "m-2"


def test_a_certificate_out_of_date_proves_nothing() -> None:
    """An old key may be in anybody's hands."""
    with pytest.raises(NoProof):
        amazon(hooks.sns(NOW, "{}"), fetch=lambda _url: hooks.certificate(NOW, days=-10))


def test_a_subscription_is_confirmed_at_amazon_only() -> None:
    """SNS asks before it sends; the address to visit is signed, and looked at all the same."""
    assert (amazon(hooks.sns(NOW, "confirm", Type="SubscriptionConfirmation")).visit or "").startswith("https://sns.ap-northeast-1.amazonaws.com/?Action=Confirm")
    with pytest.raises(NoProof):
        amazon(hooks.sns(NOW, "confirm", Type="SubscriptionConfirmation", SubscribeURL="https://evil.example/?Action=ConfirmSubscription&x"))


@pytest.mark.parametrize(("event", "expected"), [
    (hooks.ses_bounce(READER), ("bounce", "")), (hooks.ses_bounce(READER, status=None), ("bounce", "hard")),
    (hooks.ses_bounce(READER, detail="NoEmail"), ("bounce", "hard")), (hooks.ses_bounce(READER, detail="OnAccountSuppressionList"), ("bounce", "hard")),
    (hooks.ses_bounce(READER, kind="Transient", detail="MailboxFull", status="5.2.2"), ("bounce", "soft")),
    (hooks.ses_bounce(READER, kind="Transient", detail="ContentRejected", status="5.7.1"), ("bounce", "blocked")),
    (hooks.ses_bounce(READER, kind="Undetermined", detail="Undetermined", status=None), ("bounce", "soft")),
    (hooks.ses_complaint(READER), ("complaint", "")), (hooks.ses_complaint(READER, "fraud"), ("complaint", ""))])
def test_each_event_of_ses_is_read_as_what_it_is(event: dict[str, Any], expected: tuple[str, str]) -> None:
    """A permanent bounce that says its reason is classified by it later; one that does not is hard."""
    assert kinds(amazon(hooks.sns(NOW, event))) == [expected]


@pytest.mark.parametrize("event", [hooks.ses_complaint(READER, "not-spam"), hooks.ses_complaint(READER, "auth-failure"), {"eventType": "Delivery"},
                                   {"eventType": "Open"}, "Successfully validated SNS topic for Amazon SES event publishing."])
def test_what_is_no_complaint_and_no_bounce_tells_nothing(event: Any) -> None:
    """RFC 6430 and RFC 6591: not-spam takes a complaint back, auth-failure is about signatures."""
    assert amazon(hooks.sns(NOW, event)).told == []


def test_ses_passes_on_our_own_marks() -> None:
    """The envelope sender and the headers of the mail say which mail it was."""
    mail = {"source": "b+abc@bounces.example.jp", "headers": [{"name": "Message-ID", "value": "<abc@example.jp>"},
                                                              {"name": "List-Unsubscribe", "value": "<https://example.jp/u/abc>"}]}
    told = amazon(hooks.sns(NOW, hooks.ses_bounce(READER, mail=mail))).told[0]
    assert (told.envelope, told.message_id, told.unsubscribe) == ("b+abc@bounces.example.jp", "<abc@example.jp>", "<https://example.jp/u/abc>")


@pytest.mark.parametrize(("event", "expected"), [
    (hooks.mailgun_event("failed", READER, severity="permanent", **{"delivery-status": {"code": 550, "enhanced-code": "5.1.1"}}), [("bounce", "")]),
    (hooks.mailgun_event("failed", READER, severity="permanent", reason="suppress-bounce"), [("bounce", "hard")]),
    (hooks.mailgun_event("failed", READER, severity="permanent", reason="suppress-unsubscribe"), [("left", "")]),
    (hooks.mailgun_event("failed", READER, severity="temporary"), [("delay", "")]), (hooks.mailgun_event("complained", READER), [("complaint", "")]),
    (hooks.mailgun_event("unsubscribed", READER), [("left", "")]), (hooks.mailgun_event("delivered", READER), [("arrived", "")]),
    (hooks.mailgun_event("stored", READER), [])])
def test_each_event_of_mailgun_is_read_as_what_it_is(event: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """A temporary failure is a delay: Mailgun goes on trying."""
    assert kinds(mailgun.read(call(hooks.mailgun(NOW, event)), hooks.MAILGUN)) == expected


def test_mailgun_with_another_key_or_of_last_week_proves_nothing() -> None:
    """Mailgun signs timestamp and token only, and comes again for eight hours."""
    event = hooks.mailgun_event("complained", READER)
    with pytest.raises(NoProof):
        mailgun.read(call(hooks.mailgun(NOW, event, key="other")), hooks.MAILGUN)
    for age in (timedelta(days=7), timedelta(days=-7)):
        with pytest.raises(NoProof):
            mailgun.read(call(hooks.mailgun(NOW - age, event)), hooks.MAILGUN)
    assert kinds(mailgun.read(call(hooks.mailgun(NOW - timedelta(hours=8), event)), hooks.MAILGUN)) == [("complaint", "")]


@pytest.mark.parametrize(("record", "expected"), [
    ({"RecordType": "Bounce", "Type": "HardBounce", "Email": READER}, [("bounce", "hard")]), ({"RecordType": "Bounce", "Type": "SoftBounce"}, [("bounce", "soft")]),
    ({"RecordType": "Bounce", "Type": "SpamNotification"}, [("bounce", "blocked")]), ({"RecordType": "Bounce", "Type": "AutoResponder"}, []),
    ({"RecordType": "Bounce", "Type": "Transient"}, [("delay", "")]), ({"RecordType": "SpamComplaint", "Type": "SpamComplaint"}, [("complaint", "")]),
    ({"RecordType": "SubscriptionChange", "SuppressSending": True, "Origin": "Recipient"}, [("left", "")]),
    ({"RecordType": "SubscriptionChange", "SuppressSending": False, "Origin": "Admin"}, []), ({"RecordType": "Open"}, [])])
def test_each_record_of_postmark_is_read_as_what_it_is(record: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """An answering machine is no bounce."""
    assert kinds(postmark.read(call(hooks.postmark(record)), hooks.POSTMARK)) == expected


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic"}, {"authorization": "Basic !!!"}, {"authorization": "Bearer password-of-postmark"},
                                     {"authorization": "Basic " + base64.b64encode(b"hook:wrong").decode()},
                                     {"authorization": "Basic " + base64.b64encode(b"password-of-postmark").decode()}])
def test_postmark_without_the_password_proves_nothing(headers: dict[str, str]) -> None:
    """Whatever stands in the header."""
    with pytest.raises(NoProof):
        postmark.read(Call(headers, b'{"RecordType":"SpamComplaint"}', NOW), hooks.POSTMARK)


@pytest.mark.parametrize(("event", "expected"), [
    ({"event": "bounce", "type": "bounce", "bounce_classification": "Invalid Address"}, [("bounce", "hard")]),
    ({"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 user unknown"}, [("bounce", "")]),
    ({"event": "bounce", "type": "blocked"}, [("bounce", "blocked")]), ({"event": "dropped", "reason": "Bounced Address"}, [("bounce", "hard")]),
    ({"event": "dropped", "reason": "Spam Content"}, []), ({"event": "deferred"}, [("delay", "")]), ({"event": "spamreport"}, [("complaint", "")]),
    ({"event": "group_unsubscribe"}, [("left", "")]), ({"event": "open"}, [("arrived", "")]),
    ({"event": "group_resubscribe"}, [])])
def test_each_event_of_sendgrid_is_read_as_what_it_is(event: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """A blocked mail is not the reader's fault."""
    assert kinds(sendgrid.read(call(hooks.sendgrid(NOW, [event | {"email": READER}])), hooks.ec_key().public_key())) == expected


def test_sendgrid_changed_on_the_way_or_old_proves_nothing() -> None:
    """The raw bytes are signed: a space more is another message."""
    headers, body = hooks.sendgrid(NOW, [{"event": "spamreport"}])
    key = hooks.ec_key().public_key()
    for changed in (body + b" ", body.replace(b"spamreport", b"open")):
        with pytest.raises(NoProof):
            sendgrid.read(Call(headers, changed, NOW), key)
    with pytest.raises(NoProof):
        sendgrid.read(Call(headers, body, NOW + timedelta(days=3)), key)
    with pytest.raises(NoProof):
        sendgrid.read(Call({}, body, NOW), key)


@pytest.mark.parametrize(("message", "expected"), [
    ({"type": "email.bounced", "data": {"to": [READER], "bounce": {"type": "Permanent", "subType": "General", "message": "x"}}}, [("bounce", "hard")]),
    ({"type": "email.bounced", "data": {"to": [READER], "bounce": {"type": "Transient", "subType": "MailboxFull"}}}, [("bounce", "soft")]),
    ({"type": "email.complained", "data": {"to": [READER]}}, [("complaint", "")]), ({"type": "email.delivery_delayed", "data": {"to": READER}}, [("delay", "")]),
    ({"type": "email.delivered", "data": {"to": [READER]}}, [("arrived", "")]), ({"type": "email.scheduled", "data": {"to": [READER]}}, [])])
def test_each_message_of_resend_is_read_as_what_it_is(message: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Resend passes on what SES says."""
    assert kinds(resend.read(call(hooks.resend(NOW, message)), hooks.RESEND)) == expected


def test_resend_with_another_secret_or_six_minutes_old_proves_nothing() -> None:
    """Svix signs each attempt anew, so five minutes are enough."""
    message = {"type": "email.complained", "data": {"to": [READER]}}
    with pytest.raises(NoProof):
        resend.read(call(hooks.resend(NOW, message, key=b"other")), hooks.RESEND)
    with pytest.raises(NoProof):
        resend.read(call(hooks.resend(NOW, message), now=NOW + timedelta(minutes=6)), hooks.RESEND)
    headers, body = hooks.resend(NOW, message)
    with pytest.raises(NoProof):
        resend.read(Call(headers | {"svix-id": "msg_2"}, body, NOW), hooks.RESEND)


@pytest.mark.parametrize("text", ["", "not base64!", "AAAA", base64.b64encode(b"x" * 91).decode()])
def test_a_secret_that_is_none_is_said_when_the_service_starts(text: str) -> None:
    """Not when the first complaint comes."""
    with pytest.raises(PublisherError):
        sendgrid.public_key(text)
    if text in ("", "not base64!"):
        with pytest.raises(PublisherError):
            resend.secret("whsec_" + text)


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["event", "RecordType", "Type", "event-data", "message", "headers", "data", "to", "bounce", "type", "mail", "eventType", "timestamp", "destination",
                     "bouncedRecipients", "delivery-status", "envelope"]) | st.text(max_size=4), inner, max_size=5), max_leaves=12)


@given(json_values)
def test_whatever_a_proved_message_holds_is_read_or_called_wrong(value: Any) -> None:
    """The right signature on the strangest content costs one message."""
    calls = [lambda: mailgun.read(call(hooks.mailgun(NOW, value)), hooks.MAILGUN), lambda: postmark.read(call(hooks.postmark(value)), hooks.POSTMARK),
             lambda: sendgrid.read(call(hooks.sendgrid(NOW, value)), hooks.ec_key().public_key()),
             lambda: resend.read(call(hooks.resend(NOW, value)), hooks.RESEND), lambda: amazon(hooks.sns(NOW, json.dumps(value)))]
    for read in calls:
        try:
            assert isinstance(read(), Reading)
        except WrongContent:
            continue


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(body: bytes) -> None:
    """Without proof nothing else is said."""
    for read in (lambda: mailgun.read(Call({}, body, NOW), "k"), lambda: postmark.read(Call({}, body, NOW), "k"),
                 lambda: resend.read(Call({}, body, NOW), b"k"), lambda: amazon(({}, body))):
        with pytest.raises((NoProof, WrongContent)):
            read()
