"""Starts an approved issue: what was approved is what goes out, and its readers are fixed, one row each, in one transaction.

Each row has the edition of the reader's preference group and, where the reader chose an hour, the moment before which it waits.
"""

from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import CTE, Integer, String, and_, case, column, exists, func, insert, literal, null, select, update, values
from sqlalchemy.orm import Session

from publisher.approval import content_hash
from publisher.audience import Audience, audience_of, newsletter_of
from publisher.db import Database, UtcDateTime
from publisher.deliver.canary import hold_back
from publisher.deliver.editions import share_of
from publisher.deliver.hours import due_at
from publisher.deliver.slices import make_slices
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.models import Delivery, Issue, Telling
from publisher.settings import Settings
from subscribers.models import Subscriber, Subscription, Suppression

# Why a row is skipped at the start: the issue tells nothing of what its reader chose.
NOTHING = "nothing in it for them"
# Pairs of zone and hour in one statement: SQLite takes 32,766 values.
_MOST_HOURS = 8000
_log = structlog.get_logger("publisher")


def start_issue(database: Database, settings: Settings, issue_id: int, now: datetime) -> int:
    """Make one delivery for every reader who is subscribed and not suppressed; returns how many.

    They are queued in the order in which they are due; who chose sections of which nothing is told is skipped, with its reason. Raises
    PublisherError when the issue is not approved, or is no longer what was approved: then it is a draft again.
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
            made = _fix_readers(session, settings, issue, now)
            make_slices(session, issue_id, settings.mail.slice_size)
            issue.state, issue.started_at = "sending", now
            newsletter = newsletter_of(session, settings, issue)
            if newsletter.canary:
                hold_back(session, issue_id, newsletter.canary, now + newsletter.canary_wait)
            session.execute(update(Telling).where(Telling.issue_id == issue_id, Telling.target_kind == "newsletter").values(told_at=now))
    if voided:
        raise PublisherError(_("issue %(id)s was changed after it was approved", id=issue_id),
                             remedy=_("look at it and approve it again: publisher issues approve %(id)s", id=issue_id))
    return made


def _fix_readers(session: Session, settings: Settings, issue: Issue, now: datetime) -> int:
    newsletter = newsletter_of(session, settings, issue)
    audience = audience_of(session, newsletter, issue)
    share = share_of(session, issue, audience)
    hours = _hours(session, audience, settings.zone_of(newsletter), now)
    due = hours.c.due if hours is not None else null()
    made: dict[str, Any] = {
        "issue_id": literal(issue.id), "edition_id": share.edition, "subscriber_id": Subscription.subscriber_id, "attempts": literal(0),
        "state": literal("queued"), "not_before": due}
    if share.nothing is not None:
        made |= {"state": case((share.nothing, "skipped"), else_="queued"), "reason": case((share.nothing, NOTHING)),
                 "settled_at": case((share.nothing, literal(now, UtcDateTime())))}
    readers = select(*made.values()).select_from(Subscription).join(Subscriber, Subscriber.id == Subscription.subscriber_id)
    for table, condition in share.joins:
        readers = readers.outerjoin(table, condition)
    if hours is not None:
        readers = readers.outerjoin(hours, and_(hours.c.hour == Subscription.hour, hours.c.zone == func.coalesce(Subscriber.timezone, "")))
    readers = readers.where(audience.condition, ~exists().where(Suppression.address_hash == Subscriber.address_hash))
    # Ids in the order in which the mails are due: whoever claims need not look behind the first that is not.
    order = [due.is_not(None), due] if hours is not None else []
    session.execute(insert(Delivery).from_select(list(made), readers.order_by(*order, Subscription.subscriber_id)))
    # SQLite's driver does not count the rows of a statement that begins with WITH.
    return session.scalar(select(func.count()).select_from(Delivery).where(Delivery.issue_id == issue.id)) or 0


def _hours(session: Session, audience: Audience, zone: str, now: datetime) -> CTE | None:
    """The moments of the hours that readers chose, by zone ('' for the newsletter's own) and hour; None when nobody has to wait."""
    place = func.coalesce(Subscriber.timezone, "")
    pairs = session.execute(
        select(place, Subscription.hour).join(Subscriber, Subscriber.id == Subscription.subscriber_id)
        .where(audience.condition, Subscription.hour.is_not(None)).group_by(place, Subscription.hour).order_by(func.count().desc())
        .limit(_MOST_HOURS + 1)).all()
    if len(pairs) > _MOST_HOURS:
        _log.warning("too_many_hours", pairs=_MOST_HOURS, others="sent at once")
    moments = [(name, hour, due) for name, hour in pairs[:_MOST_HOURS] if hour is not None and (due := _due(hour, name, zone, now)) is not None]
    if not moments:
        return None
    return values(column("zone", String), column("hour", Integer), column("due", UtcDateTime()), name="moments").data(moments).cte("hours")


def _due(hour: int, zone: str, usual: str, now: datetime) -> datetime | None:
    try:
        return due_at(hour, zone or usual, now)
    except (KeyError, ValueError, OSError):
        # A zone that this machine does not know (its tables are older than the reader's browser): the newsletter's own.
        return due_at(hour, usual, now)
