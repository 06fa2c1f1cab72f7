"""Postmark as a relay: many mails in one call, each with a verdict of its own, and our headers kept."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from publisher.deliver.message import Mail
from publisher.deliver.providers import postmark
from publisher.deliver.providers.parts import readable_mailbox
from publisher.deliver.providers.postmark import Postmark
from publisher.deliver.smtp import RelayTrouble
from publisher.links import MESSAGE
from publisher.track.hooks import postmark as hook
from publisher.track.hooks.proof import Call
from publisher.track.matching import who
from tests import hooks
from tests.providers import KEY, FakePostmark, Got, got, mail, relay
from tests.readers import KEYS

READERS = [f"reader{number}@example.net" for number in range(5)]


@pytest.fixture(scope="module")
def server() -> Iterator[FakePostmark]:
    with FakePostmark() as fake:
        yield fake


@pytest.fixture
def fake(server: FakePostmark) -> FakePostmark:
    server.plan, server.says, server.bad, server.inactive, server.says_of = [], {}, set(), set(), {}
    server.largest = 50_000_000
    server.mailbox.clear()
    server.calls.clear()
    return server


def line(fake: FakePostmark, token: str = KEY, stream: str = "broadcast") -> Postmark:
    return Postmark(relay(f"postmark://{stream}", fake.url), token, timeout=2)


def says(found: Got) -> dict[str, object]:
    """What a reader sees, and what one-click leaving needs. Date is Postmark's own: it refuses ours."""
    names = ("message-id", "list-unsubscribe", "list-unsubscribe-post", "list-id")
    return {name: found.headers.get(name) for name in names} | {
        "from": found.sender, "subject": found.subject, "text": found.text, "html": found.html, "reply-to": readable_mailbox(found.headers["reply-to"])}


def test_one_call_brings_each_reader_his_own_mail(fake: FakePostmark) -> None:
    """With our Message-ID and our links for leaving; the verdict holds Postmark's id and no address."""
    mails = [mail(address) for address in READERS]
    verdicts = line(fake).send(mails)
    assert fake.calls == ["/email/batch"]
    for one in mails:
        assert says(fake.of(one.recipient)) == says(got(one.data))
    assert [(verdict.state, verdict.reason) for verdict in verdicts] == [("accepted", f"b7bc2f4a-{number:04d}") for number in range(1, 6)]


def test_each_mail_has_a_verdict_of_its_own(fake: FakePostmark) -> None:
    """One inactive, one that is no address, one refused for what it says: the others are accepted, in their order."""
    fake.inactive, fake.bad, fake.says_of = {READERS[1]}, {READERS[2]}, {READERS[3]: (300, "Zero recipients specified")}
    verdicts = line(fake).send([mail(address) for address in READERS])
    assert [verdict.state for verdict in verdicts] == ["accepted", "refused", "refused", "refused", "accepted"]
    assert not any(verdict.policy for verdict in verdicts)
    assert verdicts[1].reason.startswith("406 You tried to send to a recipient that has been marked as inactive")
    assert not any("@example" in verdict.reason for verdict in verdicts)


@pytest.mark.parametrize(("code", "text", "state", "policy"), [
    (406, "You tried to send to a recipient that has been marked as inactive.", "refused", False),
    (300, "Error parsing 'To': Illegal email address 'x'. It must contain the '@' symbol.", "refused", False),
    (300, "Header 'X-Strange' not allowed.", "refused", True),
    (403, "Incompatible JSON", "refused", True), (411, "Forbidden attachment type", "refused", True), (9999, "something new", "refused", True),
    (100, "The Postmark API is offline for maintenance", "deferred", False), (429, "Rate limit exceeded", "deferred", False),
    (405, "Not allowed to send: out of credits", "deferred", False), (412, "Account is pending", "deferred", False),
    (300, "Invalid 'From' address: it is not a verified sender signature.", "deferred", False),
    (1235, "The 'MessageStream' provided does not exist on this server.", "deferred", False)])
def test_each_code_has_its_verdict(fake: FakePostmark, code: int, text: str, state: str, policy: bool) -> None:
    """Beside a mail that was taken, what is about us makes the others wait: raised, the one would be sent again."""
    fake.says_of = {READERS[1]: (code, text)}
    taken, verdict = line(fake).send([mail(READERS[0]), mail(READERS[1])])
    assert taken.state == "accepted"
    assert (verdict.state, verdict.policy, verdict.closing) == (state, policy, state == "deferred")
    assert verdict.reason.startswith(f"{code} {text[:15]}")


@pytest.mark.parametrize(("code", "text"), [(405, "Not allowed to send"), (412, "Account is pending"), (413, "Account may not send"),
                                            (400, "Sender signature not found"), (401, "Sender signature not confirmed"),
                                            (300, "Invalid 'From' address"), (1235, "The 'MessageStream' provided does not exist on this server.")])
def test_what_is_about_us_is_trouble_when_nothing_was_taken(fake: FakePostmark, code: int, text: str) -> None:
    """Said of every mail of a call, or of the call as a whole."""
    fake.says_of = dict.fromkeys(READERS, (code, text))
    with pytest.raises(RelayTrouble) as caught:
        line(fake).send([mail(address) for address in READERS])
    assert not caught.value.passing
    fake.plan, fake.says = ["422", "422"], {"422": {"ErrorCode": code, "Message": text}}
    with pytest.raises(RelayTrouble, match=text[:10]):
        line(fake).send([mail(address) for address in READERS[:2]])


