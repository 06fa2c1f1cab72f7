"""The pages on which readers join, confirm, choose and leave, with a clock that tests move."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from httpx import Response
from sqlalchemy import event, select
from starlette.testclient import TestClient

from publisher.db import Database
from publisher.links import confirm_token, leave_token, preferences_token
from publisher.models_mail import Notice
from publisher.settings import Settings
from publisher.web.app import create_web
from subscribers.models import Consent, SignupRequest, Wording
from subscribers.registry.lists import sync_lists
from tests.composing import settings
from tests.readers import KEYS, NOW, ids_of


@dataclass
class Doors:
    """A newsroom's doors: `client` knocks, `now` is what its clock shows."""

    database: Database
    settings: Settings
    client: TestClient
    now: datetime = NOW + timedelta(hours=1)  # an hour after everybody joined

    def ask(self, address: str, path: str = "/subscribe/daily", headers: dict[str, str] | None = None, **fields: Any) -> Response:
        """Send the sign-up form."""
        return self.client.post(path, data={"email": address} | fields, headers=headers or {})

    def requests(self) -> list[SignupRequest]:
        """Every request that was kept."""
        with self.database.reading() as session:
            return list(session.scalars(select(SignupRequest).order_by(SignupRequest.id)))

    def token(self) -> str:
        """The token in the last confirmation mail."""
        with self.database.reading() as session:
            request_id, subscriber_id = session.execute(select(Notice.request_id, Notice.subscriber_id).order_by(Notice.id.desc()).limit(1)).one()
        return confirm_token(KEYS, request_id, subscriber_id)

    def mails(self) -> list[str]:
        """The kinds of the mails that were asked for."""
        with self.database.reading() as session:
            return list(session.scalars(select(Notice.kind).order_by(Notice.id)))

    def consents(self) -> list[Consent]:
        """The ledger."""
        with self.database.reading() as session:
            return list(session.scalars(select(Consent).order_by(Consent.id)))

    def wording(self, wording_id: int | None) -> str:
        """A text that somebody was shown."""
        with self.database.reading() as session:
            return session.get_one(Wording, wording_id).text

    def preferences(self, address: str, list_name: str = "daily") -> str:
        """The path of somebody's preferences."""
        return f"/preferences/{preferences_token(KEYS, *ids_of(self.database, address, list_name))}"

    def leave(self, address: str, list_name: str = "daily", issue_id: int = 7) -> str:
        """The path of somebody's leave link in one issue."""
        return f"/u/{leave_token(KEYS, *ids_of(self.database, address, list_name), issue_id)}"

    def later(self, **span: float) -> None:
        """Time passes."""
        self.now += timedelta(**span)


@contextmanager
def doors(database: Database, *, language: str = "en", root: Path | None = None, **sections: Any) -> Iterator[Doors]:
    """The doors of a newsroom with the list `daily`, or with the `lists` of `sections`."""
    made = settings(language=language, root=root, **sections)
    with database.writing() as session:
        sync_lists(session, made.lists)
    web = create_web(database, made, KEYS, health=dict, clock=lambda: opened.now)
    with TestClient(web, base_url=made.site.url, follow_redirects=False, raise_server_exceptions=False) as client:
        opened = Doors(database, made, client)
        yield opened


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """What is asked of the database inside the block."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(database.engine, "before_cursor_execute", note)


def words(answer: Response) -> str:
    """A page as it reads: no places to break, no tags."""
    text = re.sub(r"<(style|head)\b.*?</\1>", "", answer.text.replace("<wbr>", ""), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).replace("&#39;", "'").split())
