"""Starts an approved issue: what was approved is what goes out, and its readers are fixed, one row each, in one transaction."""

from datetime import datetime

from sqlalchemy import exists, insert, literal, select, update

from publisher.approval import content_hash
from publisher.db import Database
from publisher.deliver.message import list_of
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.models import Delivery, Edition, Issue, Telling
from publisher.settings import Settings
from subscribers.models import Subscriber, Subscription, Suppression


def start_issue(database: Database, settings: Settings, issue_id: int, now: datetime) -> int:
    """Make one queued delivery for every reader who is subscribed and not suppressed; returns how many.

    Raises PublisherError when the issue is not approved, or is no longer what was approved: then it is a draft again.
    """
    with database.writing() as session:
        issue = session.get(Issue, issue_id, with_for_update=True)
        if issue is None or issue.state != "approved":
            raise PublisherError(_("issue %(id)s is not approved", id=issue_id),
                                 remedy=_("approve it with: publisher issues approve %(id)s", id=issue_id))
        voided = issue.approved_hash != content_hash(session, issue_id)
        if voided:
            issue.state, issue.approved_hash, issue.approved_at, issue.approved_by = "draft", None, None, None
        else:
            edition = session.scalars(select(Edition.id).where(Edition.issue_id == issue_id).order_by(Edition.id)).first()
            suppressed = exists().where(Suppression.address_hash == Subscriber.address_hash)
            readers = (select(literal(issue_id), literal(edition), Subscription.subscriber_id, literal("queued"), literal(0))
                       .join(Subscriber, Subscriber.id == Subscription.subscriber_id)
                       .where(Subscription.list_id == list_of(session, settings, issue), Subscription.state == "subscribed", ~suppressed)
                       .order_by(Subscription.subscriber_id))
            made = session.execute(insert(Delivery).from_select(["issue_id", "edition_id", "subscriber_id", "state", "attempts"], readers))
            issue.state, issue.started_at = "sending", now
            session.execute(update(Telling).where(Telling.issue_id == issue_id, Telling.target_kind == "newsletter").values(told_at=now))
    if voided:
        raise PublisherError(_("issue %(id)s was changed after it was approved", id=issue_id),
                             remedy=_("look at it and approve it again: publisher issues approve %(id)s", id=issue_id))
    return int(made.rowcount)  # type: ignore[attr-defined]
