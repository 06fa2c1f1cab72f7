"""What the commands that send have in common: show what goes out, ask, send with a bar, say what is known."""

from typing import Any
from zoneinfo import ZoneInfo

import click
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from publisher.audience import EACH, audience_of
from publisher.cli.frame import LEFT_OVER, OK, Desk
from publisher.clock import local_date
from publisher.compose.law import law_problems
from publisher.curate.choose import Choice
from publisher.curate.desk import approve_issue
from publisher.deliver.control import resume, waiting
from publisher.deliver.dispatch.waits import WaitingFor, ask_again, in_words, waits
from publisher.errors import PublisherError
from publisher.i18n import N_, _, ngettext
from publisher.jobs import Press, Sent, check_sending, finish_draft, send
from publisher.models import AccountRow, Delivery, Edition, Issue, NewsletterRow, Pick, Post
from publisher.models_mail import Notice
from publisher.primary import check_primary
from publisher.reasons import PAUSES, sentence
from publisher.settings import Newsletter
from publisher.signals import stopped_by_signals
from publisher.watch import let_go_on, look_at
from subscribers.models import Subscription

# States as people read them.
STATES = (N_("draft"), N_("approved"), N_("sending"), N_("paused"), N_("sent"), N_("cancelled"), N_("queued"), N_("accepted"), N_("refused"),
          N_("deferred"), N_("unknown"), N_("skipped"), N_("unconfirmed"), N_("subscribed"), N_("left"))


def issue_or_error(desk: Desk, issue_id: int) -> tuple[Issue, str]:
    """The issue and its newsletter's name. Raises PublisherError when there is none."""
    with desk.database.reading() as session:
        issue = session.get(Issue, issue_id)
        if issue is None:
            raise PublisherError(_("there is no issue %(id)s", id=issue_id), remedy=_("look with: publisher issues list"))
        return issue, session.get_one(NewsletterRow, issue.newsletter_id).name


def account_or_error(desk: Desk, name: str) -> None:
    """Refuse a name that no account has. Raises PublisherError with the names that are there."""
    with desk.database.reading() as session:
        known = list(session.scalars(select(AccountRow.name).order_by(AccountRow.name)))
    if name not in known:
        raise PublisherError(_("there is no account %(name)s", name=name), remedy=_("known: %(names)s", names=", ".join(known) or "-"))


def show_choice(desk: Desk, choice: Choice) -> None:
    """The picks in their order, and each story passed over with its reason."""
    desk.table((_("section"), _("headline"), _("source")), [(pick.section, pick.story.headline, pick.story.source) for pick in choice.picks],
               _("Nothing was picked."))
    show_passed(desk, choice)


def show_passed(desk: Desk, choice: Choice) -> None:
    """Each story passed over, with its reason; what was told long ago is counted only."""
    today = local_date(desk.now(), desk.settings.site.timezone)
    told = [passed for passed in choice.passed if passed.reason["code"] == "told"]
    for passed in choice.passed:
        if passed.reason["code"] != "told":
            desk.say(("… " if passed.waits else "– ") + f"{passed.story.headline} — {sentence(passed.reason, today)}")
    if told:
        desk.say("– " + _("%(n)s stories were told before", n=len(told)))


def number_of(issue: Issue) -> str:
    """The number of an issue as it is shown; a digest has numbers of its own."""
    if issue.rhythm != EACH:
        return f"{_('Daily digest') if issue.rhythm == 'daily' else _('Weekly digest')} {issue.number}"
    return str(issue.number) if issue.number > 0 else "–"


def waiting_words(desk: Desk, issue_id: int) -> list[str]:
    """What the mails of an issue wait for, and until when, in the newsroom's zone: a line a reason."""
    zone = ZoneInfo(desk.settings.site.timezone)

    def line(wait: WaitingFor) -> str:
        last = wait.last.astimezone(zone).strftime("%Y-%m-%d %H:%M")
        if wait.reason is None:
            return ngettext("%(n)s mail waits for its moment (the reader's hour, or the canary): %(last)s",
                            "%(n)s mails wait for their moment (the readers' hours, or the canary), the last until %(last)s", wait.mails, last=last)
        return ngettext("%(n)s mail waits until %(last)s: %(why)s (see: publisher relays)",
                        "%(n)s mails wait until %(last)s: %(why)s (see: publisher relays)", wait.mails, last=last, why=in_words(wait.reason))

    return [line(wait) for wait in waits(desk.database, issue_id, desk.now())]


