"""Pauses an issue by itself when the relay takes nothing more of it, and tells the operator what the relay said."""

from datetime import datetime

from publisher.db import Database
from publisher.deliver.control import pause_in
from publisher.deliver.suspicion import TakesNothing
from publisher.models import Issue, NewsletterRow
from publisher.notices import write_alert
from publisher.settings import Settings


def halt(database: Database, settings: Settings, issue_id: int, trouble: TakesNothing, now: datetime) -> None:
    """Pause the issue, once, with an alert that names the relay and its words. Does nothing when it is not being sent any more."""
    with database.writing() as session:
        issue = session.get_one(Issue, issue_id)
        name = session.get_one(NewsletterRow, issue.newsletter_id).name
        if pause_in(session, issue_id):
            newsletter = settings.newsletter(name)
            values = {"issue_id": issue_id, "number": issue.number, "newsletter": (newsletter.title if newsletter else None) or name,
                      "relay": trouble.relay, "said": trouble.said}
            write_alert(session, "relay_refuses", values, settings.site.language, now)
