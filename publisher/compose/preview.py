"""Shows what would go out: a composed edition with a reader's slots filled."""

import html
from collections.abc import Mapping
from typing import Literal

from sqlalchemy import select

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.models import Edition
from publisher.settings import Settings
from publisher.text.slots import fill


def preview_issue(database: Database, settings: Settings, issue_id: int, form: Literal["html", "text"] | str, links: Mapping[str, str], *,
                  edition_id: int | None = None) -> str:
    """The HTML or text part as one reader gets it, `links` being the values of its slots; the edition for everybody unless another is named.

    Raises PublisherError for an issue that is not composed.
    """
    query = select(Edition).where(Edition.issue_id == issue_id).order_by(Edition.id)
    with database.reading() as session:
        edition = session.scalars(query if edition_id is None else query.where(Edition.id == edition_id)).first()
    if edition is None:
        raise PublisherError(_("issue %(id)s is not composed yet", id=issue_id), remedy=_("go on with: publisher issues resume %(id)s", id=issue_id))
    return fill(edition.html, links, html.escape) if form == "html" else fill(edition.text, links)
