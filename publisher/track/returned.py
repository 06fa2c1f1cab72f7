"""Takes a mail that came back (a bounce, a complaint), finds out whom it is about, and applies it. No text of it is kept but the reason."""

import email
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.models import Delivery, Issue
from publisher.settings import Settings
from publisher.tokens import Keys
from publisher.track.apply import apply
from publisher.track.matching import Who, is_token_address, who, who_is
from publisher.track.report import Report, evidence_of, evidence_of_mail
from subscribers.addresses import NotAnAddress, parse_address
from subscribers.mailbox.bounces import Failure, read_bounce
from subscribers.mailbox.complaints import Complaint, read_complaint
from subscribers.models import Subscriber

# How long after an issue an address without any token of ours is taken for one of its readers. Servers try for five days (RFC 5321 section 4.5.4.1).
_LATE = timedelta(days=10)
# A report says what it has to say first; the mail that came back follows (RFC 6522 section 3), and only its headers are wanted.
_ENOUGH = 256 * 1024
# Parts within parts: a report has two layers, a returned mail some more, and thousands cost the parser minutes.
_MOST_BOUNDARIES = 200
_WEIGHTS = {"blocked": 1, "soft": 2, "hard": 3}


def handle_returned(database: Database, settings: Settings, keys: Keys, recipient: str, data: bytes, now: datetime) -> str:
    """Apply what the mail `data` to `recipient` (b+TOKEN@…, complaints@…, or another address of ours) says. One word of what came of it:

    "bounce", "delay", "complaint": applied. "seen": it was known already. "nobody": about nobody here. "forged": to a token that is not ours.
    "ignored": no report at all (an absence note, a reply), or one that counts for nothing. Never raises for what a mail holds.
    """
    meant = who(keys, envelope=recipient)
    if meant is None and is_token_address(recipient):
        return "forged"
    data = data[:_ENOUGH]
    if data.lower().count(b"boundary") > _MOST_BOUNDARIES:
        return "ignored"
    try:
        message = email.message_from_bytes(data)
        complaints = read_complaint(message)
        failures = read_bounce(message) if complaints is None else None
    except RecursionError:
        return "ignored"
    with database.reading() as session:
        if complaints is not None:
            reports = [_of_complaint(keys, meant, one, now) for one in complaints if one.acts]
        elif meant is not None and failures:
            reports = [_of_failure(meant, _deciding(session, meant, failures), now)]
        else:
            reports = [_without_token(session, keys, one, data, now) for one in failures or []]
    return _word((apply(database, settings, keys, report, now), report.kind) if report else ("nobody", "") for report in reports)


def _word(outcomes: Iterable[tuple[str, str]]) -> str:
    """What is said of several: that something was applied, else that it was seen, else that it is about nobody."""
    found = list(outcomes)
    applied = [kind for outcome, kind in found if outcome == "applied"]
    return applied[0] if applied else "seen" if any(outcome == "seen" for outcome, _kind in found) else "nobody" if found else "ignored"


def _of_complaint(keys: Keys, meant: Who | None, one: Complaint, now: datetime) -> Report | None:
    """The complained mail's own marks first: a report may have been sent to the bounce address of any mail."""
    about = (who(keys, message_id=one.message_id, unsubscribe=one.unsubscribe) or who(keys, envelope=one.envelope)
             or who(keys, envelope=one.return_path) or meant)
    return _about(Report("complaint", "", "arf", "", now, one.feedback_type), about) if about else None


def _deciding(session: Session, about: Who, failures: Sequence[Failure]) -> Failure:
    """Of several recipients in one report the reader's own address; else, where a mail was passed on to several, the mildest of what was said."""
    own = session.scalar(select(Subscriber.address_key).where(Subscriber.id == about.subscriber_id))
    theirs = [one for one in failures if own is not None and own in (_key(one.recipient), _key(one.original))]
    return max(theirs, key=_weight) if theirs else min(failures, key=_weight)


def _weight(failure: Failure) -> int:
    return 0 if failure.action == "delayed" else _WEIGHTS[failure.strength]


def _key(address: str) -> str | None:
    try:
        return parse_address(address).key
    except NotAnAddress:
        return None


def _of_failure(about: Who, failure: Failure, now: datetime) -> Report:
    if failure.action == "delayed":
        return _about(Report("delay", "", "dsn", "", now, failure.reason), about)
    return _about(Report("bounce", failure.strength, "dsn", "", now, failure.reason), about)


def _about(report: Report, about: Who) -> Report:
    """The report with those it is about: what became of one mail counts once, whoever tells it."""
    evidence = evidence_of_mail(report.kind, report.strength, issue_id=about.issue_id, notice_id=about.notice_id, subscriber_id=about.subscriber_id)
    return replace(report, evidence=evidence, issue_id=about.issue_id, notice_id=about.notice_id, subscriber_id=about.subscriber_id)


def _without_token(session: Session, keys: Keys, failure: Failure, data: bytes, now: datetime) -> Report | None:
    """A report to another address of ours: by the marks of the mail that came back, and last by the address it names.

    An address alone is no proof, because anybody can write one: it must be a reader's to whom an issue went lately, and "no such address"
    is scored instead of believed.
    """
    about = who(keys, envelope=failure.envelope_id, message_id=failure.message_id, unsubscribe=failure.unsubscribe)
    if about is not None:
        return _of_failure(about, failure, now)
    for address in (failure.original, failure.recipient):
        subscriber_id = who_is(session, address)
        issue_id = _latest_issue(session, subscriber_id, now) if subscriber_id is not None else None
        if subscriber_id is not None and issue_id is not None:
            report = _of_failure(Who(subscriber_id, issue_id=issue_id), failure, now)
            doubted = replace(report, strength="soft" if report.strength == "hard" else report.strength)
            # Neither an issue's, which it need not be about, nor in the way of a report that carries a proof.
            return replace(doubted, evidence=evidence_of("address", hashlib.sha256(data).hexdigest(), subscriber_id), issue_id=None)
    return None


def _latest_issue(session: Session, subscriber_id: int, now: datetime) -> int | None:
    recent = select(Issue.id).where(Issue.started_at > now - _LATE)
    return session.scalar(select(Delivery.issue_id).where(Delivery.issue_id.in_(recent), Delivery.subscriber_id == subscriber_id,
                                                          Delivery.state == "accepted").limit(1))
