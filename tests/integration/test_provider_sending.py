"""Whole issues over a provider's API: the same ledger and the same promises as over SMTP, with the mails of one call as the bound on repeats."""

import json
import signal
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from publisher.db import Database
from publisher.deliver.control import has_work
from publisher.deliver.dkim import make_key
from publisher.deliver.smtp import RelayTrouble
from publisher.deliver.unknowns import unknown_mails
from publisher.errors import PublisherError
from tests.issue_sender import begin
from tests.mailing import START
from tests.providers import KEY, Fake, FakeMailgun, FakePostmark, FakeSes
from tests.relay import Relay
from tests.several import by_relay, entry, office, waiting_reasons

SECRETS = {"far": KEY}
PLACES = {FakePostmark: "postmark://broadcast", FakeMailgun: "mailgun://mg.example.jp", FakeSes: "ses://ap-northeast-1"}
BATCHES = pytest.mark.parametrize("kind", [FakePostmark, FakeMailgun])
MINUTE = timedelta(minutes=1)


def far(fake: Fake, **more: Any) -> dict[str, Any]:
    """The provider's entry in `relays`."""
    return entry("far", PLACES[type(fake)], endpoint=fake.url, **more)


def repeated(fake: Fake) -> int:
    """How many mails came more than once, each time with the Message-ID of the first, which no other reader's has."""
    ids: dict[str, set[str]] = {}
    for mail in fake.mailbox:
        ids.setdefault(mail.to, set()).add(mail.headers["message-id"])
    assert all(len(one) == 1 for one in ids.values())
    assert len({next(iter(one)) for one in ids.values()}) == len(ids)
    return len(fake.mailbox) - len(ids)


@BATCHES
def test_an_issue_leaves_in_batches_and_each_reader_has_one_mail(database: Database, tmp_path: Path, kind: type[Fake]) -> None:
    """Of 50 at most, over two lines; links and Message-IDs are each reader's own, and the reason is the provider's id."""
    with kind() as fake:
        room = office(database, tmp_path, [far(fake, connections=2)], 400)
        assert room.send(secrets=SECRETS).accepted == 400
    assert repeated(fake) == 0
    assert {mail.to for mail in fake.mailbox} == {f"r{number}@example.jp" for number in range(400)}
    assert len({mail.headers["list-unsubscribe"] for mail in fake.mailbox}) == 400
    assert 8 <= len(fake.calls) <= 16
    assert by_relay(room) == {"far": 400}
    assert all(row.reason for row in room.rows().values())
    assert room.state() == "sent"


@BATCHES
def test_a_refused_address_costs_one_reader(database: Database, tmp_path: Path, kind: type[Fake]) -> None:
    with kind() as fake:
        fake.bad = {"r7@example.jp"}
        room = office(database, tmp_path, [far(fake)], 60)
        counts = room.send(secrets=SECRETS)
        assert (counts.accepted, counts.refused) == (59, 1)
    assert room.rows()["r7@example.jp"].state == "refused"
    assert repeated(fake) == 0


@BATCHES
@pytest.mark.parametrize("word", ["cut", "garbled", "taken 500"])
def test_a_lost_answer_makes_the_mails_of_one_call_unknown_and_they_are_sent_again(database: Database, tmp_path: Path, kind: type[Fake], word: str) -> None:
    """The next sending repeats that call's mails at most, with equal Message-IDs."""
    with kind(plan=["", word]) as fake:
        room = office(database, tmp_path, [far(fake, connections=1)], 120)
        counts = room.send(secrets=SECRETS)
        assert counts.accepted + counts.unknown == 120
        assert 1 <= counts.unknown <= 50
        room.clock.now = max(row.not_before for row in room.rows().values() if row.not_before)
        assert room.send(secrets=SECRETS).accepted == 120
    assert repeated(fake) == counts.unknown
    assert room.state() == "sent"


