"""Bounces as a real Postfix writes them, about mails that this program sent through it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from publisher.db import Database
from publisher.models_mail import Event
from publisher.track.returned import handle_returned
from tests import mailing
from tests.afterwards import Afterwards
from tests.mail_servers import until
from tests.postfix import Postfix, postfix
from tests.readers import KEYS
from tests.relay import Relay


@pytest.fixture(scope="module")
def server() -> Iterator[Postfix]:
    """One Postfix for these tests; what was not delivered within a moment comes back, and says before that it is late."""
    with postfix(main="bounce_queue_lifetime = 0\n") as running:
        yield running


@pytest.mark.parametrize(("domain", "answer", "strength", "suppressed"), [
    ("gone.example", "550 5.1.1 {}: Recipient address rejected: User unknown", "hard", "hard-bounce"),
    ("bare.example", "550 {} User unknown", "hard", "hard-bounce"),
    ("full.example", "552 5.2.2 {}: mailbox is full", "soft", None),
    ("spam.example", "550 5.7.1 {}: rejected as spam", "blocked", None)])
def test_a_real_bounce_finds_its_reader(database: Database, tmp_path: Path, server: Postfix, domain: str, answer: str, strength: str,
                                        suppressed: str | None) -> None:
    """Sent by us, refused behind Postfix, reported to the envelope sender of that one mail."""
    address = f"taro@{domain}"
    plan = lambda verb, argument: answer.format(f"<{address}>") if verb == "RCPT" and domain in argument else None  # noqa: E731
    with Relay(plan=plan) as sink, Relay() as ours:
        server.route("bounces.example.jp", smtp=ours.port)
        server.route(domain, smtp=sink.port)
        room = mailing.newsroom(database, tmp_path, server.url, [address], bounce_domain="bounces.example.jp")
        assert room.send().accepted == 1
        until(lambda: ours.taken, what="the bounce")
        bounce = ours.taken[0]
    assert handle_returned(database, room.settings, KEYS, bounce.recipient, bounce.data, room.clock()) == "bounce"
    with database.reading() as session:
        event = session.scalars(select(Event)).one()
    assert (event.strength, event.issue_id) == (strength, room.issue_id)
    assert "taro" not in event.reason
    assert Afterwards(database, room.settings, room.issue_id, room.clock).suppressed(address) == suppressed
