"""`publisher issues`: drafts, approval, previews, sending, pausing."""

import tempfile
import webbrowser
from dataclasses import asdict
from pathlib import Path

import click
from sqlalchemy import func, select

from publisher.cli.frame import OK, Desk, examples, json_option, pass_desk, yes_option
from publisher.cli.posts import print_posts
from publisher.cli.send import newsletter_or_error, read_all
from publisher.cli.sending import approve_and_send, issue_or_error, number_of, report_sent, show_issue, show_passed, unknown_words, waiting_words
from publisher.compose.preview import preview_issue
from publisher.curate.desk import approve_issue
from publisher.deliver import control
from publisher.deliver.dispatch.waits import waits
from publisher.deliver.message import preview as preview_mail
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.jobs import make_issue, making
from publisher.locks import hold
from publisher.models import Edition, Issue, NewsletterRow, Pick, Slot
from publisher.models_mail import Event
from publisher.watch import let_go_on
from subscribers.addresses import NotAnAddress, parse_address
from subscribers.models import Subscriber


@click.group(help=_("Make, look at, approve and send issues."))
def issues() -> None:
    """The noun."""


@issues.command("list", help=_("List issues, the newest first.") + "\n\n" + examples("publisher issues list", "publisher issues list --json"))
@click.option("--newsletter", metavar="NAME", help=_("Only issues of this newsletter."))
@json_option
@pass_desk
def list_issues(desk: Desk, newsletter: str | None, as_json: bool) -> None:
    """Print the issues and what is known of their mails."""
    query = select(Issue, NewsletterRow.name).join(NewsletterRow, NewsletterRow.id == Issue.newsletter_id).order_by(Issue.id.desc())
    if newsletter:
        newsletter_or_error(desk, newsletter)
        query = query.where(NewsletterRow.name == newsletter)
    with desk.database.reading() as session:
        found = [(issue, name) for issue, name in session.execute(query)]
        held = session.scalars(select(Slot).where(Slot.state == "held").order_by(Slot.at)).all()
    rows = [(issue, name, control.counts(desk.database, issue.id)) for issue, name in found]
    called = {issue.id: number_of(issue) for issue, _name in found}
    if as_json:
        desk.print_json([{
            "id": issue.id, "newsletter": name, "number": issue.number if issue.number > 0 else None, "kind": issue.kind,
            "rhythm": issue.rhythm, "state": issue.state, "subject": issue.subject, "created_at": issue.created_at,
            "started_at": issue.started_at, "finished_at": issue.finished_at,
            "readers": mails.total, "accepted": mails.accepted, "unfinished": mails.unfinished} for issue, name, mails in rows])
        return
    desk.table(("id", _("newsletter"), _("no."), _("state"), _("subject"), _("accepted"), _("readers")),
               [(issue.id, name, called[issue.id], _(issue.state), issue.subject, mails.accepted, mails.total)
                for issue, name, mails in rows], _("No issues yet. Make the first one with: publisher send NEWSLETTER"))
    for slot in held:
        at = slot.at.isoformat(timespec="minutes")
        desk.warn("! " + (_("the moment %(at)s of the timetable was missed and is held; send by hand with --now", at=at) if slot.rhythm == "each" else
                          _("the digest of %(at)s was missed and is held; send by hand with --digest %(rhythm)s --now", at=at, rhythm=slot.rhythm)))


@issues.command(help=_("Read the sources and make the draft of the next issue, without sending it.") + "\n\n" + examples(
    "publisher issues draft morning"))
@click.argument("newsletter", metavar="NEWSLETTER")
@json_option
@pass_desk
def draft(desk: Desk, newsletter: str, as_json: bool) -> None:
    """Pick and compose."""
    chosen = newsletter_or_error(desk, newsletter)
    with hold(desk.database.engine, making(chosen.name)):
        read_all(desk, as_json=as_json)
        made = make_issue(desk.publisher.press(), chosen, desk.now())
    if as_json:
        desk.print_json({"issue": made.issue_id, "found": made.choice.found, "min_stories": chosen.min_stories})
    elif made.issue_id is None:
        show_passed(desk, made.choice)
        desk.say(_("No draft: %(found)s new stories, and an issue needs %(min)s.", found=made.choice.found, min=chosen.min_stories))
    else:
        show_passed(desk, made.choice)
        show_issue(desk, made.issue_id)
        desk.say(_("Look at it with: publisher issues preview %(id)s --open", id=made.issue_id))


