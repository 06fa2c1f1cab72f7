"""Which edition of an issue each reader gets: that of their preference group, as SQL for all and as a number for one."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from publisher.audience import EVERYBODY, Audience, audience_of, newsletter_of
from publisher.models import Delivery, Edition, EditionGroup, Issue
from publisher.settings import Settings
from subscribers.models import EVERY_SECTION, Subscription


@dataclass(frozen=True, slots=True)
class Share:
    """Which edition a reader gets, as SQL: the rows to join, the edition, and the condition under which nothing is in it for them (None: never)."""

    edition: ColumnElement[Any]
    nothing: ColumnElement[bool] | None = None
    joins: list[tuple[Any, ColumnElement[bool]]] = field(default_factory=list)


def share_of(session: Session, issue: Issue, audience: Audience) -> Share:
    """The edition of the reader's group; else that of the readers of every section who have had the same of a digest; else the whole issue."""
    whole = session.scalars(select(Edition.id).where(Edition.issue_id == issue.id)
                            .order_by(Edition.audience != EVERYBODY, Edition.id)).first()
    if session.scalar(select(EditionGroup.issue_id).where(EditionGroup.issue_id == issue.id).limit(1)) is None:
        return Share(literal(whole))
    own, usual = aliased(EditionGroup), aliased(EditionGroup)
    joins: list[tuple[Any, ColumnElement[bool]]] = [
        (own, and_(own.issue_id == issue.id, own.sections_key == Subscription.sections_key, own.had == audience.had))]
    if issue.kind != "digest":
        return Share(func.coalesce(own.edition_id, whole), and_(own.issue_id.is_not(None), own.edition_id.is_(None)), joins)
    joins.append((usual, and_(usual.issue_id == issue.id, usual.sections_key == EVERY_SECTION, usual.had == audience.had)))
    nothing = or_(and_(own.issue_id.is_not(None), own.edition_id.is_(None)),
                  and_(own.issue_id.is_(None), usual.issue_id.is_not(None), usual.edition_id.is_(None)))
    return Share(func.coalesce(own.edition_id, usual.edition_id, whole), nothing, joins)


def edition_of(session: Session, settings: Settings, issue: Issue, subscriber_id: int) -> int | None:
    """The edition of one reader: of their mail, or of the one they would get now; None when they would get the one for everybody, or none."""
    found = session.scalar(select(Delivery.edition_id).where(Delivery.issue_id == issue.id, Delivery.subscriber_id == subscriber_id))
    if found is not None:
        return found
    audience = audience_of(session, newsletter_of(session, settings, issue), issue)
    share = share_of(session, issue, audience)
    query = select(share.edition).select_from(Subscription)
    for table, condition in share.joins:
        query = query.outerjoin(table, condition)
    return session.scalar(query.where(audience.condition, Subscription.subscriber_id == subscriber_id))
