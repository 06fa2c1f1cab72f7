"""`publisher newsletters`: what there is, and the pause that holds its timetable back."""

import click
from sqlalchemy import select, update

from publisher.cli.frame import Desk, examples, json_option, pass_desk
from publisher.cli.send import newsletter_or_error
from publisher.i18n import _
from publisher.models import NewsletterRow


@click.group(help=_("See newsletters, pause them, and let them go on."))
def newsletters() -> None:
    """The noun."""


@newsletters.command("list", help=_("List the newsletters and whether they are paused.") + "\n\n" + examples(
    "publisher newsletters list", "publisher newsletters list --json"))
@json_option
@pass_desk
def list_newsletters(desk: Desk, as_json: bool) -> None:
    """Print the newsletters of publisher.toml."""
    with desk.database.reading() as session:
        paused = {name: at for name, at in session.execute(select(NewsletterRow.name, NewsletterRow.paused_at))}
    found = [(entry.name, entry.list, entry.timetable, paused.get(entry.name)) for entry in desk.settings.newsletters]
    if as_json:
        desk.print_json([{"name": name, "list": readers, "timetable": timetable, "paused_at": at} for name, readers, timetable, at in found])
        return
    desk.table((_("newsletter"), _("list"), _("timetable"), _("paused")),
               [(name, readers, timetable or "–", at.isoformat(timespec="minutes") if at else "–") for name, readers, timetable, at in found],
               _("No newsletters. Add one to publisher.toml."))


@newsletters.command(help=_("Hold the timetable of a newsletter back until it is resumed.") + "\n\n" + examples(
    "publisher newsletters pause morning"))
@click.argument("name", metavar="NAME")
@pass_desk
def pause(desk: Desk, name: str) -> None:
    """A person's word."""
    chosen = newsletter_or_error(desk, name)
    with desk.database.writing() as session:
        session.execute(update(NewsletterRow).where(NewsletterRow.name == chosen.name, NewsletterRow.paused_at.is_(None))
                        .values(paused_at=desk.now()))
    desk.say("✓ " + _("Paused. Go on with: publisher newsletters resume %(name)s", name=chosen.name))


@newsletters.command(help=_("Let a paused newsletter go on with its next moment.") + "\n\n" + examples("publisher newsletters resume morning"))
@click.argument("name", metavar="NAME")
@pass_desk
def resume(desk: Desk, name: str) -> None:
    """Go on, whoever paused it; moments that passed meanwhile are not made up for."""
    chosen = newsletter_or_error(desk, name)
    with desk.database.writing() as session:
        session.execute(update(NewsletterRow).where(NewsletterRow.name == chosen.name).values(paused_at=None))
    desk.say("✓ " + _("It goes on with its next moment."))
