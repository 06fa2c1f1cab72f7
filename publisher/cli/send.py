"""`publisher send`: the whole way from stories to outcomes, by hand."""

import click
from sqlalchemy import select

from publisher.audience import EACH
from publisher.cli.frame import LEFT_OVER, OK, Desk, examples, json_option, pass_desk, yes_option
from publisher.cli.sending import approve_and_send, report_sent, show_choice, show_issue, show_passed
from publisher.cli.stories import report_line
from publisher.clock import local_date
from publisher.curate.digest import DIGESTS, look_at_digest
from publisher.curate.picking import look, unfinished_issue
from publisher.deliver.control import cancel
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.ingest.reading import read_sources
from publisher.jobs import check_sending, make_digest, make_issue, making
from publisher.locks import hold
from publisher.models import NewsletterRow
from publisher.primary import check_primary
from publisher.reasons import sentence
from publisher.settings import Newsletter
from publisher.timetable import pending_slots


@click.command(help=_("Read the sources, pick, compose, show, ask, send. Uses up no moment of the timetable.") + "\n\n" + examples(
    "publisher send morning", "publisher send morning --dry-run", "publisher send morning --now --yes", "publisher send morning --digest weekly"))
@click.argument("newsletter", metavar="NEWSLETTER")
@click.option("--digest", "rhythm", type=click.Choice(DIGESTS),
              help=_("Instead of an issue, the daily or weekly digest of what was told since the last one."))
@click.option("--now", "ignore_pending", is_flag=True, help=_("Send although a moment of the timetable is pending."))
@click.option("--dry-run", is_flag=True, help=_("Show what would be picked, and send nothing."))
@yes_option
@json_option
@pass_desk
def send(desk: Desk, newsletter: str, rhythm: str | None, ignore_pending: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """One issue or digest, now."""
    chosen, kind = newsletter_or_error(desk, newsletter), rhythm or EACH
    if not dry_run:
        check_sending(desk.settings)
        check_primary(desk.database, desk.settings, desk.now())
        desk.need_somebody(yes=yes or chosen.approval == "required")
        _refuse_unfinished(desk, chosen, kind)
        if not ignore_pending:
            _refuse_pending(desk, chosen, kind)
    with hold(desk.database.engine, making(chosen.name, kind)):
        made = _issue(desk, chosen, dry_run=dry_run, as_json=as_json) if rhythm is None else _digest(
            desk, chosen, rhythm, dry_run=dry_run, as_json=as_json)
    if chosen.approval == "required":
        if not as_json:
            show_issue(desk, made)
        desk.say(_("It waits for approval: publisher issues approve %(id)s, then publisher issues send %(id)s", id=made))
        raise click.exceptions.Exit(LEFT_OVER)
    try:
        sent = approve_and_send(desk, made, yes=yes, as_json=as_json)
    except (click.exceptions.Exit, click.Abort):
        # "No" at the question: the stories go back for the next issue.
        cancel(desk.database, made, desk.now())
        raise
    report_sent(desk, made, sent, as_json=as_json)


def _issue(desk: Desk, newsletter: Newsletter, *, dry_run: bool, as_json: bool) -> int:
    """Read, pick and compose; ends here when there is too little, or when it was a dry run."""
    read_all(desk, as_json=as_json)
    if dry_run:
        _dry_run(desk, newsletter, as_json=as_json)
    made = make_issue(desk.publisher.press(), newsletter, desk.now())
    if not as_json:
        show_passed(desk, made.choice)
    if made.issue_id is not None:
        return made.issue_id
    if as_json:
        desk.print_json({"issue": None, "newsletter": newsletter.name, "found": made.choice.found, "min_stories": newsletter.min_stories})
    else:
        desk.say(_("Nothing was sent: %(found)s new stories, and an issue needs %(min)s.", found=made.choice.found, min=newsletter.min_stories))
    raise click.exceptions.Exit(OK)


def _digest(desk: Desk, newsletter: Newsletter, rhythm: str, *, dry_run: bool, as_json: bool) -> int:
    """Gather and compose; ends here when there is nothing to gather, or when it was a dry run."""
    if dry_run:
        _dry_digest(desk, newsletter, rhythm, as_json=as_json)
    made = make_digest(desk.publisher.press(), newsletter, rhythm, desk.now())
    if made.issue_id is not None:
        return made.issue_id
    reason = sentence(made.reason or {"code": ""}, local_date(desk.now(), desk.settings.zone_of(newsletter)))
    if as_json:
        desk.print_json({"issue": None, "newsletter": newsletter.name, "rhythm": rhythm, "reason": reason})
    else:
        desk.say(_("Nothing was sent: %(reason)s.", reason=reason))
    raise click.exceptions.Exit(OK)


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


def _refuse_unfinished(desk: Desk, newsletter: Newsletter, rhythm: str) -> None:
    with desk.database.reading() as session:
        row = session.scalars(select(NewsletterRow).where(NewsletterRow.name == newsletter.name)).one()
        issue = unfinished_issue(session, row.id, rhythm)
    if issue:
        raise PublisherError(_("issue %(id)s of %(name)s is not finished", id=issue.id, name=newsletter.name),
                             remedy=_("go on with: publisher issues resume %(id)s", id=issue.id))


def _refuse_pending(desk: Desk, newsletter: Newsletter, rhythm: str) -> None:
    pending = pending_slots(desk.database, desk.settings, newsletter, desk.now(), rhythm)
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


def _dry_digest(desk: Desk, newsletter: Newsletter, rhythm: str, *, as_json: bool) -> None:
    made, picks = look_at_digest(desk.database, newsletter, rhythm, desk.now())
    reason = sentence(made.reason, local_date(desk.now(), desk.settings.zone_of(newsletter))) if made.reason else None
    told = [(pick.section, pick.content.snapshot["headline"], pick.content.snapshot["source_name"]) for pick in picks]
    if as_json:
        desk.print_json({"newsletter": newsletter.name, "rhythm": rhythm, "enough": bool(picks), "issues": made.issues, "reason": reason,
                         "picks": [{"story": pick.story_id, "headline": headline, "section": section}
                                   for pick, (section, headline, _source) in zip(picks, told, strict=True)]})
    else:
        desk.table((_("section"), _("headline"), _("source")), told, _("Nothing would be sent: %(reason)s.", reason=reason))
        desk.say(_("This was a dry run: nothing was sent and nothing was told."))
    raise click.exceptions.Exit(OK)
