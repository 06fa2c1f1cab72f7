"""`publisher relays`: what each relay was given today, who asked for a rest, and an operator's word that it is over."""

from dataclasses import asdict
from datetime import datetime

import click

from publisher.cli.frame import Desk, examples, json_option, pass_desk
from publisher.deliver.dispatch.overview import ReceiversStanding, RelayStanding, resume, standings
from publisher.i18n import _, ngettext


@click.group(invoke_without_command=True, help=_("See the relays, and let one that rests go on.") + "\n\n" + examples(
    "publisher relays", "publisher relays resume ses"))
@click.pass_context
def relays(ctx: click.Context) -> None:
    """The noun; alone it lists."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_relays, as_json=False)


@relays.command("list", help=_("Show each relay: what it was given today, what it may be given, who asked for a rest.") + "\n\n" + examples(
    "publisher relays list", "publisher relays list --json"))
@json_option
@pass_desk
def list_relays(desk: Desk, as_json: bool) -> None:
    """Print the relays of publisher.toml in their order, then the receivers that are slowed."""
    found, receivers = standings(desk.database, desk.settings, desk.now())
    if as_json:
        desk.print_json({"relays": [asdict(one) for one in found], "receivers": [asdict(one) for one in receivers]})
        return
    desk.table((_("relay"), _("where"), _("given today"), _("allowed today"), _("past"), _("connections"), _("rests until")),
               [(relay.name, _where(relay), f"{relay.given:,}", _("no limit") if relay.allowance is None else f"{relay.allowance:,}", _past(relay),
                 relay.connections, _until(relay.paused_until)) for relay in found],
               _("There is no relay."))
    slowed: list[RelayStanding | ReceiversStanding] = [*found, *receivers]
    for one in slowed:
        if one.reason:
            desk.say(_slowed(one))


def _where(one: RelayStanding) -> str:
    return one.place if one.kind == "smtp" else f"{one.kind} {one.place}"


def _past(one: RelayStanding) -> str:
    if not one.days:
        return _("none")
    return ngettext("%(n)s day, at most %(best)s", "%(n)s days, at most %(best)s", one.days, best=f"{one.best:,}")


def _until(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "–"


def _slowed(one: RelayStanding | ReceiversStanding) -> str:
    most = one.connections if isinstance(one, RelayStanding) else one.at_once
    if one.paused_until is not None:
        return "… " + _("%(name)s rests until %(until)s: %(said)s", name=one.name, until=_until(one.paused_until), said=one.reason)
    return "… " + _("%(name)s is slowed, %(most)s at once: %(said)s", name=one.name, most=most, said=one.reason)


@relays.command("resume", help=_("End the rest that a relay or receivers asked for; the mails that waited are due at once.") + "\n\n" + examples(
    "publisher relays resume ses", "publisher relays resume gmail.com"))
@click.argument("name", metavar="NAME")
@pass_desk
def resume_relay(desk: Desk, name: str) -> None:
    """An operator knows better."""
    ended = resume(desk.database, desk.settings, name, desk.now())
    desk.say("✓ " + _("%(names)s: the rest is over.", names=", ".join(ended)))
