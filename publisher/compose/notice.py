"""Renders a mail that is no issue: subject, both parts and headers from its row, in the words of its folder of templates and nobody else's.

No word of a stranger stands in it: not the subject that is answered, not a name that somebody typed (RFC 3834 section 4, backscatter).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from jinja2.sandbox import SandboxedEnvironment
from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from publisher.clock import local_date
from publisher.compose.footer import contact_url
from publisher.compose.headers import list_label, sender
from publisher.compose.inlining import finished, inlined, placeholder
from publisher.compose.lists import ListView, list_view
from publisher.compose.moments import moment_in_words, span_in_words
from publisher.compose.rendering import render, templates
from publisher.compose.text import tidy
from publisher.i18n import LANGUAGES, _, in_language
from publisher.letters import Letter
from publisher.links import issue_url, list_address
from publisher.models import Issue, NewsletterRow
from publisher.models_mail import Notice
from publisher.notices import lists_of
from publisher.reasons import sentence
from publisher.settings import Settings
from publisher.text.clean import clean_line
from publisher.text.slots import slot
from subscribers.models import ReaderListRow, SignupRequest, Subscription

# What differs by reader, by the kind of the mail. Only these stand in a template's hands.
_READERS = ("leave_url", "preferences_url")
_SLOTS = {"confirm": ("confirm_url",), "already": _READERS, "welcome": _READERS, "leave": ("leave_url",)}
# A row asked for these; nobody's mail is answered by them (RFC 3834 section 5).
_UNASKED = ("welcome", "alert")
_LONGEST_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class SenderView:
    """Who speaks: the block the law wants under every mail. `contact_url` is empty for a telephone number."""

    name: str
    postal_address: str
    contact: str
    contact_url: str | None


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A notice as its templates see it. `title` is what it is about: the one list, or the newsroom where there are several or none."""

    kind: str
    language: str
    newsroom: str
    title: str
    lists: tuple[ListView, ...]
    sender: SenderView
    archive_url: str
    latest_url: str | None = None
    until: str = ""  # of a confirmation: the moment at which its link ends
    span: str = ""  # ... and how long it works in all
    by_mail: bool = False  # ... and whether an answer confirms as well
    alert: str = ""  # a sentence for the operator
    commands: tuple[tuple[str, str], ...] = ()  # ... and what may be done: words and command
    subject: str = ""


@dataclass(frozen=True, slots=True)
class _About:
    """The lists of a notice by id and name, in order, each with how often its reader is mailed."""

    id: int
    name: str
    rhythm: str


class Letters:
    """Renders notices one after the other. Templates are read once, and not before the first: mostly there is nothing to render."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: SandboxedEnvironment | None = None

    def __call__(self, session: Session, notice: Notice) -> Letter:
        """The notice in its language. Raises BadInput for a newsroom's broken template."""
        self._made = self._made or templates(self._settings)
        return _letter(self._made, self._settings, session, notice)


def letter(session: Session, settings: Settings, notice: Notice) -> Letter:
    """One notice, rendered in its language. Raises BadInput for a newsroom's broken template."""
    return Letters(settings)(session, notice)


def _letter(made: SandboxedEnvironment, settings: Settings, session: Session, notice: Notice) -> Letter:
    language = notice.language if notice.language in LANGUAGES else "en"
    with in_language(language):
        about = _about(session, notice)
        view = _view(settings, session, notice, about, language)
        slots = _SLOTS.get(notice.kind, ()) if about or notice.kind == "confirm" else ()
        folder = f"email/notice/{notice.kind}"
        subject = clean_line(render(made, f"{folder}/subject.txt", {"notice": view}))[:_LONGEST_SUBJECT]
        view = replace(view, subject=subject)
        html = render(made, f"{folder}/body.html", {"notice": view, "web": False} | {name: placeholder(name) for name in slots})
        text = render(made, f"{folder}/body.txt", {"notice": view} | {name: slot(name) for name in slots})
        return Letter(subject=subject, html=finished(inlined(html, f"{folder}/body.html"), slots), text=tidy(text),
                      headers=_headers(settings, notice, view, language),
                      list_id=about[0].id if about else None, list_name=about[0].name if about else "")