def why_paused(desk: Desk, issue_id: int) -> str | None:
    """The sentence with which an issue was paused by itself, if it was."""
    with desk.database.reading() as session:
        told = [notice.data for notice in session.scalars(select(Notice).where(Notice.kind == "alert").order_by(Notice.id.desc()).limit(200))]
    found = next((data for data in told if data.get("issue_id") == issue_id and data.get("code") in PAUSES), None)
    return sentence(found, local_date(desk.now(), desk.settings.site.timezone)) if found else None


def unknown_words(desk: Desk, newsletter: str, issue_id: int, number: int) -> str:
    """What becomes of the mails whose answer was lost: they wait for a person's word, or leave again by themselves."""
    if _holds(desk, newsletter):
        return ngettext("%(n)s mail is unknown and waits for your word: publisher issues unknown %(id)s",
                        "%(n)s mails are unknown and wait for your word: publisher issues unknown %(id)s", number, id=issue_id)
    return ngettext("%(n)s mail is unknown and is sent again with the same Message-ID: publisher issues unknown %(id)s",
                    "%(n)s mails are unknown and are sent again with the same Message-ID: publisher issues unknown %(id)s", number, id=issue_id)


def _holds(desk: Desk, newsletter: str) -> bool:
    found = desk.settings.newsletter(newsletter)
    return found is not None and found.on_unknown == "hold"


def _readers(session: Session, newsletter: Newsletter | None, issue: Issue) -> int:
    """How many an issue is for: fixed once it started, else those of now."""
    if issue.started_at is not None:
        return session.scalar(select(func.count()).select_from(Delivery).where(Delivery.issue_id == issue.id)) or 0
    if newsletter is None:
        return 0
    return session.scalar(select(func.count()).select_from(Subscription).where(audience_of(session, newsletter, issue).condition)) or 0


def show_issue(desk: Desk, issue_id: int) -> None:
    """Subject, stories, readers and posts of a composed issue."""
    issue, name = issue_or_error(desk, issue_id)
    newsletter = desk.settings.newsletter(name)
    with desk.database.reading() as session:
        picks = [(pick.position, pick.section, pick.snapshot["headline"], pick.snapshot["source_name"])
                 for pick in session.scalars(select(Pick).where(Pick.issue_id == issue_id).order_by(Pick.position))]
        posts = session.scalar(select(func.count()).select_from(Post).where(Post.issue_id == issue_id)) or 0
        readers = _readers(session, newsletter, issue)
        editions = session.scalar(select(func.count()).select_from(Edition).where(Edition.issue_id == issue_id)) or 0
    if issue.rhythm == EACH:
        desk.say(_("Issue %(id)s — %(name)s no. %(number)s (%(state)s)", id=issue.id, name=name, number=number_of(issue), state=_(issue.state)))
    else:
        desk.say(_("Issue %(id)s — %(name)s, %(digest)s (%(state)s)", id=issue.id, name=name, digest=number_of(issue), state=_(issue.state)))
    why = why_paused(desk, issue_id) if issue.state == "paused" else None
    if why is not None:
        desk.say("! " + why)
    desk.say(_("Subject: %(subject)s", subject=issue.subject))
    desk.table(("#", _("section"), _("headline"), _("source")), picks, _("No stories."))
    desk.say(_("Readers: %(readers)s · posts: %(posts)s", readers=readers, posts=posts))
    if editions > 1:
        desk.say(_("Editions: %(n)s, the whole one and those of readers who chose sections", n=editions))


