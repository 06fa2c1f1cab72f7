"""`publisher subscribers`, the readers' rights: what is known of somebody, forgetting them, never mailing them again, what they chose."""

import json
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from publisher.cli.frame import Desk, examples, json_option, pass_desk, yes_option
from publisher.cli.subscribers import subscribers
from publisher.errors import BadInput, PublisherError
from publisher.i18n import N_, _
from publisher.settings import Settings
from publisher.text.clean import clean_line
from subscribers.addresses import Address, NotAnAddress, parse_address
from subscribers.consent import Evidence
from subscribers.models import RHYTHMS, Subscriber, Suppression
from subscribers.registry.erasure import erase, everything_known, settle_files
from subscribers.registry.lists import list_id
from subscribers.registry.people import rename
from subscribers.registry.preferences import Preferences, read_preferences, set_preferences
from subscribers.registry.retention import sweep
from subscribers.registry.suppressions import LONGEST_REASON, lift, suppress

# What stands in the consent ledger, for the catalogue.
_ACTIONS = (N_("asked"), N_("confirmed"), N_("imported"), N_("added"), N_("rejoined"), N_("undone"), N_("changed"), N_("lifted"), N_("left"),
            N_("removed"), N_("complained"), N_("bounced"), N_("erased"))
_DOORS = (N_("web"), N_("embed"), N_("mail"), N_("one-click"), N_("command"), N_("import"), N_("provider"))
_WORDS = (N_("each"), N_("daily"), N_("weekly"))
_ANY = "any"
_ALL = "all"


@subscribers.command("show", help=_("Show one reader: lists, choices, and how they agreed.") + "\n\n" + examples(
    "publisher subscribers show hanako@example.jp", "publisher subscribers show hanako@example.jp --json"))
@click.argument("address", metavar="ADDRESS")
@json_option
@pass_desk
def show_subscriber(desk: Desk, address: str, as_json: bool) -> None:
    """What an editor needs to answer a reader's letter; `data` has all of it."""
    known = _known(desk, address)
    if as_json:
        desk.print_json({name: known[name] for name in ("address", "known", "name", "language", "timezone", "created_at", "suppressions",
                                                         "lists", "consents") if name in known})
        return
    desk.say(" · ".join(str(part) for part in (known["address"], known.get("name"), known.get("timezone"), known.get("language")) if part))
    for one in known["suppressions"]:
        desk.say("✗ " + _("never mailed again since %(day)s: %(reason)s", day=_day(desk, one["at"]), reason=one["reason"]))
    if not known["known"]:
        desk.say(_("Nothing else is known of this address."))
        return
    desk.table((_("list"), _("state"), _("since"), _("rhythm"), _("sections"), _("hour")), [
        (one["list"], _(one["state"]), _day(desk, _since(one)), _(one["rhythm"]), ", ".join(one["sections"] or [_("all")]), one["hour"])
        for one in known["lists"]], _("On no list."))
    desk.say("")
    desk.table((_("when"), _("list"), _("what"), _("door"), _("how")), [
        (_day(desk, one["at"]), one["list"] or _("all lists"), _(one["action"]), _(one["door"]) if one["door"] else None,
         one["wording"] or (one["shown"] or {}).get("text"))
        for one in known["consents"]], _("There is no record of consent."))


def _since(one: dict[str, Any]) -> str:
    return {"subscribed": one["confirmed_at"], "left": one["left_at"]}.get(one["state"]) or one["created_at"]


def _day(desk: Desk, moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(desk.settings.site.timezone)).strftime("%Y-%m-%d %H:%M")


@subscribers.command("data", help=_("Everything that is known of one reader, as JSON: for the reader, who has a right to it.") + "\n\n" + examples(
    "publisher subscribers data hanako@example.jp", "publisher subscribers data hanako@example.jp --output hanako.json"))
@click.argument("address", metavar="ADDRESS")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help=_("Write it to this new file, which only you can read."))
@pass_desk
def data_of_subscriber(desk: Desk, address: str, output: Path | None) -> None:
    """Print or write the record of one person."""
    known = _known(desk, address)
    if output is None:
        desk.print_json(known)
        return
    try:
        with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(json.dumps(known, ensure_ascii=False, indent=2) + "\n")
    except FileExistsError:
        raise BadInput(str(output), _("is there already"), remedy=_("name a new file")) from None
    desk.say("✓ " + _("Written: %(file)s", file=output))


@subscribers.command("erase", help=_(
    "Forget a reader: address, name and memberships go; a keyed hash stays, so that the address is never mailed again by an import.")
    + "\n\n" + examples("publisher subscribers erase hanako@example.jp"))
