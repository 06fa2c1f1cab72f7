"""Shows what would go out: a composed edition with a reader's slots filled."""

import html
from typing import Literal

from sqlalchemy import select

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.models import Edition
from publisher.settings import Settings
from publisher.text.slots import fill


def preview_issue(database: Database, settings: Settings, issue_id: int, form: Literal["html", "text"] | str, leave_url: str) -> str:
    """The HTML or text part as one reader gets it. Raises PublisherError for an issue that is not composed."""
    with database.reading() as session:
        edition = session.scalars(select(Edition).where(Edition.issue_id == issue_id).order_by(Edition.id)).first()
    if edition is None:
        raise PublisherError(_("issue %(id)s is not composed yet", id=issue_id), remedy=_("go on with: publisher issues resume %(id)s", id=issue_id))
    if form == "html":
        return fill(edition.html, {"leave_url": leave_url}, html.escape)
    return fill(edition.text, {"leave_url": leave_url})
