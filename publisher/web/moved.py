"""Old addresses: where a page stood before the newsroom moved in, its issue here is."""

import re

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import RedirectResponse, Response

from publisher.db import Database
from publisher.links import issue_url
from publisher.models_site import Redirect
from publisher.moving.addresses import kept_path

# listmonk's page of a mail ends with the number of the reader it was sent to.
_OF_A_READER = re.compile(r"(/campaign/[0-9A-Za-z-]{1,64})/[0-9A-Za-z-]{1,64}")
# Browsers keep a permanent redirect for ever unless they are told until when.
_HEADERS = {"Cache-Control": "public, max-age=86400"}


class Moved:
    """Answers paths that nothing here has."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def answer(self, path: str) -> Response | None:
        """A permanent redirect to the issue that `path` showed at the old place, or None."""
        kept = kept_path(path)
        if kept is None:
            return None
        reader = _OF_A_READER.fullmatch(kept)
        try:
            with self._database.reading() as session:
                issue_id = session.scalar(select(Redirect.issue_id).where(Redirect.path == (reader[1] if reader else kept)))
        except SQLAlchemyError:
            # Whoever asked for a page that is not here learns just that, also while the database is away.
            return None
        return RedirectResponse(issue_url("", issue_id), 301, _HEADERS) if issue_id is not None else None
