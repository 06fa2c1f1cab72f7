"""What was sent, as it was sent: the list of issues, each issue, and each story as its latest issue told it."""

import re
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import and_, select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.responses import Response

from publisher.audience import EVERYBODY
from publisher.clock import local_date
from publisher.compose.issue import long_date, story_date, title_of
from publisher.db import Database
from publisher.i18n import in_language
from publisher.links import issue_url, story_url
from publisher.models import Edition, Issue, NewsletterRow, Pick
from publisher.pictures import Copy, copies, wanted_picture
from publisher.published import LISTED, OUT, Told, latest
from publisher.settings import Settings
from publisher.text.clean import clean_line
from publisher.text.markup import markdown_html
from publisher.text.urls import is_web_url
from publisher.web.rendering import Pages
from publisher.web.search import LONGEST_QUERY, page_number
from publisher.web.sharing import share_links

_A_PAGE = 30
_LARGEST_ID = 2**31 - 1
_DESCRIPTION = 200
_NO_WORD = re.compile(r"[\W_]+")
_HEAD_END = re.compile(r"</head\s*>", re.IGNORECASE)
_LOCALES = {"ja": "ja_JP", "en": "en_US"}
# An issue that is gone on being sent may be cancelled yet; what was sent stays as it was.
_SHORT, _LONG = {"Cache-Control": "public, max-age=60"}, {"Cache-Control": "public, max-age=300"}