def _about(session: Session, notice: Notice) -> list[_About]:
    """The lists of a notice, the row's own first; of one that names none, those of its request, else all that its reader is on."""
    wanted: Sequence[int] = lists_of(notice)
    if notice.request_id is not None and not wanted:
        wanted = session.scalar(select(SignupRequest.list_ids).where(SignupRequest.id == notice.request_id)) or ()
    query = (select(ReaderListRow.id, ReaderListRow.name, Subscription.rhythm, Subscription.state)
             .outerjoin(Subscription, and_(Subscription.list_id == ReaderListRow.id, Subscription.subscriber_id == notice.subscriber_id))
             .order_by(ReaderListRow.id))
    if wanted:
        query = query.where(ReaderListRow.id.in_(wanted))
    elif notice.kind in ("already", "welcome", "leave") and notice.subscriber_id is not None:
        query = query.where(Subscription.state == "subscribed")
    elif notice.kind == "help":
        query = query.where(ReaderListRow.present).limit(1)
    else:
        return []
    found = [_About(list_id, name, rhythm or "each") for list_id, name, rhythm, _state in session.execute(query)]
    return sorted(found, key=lambda one: one.id != notice.list_id)


def _view(settings: Settings, session: Session, notice: Notice, about: Sequence[_About], language: str) -> NoticeView:
    site = settings.site
    newsroom = clean_line(site.name) or clean_line(settings.mail.sender.partition("<")[0].strip(' "'))
    lists = tuple(list_view(settings, one.name, one.rhythm, notice.created_at) for one in about)
    more: dict[str, Any] = {}
    if notice.kind == "confirm":
        more = _confirming(settings, session, notice, about)
    elif notice.kind == "alert":
        today = local_date(notice.created_at, site.timezone)
        more = {"alert": clean_line(sentence(notice.data, today)), "commands": _commands(notice)}
    return NoticeView(
        kind=notice.kind, language=language, newsroom=newsroom or (lists[0].title if lists else ""),
        title=lists[0].title if len(lists) == 1 else newsroom, lists=lists, archive_url=f"{site.url}/",
        sender=SenderView(clean_line(site.name), clean_line(site.postal_address), clean_line(site.contact), contact_url(site.contact)),
        latest_url=_latest(settings, session, about) if notice.kind in ("welcome", "already") else None, **more)


def _confirming(settings: Settings, session: Session, notice: Notice, about: Sequence[_About]) -> dict[str, Any]:
    ends = session.scalar(select(SignupRequest.expires_at).where(SignupRequest.id == notice.request_id)) if notice.request_id is not None else None
    ends = ends or notice.created_at + settings.signup.confirm_within
    by_mail = bool(about and list_address(settings, about[0].name, "confirm", ""))
    return {"until": moment_in_words(ends, settings.site.timezone), "span": span_in_words(settings.signup.confirm_within), "by_mail": by_mail}


def _latest(settings: Settings, session: Session, about: Sequence[_About]) -> str | None:
    """The page of the latest issue that readers of these lists got."""
    names = [newsletter.name for one in about for newsletter in settings.newsletters_of(one.name)]
    found = session.scalars(select(Issue.id).join(NewsletterRow, NewsletterRow.id == Issue.newsletter_id)
                            .where(NewsletterRow.name.in_(names), Issue.kind == "regular", Issue.state.in_(("sending", "sent")),
                                   Issue.started_at.is_not(None))
                            .order_by(Issue.started_at.desc(), Issue.id.desc()).limit(1)).first()
    return issue_url(settings.site.url, found) if found is not None else None


def _commands(notice: Notice) -> tuple[tuple[str, str], ...]:
    """How the operator looks, and goes on."""
    issue_id = notice.data.get("issue_id")
    if not isinstance(issue_id, int):
        return ()
    look = ((_("Look at the issue"), f"publisher issues show {issue_id}"),)
    # What was only told of needs no going on.
    return look if notice.data.get("code") == "blocked_high" else (*look, (_("Go on sending"), f"publisher issues resume {issue_id}"))


def _headers(settings: Settings, notice: Notice, view: NoticeView, language: str) -> dict[str, str]:
    """Names and values in the order in which they stand in the mail; the reader's own are slots."""
    headers = {"From": sender(settings)}
    if view.by_mail:
        headers["Reply-To"] = slot("confirm_address")
    elif settings.mail.reply_to:
        headers["Reply-To"] = clean_line(settings.mail.reply_to)
    if len(view.lists) == 1:
        # A mail program's own button leaves one list: of several, the page behind the link in the mail lets choose.
        headers["List-Id"] = list_label(settings, view.lists[0].name, view.title)
        if "leave_url" in _SLOTS.get(notice.kind, ()):
            by_mail = f", <mailto:{slot('leave_address')}?subject=unsubscribe>" if settings.mail.bounce_domain else ""
            headers |= {"List-Unsubscribe": f"<{slot('leave_url')}>{by_mail}", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    return headers | {
        "Auto-Submitted": "auto-generated" if notice.kind in _UNASKED else "auto-replied",
        "Precedence": "bulk",
        "X-Auto-Response-Suppress": "OOF, AutoReply",
        "Content-Language": language,
    }