def test_with_hold_nothing_whose_answer_was_lost_is_sent_again(database: Database, tmp_path: Path) -> None:
    """It is listed, the issue waits with it, and no round takes it up."""
    with FakePostmark(plan=["", "cut"]) as fake:
        room = office(database, tmp_path, [far(fake, connections=1)], 120, newsletter={"on_unknown": "hold"})
        counts = room.send(secrets=SECRETS)
        assert counts.unknown >= 1
        for days in (0, 1, 3):
            room.clock.now = START + timedelta(days=days)
            assert room.send(secrets=SECRETS) == counts
            with database.reading() as session:
                assert not has_work(session, room.issue_id, room.clock(), resend=False)
    assert repeated(fake) == 0
    with database.reading() as session:
        assert len(list(unknown_mails(session, room.issue_id))) == counts.unknown
    assert room.state() == "sending"


@BATCHES
def test_a_wrong_key_hands_the_mails_to_another_relay(database: Database, tmp_path: Path, kind: type[Fake]) -> None:
    with kind() as fake, Relay() as near:
        room = office(database, tmp_path, [far(fake, weight=5), entry("near", near)], 60)
        assert room.send(secrets={"far": "wrong"}).accepted == 60
    assert by_relay(room) == {"near": 60}
    assert fake.mailbox == []


@pytest.mark.parametrize(("secrets", "says"), [({"far": "wrong"}, "refuses the key"), ({}, "has no key")])
def test_a_wrong_or_missing_key_alone_is_one_sentence_and_nobody_is_marked(database: Database, tmp_path: Path, secrets: dict[str, str],
                                                                           says: str) -> None:
    with FakePostmark() as fake:
        room = office(database, tmp_path, [far(fake)], 60)
        with pytest.raises(PublisherError, match=says):
            room.send(secrets=secrets)
        assert {(row.state, row.attempts) for row in room.rows().values()} == {("queued", 0)}
        assert room.send(secrets=SECRETS).accepted == 60
    assert repeated(fake) == 0


def test_a_provider_that_is_not_there_is_trouble_and_nothing_is_unknown(database: Database, tmp_path: Path) -> None:
    """No connection: nothing was given."""
    with FakePostmark() as fake:
        room = office(database, tmp_path, [far(fake, connections=1)], 10)
    with pytest.raises(RelayTrouble, match="does not answer"):
        room.send(secrets=SECRETS)
    assert room.counts().queued == 10


@BATCHES
def test_429_rests_and_the_rest_leaves_ten_minutes_later(database: Database, tmp_path: Path, kind: type[Fake]) -> None:
    """The call returns at once; what was refused and what was not asked wait; afterwards one line at first."""
    with kind(plan=["", *["429"] * 4]) as fake:
        room = office(database, tmp_path, [far(fake, connections=2)], 200)
        began = time.monotonic()
        counts = room.send(secrets=SECRETS)
        assert time.monotonic() - began < 5
        assert (counts.sending, counts.unknown, counts.refused) == (0, 0, 0)
        assert set(waiting_reasons(room)) <= {"the relay far asked for a rest"}
        fake.plan.clear()
        room.clock.now = START + 10 * MINUTE
        assert room.send(secrets=SECRETS).accepted == counts.accepted + 5
        for minutes in (20, 50, 80):
            room.clock.now = START + minutes * MINUTE
            room.send(secrets=SECRETS)
        assert room.counts().accepted == 200
    assert repeated(fake) == 0


@BATCHES
def test_a_process_that_is_killed_in_a_call_repeats_that_call_at_most(database: Database, tmp_path: Path, kind: type[Fake]) -> None:
    """kill -9 while a provider has the mails and has not answered."""
    with kind(plan=["", "stall"]) as fake:
        room = office(database, tmp_path, [far(fake, connections=1)], 120)
        process = begin(room, SECRETS)
        deadline = time.monotonic() + 20
        while len(fake.calls) < 2 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)  # the body arrives
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        had = {mail.to for mail in fake.mailbox}
        assert room.send(secrets=SECRETS).accepted == 120
    assert 0 < len(had) <= 100
    assert repeated(fake) <= 50
    assert len({mail.to for mail in fake.mailbox}) == 120


