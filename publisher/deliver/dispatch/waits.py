"""What the mails of an issue wait for, in words, and how a person asks for them again."""

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update

from publisher.db import Database
from publisher.deliver.dispatch.sitting import DOWN, PACE, RECEIVERS_REST, RELAY_RESTS, WARMING
from publisher.i18n import _
from publisher.models import Delivery


@dataclass(frozen=True, slots=True)
class WaitingFor:
    """So many mails that wait for one reason, the last of them until `last`. Without a reason it is the hour of their readers, or the canary."""

    mails: int
    reason: str | None
    last: datetime


def waits(database: Database, issue_id: int, now: datetime) -> list[WaitingFor]:
    """What the mails of an issue that were not tried yet wait for, most first."""
    with database.reading() as session:
        rows = session.execute(select(func.count(), Delivery.reason, func.max(Delivery.not_before))
                               .where(Delivery.issue_id == issue_id, Delivery.state == "queued", Delivery.not_before > now)
                               .group_by(Delivery.reason).order_by(func.count().desc()))
        return [WaitingFor(mails, reason, last) for mails, reason, last in rows if last is not None]


def in_words(reason: str) -> str:
    """The reason of a row, which is kept in English, in the language of whoever reads it."""
    for sentence in (PACE, RELAY_RESTS, RECEIVERS_REST, WARMING, DOWN):
        before, after = sentence.split("%(name)s")
        found = re.fullmatch(f"{re.escape(before)}(.+){re.escape(after)}", reason)
        if found:
            return _(sentence, name=found[1])
    return reason


def ask_again(database: Database, issue_id: int, now: datetime) -> int:
    """Let mails that wait for a relay or its pace be due now, because a person wants it; whoever still may not leave gets a new moment.

    Those that wait for the hour of their readers or for the canary go on waiting. Returns how many are asked about again.
    """
    with database.writing() as session:
        changed = session.execute(update(Delivery).where(Delivery.issue_id == issue_id, Delivery.state == "queued", Delivery.not_before > now,
                                                         Delivery.reason.is_not(None)).values(not_before=None),
                                  execution_options={"synchronize_session": False})
    return int(changed.rowcount)  # type: ignore[attr-defined]
