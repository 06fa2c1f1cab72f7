"""The first mails of an issue go ahead and are watched; the others wait for their moment (`newsletters.canary`)."""

from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from publisher.models import Delivery


def hold_back(session: Session, issue_id: int, first: int, until: datetime) -> int:
    """Let all mails of the issue but the `first` (1 or more) wait until then; returns how many wait.

    Those that wait longer for another reason are left alone. First are those that may leave at once, in the order of their rows. One UPDATE by
    id, so that a million rows take seconds.
    """
    at_once = (Delivery.issue_id == issue_id, Delivery.state == "queued", Delivery.not_before.is_(None))
    ids = select(Delivery.id).where(*at_once)
    # Where fewer may leave at once than go first, what waits for its hour waits for the canary as well; where none may, there is no canary.
    border = session.scalar(ids.order_by(Delivery.id).offset(first - 1).limit(1)) or session.scalar(ids.order_by(Delivery.id.desc()).limit(1))
    if border is None:
        return 0
    waiting = (update(Delivery).where(Delivery.issue_id == issue_id, Delivery.state == "queued",
                                      or_(Delivery.not_before < until, Delivery.not_before.is_(None) & (Delivery.id > border)))
               .values(not_before=until))
    return int(session.execute(waiting, execution_options={"synchronize_session": False}).rowcount)  # type: ignore[attr-defined]
