"""`publisher work`: a process, or several, that only send; on as many machines as share the database."""

import os
import sys

import click

from publisher.cli.frame import Desk, examples, pass_desk
from publisher.i18n import _, current_language
from publisher.jobs import check_sending
from publisher.work.tables import bring_up_to_date


@click.command(help=_("Only send: take slices of issues from the queue, together with every other such process on any machine. "
                      "Needs PostgreSQL, and one publisher run that keeps the timetable.") + "\n\n" + examples(
    "publisher work", "publisher work --processes 4"))
@click.option("--processes", type=click.IntRange(1, 64), metavar="N", help=_("How many processes on this machine (default: mail.processes)."))
@pass_desk
def work(desk: Desk, processes: int | None) -> None:
    """Look at everything that can be wrong, then become the small process that does the work."""
    check_sending(desk.settings)
    bring_up_to_date(desk.database, desk.now())
    many = processes or desk.settings.mail.processes
    desk.publisher.close()
    config = ["--config", str(desk.config)] if desk.config else []
    # This one has loaded all that composing and pages need, several times what sending takes, and nothing gives it back.
    os.execv(sys.executable, [sys.executable, "-m", "publisher.work", *config, "--lang", current_language(), "--processes", str(many)])
