"""`publisher send`: the whole way from stories to outcomes, by hand."""

import click
from sqlalchemy import select

from publisher.cli.frame import LEFT_OVER, OK, Desk, examples, json_option, pass_desk, yes_option
from publisher.cli.sending import approve_and_send, report_sent, show_choice, show_issue, show_passed
from publisher.cli.stories import report_line
from publisher.curate.picking import look, unfinished_issue
from publisher.deliver.control import cancel
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.ingest.reading import read_sources
from publisher.jobs import check_sending, make_issue
from publisher.locks import hold
from publisher.models import NewsletterRow
from publisher.settings import Newsletter
from publisher.timetable import pending_slots


@click.command(help=_("Read the sources, pick, compose, show, ask, send. Uses up no moment of the timetable.") + "\n\n" + examples(
    "publisher send morning", "publisher send morning --dry-run", "publisher send morning --now --yes"))
@click.argument("newsletter", metavar="NEWSLETTER")
@click.option("--now", "ignore_pending", is_flag=True, help=_("Send although a moment of the timetable is pending."))
@click.option("--dry-run", is_flag=True, help=_("Show what would be picked, and send nothing."))
@yes_option
@json_option
@pass_desk
def send(desk: Desk, newsletter: str, ignore_pending: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """One issue, now."""
    chosen = newsletter_or_error(desk, newsletter)
    if not dry_run:
        check_sending(desk.settings)
        desk.need_somebody(yes=yes or chosen.approval == "required")
        _refuse_unfinished(desk, chosen)
        if not ignore_pending:
            _refuse_pending(desk, chosen)
    with hold(desk.database.engine, f"newsletter-{chosen.name}"):
        read_all(desk, as_json=as_json)
        if dry_run:
            _dry_run(desk, chosen, as_json=as_json)
        made = make_issue(desk.publisher.press(), chosen, desk.now())
        if made.issue_id is None:
            if as_json:
                desk.print_json({"issue": None, "newsletter": chosen.name, "found": made.choice.found, "min_stories": chosen.min_stories})
            else:
                show_passed(desk, made.choice)
                desk.say(_("Nothing was sent: %(found)s new stories, and an issue needs %(min)s.", found=made.choice.found, min=chosen.min_stories))
            raise click.exceptions.Exit(OK)
        if not as_json:
            show_passed(desk, made.choice)
    if chosen.approval == "required":
        if not as_json:
            show_issue(desk, made.issue_id)
        desk.say(_("It waits for approval: publisher issues approve %(id)s, then publisher issues send %(id)s", id=made.issue_id))
        raise click.exceptions.Exit(LEFT_OVER)
    try:
        sent = approve_and_send(desk, made.issue_id, yes=yes, as_json=as_json)
    except (click.exceptions.Exit, click.Abort):
        # "No" at the question: the stories go back for the next issue.
        cancel(desk.database, made.issue_id, desk.now())
        raise
    report_sent(desk, made.issue_id, sent, as_json=as_json)


def newsletter_or_error(desk: Desk, name: str) -> Newsletter:
    """The newsletter of publisher.toml. Raises PublisherError with the names that are there."""
    found = desk.settings.newsletter(name)
    if found is None:
        known = ", ".join(entry.name for entry in desk.settings.newsletters) or "-"
        raise PublisherError(_("there is no newsletter %(name)s", name=name), remedy=_("known: %(names)s", names=known))
    return found


def read_all(desk: Desk, *, as_json: bool) -> None:
    """Read the sources, and say what came in and what was refused."""
    with desk.progress(_("Reading")) as update:
        report = read_sources(desk.database, desk.settings, desk.now(), progress=lambda _name, done, total: update(done, total))
    if not as_json:
        desk.say(report_line(report))
    desk.report(report.problems)


def _refuse_unfinished(desk: Desk, newsletter: Newsletter) -> None:
    with desk.database.reading() as session:
        row = session.scalars(select(NewsletterRow).where(NewsletterRow.name == newsletter.name)).one()
        issue = unfinished_issue(session, row.id)
    if issue:
        raise PublisherError(_("issue %(id)s of %(name)s is not finished", id=issue.id, name=newsletter.name),
                             remedy=_("go on with: publisher issues resume %(id)s", id=issue.id))


def _refuse_pending(desk: Desk, newsletter: Newsletter) -> None:
    pending = pending_slots(desk.database, desk.settings, newsletter, desk.now())
    if pending:
        at, state = pending[0]
        words = _("was missed and is held") if state == "held" else _("is due and left to publisher run")
        raise PublisherError(_("the issue of %(at)s %(words)s", at=at.isoformat(timespec="minutes"), words=words),
                             remedy=_("send all the same with --now"))


def _dry_run(desk: Desk, newsletter: Newsletter, *, as_json: bool) -> None:
    choice = look(desk.database, desk.settings, newsletter, desk.now())
    if as_json:
        desk.print_json({"newsletter": newsletter.name, "enough": choice.enough, "found": choice.found,
                         "picks": [{"story": pick.story.id, "headline": pick.story.headline, "section": pick.section} for pick in choice.picks],
                         "passed": [{"story": passed.story.id, **passed.reason} for passed in choice.passed]})
    else:
        show_choice(desk, choice)
        desk.say(_("This was a dry run: nothing was sent and nothing was told."))
    raise click.exceptions.Exit(OK)
