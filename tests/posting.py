"""A desk with posts to make, X as a fake, and a clock: what the tests of posting share."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select, update

from publisher.channels.base import Channel
from publisher.channels.outbox import Outbox
from publisher.channels.x import X
from publisher.db import Database
from publisher.deliver.posting import PostCounts, post_due
from publisher.models import AccountRow, Issue, Post, Telling
from publisher.settings import Settings
from publisher.settings_secrets import Credentials
from tests import composing
from tests.fake_x import FakeX, keys
from tests.mailing import Clock


@dataclass
class Desk:
    """An issue that is being sent, with three posts for each account, and X."""

    database: Database
    settings: Settings
    channels: dict[str, Channel]
    issue_id: int
    clock: Clock
    x: FakeX

    def go(self, **more: object) -> PostCounts:
        """One round."""
        return post_due(self.database, self.settings, self.channels, self.clock, **more)  # type: ignore[arg-type]

    def later(self, span: timedelta = timedelta(seconds=61)) -> PostCounts:
        """One round after some time."""
        self.clock.pass_by(span)
        return self.go()

    def posts(self, account: str = "main") -> list[Post]:
        """The rows of an account in their order."""
        with self.database.reading() as session:
            return list(session.scalars(select(Post).join(AccountRow, AccountRow.id == Post.account_id)
                                        .where(AccountRow.name == account).order_by(Post.position)))

    def states(self, account: str = "main") -> list[str]:
        """The states of an account's posts."""
        return [post.state for post in self.posts(account)]

    def set(self, row: Post | Issue, **values: object) -> None:
        """Set a row by hand, as a process that died would have left it."""
        with self.database.writing() as session:
            session.execute(update(type(row)).where(type(row).id == row.id).values(**values))

    def issue(self, state: str) -> None:
        """Set the state of the issue by hand."""
        self.set(Issue(id=self.issue_id), state=state)

    def told(self, account: str = "main") -> list[bool]:
        """Whether each of the account's stories counts as told."""
        with self.database.reading() as session:
            account_id = session.scalars(select(AccountRow.id).where(AccountRow.name == account)).one()
            query = select(Telling).where(Telling.target_kind == "account", Telling.target_id == account_id).order_by(Telling.post_id)
            return [telling.told_at is not None for telling in session.scalars(query)]

    def wait_until(self, account: str = "main") -> object:
        """When the account may be used again."""
        with self.database.reading() as session:
            return session.scalars(select(AccountRow.retry_at).where(AccountRow.name == account)).one()

    def on_x(self) -> Counter[str]:
        """How often each text of the account stands on X."""
        return Counter(self.x.texts("main"))


def opened(database: Database, folder: Path, x: FakeX, clock: Clock, names: Sequence[str] = ("main",)) -> Desk:
    """A desk with these accounts on X and one that writes files."""
    accounts = [*({"name": name, "kind": "x", "api": x.url} for name in names), {"name": "zz-dry", "kind": "outbox"}]
    made = composing.settings(accounts=accounts, root=folder)
    issue, _edition, _posts = composing.Newsroom(database, made).composed(composing.morning())
    channels: dict[str, Channel] = {name: X.with_oauth1(Credentials(keys(name)), api=x.url, timeout=(1, 1)) for name in names}
    desk = Desk(database, made, channels | {"zz-dry": Outbox(folder / "outbox")}, issue.id, clock, x)
    desk.issue("sending")
    return desk