@issues.command(help=_("Show one issue: its stories and what is known of its mails."))
@click.argument("issue_id", type=int, metavar="ID")
@json_option
@pass_desk
def show(desk: Desk, issue_id: int, as_json: bool) -> None:
    """Print one issue."""
    issue, name = issue_or_error(desk, issue_id)
    mails, came_back = control.counts(desk.database, issue_id), _came_back(desk, issue_id)
    wait = control.waiting(desk.database, issue_id, desk.now())
    if not as_json:
        show_issue(desk, issue_id)
        desk.say(_("Mails: %(accepted)s accepted, %(refused)s refused, %(skipped)s skipped, %(waiting)s waiting of %(total)s",
                   accepted=mails.accepted, refused=mails.refused, skipped=mails.skipped, waiting=mails.unfinished, total=mails.total))
        if wait.mails:
            for line in waiting_words(desk, issue_id):
                desk.say("… " + line)
        if mails.unknown and issue.state in ("sending", "paused"):
            desk.say("! " + unknown_words(desk, name, issue_id, mails.unknown))
        if any(came_back.values()):
            desk.say(_("Came back: %(hard)s no such address, %(soft)s for now, %(blocked)s blocked, %(complaint)s complaints", **came_back))
        return
    with desk.database.reading() as session:
        picks = [{"position": pick.position, "section": pick.section, "story": pick.story_id, "headline": pick.snapshot["headline"],
                  "also": pick.also}
                 for pick in session.scalars(select(Pick).where(Pick.issue_id == issue_id).order_by(Pick.position))]
        editions = session.scalar(select(func.count()).select_from(Edition).where(Edition.issue_id == issue_id))
    desk.print_json({"id": issue.id, "newsletter": name, "number": issue.number, "kind": issue.kind, "rhythm": issue.rhythm,
                     "editions": editions, "state": issue.state, "subject": issue.subject, "picks": picks,
                     "approved_by": issue.approved_by, "approved_at": issue.approved_at, "started_at": issue.started_at,
                     "mails": {key: getattr(mails, key) for key in ("total", "accepted", "refused", "deferred", "unknown", "skipped", "queued")},
                     "waiting_for_their_hour": {"mails": wait.mails, "first": wait.first, "last": wait.last},
                     "waits": [asdict(one) for one in waits(desk.database, issue_id, desk.now())],
                     "came_back": came_back})


def _came_back(desk: Desk, issue_id: int) -> dict[str, int]:
    """The readers of whom something came back, by what it was."""
    with desk.database.reading() as session:
        found = {strength or kind: number for kind, strength, number in session.execute(
            select(Event.kind, Event.strength, func.count(Event.subscriber_id.distinct()))
            .where(Event.issue_id == issue_id, Event.kind.in_(("bounce", "complaint"))).group_by(Event.kind, Event.strength))}
    return {kind: found.get(kind, 0) for kind in ("hard", "soft", "blocked", "complaint")}


@issues.command(help=_("Show exactly what would go out.") + "\n\n" + examples(
    "publisher issues preview 3 --html --open", "publisher issues preview 3 --text", "publisher issues preview 3 --eml --reader hanako@example.jp"))
@click.argument("issue_id", type=int, metavar="ID")
@click.option("--html", "form", flag_value="html", default=True, help=_("The HTML part (default)."))
@click.option("--text", "form", flag_value="text", help=_("The text part."))
@click.option("--eml", "form", flag_value="eml", help=_("The whole mail with its headers."))
@click.option("--posts", "form", flag_value="posts", help=_("The short posts."))
@click.option("--reader", metavar="ADDRESS", help=_("As this reader would get it."))
@click.option("--open", "in_browser", is_flag=True, help=_("Show it in a browser."))
@pass_desk
def preview(desk: Desk, issue_id: int, form: str, reader: str | None, in_browser: bool) -> None:
    """Print or open one form of the issue."""
    issue_or_error(desk, issue_id)
    if form == "posts":
        print_posts(desk, issue_id=issue_id, as_json=False)
        return
    if reader and not _is_reader(desk, reader):
        desk.warn("! " + _("nobody has the address %(address)s: the links of this mail lead nowhere", address=reader))
    shown = preview_mail(desk.database, desk.settings, desk.keys, issue_id, reader or "reader@example.com")
    if form == "eml":
        click.echo(shown.eml.decode("utf-8"), nl=False)
        return
    content = preview_issue(desk.database, desk.settings, issue_id, "html" if form == "html" else "text", shown.links, edition_id=shown.edition_id)
    if not in_browser:
        click.echo(content)
        return
    path = Path(tempfile.mkdtemp(prefix="publisher-")) / f"issue-{issue_id}.{'html' if form == 'html' else 'txt'}"
    path.write_text(content, "utf-8")
    desk.say(_("Opening %(path)s", path=path))
    webbrowser.open(path.as_uri())