@click.argument("address", metavar="ADDRESS")
@yes_option
@pass_desk
def erase_subscriber(desk: Desk, address: str, yes: bool) -> None:
    """Erase, after asking: nothing brings it back."""
    found = _address(address)
    with desk.database.reading() as session:
        there = session.scalar(select(Subscriber.id).where(Subscriber.address_key == found.key)) is not None
    if there:
        desk.confirm(_("Erase everything known of %(address)s? Nothing brings it back.", address=found.typed), yes=yes)
    if not erase(desk.database, desk.keys, found, desk.now()):
        desk.say("✓ " + _("Nothing is known of %(address)s.", address=found.typed))
        return
    desk.say("✓ " + _("Erased: %(address)s. It stays suppressed by a keyed hash.", address=found.typed))
    if not desk.database.is_sqlite:
        desk.say(_("PostgreSQL keeps the deleted rows until VACUUM has passed, and backups until they turn over."))
    elif not settle_files(desk.database):
        desk.warn(_("The log of changes beside the database is in use and still holds the address; the service clears it within a day."))


@subscribers.command("suppress", help=_("Never mail an address again, whatever happens; it leaves every list.") + "\n\n" + examples(
    "publisher subscribers suppress hanako@example.jp --reason \"asked by telephone\""))
@click.argument("address", metavar="ADDRESS")
@click.option("--reason", required=True, metavar="TEXT", help=_("Why, in a few words; kept without the address."))
@pass_desk
def suppress_address(desk: Desk, address: str, reason: str) -> None:
    """Suppress by hand."""
    found, why = _address(address), " ".join(reason.split())
    if not why or len(why) > LONGEST_REASON:
        raise PublisherError(_("the reason needs 1 to %(most)s characters", most=LONGEST_REASON))
    suppress(desk.database, desk.keys, found, why, desk.now())
    desk.say("✓ " + _("Never mailed again: %(address)s", address=found.typed))


@subscribers.command("lift", help=_("Lift a suppression. The address is on no list by that: its owner has to join again.") + "\n\n" + examples(
    "publisher subscribers lift hanako@example.jp --why \"wrote that the mailbox works again\""))
@click.argument("address", metavar="ADDRESS")
@click.option("--why", required=True, metavar="TEXT", help=_("Why it may be mailed again; kept with the reader's record."))
@pass_desk
def lift_suppression(desk: Desk, address: str, why: str) -> None:
    """Lift, and say what that does not do."""
    found = _address(address)
    if not why.strip():
        raise PublisherError(_("say why the address may be mailed again"))
    if not lift(desk.database, desk.keys, found, " ".join(why.split()), desk.now()):
        desk.say("✓ " + _("Not suppressed: %(address)s", address=found.typed))
        return
    desk.say("✓ " + _("Lifted: %(address)s. It is on no list: it can join again, and nobody is put back.", address=found.typed))


@subscribers.command("suppressed", help=_("How many addresses are never mailed again, and why.") + "\n\n" + examples(
    "publisher subscribers suppressed", "publisher subscribers suppressed --json"))
@json_option
@pass_desk
def list_suppressed(desk: Desk, as_json: bool) -> None:
    """Reasons, numbers and days; the addresses themselves are not known."""
    with desk.database.reading() as session:
        rows = [(reason, count, first, last) for reason, count, first, last in session.execute(
            select(Suppression.reason, func.count(), func.min(Suppression.at), func.max(Suppression.at))
            .group_by(Suppression.reason).order_by(func.count().desc(), Suppression.reason))]
    if as_json:
        desk.print_json([{"reason": reason, "count": count, "first": first, "last": last} for reason, count, first, last in rows])
        return
    desk.table((_("reason"), _("addresses"), _("first"), _("last")),
               [(reason, count, *(_day(desk, moment.isoformat()) for moment in (first, last))) for reason, count, first, last in rows],
               _("Nobody is suppressed."))
    if rows:
        desk.say(_("Which addresses these are is not stored, only a keyed hash of each. Ask for one with: publisher subscribers show ADDRESS"))


@subscribers.command("prefer", help=_("Keep what a reader chose: how often, which sections, at which hour.") + "\n\n" + examples(
    "publisher subscribers prefer hanako@example.jp --list daily --rhythm weekly",
    "publisher subscribers prefer hanako@example.jp --list daily --sections \"Research, Products\" --hour 7 --zone Asia/Tokyo",
    "publisher subscribers prefer hanako@example.jp --list daily --sections all --hour any"))
