"""Amazon SES as a relay: moto takes the mail as AWS would and shows it byte for byte; what SES refuses is judged by its documented errors."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from publisher.deliver.message import Mail
from publisher.deliver.providers.ses import Ses
from publisher.deliver.smtp import RelayTrouble
from publisher.errors import PublisherError
from publisher.links import BOUNCE, MESSAGE, leave_token
from publisher.track.hooks import ses as hook
from publisher.track.hooks.proof import Call
from publisher.track.matching import who
from tests import hooks
from tests.mail_servers import free_port, listens, until
from tests.providers import KEY, FakeSes, got, mail, relay
from tests.readers import KEYS

REGION, SECRET = "ap-northeast-1", f"AKIAEXAMPLE:{KEY}"
MOTO = shutil.which("moto_server", path=str(Path(sys.executable).parent))


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """moto's server, where example.jp is a verified domain."""
    if MOTO is None:
        pytest.skip("moto_server is not installed: not run")
    port = free_port()
    process = subprocess.Popen([MOTO, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listens(port), within=30, what="moto_server listens")
        url = f"http://127.0.0.1:{port}"
        boto3.session.Session("AKIAEXAMPLE", KEY).client("sesv2", region_name=REGION, endpoint_url=url).create_email_identity(EmailIdentity="example.jp")
        yield url
    finally:
        process.terminate()
        process.wait(10)


Amazon = tuple[FakeSes, Ses]


@pytest.fixture(scope="module")
def _amazon() -> Iterator[Amazon]:
    with FakeSes() as fake:
        yield fake, line(fake.url)


@pytest.fixture
def amazon(_amazon: Amazon) -> Amazon:
    """A server that refuses as SES documents it, and a line to it."""
    fake, _ses = _amazon
    fake.plan, fake.says = [], {}
    fake.calls.clear()
    fake.requests.clear()
    return _amazon


@pytest.fixture(scope="module")
def ses(moto: str) -> Ses:
    """A line to moto."""
    return line(moto)


def line(url: str, secret: str | None = SECRET, region: str = REGION) -> Ses:
    return Ses(relay(f"ses://{region}", url), secret, timeout=5)


def taken(moto: str) -> list[dict[str, str]]:
    """Every raw mail that moto holds, in its order."""
    with urllib.request.urlopen(f"{moto}/moto-api/data.json") as answer:
        return json.loads(answer.read())["ses"].get("RawMessage", [])


def test_the_mail_that_amazon_gets_is_ours_byte_by_byte(moto: str, ses: Ses) -> None:
    """For the one recipient of the envelope, with a verdict that holds Amazon's id."""
    made = mail("hanako@example.net")
    (verdict,) = ses.send([made])
    assert (verdict.state, verdict.closing) == ("accepted", False)
    assert re.fullmatch(r"[a-z0-9-]{20,}", verdict.reason)
    found = taken(moto)[-1]
    assert found["raw_data"].encode() == made.data
    assert set(re.findall(r"[\w.+-]+@[\w.-]+", str(found["destinations"]))) == {"hanako@example.net"}
    assert found["id"] == verdict.reason


def test_our_own_signature_stays_behind(moto: str, ses: Ses) -> None:
    """SES writes Message-ID and Date anew and would break it; it signs for the verified domain itself."""
    made = mail("taro@example.net")
    ses.send([Mail(made.sender, made.recipient, b"DKIM-Signature: v=1; d=example.jp;\r\n b=AAAA\r\n" + made.data)])
    assert taken(moto)[-1]["raw_data"].encode() == made.data


def test_a_sender_that_is_not_verified_is_our_trouble(ses: Ses) -> None:
    """And no reader is refused for it."""
    with pytest.raises(RelayTrouble) as caught:
        ses.send([mail(sender="朝のAI <news@elsewhere.example>")])
    assert not caught.value.passing
    assert "MessageRejected" in caught.value.reason
    assert "elsewhere" not in str(caught.value)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.from_regex(r"[a-z0-9][a-z0-9+_-]{0,12}(\.[a-z0-9]{1,4})?", fullmatch=True),
       st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=40).filter(str.strip))
def test_whatever_stands_in_a_mail_reaches_amazon_as_it_is(moto: str, ses: Ses, name: str, subject: str) -> None:
    """Readers and subjects of any kind."""
    made = mail(f"{name}@example.net", subject=subject)
    assert [verdict.state for verdict in ses.send([made])] == ["accepted"]
    assert taken(moto)[-1]["raw_data"].encode() == made.data


def test_from_is_kept_and_what_comes_back_goes_to_the_envelope_sender(amazon: Amazon) -> None:
    """FromEmailAddress would replace From by the bounce address, so it is not given; opens and clicks are not tracked."""
    fake, ses = amazon
    ses.send([mail(envelope="b+token@bounces.example.jp")])
    (request,) = fake.requests
    assert set(request) == {"Content", "Destination", "FeedbackForwardingEmailAddress", "ConfigurationOverrides"}
    assert request["FeedbackForwardingEmailAddress"] == "b+token@bounces.example.jp"
    assert request["Destination"] == {"ToAddresses": ["hanako@example.net"]}
    assert request["ConfigurationOverrides"] == {"Tracking": {"OpenTrackingEnabled": "DISABLED", "ClickTrackingEnabled": "DISABLED"}}


