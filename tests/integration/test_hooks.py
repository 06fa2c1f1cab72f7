"""What providers report: proof first, then the reader, each event once, and an answer that says whether to come again."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import select, text, update
from starlette.testclient import TestClient

from publisher.db import Database
from publisher.links import BOUNCE, MESSAGE
from publisher.models import Issue
from publisher.models_mail import Event
from publisher.track.hooks.handling import Hooks
from publisher.web.app import create_web
from subscribers.addresses import parse_address
from subscribers.registry.suppressions import suppressed_keys
from tests import hooks
from tests.readers import HANAKO, KEYS, NOW, TARO, ids_of, state_of
from tests.serving import Site, site

LATER = NOW + timedelta(hours=2)


class Amazon:
    """Amazon's own pages: the certificate, and the address that confirms."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.broken = False

    def get(self, url: str) -> bytes:
        """The page at `url`."""
        self.asked.append(url)
        if self.broken:
            raise OSError("no route")
        return hooks.certificate(LATER)


@contextmanager
def provider(made: Site, amazon: Amazon | None = None, secrets: dict[str, str] | None = None) -> Iterator[TestClient]:
    """The provider's side of the line."""
    taken = Hooks(made.database, made.settings, KEYS, hooks.secrets() if secrets is None else secrets, (amazon or Amazon()).get)
    web = create_web(made.database, made.settings, KEYS, health=dict, clock=lambda: LATER, hooks=taken)
    with TestClient(web, base_url=made.settings.site.url, raise_server_exceptions=False) as client:
        yield client


def post(client: TestClient, name: str, sent: hooks.Sent) -> tuple[int, str]:
    answer = client.post(f"/hooks/{name}", headers=sent[0], content=sent[1])
    return answer.status_code, answer.text.strip()


def newsroom(database: Database) -> Site:
    made = site(database, hooks={"ses_topics": [hooks.TOPIC]})
    with database.writing() as session:
        session.execute(update(Issue).values(started_at=LATER))
    return made


def events(database: Database) -> list[tuple[Any, ...]]:
    with database.reading() as session:
        return [tuple(row) for row in session.execute(
            select(Event.kind, Event.strength, Event.source, Event.subscriber_id, Event.issue_id).order_by(Event.id))]


def suppressed(database: Database, address: str = HANAKO) -> bool:
    with database.reading() as session:
        return bool(suppressed_keys(session, KEYS, [parse_address(address)]))


def complaints(address: str) -> dict[str, hooks.Sent]:
    """One complaint in the words of each provider."""
    return {
        "ses": hooks.sns(LATER, hooks.ses_complaint(address)), "mailgun": hooks.mailgun(LATER, hooks.mailgun_event("complained", address)),
        "postmark": hooks.postmark({"RecordType": "SpamComplaint", "ID": 42, "Email": address, "BouncedAt": "2025-12-05T01:00:00Z"}),
        "sendgrid": hooks.sendgrid(LATER, [{"event": "spamreport", "email": address, "sg_event_id": "e1", "timestamp": 1764896400}]),
        "resend": hooks.resend(LATER, {"type": "email.complained", "created_at": "2025-12-05T01:00:00Z", "data": {"to": [address]}})}


def test_a_complaint_at_any_provider_suppresses_and_its_second_telling_counts_once(database: Database) -> None:
    """The same message again is 200 as well, so that nobody comes a third time."""
    made = newsroom(database)
    for number, (name, sent) in enumerate(complaints(HANAKO).items(), 1):
        with provider(made) as client:
            assert (name, post(client, name, sent)) == (name, (200, "taken"))
            assert (name, post(client, name, sent)) == (name, (200, "seen"))
        assert len(events(database)) == number
    assert suppressed(database)
    assert not suppressed(database, TARO)
    assert state_of(database, HANAKO) == "left"
    assert {row[0] for row in events(database)} == {"complaint"}


def test_our_own_mark_comes_before_the_address(database: Database) -> None:
    """A mail that was forwarded comes back from an address nobody here has; the token says whose it was, and of which issue."""
    made = newsroom(database)
    _list, reader = ids_of(database, HANAKO)
    mail = {"source": f"b+{KEYS.sign(BOUNCE, made.issue_id, reader)}@bounces.example.jp"}
    with provider(made) as client:
        assert post(client, "ses", hooks.sns(LATER, hooks.ses_bounce("somebody@else.example", mail=mail)))[0] == 200
        event = hooks.mailgun_event("failed", "somebody@else.example", severity="permanent", **{"delivery-status": {"code": 550, "message": "5.1.1 no such user"}})
        event["message"] = {"headers": {"message-id": f"{KEYS.sign(MESSAGE, made.issue_id, reader)}@example.jp"}}
        assert post(client, "mailgun", hooks.mailgun(LATER, event))[0] == 200
    # Two providers told of one bounce of one mail.
    assert events(database) == [("bounce", "hard", "ses", reader, made.issue_id)]
    assert suppressed(database)


