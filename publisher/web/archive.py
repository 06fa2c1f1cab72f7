"""What was sent, as it was sent: the list of issues, each issue, and each story as its latest issue told it."""

import re
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.responses import Response

from publisher.clock import local_date
from publisher.compose.issue import long_date, story_date, title_of
from publisher.db import Database
from publisher.links import issue_url, story_url
from publisher.models import Delivery, Edition, Issue, NewsletterRow, Pick
from publisher.settings import Settings
from publisher.text.clean import clean_line
from publisher.text.markup import markdown_html
from publisher.text.urls import is_web_url
from publisher.web.rendering import Pages

_LISTED = 100
_LARGEST_ID = 2**31 - 1
# The edition that is for all readers (`compose` writes it under this name).
EVERYBODY = "all"
_NO_WORD = re.compile(r"[\W_]+")
# An issue that is gone on being sent may be cancelled yet; what was sent stays as it was.
_SHORT, _LONG = {"Cache-Control": "public, max-age=60"}, {"Cache-Control": "public, max-age=300"}
# What is out is public. An issue cancelled in mid-send is: its readers hold the link; one of which nothing left is not.
_OUT = and_(Issue.started_at.is_not(None), or_(
    Issue.state.in_(("sending", "paused", "sent")),
    and_(Issue.state == "cancelled", exists().where(Delivery.issue_id == Issue.id, Delivery.state.in_(("accepted", "unknown"))))))


class Archive:
    """The pages of what is out."""

    def __init__(self, database: Database, settings: Settings, pages: Pages) -> None:
        self._database, self._settings, self._pages = database, settings, pages

    def home(self) -> Response:
        """The latest issues, newest first."""
        language = self._settings.site.language
        query = (select(Issue, NewsletterRow.name, Pick.snapshot, Edition.preheader)
                 .join(NewsletterRow, NewsletterRow.id == Issue.newsletter_id).join(Edition, Edition.issue_id == Issue.id)
                 .outerjoin(Pick, and_(Pick.issue_id == Issue.id, Pick.position == 1))
                 .where(_OUT, Issue.state != "cancelled", Edition.audience == EVERYBODY)
                 .order_by(Issue.started_at.desc(), Issue.id.desc()).limit(_LISTED))
        with self._database.reading() as session:
            issues = [self._entry(issue, name, language) | {"headline": snapshot["headline"] if snapshot else issue.subject, "rest": rest}
                      for issue, name, snapshot, rest in session.execute(query)]
        return self._pages.page("home", language, headers=_SHORT, issues=issues, several=len({issue["title"] for issue in issues}) > 1)

    def issue(self, number: str) -> Response:
        """An issue as it was frozen. Raises HTTPException 404 for one that is not out."""
        with self._database.reading() as session:
            page = session.scalars(select(Edition.page).join(Issue, Issue.id == Edition.issue_id)
                                   .where(Edition.issue_id == _id(number), _OUT).order_by(Edition.audience != EVERYBODY, Edition.id)).first()
        if not page:
            raise HTTPException(404)
        return self._pages.frozen(page, _SHORT)

    def story(self, number: str) -> Response:
        """A story as the latest issue that told it froze it. Raises HTTPException 404 for one that no issue told."""
        story_id = _id(number)
        with self._database.reading() as session:
            found = session.execute(
                select(Pick, Issue, NewsletterRow.name).join(Issue, Issue.id == Pick.issue_id)
                .join(NewsletterRow, NewsletterRow.id == Issue.newsletter_id)
                .where(Pick.story_id == story_id, _OUT).order_by(Issue.started_at.desc(), Issue.id.desc()).limit(1)).one_or_none()
            if found is None:
                raise HTTPException(404)
            pick, issue, name = found
            language = _language(session, issue.id) or self._settings.site.language
        snapshot = pick.snapshot
        url = snapshot.get("source_url") or ""
        own = snapshot.get("rights") == "own"
        picture = snapshot.get("image_url") if own and is_web_url(snapshot.get("image_url") or "") else None
        return self._pages.page(
            "story", language, headers=_LONG, pictures=[picture], story=snapshot, picture=picture, section=pick.section,
            source_url=url if is_web_url(url) else None, source=clean_line(snapshot.get("source_name") or "") or urlsplit(url).hostname,
            address=story_url(self._settings.site.url, story_id),
            date=story_date(snapshot.get("date"), language, self._zone(name)), summary=_summary(snapshot),
            body=markdown_html(snapshot["body"]) if own and _says_more(snapshot) else "", issue=self._entry(issue, name, language),
            also=[other for other in pick.also if other.get("name") and is_web_url(other.get("url") or "")])

    def _entry(self, issue: Issue, name: str, language: str) -> dict[str, Any]:
        newsletter = self._settings.newsletter(name)
        day = local_date(issue.started_at or issue.created_at, self._zone(name))
        return {"url": issue_url("", issue.id), "number": issue.number, "date": long_date(day, language),
                "day": day.isoformat(), "title": title_of(self._settings, newsletter) if newsletter else name}

    def _zone(self, name: str) -> str:
        newsletter = self._settings.newsletter(name)
        return self._settings.zone_of(newsletter) if newsletter else self._settings.site.timezone


def _summary(snapshot: dict[str, Any]) -> str:
    """The summary, unless the body begins with the same words."""
    summary = clean_line(snapshot.get("summary") or "")
    body = clean_line(snapshot.get("body") or "") if snapshot.get("rights") == "own" else ""
    return "" if summary and body.lstrip("#* ").startswith(summary.rstrip("…")) else summary


def _says_more(snapshot: dict[str, Any]) -> bool:
    """Whether the body says more than the key facts, which stand above it as a table."""
    rest = _NO_WORD.sub("", snapshot.get("body") or "")
    for fact in snapshot.get("facts") or []:
        for words in (fact.get("label") or "", fact.get("value") or ""):
            rest = rest.replace(_NO_WORD.sub("", words), "", 1)
    return bool(rest)


def _language(session: Session, issue_id: int) -> str | None:
    return session.scalars(select(Edition.language).where(Edition.issue_id == issue_id).order_by(Edition.id)).first()


def _id(text: str) -> int:
    """The id in a path; what is none, or is larger than any, names nothing."""
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text) or int(text) > _LARGEST_ID:
        raise HTTPException(404)
    return int(text)