class Archive:
    """The pages of what is out."""

    def __init__(self, database: Database, settings: Settings, pages: Pages) -> None:
        self._database, self._settings, self._pages = database, settings, pages

    def home(self, page: str = "1") -> Response:
        """Some of the issues, newest first. Raises HTTPException 404 for a page that is not there."""
        number, language = page_number(page), self._settings.site.language
        query = (select(Issue, NewsletterRow.name, Pick.snapshot, Edition.preheader)
                 .join(NewsletterRow, NewsletterRow.id == Issue.newsletter_id).join(Edition, Edition.issue_id == Issue.id)
                 .outerjoin(Pick, and_(Pick.issue_id == Issue.id, Pick.position == 1)).where(LISTED, Edition.audience == EVERYBODY)
                 .order_by(Issue.started_at.desc(), Issue.id.desc()).offset((number - 1) * _A_PAGE).limit(_A_PAGE + 1))
        with self._database.reading() as session:
            issues = [self._entry(issue, name, language) | {"headline": snapshot["headline"] if snapshot else issue.subject, "rest": rest}
                      for issue, name, snapshot, rest in session.execute(query)]
        if not issues and number > 1:
            raise HTTPException(404)
        address = f"{self._settings.site.url}/" + (f"?page={number}" if number > 1 else "")
        return self._pages.page(
            "home", language, headers=_SHORT, issues=issues[:_A_PAGE], several=len(self._settings.newsletters) > 1, number=number,
            newer=("/" if number == 2 else f"/?page={number - 1}") if number > 1 else None,
            older=f"/?page={number + 1}" if issues[_A_PAGE:] else None,
            feeds=self._feeds(), longest=LONGEST_QUERY, card=self._card("website", self._settings.site.name, "", address, language))

    def issue(self, number: str) -> Response:
        """An issue as it was frozen, with what an archive says in a page's head. Raises HTTPException 404 for one that is not out."""
        issue_id = _id(number)
        with self._database.reading() as session:
            found = session.execute(
                select(Edition, Issue.started_at).join(Issue, Issue.id == Edition.issue_id)
                .where(Edition.issue_id == issue_id, OUT).order_by(Edition.audience != EVERYBODY, Edition.id).limit(1)).one_or_none()
            if found is None or not found[0].page:
                raise HTTPException(404)
            edition, started = found
            snapshots = session.scalars(select(Pick.snapshot).where(Pick.issue_id == issue_id).order_by(Pick.position)).all()
            shown = copies(session, [wanted_picture(snapshot) for snapshot in snapshots])
        picture = next((shown[url] for snapshot in snapshots if (url := wanted_picture(snapshot)) in shown), None)
        card = self._card("article", edition.subject, edition.preheader, issue_url(self._settings.site.url, issue_id), edition.language, picture)
        card["published"] = started.isoformat() if started else None
        head = self._pages.fragment("issue_head", edition.language, card=card, feeds=self._feeds())
        # Before the end of the head, which no text of an issue can hold: what was frozen stays as it was.
        return self._pages.frozen(_HEAD_END.sub(lambda end: head + end[0], edition.page, count=1), _SHORT)

    def story(self, number: str) -> Response:
        """A story as the latest issue that told it froze it. Raises HTTPException 404 for one that no issue told."""
        story_id = _id(number)
        with self._database.reading() as session:
            told = latest(session, [story_id]).get(story_id)
            if told is None:
                raise HTTPException(404)
            language = _language(session, told.issue.id) or self._settings.site.language
            picture = copies(session, [wanted_picture(told.pick.snapshot)]).get(wanted_picture(told.pick.snapshot) or "")
        snapshot = told.pick.snapshot
        address = story_url(self._settings.site.url, story_id)
        described = clean_line(snapshot.get("summary") or "")
        card = self._card("article", clean_line(snapshot["headline"]), described, address, snapshot.get("language") or language, picture,
                          clean_line(snapshot.get("image_alt") or ""))
        with in_language(language):
            share = share_links(clean_line(snapshot["headline"]), address)
        return self._pages.page(
            "story", language, headers=_LONG, copying=True, share=share, feeds=self._feeds(), data=self._data(told, card),
            card=card | {"published": (told.issue.started_at or told.issue.created_at).isoformat(), "section": told.pick.section},
            **self._words(told, language))

    def _words(self, told: Told, language: str) -> dict[str, Any]:
        """What a story's page says: the body only of a story of our own."""
        snapshot = told.pick.snapshot
        url = snapshot.get("source_url") or ""
        own = snapshot.get("rights") == "own"
        return {
            "story": snapshot, "section": told.pick.section, "source_url": url if is_web_url(url) else None,
            "source": clean_line(snapshot.get("source_name") or "") or urlsplit(url).hostname,
            "date": story_date(snapshot.get("date"), language, self._zone(told.newsletter)), "summary": _summary(snapshot),
            "body": markdown_html(snapshot["body"]) if own and _says_more(snapshot) else "",
            "issue": self._entry(told.issue, told.newsletter, language),
            "also": [other for other in told.pick.also if other.get("name") and is_web_url(other.get("url") or "")]}

    def _card(self, kind: str, title: str, description: str, url: str, language: str, picture: Copy | None = None, alt: str = "") -> dict[str, Any]:
        """What a link to a page shows elsewhere (ogp.me)."""
        shown = {"url": picture.url(self._settings.site.url), "path": picture.url(""), "width": picture.width, "height": picture.height,
                 "alt": alt} if picture else None
        said = description if len(description) <= _DESCRIPTION else description[:_DESCRIPTION].rstrip() + "…"
        return {"kind": kind, "title": title, "description": said, "url": url, "locale": _LOCALES.get(language, language), "picture": shown,
                "published": None, "section": None}

    def _data(self, told: Told, card: dict[str, Any]) -> dict[str, Any] | None:
        """A story of our own as search engines read it (schema.org/NewsArticle); what others wrote is not ours to claim."""
        snapshot, site = told.pick.snapshot, self._settings.site
        if snapshot.get("rights") != "own":
            return None
        made: dict[str, Any] = {
            "@context": "https://schema.org", "@type": "NewsArticle", "headline": card["title"],
            "inLanguage": snapshot.get("language") or site.language,
            "mainEntityOfPage": card["url"], "datePublished": (told.issue.started_at or told.issue.created_at).isoformat()}
        if card["description"]:
            made["description"] = card["description"]
        if card["picture"]:
            made["image"] = {"@type": "ImageObject"} | {name: card["picture"][name] for name in ("url", "width", "height")}
        if site.name:
            made["publisher"] = {"@type": "NewsMediaOrganization", "name": site.name, "url": f"{site.url}/"}
        author = clean_line(snapshot.get("author") or "")
        made["author"] = {"@type": "Person", "name": author} if author else made.get("publisher", {"@type": "Organization", "name": site.url})
        return made

    def _feeds(self) -> list[dict[str, str]]:
        """Title and path of each feed: of everything, and of each newsletter where there are several."""
        several = self._settings.newsletters if len(self._settings.newsletters) > 1 else ()
        return [{"title": self._settings.site.name or self._settings.site.url, "path": ""},
                *({"title": title_of(self._settings, entry), "path": f"/{entry.name}"} for entry in several)]

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