def test_an_address_nobody_has_changes_nothing(database: Database) -> None:
    """And leaves no trace of it."""
    made = newsroom(database)
    with provider(made) as client:
        for name, sent in complaints("nobody@example.jp").items():
            assert post(client, name, sent)[0] == 200
    assert events(database) == []
    assert not suppressed(database, "nobody@example.jp")


def test_a_reader_who_left_at_the_provider_has_left_here(database: Database) -> None:
    """Not suppressed: who left may come back."""
    made = newsroom(database)
    with provider(made) as client:
        assert post(client, "sendgrid", hooks.sendgrid(LATER, [{"event": "unsubscribe", "email": HANAKO, "sg_event_id": "u1"}])) == (200, "taken")
    assert (state_of(database, HANAKO), state_of(database, TARO)) == ("left", "subscribed")
    assert not suppressed(database)


def test_without_proof_nothing_changes_and_the_answer_is_403(database: Database) -> None:
    """Not even the kind of fault in the content is told."""
    made = newsroom(database)
    with provider(made) as client:
        for name, (headers, body) in complaints(HANAKO).items():
            broken = body.replace(b"}", b" }", 1) if name in ("sendgrid", "resend") else body.replace(b'"signature": "', b'"signature": "0').replace(
                b'"Signature": "', b'"Signature": "AA')
            sent = ({"authorization": "Basic AAAA"} if name == "postmark" else headers, broken)
            assert (name, post(client, name, sent)[0]) == (name, 403)
    assert events(database) == []


def test_wrong_content_is_400_and_a_certificate_that_cannot_be_had_503(database: Database) -> None:
    """A provider comes again after 503, and then it counts."""
    made, amazon = newsroom(database), Amazon()
    with provider(made, amazon) as client:
        assert post(client, "sendgrid", hooks.sendgrid(LATER, {"no": "list"}))[0] == 400
        assert post(client, "mailgun", ({}, b"no json"))[0] == 400
        amazon.broken = True
        sent = hooks.sns(LATER, hooks.ses_complaint(HANAKO))
        assert post(client, "ses", sent)[0] == 503
        assert events(database) == []
        amazon.broken = False
        assert post(client, "ses", sent) == (200, "taken")
    assert len(events(database)) == 1


def test_a_provider_without_a_secret_is_no_page(database: Database) -> None:
    """And SES is none without a topic."""
    made = site(database)
    with provider(made, secrets={}) as client:
        for name in ("ses", "mailgun", "postmark", "sendgrid", "resend", "nobody"):
            assert post(client, name, ({}, b"{}"))[0] == 404
        assert client.get("/hooks/mailgun").status_code in (404, 405)


def test_sns_is_answered_when_it_asks_whether_we_want_its_messages(database: Database) -> None:
    """The address is visited once, after the signature was checked."""
    made, amazon = newsroom(database), Amazon()
    with provider(made, amazon) as client:
        assert post(client, "ses", hooks.sns(LATER, "confirm", Type="SubscriptionConfirmation")) == (200, "taken")
    assert [url for url in amazon.asked if "ConfirmSubscription" in url] == ["https://sns.ap-northeast-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=a&Token=t"]


def test_a_database_that_does_not_answer_is_503(database: Database) -> None:
    """The provider keeps the message and comes again."""
    made = newsroom(database)
    with provider(made) as client:
        with database.writing() as session:
            session.execute(text("ALTER TABLE events RENAME TO events_away"))
        assert post(client, "postmark", complaints(HANAKO)["postmark"])[0] == 503
        with database.writing() as session:
            session.execute(text("ALTER TABLE events_away RENAME TO events"))
        assert post(client, "postmark", complaints(HANAKO)["postmark"]) == (200, "taken")
    assert len(events(database)) == 1


def test_a_message_of_a_thousand_events_is_taken(database: Database) -> None:
    """SendGrid gathers them; a body over a megabyte is nobody's."""
    made = newsroom(database)
    many = [{"event": "deferred", "email": HANAKO, "sg_event_id": f"d{number}", "reason": "x" * 300} for number in range(300)]
    with provider(made) as client:
        assert post(client, "sendgrid", hooks.sendgrid(LATER, many)) == (200, "taken")
        assert post(client, "sendgrid", hooks.sendgrid(LATER, [{"event": "open", "x": "y" * 1_100_000}]))[0] == 413
    assert len(events(database)) == 300
    assert {row[0] for row in events(database)} == {"delay"}
    assert state_of(database, HANAKO) == "subscribed"


def test_what_a_server_said_is_kept_without_the_address_in_it(database: Database) -> None:
    """An address lives in one table."""
    made = newsroom(database)
    record = {"RecordType": "Bounce", "Type": "HardBounce", "ID": 7, "Email": HANAKO, "Details": f"smtp;550 5.1.1 <{HANAKO}> unknown"}
    with provider(made) as client:
        assert post(client, "postmark", hooks.postmark(record))[0] == 200
    with database.reading() as session:
        reason = session.scalars(select(Event.reason)).one()
    assert "5.1.1" in reason
    assert HANAKO not in reason
