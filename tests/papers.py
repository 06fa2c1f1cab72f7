"""A paper over many days: issues are told, digests gathered and started, and what each reader got can be read from the rows."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select, update

from publisher.compose.drafting import compose_draft
from publisher.curate.desk import approve_issue
from publisher.curate.digest import Gathering, gather
from publisher.curate.picking import add_pick
from publisher.db import Database
from publisher.deliver.start import start_issue
from publisher.models import Delivery, Edition, Issue, NewsletterRow, Pick, SourceRow, Story
from subscribers.models import Subscriber
from tests import composing
from tests.readers import lists

MONDAY = datetime(2025, 12, 1, 0, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NAMES = ("ai", "chips", "law")
# Enough to see what stands in a mail, and nothing that takes time.
_BODY = "{% for story in issue.stories %}[{{ story.headline }}]{% endfor %}\n{{ leave_url }}\n{{ preferences_url }}\n"


class Paper:
    """The newsletter `morning` of the list `daily`, with three sections and bare templates."""

    def __init__(self, database: Database, folder: Path, **newsletter: object) -> None:
        for name, body in (("body.txt", _BODY), ("body.html", f"<html><body>{_BODY}</body></html>")):
            (folder / "ours" / "email" / "issue").mkdir(parents=True, exist_ok=True)
            (folder / "ours" / "email" / "issue" / name).write_text(body, "utf-8")
        lists(database)
        self.database, self.told = database, 0
        self.settings = composing.settings(root=folder, templates="ours", language="en", newsletter={"sections": list(NAMES)} | newsletter)
        with database.writing() as session:
            session.add_all([SourceRow(name="desk", kind="folder"), NewsletterRow(name="morning")])

    def tell(self, now: datetime, *sections: str | None, state: str = "sent", again: int | None = None) -> int:
        """A regular issue of new stories, one a section, started at `now`; `again` tells the same story as one before. The id of the issue."""
        with self.database.writing() as session:
            newsletter = session.scalars(select(NewsletterRow)).one()
            number = (session.scalar(select(func.max(Issue.number)).where(Issue.rhythm == "each")) or 0) + 1
            issue = Issue(newsletter_id=newsletter.id, number=number, state="draft", created_at=now)
            session.add(issue)
            session.flush()
            for position, section in enumerate(sections, 1):
                self.told += 1
                story = Story(source_id=1, container="a.md", position=self.told, origin=f"a.md#{self.told}", status="approved", fingerprint="f",
                              content_hash="c", approved_at=now, created_at=now, updated_at=now,
                              **composing.story(f"S{self.told}", section=section))
                session.add(story)
                session.flush()
                story.duplicate_group = again or story.id
                if again is None:
                    add_pick(session, issue, story, position, now)
                else:
                    session.add(Pick(issue_id=issue.id, story_id=story.id, position=position, section=section, snapshot=story.snapshot()))
        compose_draft(self.database, self.settings, issue.id, now)
        approve_issue(self.database, issue.id, "Hanako", now)
        start_issue(self.database, self.settings, issue.id, now)
        self.end(issue.id, state)
        return issue.id

    def gather(self, rhythm: str, now: datetime) -> Gathering:
        """The draft of a digest."""
        return gather(self.database, self.settings, self.settings.newsletters[0], rhythm, now)

    def digest(self, rhythm: str, now: datetime, *, started: timedelta = timedelta(0)) -> int | None:
        """A digest that was gathered at `now` and left so much later; None when there was nothing to gather."""
        made = self.gather(rhythm, now)
        if made.issue_id is not None:
            compose_draft(self.database, self.settings, made.issue_id, now)
            approve_issue(self.database, made.issue_id, "Hanako", now)
            if started:
                return made.issue_id
            self.start(made.issue_id, now)
        return made.issue_id

    def start(self, issue_id: int, now: datetime) -> None:
        """Fix the readers; every mail is taken at once."""
        start_issue(self.database, self.settings, issue_id, now)
        self.end(issue_id)

    def end(self, issue_id: int, state: str = "sent") -> None:
        """What sending writes."""
        with self.database.writing() as session:
            session.execute(update(Delivery).where(Delivery.issue_id == issue_id, Delivery.state == "queued").values(state="accepted"))
            session.execute(update(Issue).where(Issue.id == issue_id).values(state=state))

    def got(self, address: str, *, of: int | None = None) -> Counter[str]:
        """The headlines in the mails of a reader, or in that of one issue."""
        query = (select(Edition.text).join(Delivery, Delivery.edition_id == Edition.id).join(Subscriber, Subscriber.id == Delivery.subscriber_id)
                 .where(Subscriber.address_key == address, Delivery.state == "accepted").order_by(Delivery.id))
        with self.database.reading() as session:
            texts = session.scalars(query if of is None else query.where(Delivery.issue_id == of)).all()
        return Counter(headline for text in texts for headline in re.findall(r"\[(S\d+)\]", text))
