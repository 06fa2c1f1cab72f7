"""Mailgun as a relay: each reader gets our mail unchanged, one bad address costs one mail, and what is not known is called unknown."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from publisher.db import Database
from publisher.deliver.message import Mail, preview_eml
from publisher.deliver.providers.batch import Variables
from publisher.deliver.providers.mailgun import Mailgun
from publisher.deliver.providers.parts import parts_of
from publisher.deliver.smtp import RelayTrouble
from tests import mailing
from tests.providers import KEY, FakeMailgun, Got, got, mail, relay

READERS = [f"reader{number}@example.net" for number in range(7)]


@pytest.fixture(scope="module")
def server() -> Iterator[FakeMailgun]:
    with FakeMailgun() as fake:
        yield fake


@pytest.fixture
def fake(server: FakeMailgun) -> FakeMailgun:
    server.plan, server.says, server.bad = [], {}, set()
    server.mailbox.clear()
    server.calls.clear()
    return server


def line(fake: FakeMailgun, key: str = KEY, domain: str = "mg.example.jp") -> Mailgun:
    return Mailgun(relay(f"mailgun://{domain}", fake.url), key, timeout=2)


def says(found: Got) -> dict[str, object]:
    """What a reader sees of a mail, and what one-click leaving needs."""
    names = ("message-id", "list-unsubscribe", "list-unsubscribe-post", "date", "list-id", "reply-to")
    return {name: found.headers.get(name) for name in names} | {"from": found.sender, "subject": found.subject, "text": found.text, "html": found.html}


def assert_each_has_his_own(fake: FakeMailgun, mails: list[Mail]) -> None:
    assert sorted(one.to for one in fake.mailbox) == sorted(one.recipient for one in mails)
    for one in mails:
        assert says(fake.of(one.recipient)) == says(got(one.data))


def test_a_batch_brings_each_reader_his_own_mail_in_one_call(fake: FakeMailgun) -> None:
    """From, Subject, Message-ID, links for leaving, Date and both bodies are those of our mail, and nobody sees another reader."""
    mails = [mail(address) for address in READERS]
    verdicts = line(fake).send(mails)
    assert fake.calls == ["/v3/mg.example.jp/messages"]
    assert_each_has_his_own(fake, mails)
    assert len({one.headers["message-id"] for one in fake.mailbox}) == len(READERS)
    assert {verdict.state for verdict in verdicts} == {"accepted"}
    assert {verdict.reason for verdict in verdicts} == {"20251205.1"}


def test_one_mail_goes_as_it_is(fake: FakeMailgun) -> None:
    """As MIME, which Mailgun hands on; our signature is left out, because Mailgun signs."""
    made = mail()
    signed = Mail(made.sender, made.recipient, b"DKIM-Signature: v=1; d=example.jp;\r\n b=AAAA\r\n" + made.data)
    assert [verdict.state for verdict in line(fake).send([signed])] == ["accepted"]
    assert fake.calls == ["/v3/mg.example.jp/messages.mime"]
    assert_each_has_his_own(fake, [made])
    assert "dkim-signature" not in fake.mailbox[0].headers


def test_two_editions_and_a_second_mail_to_one_reader_come_in_their_order(fake: FakeMailgun) -> None:
    """Four calls, and the verdicts stand where their mails stood."""
    fake.bad = {"third@example.net"}
    mails = [mail("a@example.net"), mail("b@example.net", subject="別の号"), mail("c@example.net"), mail("third@example.net", text="alone\n\n\n{leave}"),
             mail("d@example.net", subject="別の号"), mail("a@example.net", token="second")]
    assert [verdict.state for verdict in line(fake).send(mails)] == ["accepted", "accepted", "accepted", "refused", "accepted", "accepted"]
    assert [one.headers["message-id"] for one in fake.mailbox if one.to == "a@example.net"] == ["<61@example.jp>", "<second@example.jp>"]
    assert len(fake.mailbox) == 5


def test_a_story_about_mailgun_keeps_its_examples(fake: FakeMailgun) -> None:
    """Words that Mailgun would take for variables go alone, where it replaces none; its own links for leaving it replaces everywhere."""
    mails = [mail(address, text="Write %recipient.v1% there.\n{leave}\n") for address in READERS[:3]]
    line(fake).send(mails)
    assert fake.calls == ["/v3/mg.example.jp/messages.mime"] * 3
    assert_each_has_his_own(fake, mails)


def test_headers_too_long_for_a_batch_go_alone(fake: FakeMailgun) -> None:
    """Mailgun takes 16 KB of options."""
    more = [("X-Story", "s" * 900) for _ in range(18)]
    mails = [mail(address, more=[(f"{name}-{number}", value) for number, (name, value) in enumerate(more)]) for address in READERS[:2]]
    assert [verdict.state for verdict in line(fake).send(mails)] == ["accepted"] * 2
    assert fake.calls == ["/v3/mg.example.jp/messages.mime"] * 2
    assert_each_has_his_own(fake, mails)


def test_one_address_that_is_none_costs_one_mail(fake: FakeMailgun) -> None:
    """The call is refused as a whole and nothing of it was taken; sent again one by one, the others arrive."""
    fake.bad = {READERS[2]}
    mails = [mail(address) for address in READERS]
    verdicts = line(fake).send(mails)
    assert [verdict.state for verdict in verdicts] == ["accepted"] * 2 + ["refused"] + ["accepted"] * 4
    assert (verdicts[2].reason, verdicts[2].policy) == ("400 'to' parameter is not a valid address. please check documentation", False)
    assert_each_has_his_own(fake, mails[:2] + mails[3:])


@pytest.mark.parametrize(("word", "state"), [("429", "deferred"), ("420", "deferred"), ("cut", "unknown"), ("cut before", "unknown"), ("500", "unknown")])
def test_what_comes_in_the_middle_of_one_by_one_ends_it(fake: FakeMailgun, word: str, state: str) -> None:
    """What was taken keeps its verdict, and what was not given yet waits: trouble in the middle must not send anything twice."""
    fake.plan = ["400", "", word]
    verdicts = line(fake).send([mail(address) for address in READERS])
    assert [verdict.state for verdict in verdicts] == ["accepted", state] + ["deferred"] * 5
    assert all(verdict.closing for verdict in verdicts[2:])
    assert len(fake.calls) == 3


def test_trouble_in_the_middle_does_not_undo_what_was_taken(fake: FakeMailgun) -> None:
    """A key that is withdrawn after the first mail: raised now, the first would be sent again."""
    fake.plan = ["400", "", "401"]
    verdicts = line(fake).send([mail(address) for address in READERS[:3]])
    assert [verdict.state for verdict in verdicts] == ["accepted", "deferred", "deferred"]
    assert "401" in verdicts[1].reason


@pytest.mark.parametrize(("status", "text", "state", "policy"), [
    ("400", "'to' parameter is not a valid address. please check documentation", "refused", False),
    ("400", "message contains a virus", "refused", True),
    ("413", "Request Entity Too Large", "refused", True),
    ("400", "Domain mg.example.jp is not allowed to send: recipient limit exceeded, try again after Wed", "deferred", False),
    ("420", "Domain mg.example.jp is not allowed to send: recipient limit exceeded", "deferred", False),
    ("429", "Too many requests", "deferred", False)])
def test_each_answer_about_a_mail_has_its_verdict(fake: FakeMailgun, status: str, text: str, state: str, policy: bool) -> None:
    """The table of docs/providers.md."""
    fake.plan, fake.says = [status], {status: {"message": text}}
    (verdict,) = line(fake).send([mail()])
    assert (verdict.state, verdict.policy, verdict.closing) == (state, policy, state == "deferred")
    assert text[:20] in verdict.reason
    assert fake.mailbox == []


@pytest.mark.parametrize(("status", "text"), [("401", "Forbidden"), ("403", "Access denied"), ("404", "Domain not found"), ("402", "Payment required"),
                                              ("307", "moved"), ("400", "'from' parameter is not a valid address"),
                                              ("403", "Domain is not allowed to send: the account is disabled"),
                                              ("400", "Sandbox subdomains are for test purposes only. Please add the address to authorized recipients")])
def test_what_is_about_us_is_no_readers_fault(fake: FakeMailgun, status: str, text: str) -> None:
    """Nothing was taken, the sentence names the relay, and it does not pass by itself."""
    fake.plan, fake.says = [status, status], {status: {"message": text}}
    with pytest.raises(RelayTrouble) as caught:
        line(fake).send([mail(READERS[0]), mail(READERS[1])])
    assert not caught.value.passing
    assert "far" in caught.value.reason
    assert text[:20] in caught.value.reason
    assert caught.value.remedy
    assert KEY not in str(caught.value)


def test_a_wrong_key_and_a_wrong_domain_are_trouble(fake: FakeMailgun) -> None:
    """As the server itself says it, for one mail and for a batch."""
    for wrong in (line(fake, key="another"), line(fake, domain="elsewhere.example.jp")):
        with pytest.raises(RelayTrouble):
            wrong.send([mail(address) for address in READERS])
    assert fake.mailbox == []


def test_a_real_issue_goes_to_its_readers_in_one_call(fake: FakeMailgun, database: Database, tmp_path: Path) -> None:
    """As composed and frozen: what differs by reader is found in it, and is a small part of the call."""
    room = mailing.newsroom(database, tmp_path, "smtp://127.0.0.1:1", READERS, started=False)
    mails = [Mail("news@example.jp", address, preview_eml(database, room.settings, mailing.KEYS, room.issue_id, address)) for address in READERS]
    assert {verdict.state for verdict in line(fake).send(mails)} == {"accepted"}
    assert fake.calls == ["/v3/mg.example.jp/messages"]
    assert_each_has_his_own(fake, mails)
    parts = [found for one in mails if (found := parts_of(one))]
    variables = Variables(len(parts))
    shared = variables.lines([one.html for one in parts])
    assert len(shared) > 0.8 * len(parts[0].html)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.from_regex(r"[a-z0-9][a-z0-9+_'-]{0,12}(\.[a-z0-9]{1,4})?", fullmatch=True),
                          st.text(st.characters(blacklist_categories=("Cc", "Cs")), max_size=20)), min_size=1, max_size=6, unique_by=lambda one: one[0]),
       st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=30).filter(str.strip))
@example([("a", "%recipient.v1%"), ("b", "50%")], "%recipient%")
@example([("a", "x\ny"), ("b", "x"), ("c", "")], "100 %")
@example([("a..b", "quoted"), ("c", "plain")], "=?utf-8?b?x?=")
def test_whatever_stands_in_mails_arrives_as_it_is(fake: FakeMailgun, people: list[tuple[str, str]], subject: str) -> None:
    """Bodies of any lengths and lines, subjects of any characters, readers of any names: through the substitution, the mail of each is ours."""
    fake.mailbox.clear()
    mails = [mail(f"{name}@example.net", token=f"{place}" * 30, subject=subject, text=f"{own}\n{{leave}}",
                  html=f"<p>{own.replace('<', '&lt;')}</p>\n{{leave}}") for place, (name, own) in enumerate(people) if "leave" not in own]
    verdicts = line(fake).send(mails)
    assert {verdict.state for verdict in verdicts} <= {"accepted"}
    assert_each_has_his_own(fake, mails)