def test_a_suspended_account_stops_the_issue_and_no_reader_is_given_up(database: Database, tmp_path: Path) -> None:
    """Postmark says of each mail that the account may not send."""
    with FakePostmark() as fake:
        fake.says_of = {f"r{number}@example.jp": (405, "Not allowed to send") for number in range(60)}
        room = office(database, tmp_path, [far(fake)], 60)
        with pytest.raises(RelayTrouble, match="turns us away"):
            room.send(secrets=SECRETS)
        assert room.counts().refused == 0
        fake.says_of.clear()
        room.clock.now = START + 10 * MINUTE
        assert room.send(secrets=SECRETS).accepted == 60


def test_what_the_mail_says_is_refused_and_no_reader_is_given_up(database: Database, tmp_path: Path) -> None:
    """Fifty refusals for what stands in the issue: with another relay its readers have it by that one."""
    with FakePostmark() as fake, Relay() as near:
        fake.says_of = {f"r{number}@example.jp": (411, "Forbidden attachment") for number in range(80)}
        room = office(database, tmp_path, [far(fake, connections=1), entry("near", near)], 80)
        counts = room.send(secrets=SECRETS)
        assert (counts.accepted, counts.refused) == (80, 0)
    assert by_relay(room) == {"near": 80}


def test_a_limit_on_mails_at_once_holds_for_calls_as_well(database: Database, tmp_path: Path) -> None:
    """Three to a group at once: a call carries no more of them."""
    with FakePostmark() as fake:
        room = office(database, tmp_path, [far(fake)], [f"p{number}@gmail.com" for number in range(20)],
                      limits=[{"name": "google", "domains": ["gmail.com"], "connections": 3}])
        assert room.send(secrets=SECRETS).accepted == 20
    assert len(fake.calls) >= 7
    assert repeated(fake) == 0


def test_ses_takes_mail_by_mail_as_it_is(database: Database, tmp_path: Path) -> None:
    with FakeSes() as fake:
        room = office(database, tmp_path, [far(fake)], 20)
        assert room.send(secrets={"far": "ID:SECRET"}).accepted == 20
    assert len(fake.requests) == 20
    assert len({json.dumps(request) for request in fake.requests}) == 20


@pytest.mark.parametrize("kind", [FakePostmark, FakeSes])
def test_mails_for_a_provider_are_not_signed_and_those_for_smtp_are(database: Database, tmp_path: Path, kind: type[Fake]) -> None:
    """It changes what a signature covers, and signs for itself."""
    make_key(tmp_path / "state" / "dkim.pem")
    with kind() as fake, Relay() as near:
        room = office(database, tmp_path, [far(fake), entry("near", near)], 40, dkim={"selector": "p1"})
        assert room.send(secrets={"far": "ID:SECRET" if kind is FakeSes else KEY}).accepted == 40
    assert len(near.taken) >= 5
    assert all(mail.data.startswith(b"DKIM-Signature:") for mail in near.taken)
    assert by_relay(room)["far"] >= 5
    if isinstance(fake, FakeSes):
        import base64

        assert not any(b"DKIM-Signature" in base64.b64decode(request["Content"]["Raw"]["Data"]) for request in fake.requests)


def test_both_kinds_of_relay_share_an_issue(database: Database, tmp_path: Path) -> None:
    """Two providers and two servers."""
    with FakePostmark() as postmark, FakeMailgun() as mailgun, Relay() as one, Relay() as other:
        relays = [entry("pm", "postmark://broadcast", endpoint=postmark.url), entry("mg", "mailgun://mg.example.jp", endpoint=mailgun.url),
                  entry("one", one), entry("other", other)]
        room = office(database, tmp_path, relays, 160)
        assert room.send(secrets={"pm": KEY, "mg": KEY}).accepted == 160
    everybody = Counter([mail.to for mail in (*postmark.mailbox, *mailgun.mailbox)] + [mail.recipient for mail in (*one.taken, *other.taken)])
    assert set(everybody.values()) == {1}
    assert len(everybody) == 160
    assert set(by_relay(room)) == {"pm", "mg", "one", "other"}