def test_a_wrong_token_is_trouble(fake: FakePostmark) -> None:
    """It names the variable to look at, and not what stands in it."""
    with pytest.raises(RelayTrouble) as caught:
        line(fake, token="another").send([mail()])
    assert not caught.value.passing
    assert "PUBLISHER_RELAY_FAR_PASSWORD" in caught.value.remedy
    assert "another" not in str(caught.value)


def test_another_stream_is_asked_for_as_it_is_configured(fake: FakePostmark) -> None:
    """And one that does not exist is trouble."""
    with pytest.raises(RelayTrouble, match="does not exist"):
        line(fake, stream="nowhere").send([mail()])


def test_a_call_that_cannot_be_read_costs_only_who_is_to_blame(fake: FakePostmark) -> None:
    """422 for all of them: each alone."""
    fake.plan, fake.says = ["422", "", "422 bad"], {"422": {"ErrorCode": 402, "Message": "Invalid JSON"}, "422 bad": {"ErrorCode": 402, "Message": "Invalid JSON"}}
    verdicts = line(fake).send([mail(address) for address in READERS[:3]])
    assert [(verdict.state, verdict.policy) for verdict in verdicts] == [("accepted", False), ("refused", True), ("accepted", False)]
    assert len(fake.calls) == 4


def test_a_call_that_is_too_large_is_made_of_smaller_ones(fake: FakePostmark) -> None:
    """Postmark takes 50 MB."""
    mails = [mail(address, padding=10_000) for address in READERS]
    fake.largest = 40_000
    small = Postmark(relay("postmark://broadcast", fake.url), KEY, timeout=2, largest=2 * len(mails[0].data) + 10)
    assert [verdict.state for verdict in small.send(mails)] == ["accepted"] * 5
    assert len(fake.calls) == 3
    fake.largest = 1000
    (verdict,) = line(fake).send([mails[0]])
    assert (verdict.state, verdict.policy) == ("refused", True)


def test_a_mail_that_cannot_be_taken_apart_costs_itself(fake: FakePostmark) -> None:
    """Its place among the verdicts is kept."""
    made = mail(READERS[1])
    strange = Mail(made.sender, made.recipient, made.data.replace(b"text/html", b"application/pdf"))
    verdicts = line(fake).send([mail(READERS[0]), strange, mail(READERS[2])])
    assert [(verdict.state, verdict.policy) for verdict in verdicts] == [("accepted", False), ("refused", True), ("accepted", False)]
    assert [verdict.state for verdict in line(fake).send([strange])] == ["refused"]


def test_a_report_of_postmark_is_matched_by_our_own_mark(fake: FakePostmark) -> None:
    """The Message-ID goes along as metadata, comes back in the report, and says who and which issue, even where a long domain is cut off."""
    token = KEYS.sign(MESSAGE, 7, 3)
    long = Mail("news@example.jp", READERS[0], mail(READERS[0], token=token).data.replace(b"@example.jp>", b"@" + b"long." * 12 + b"example.jp>"))
    line(fake).send([long])
    record = {"RecordType": "Bounce", "ID": 1, "Type": "HardBounce", "Email": "somebody@else.example", "BouncedAt": "2025-12-05T01:00:00Z",
              "Metadata": fake.metadata[READERS[0]]}
    headers, body = hooks.postmark(record)
    (told,) = hook.read(Call(headers, body, hooks.at() + timedelta(hours=1)), hooks.POSTMARK).told
    found = who(KEYS, envelope=told.envelope, message_id=told.message_id, unsubscribe=told.unsubscribe)
    assert found is not None
    assert (found.subscriber_id, found.issue_id) == (3, 7)


def test_calls_stay_small() -> None:
    """Postmark takes 500 mails a call; a lost answer makes all of them unknown."""
    assert Postmark.most == 50
    assert postmark.MOST == 50


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.from_regex(r"[a-z0-9][a-z0-9+_'-]{0,12}(\.[a-z0-9]{1,4})?", fullmatch=True),
                          st.text(st.characters(blacklist_categories=("Cc", "Cs")), max_size=20)), min_size=1, max_size=6, unique_by=lambda one: one[0]),
       st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=30).filter(str.strip),
       st.from_regex(r"[A-Za-z0-9:;,. <>@/=-]{1,60}", fullmatch=True).filter(lambda value: value == value.strip()))
@example([("a..b", "\\ \" \u2028")], "=?utf-8?b?x?=", "a, b")
def test_whatever_stands_in_mails_reaches_postmark_as_it_is(fake: FakePostmark, people: list[tuple[str, str]], subject: str, value: str) -> None:
    """Bodies, subjects and headers of any characters."""
    fake.mailbox.clear()
    mails = [mail(f"{name}@example.net", subject=subject, text=own + "\n", html=f"<p>{own}</p>\n", more=[("X-Story", value)])
             for name, own in people if "leave" not in own]
    assert {verdict.state for verdict in line(fake).send(mails)} <= {"accepted"}
    for one in mails:
        assert says(fake.of(one.recipient)) == says(got(one.data))
        assert fake.of(one.recipient).headers["x-story"] == value