@click.argument("address", metavar="ADDRESS")
@click.option("--list", "list_name", required=True, metavar="NAME", help=_("The list it is about."))
@click.option("--rhythm", type=click.Choice(RHYTHMS), help=_("How often: each issue, a daily digest, a weekly digest."))
@click.option("--sections", metavar="NAMES", help=_("Sections with commas between them, or all."))
@click.option("--hour", metavar="HOUR", help=_("Not before this hour of the reader's day (0 to 23), or any."))
@click.option("--zone", metavar="ZONE", help=_("The zone of that hour, such as Asia/Tokyo, or any for the newsletter's."))
@json_option
@pass_desk
def prefer(desk: Desk, address: str, list_name: str, rhythm: str | None, sections: str | None, hour: str | None, zone: str | None,
           as_json: bool) -> None:
    """Change what was named, and keep the rest."""
    found = _address(address)
    with desk.database.reading() as session:
        wanted_list = list_id(session, list_name)
        reader, before = _chosen(session, found, wanted_list)
    wanted = Preferences(rhythm or before.rhythm, _sections(desk.settings, list_name, sections, before.sections), _hour(hour, before.hour),
                         before.timezone if zone is None else None if zone == _ANY else zone, before.language)
    changed = set_preferences(desk.database, wanted_list, reader, wanted, Evidence("command", "publisher subscribers prefer"), desk.now())
    if as_json:
        desk.print_json(asdict(wanted) | {"changed": changed})
        return
    desk.say("✓ " + (_("Kept for %(address)s.", address=found.typed) if changed else _("Nothing to change for %(address)s.", address=found.typed)))


@subscribers.command("rename", help=_("Correct what a reader is called; without a name it is forgotten.") + "\n\n" + examples(
    "publisher subscribers rename hanako@example.jp \"山田 花子\"", "publisher subscribers rename hanako@example.jp"))
@click.argument("address", metavar="ADDRESS")
@click.argument("name", required=False, metavar="NAME")
@pass_desk
def rename_subscriber(desk: Desk, address: str, name: str | None) -> None:
    """A reader's right to be called by their name."""
    found = _address(address)
    if not rename(desk.database, found, clean_line(name or "") or None):
        raise PublisherError(_("%(address)s is on no list", address=found.typed), remedy=_("look with: publisher subscribers list"))
    desk.say("✓ " + _("Kept for %(address)s.", address=found.typed))


def _chosen(session: Session, address: Address, wanted_list: int) -> tuple[int, Preferences]:
    """The reader's number and what they chose so far. Raises PublisherError for somebody who is not on the list."""
    reader = session.scalar(select(Subscriber.id).where(Subscriber.address_key == address.key))
    chosen = read_preferences(session, wanted_list, reader) if reader is not None else None
    if reader is None or chosen is None:
        raise PublisherError(_("%(address)s is not on this list", address=address.typed), remedy=_("look with: publisher subscribers list"))
    return reader, chosen


def _sections(settings: Settings, list_name: str, given: str | None, before: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if given is None:
        return before
    if given.strip() == _ALL:
        return None
    wanted = tuple(name.strip() for name in given.replace("、", ",").split(",") if name.strip())
    known = list(dict.fromkeys(section.name for newsletter in settings.newsletters_of(list_name) for section in newsletter.sections))
    strange = [name for name in wanted if known and name not in known]
    if strange:
        raise PublisherError(_("there is no section %(name)s", name=strange[0]), remedy=_("known: %(names)s", names=", ".join(known)))
    return wanted


def _hour(given: str | None, before: int | None) -> int | None:
    if given is None:
        return before
    if given == _ANY:
        return None
    if not (given.isascii() and given.isdigit()):
        raise PublisherError(_("“%(value)s” is no hour of the day", value=given), remedy=_("a whole number from 0 to 23"))
    return int(given)


@subscribers.command("sweep", help=_("Apply the retention rules of publisher.toml now; the service does it once a day.") + "\n\n" + examples(
    "publisher subscribers sweep", "publisher subscribers sweep --json"))
@json_option
@pass_desk
def sweep_now(desk: Desk, as_json: bool) -> None:
    """Delete what is kept longer than it may be."""
    swept = sweep(desk.database, desk.settings, desk.now())
    if as_json:
        desk.print_json(asdict(swept))
        return
    names = {"requests": _("requests to join"), "subscriptions": _("unconfirmed memberships"), "people": _("people on no list"),
             "consents": _("rows of consent"), "notices": _("mails that were no issue"), "events": _("events"), "received": _("mails received"),
             "scores": _("bounce scores")}
    parts = [f"{names[name]}: {number}" for name, number in asdict(swept).items() if number]
    desk.say("✓ " + (" · ".join(parts) if parts else _("Nothing is older than it may be.")))


def _known(desk: Desk, address: str) -> dict[str, Any]:
    with desk.database.reading() as session:
        return everything_known(session, desk.keys, _address(address))


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except NotAnAddress as error:
        raise BadInput(text, _(str(error))) from None