def approve_and_send(desk: Desk, issue_id: int, *, yes: bool, as_json: bool) -> Sent:
    """Bring an unfinished issue to its end: compose, show, ask, approve where the newsletter lets it, take up, send."""
    press = desk.publisher.press()
    issue, name = issue_or_error(desk, issue_id)
    if issue.state in ("sent", "cancelled"):
        raise PublisherError(_("issue %(id)s is %(state)s: nothing is left to send", id=issue_id, state=_(issue.state)))
    check_sending(desk.settings)
    check_primary(desk.database, desk.settings, desk.now())
    if issue.state == "draft":
        finish_draft(press, issue_id, desk.now())
        issue, name = issue_or_error(desk, issue_id)
    newsletter = desk.settings.newsletter(name)
    if issue.state == "draft" and newsletter and newsletter.approval == "required":
        raise PublisherError(_("issue %(id)s waits for approval", id=issue_id),
                             remedy=_("approve it with: publisher issues approve %(id)s", id=issue_id))
    if not as_json:
        show_issue(desk, issue_id)
    desk.report(law_problems(desk.settings))
    desk.confirm(_("Send it now?"), yes=yes)
    if issue.state == "draft":
        approve_issue(desk.database, issue_id, "cli", desk.now())
    if issue.state == "paused":
        resume(desk.database, issue_id, desk.now())
        let_go_on(desk.database, issue_id)
    elif issue.state == "sending":
        _look(desk, press, issue_id)
    # A person asks for it: what waits for a relay is asked about anew, in case publisher.toml lets it go by now.
    ask_again(desk.database, issue_id, desk.now())
    warn_of_closed(desk, press)
    with desk.progress(_("Sending")) as update, stopped_by_signals() as stop:
        sent = send(press, issue_id, desk.now, progress=lambda counts: update(counts.total - counts.unfinished, counts.total), stop=stop)
    _look(desk, press, issue_id)
    return sent


def _look(desk: Desk, press: Press, issue_id: int) -> None:
    """Where no service runs, the command itself looks at what came back, and pauses the issue when it is too much."""
    found = look_at(press, issue_id, desk.now())
    if found is not None:
        desk.warn("! " + sentence(found, local_date(desk.now(), desk.settings.site.timezone)))


def warn_of_closed(desk: Desk, press: Press) -> None:
    """Say of each account that cannot post why; its posts wait."""
    for error in press.closed.values():
        desk.warn(f"! {error}")


def sent_json(desk: Desk, issue_id: int, sent: Sent) -> dict[str, Any]:
    """What is known after sending, for machines."""
    issue, name = issue_or_error(desk, issue_id)
    return {"issue": issue_id, "newsletter": name, "number": issue.number, "state": issue.state,
            "mails": {key: getattr(sent.mails, key) for key in ("total", "accepted", "refused", "deferred", "unknown", "skipped", "queued")},
            "posts": {key: getattr(sent.posts, key) for key in ("accepted", "refused", "deferred", "unknown", "skipped")}}


def report_sent(desk: Desk, issue_id: int, sent: Sent, *, as_json: bool) -> None:
    """Say what is known and leave with 0, or with 4 when something waits for another try."""
    if as_json:
        desk.print_json(sent_json(desk, issue_id, sent))
    else:
        mails, made = sent.mails, sent.posts
        desk.say("✓ " + _("Mails: %(accepted)s accepted, %(refused)s refused, %(skipped)s skipped, %(waiting)s waiting of %(total)s",
                          accepted=mails.accepted, refused=mails.refused, skipped=mails.skipped, waiting=mails.unfinished, total=mails.total))
        if made.accepted or made.refused or made.deferred or made.unknown or made.skipped:
            desk.say("✓ " + _("Posts: %(accepted)s made, %(refused)s refused, %(skipped)s skipped, %(waiting)s waiting",
                              accepted=made.accepted, refused=made.refused, skipped=made.skipped, waiting=made.deferred + made.unknown))
        issue, newsletter = issue_or_error(desk, issue_id)
        if mails.unfinished and issue.state == "paused":
            desk.warn("… " + _("%(n)s mails wait because the issue is paused: publisher issues resume %(id)s", n=mails.unfinished, id=issue_id))
        elif mails.unfinished:
            wait = waiting(desk.database, issue_id, desk.now())
            if wait.mails:
                for line in waiting_words(desk, issue_id):
                    desk.warn("… " + line)
                desk.warn("  " + _("publisher run sends them then, or: publisher issues resume %(id)s", id=issue_id))
            held = mails.unknown if _holds(desk, newsletter) else 0
            if held:
                desk.warn("! " + unknown_words(desk, newsletter, issue_id, held))
            if mails.unfinished > wait.mails + held:
                desk.warn("… " + _("%(n)s mails are not sent yet: publisher issues resume %(id)s, or leave it to publisher run",
                                   n=mails.unfinished - wait.mails - held, id=issue_id))
    raise click.exceptions.Exit(LEFT_OVER if sent.mails.unfinished else OK)