def _is_reader(desk: Desk, address: str) -> bool:
    try:
        key = parse_address(address).key
    except NotAnAddress:
        return False
    with desk.database.reading() as session:
        return session.scalar(select(Subscriber.id).where(Subscriber.address_key == key)) is not None


@issues.command(help=_("Approve a draft as it stands.") + "\n\n" + examples("publisher issues approve 3"))
@click.argument("issue_id", type=int, metavar="ID")
@pass_desk
def approve(desk: Desk, issue_id: int) -> None:
    """An editor says yes to exactly this content."""
    issue_or_error(desk, issue_id)
    approve_issue(desk.database, issue_id, "cli", desk.now())
    desk.say("✓ " + _("Approved. Send it with: publisher issues send %(id)s", id=issue_id))


def _send_one(desk: Desk, issue_id: int, *, yes: bool, as_json: bool) -> None:
    report_sent(desk, issue_id, approve_and_send(desk, issue_id, yes=yes, as_json=as_json), as_json=as_json)


@issues.command("send", help=_("Send an approved issue.") + "\n\n" + examples("publisher issues send 3", "publisher issues send 3 --yes"))
@click.argument("issue_id", type=int, metavar="ID")
@yes_option
@json_option
@pass_desk
def send_issue(desk: Desk, issue_id: int, yes: bool, as_json: bool) -> None:
    """Send one issue."""
    _send_one(desk, issue_id, yes=yes, as_json=as_json)


@issues.command(help=_("Stop an issue that is being sent; every mail not yet on the wire waits.") + "\n\n" + examples("publisher issues pause 3"))
@click.argument("issue_id", type=int, metavar="ID")
@pass_desk
def pause(desk: Desk, issue_id: int) -> None:
    """Stop for now."""
    issue_or_error(desk, issue_id)
    control.pause(desk.database, issue_id, desk.now())
    desk.say("✓ " + _("Paused. Go on with: publisher issues resume %(id)s", id=issue_id))


@issues.command(help=_("Go on with an issue that was paused, deferred, or left behind by a process that died.") + "\n\n" + examples(
    "publisher issues resume", "publisher issues resume 3 --yes"))
@click.argument("issue_id", type=int, required=False, metavar="[ID]")
@yes_option
@json_option
@pass_desk
def resume(desk: Desk, issue_id: int | None, yes: bool, as_json: bool) -> None:
    """Take over and finish; exit code 0 says that nothing is left to send."""
    if issue_id is None:
        issue_id = _to_go_on_with(desk)
    else:
        issue, _name = issue_or_error(desk, issue_id)
        if issue.state == "cancelled":
            told = control.counts(desk.database, issue_id).accepted
            raise PublisherError(_("issue %(id)s was cancelled", id=issue_id),
                                 remedy=_("the readers who did not get it will not, and its stories count as told") if told
                                 else _("its stories are free for the next one: publisher send"))
        if issue.state == "sent":
            # What came back afterwards may have paused its newsletter.
            if let_go_on(desk.database, issue_id) and not as_json:
                desk.say("✓ " + _("It goes on with its next moment."))
            issue_id = None
    if issue_id is None:
        if as_json:
            desk.print_json({"issue": None, "unfinished": 0})
        else:
            desk.say("✓ " + _("Nothing is left to send."))
        raise click.exceptions.Exit(OK)
    _send_one(desk, issue_id, yes=yes, as_json=as_json)


def _to_go_on_with(desk: Desk) -> int | None:
    """The first unfinished issue; one of which every mail waits for its hour only when there is no other."""
    with desk.database.reading() as session:
        unfinished = session.execute(select(Issue.id, Issue.state).where(Issue.state.in_(("approved", "sending", "paused", "draft")))
                                     .order_by(Issue.id)).all()
        busy = [issue_id for issue_id, state in unfinished if state != "sending" or control.has_work(session, issue_id, desk.now())]
    return next(iter([*busy, *(issue_id for issue_id, _state in unfinished)]), None)


@issues.command(help=_("Cancel an issue: what has not left never will.") + "\n\n" + examples("publisher issues cancel 3"))
@click.argument("issue_id", type=int, metavar="ID")
@yes_option
@pass_desk
def cancel(desk: Desk, issue_id: int, yes: bool) -> None:
    """Stop for good."""
    issue, _name = issue_or_error(desk, issue_id)
    desk.confirm(_("Cancel issue %(id)s (%(state)s)?", id=issue_id, state=_(issue.state)), yes=yes)
    control.cancel(desk.database, issue_id, desk.now())
    desk.say("✓ " + _("Cancelled."))