REFUSED = [("400", "BadRequestException", "Local address contains control or whitespace", "refused", False),
           ("400", "BadRequestException", "Missing final '@domain'", "refused", False),
           ("400", "BadRequestException", "Duplicate header 'DKIM-Signature'.", "refused", True),
           ("400", "MessageRejected", "The message contains a virus", "refused", True),
           ("413", "RequestEntityTooLarge", "too long", "refused", True),
           ("429", "TooManyRequestsException", "Maximum sending rate exceeded.", "deferred", False),
           ("400", "LimitExceededException", "Daily message quota exceeded.", "deferred", False),
           ("400", "ThrottlingException", "Maximum sending rate exceeded.", "deferred", False),
           ("500", "InternalFailure", "unknown error", "unknown", False),
           ("503", "ServiceUnavailable", "temporary failure", "unknown", False)]


@pytest.mark.parametrize(("status", "code", "text", "state", "policy"), REFUSED)
def test_each_error_about_a_mail_has_its_verdict(status: str, code: str, text: str, state: str, policy: bool, amazon: Amazon) -> None:
    """The table of docs/providers.md. Nothing is tried a second time by the library: that could be a second mail."""
    fake, ses = amazon
    fake.plan, fake.says = [status], {status: {"__type": code, "message": text}}
    (verdict,) = ses.send([mail()])
    assert len(fake.calls) == 1
    assert (verdict.state, verdict.policy, verdict.closing) == (state, policy, state == "deferred")
    assert code in verdict.reason


OURS = [("400", "AccountSuspendedException", "permanently restricted"), ("400", "SendingPausedException", "currently paused"),
        ("400", "MailFromDomainNotVerifiedException", "the sending domain isn't verified"), ("404", "NotFoundException", "no such configuration set"),
        ("400", "MessageRejected", "Email address is not verified. The following identities failed the check in region EU-WEST-1: taro@example.net"),
        ("403", "AccessDeniedException", "User is not authorized to perform ses:SendEmail"), ("403", "UnrecognizedClientException", "invalid token"),
        ("403", "SignatureDoesNotMatch", "the clock is wrong"), ("403", "ExpiredTokenException", "expired")]


@pytest.mark.parametrize(("status", "code", "text"), OURS)
def test_what_is_about_our_account_is_no_readers_fault(status: str, code: str, text: str, amazon: Amazon) -> None:
    """Key, account, domain, sandbox: it stays until somebody does something, and names no address."""
    fake, ses = amazon
    fake.plan, fake.says = [status], {status: {"__type": code, "message": text}}
    with pytest.raises(RelayTrouble) as caught:
        ses.send([mail()])
    assert not caught.value.passing
    assert code in caught.value.reason
    assert "example.net" not in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("secret", ["no-colon", ":", "id:", ":key"])
def test_a_key_in_one_piece_is_refused_at_once(secret: str) -> None:
    """With the variable to look at, and without what stands in it."""
    with pytest.raises(PublisherError) as caught:
        line("http://127.0.0.1:1", secret)
    assert "PUBLISHER_RELAY_FAR_PASSWORD" in str(caught.value)
    assert "no-colon" not in str(caught.value)


def test_what_amazon_reports_is_matched_by_the_headers_of_the_mail_it_was_given(moto: str, ses: Ses) -> None:
    """SES puts a Message-ID of its own on the mail; its events carry the headers it was given, and those carry our tokens."""
    made = mail(token=KEYS.sign(MESSAGE, 7, 3))
    ses.send([made])
    given = got(taken(moto)[-1]["raw_data"].encode()).headers
    shown = [{"name": name.title(), "value": value} for name, value in given.items()]
    assert matched(mail={"source": "news@example.jp", "headers": shown}) == (3, 7)


def test_without_the_message_id_the_link_for_leaving_or_the_envelope_tells() -> None:
    """Where the notification carries SES's own Message-ID, or no headers but the sender."""
    leave = f"<https://news.example.jp/u/{leave_token(KEYS, 1, 3, 7)}>"
    theirs = [{"name": "Message-ID", "value": "<0102018f-x@ap-northeast-1.amazonses.com>"}, {"name": "List-Unsubscribe", "value": leave}]
    assert matched(mail={"source": "news@example.jp", "headers": theirs}) == (3, 7)
    assert matched(mail={"source": f"b+{KEYS.sign(BOUNCE, 7, 3)}@bounces.example.jp"}) == (3, 7)


def matched(mail: dict[str, object]) -> tuple[int, int | None]:
    """The reader and the issue that a bounce of SES is about, without the address it names."""
    headers, body = hooks.sns(hooks.at(), hooks.ses_bounce("somebody@else.example", mail=mail))
    certificates = hook.Certificates(lambda _url: hooks.certificate(hooks.at()))
    (told,) = hook.read(Call(headers, body, hooks.at()), [hooks.TOPIC], certificates).told
    found = who(KEYS, envelope=told.envelope, message_id=told.message_id, unsubscribe=told.unsubscribe)
    assert found is not None
    return found.subscriber_id, found.issue_id
