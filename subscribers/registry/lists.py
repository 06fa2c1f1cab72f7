"""Lists by name: publisher.toml is the truth, and start-up writes it to the database."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.settings import ReaderList
from subscribers.models import ReaderListRow


def sync_lists(session: Session, lists: Sequence[ReaderList]) -> None:
    """Add the lists of publisher.toml and mark those that are no longer there; nothing is deleted, because readers hang on it."""
    wanted = {entry.name for entry in lists}
    rows = {row.name: row for row in session.scalars(select(ReaderListRow))}
    for row in rows.values():
        row.present = row.name in wanted
    session.add_all(ReaderListRow(name=name, present=True) for name in dict.fromkeys(entry.name for entry in lists) if name not in rows)
    session.flush()


def list_id(session: Session, name: str) -> int:
    """The id of the list called `name`. Raises PublisherError, naming the lists there are."""
    found = session.scalar(select(ReaderListRow.id).where(ReaderListRow.name == name, ReaderListRow.present))
    if found is None:
        known = session.scalars(select(ReaderListRow.name).where(ReaderListRow.present).order_by(ReaderListRow.name))
        raise PublisherError(_("there is no list %(name)s", name=name), remedy=_("known: %(names)s", names=", ".join(known) or "–"))
    return found
