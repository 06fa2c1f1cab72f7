"""`publisher rehearse`: the own list and issue against an evil relay on this machine, with a sender that is killed again and again."""

import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import click

from publisher.cli.frame import FAILED, OK, Desk, examples, json_option, pass_desk, yes_option
from publisher.i18n import _
from publisher.rehearsal.plan import Plan
from publisher.settings_file import settings_path


@click.command(help=_(
    "Rehearse a sending: your list and latest issue (or the sample stories) against a relay on this machine that refuses, stalls, hangs up and loses "
    "answers, while the sending process is killed and the database is cut off. Nobody is mailed, and the ledger stays as it is. The exit code is 1 "
    "when a promise was broken.") + "\n\n" + examples(
    "publisher rehearse", "publisher rehearse --readers 20000 --kills 50 --yes", "publisher rehearse --seed 7 --json --yes"))
@click.option("--readers", type=click.IntRange(1, 10_000_000),
              help=_("How many readers; invented ones are added (default: as many as the list has, 300 at least)."))
@click.option("--kills", type=click.IntRange(0, 10_000), default=10, show_default=True, help=_("How often the sending process is killed."))
@click.option("--seed", type=click.IntRange(0), help=_("What the relay's behaviour is derived from (default: a new one each time)."))
@yes_option
@json_option
@pass_desk
def rehearse(desk: Desk, readers: int | None, kills: int, seed: int | None, yes: bool, as_json: bool) -> NoReturn:
    """Set the scene, send, judge."""
    # What composes and what judges costs other commands no start-up time.
    from publisher.rehearsal.course import Rehearsal
    from publisher.rehearsal.relay import EvilRelay
    from publisher.rehearsal.stage import expected, staged
    from publisher.rehearsal.table import as_json as for_machines
    from publisher.rehearsal.table import figures, promises

    desk.need_somebody(yes=yes)
    number = expected(desk.settings, desk.database, readers)
    desk.confirm(_("Rehearse with %(readers)s readers and %(kills)s kills? Nobody is mailed; it takes about %(minutes)s minutes.",
                   readers=f"{number:,}", kills=kills, minutes=1 + (number // 1000 + kills) // 60), yes=yes)
    with _ends_on_sigterm(), EvilRelay() as relay, staged(
            settings_path(desk.config), desk.settings, desk.database, relay.url, readers, desk.now()) as stage:
        plan = Plan(random.randrange(10**6) if seed is None else seed, stage.rows, kills)
        rehearsal = Rehearsal(stage, relay, plan)
        with desk.progress(_("Rehearsing"), stage.rows) as update:
            rehearsal.run(update)
        judged = rehearsal.judgement()
        if as_json:
            desk.print_json(for_machines(stage, plan, rehearsal.course, judged))
        else:
            _show(desk, figures(stage, plan, rehearsal.course, judged), promises(judged), plan.seed, kept=judged.kept)
    raise click.exceptions.Exit(OK if judged.kept else FAILED)


def _show(desk: Desk, numbers: list[tuple[str, str]], marks: list[tuple[str, str, str]], seed: int, *, kept: bool) -> None:
    desk.table(("", ""), numbers, "")
    desk.say("")
    desk.table(("", "", _("promise")), marks, "")
    desk.say("")
    if kept:
        desk.say("✓ " + _("Every promise was kept. Nobody was mailed, and the ledger is as it was. The same plan again: --seed %(seed)s", seed=seed))
    else:
        desk.warn("✗ " + _("A promise was broken. Nobody was mailed, and the ledger is as it was. The same plan again: --seed %(seed)s", seed=seed))


@contextmanager
def _ends_on_sigterm() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does: what was made for the rehearsal is taken away."""
    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
