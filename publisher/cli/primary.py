"""`publisher primary`: whether this database is the one that sends, and an operator's word that it is."""

import os
import pwd

import click

from publisher.cli.frame import FAILED, OK, Desk, examples, json_option, pass_desk, yes_option
from publisher.i18n import N_, _, ngettext
from publisher.primary import Claimed, ClockBack, Fenced, Standing, claim_primary, look
from publisher.timetable import hold_passed
from publisher.whereabouts import Place

# The parts of a place, as people read them.
_PARTS = {"file": N_("file number"), "handle": N_("file handle"), "machine": N_("machine"), "system": N_("server"), "timeline": N_("timeline"),
          "database": N_("database number")}


@click.group(help=_("See whether this database is the one that sends, and say that it is."))
def primary() -> None:
    """The noun."""


@primary.command(help=_("Say whether this database may send, since when, and where it lives.") + "\n\n" + examples(
    "publisher primary show", "publisher primary show --json"))
@json_option
@pass_desk
def show(desk: Desk, as_json: bool) -> None:
    """Print it; leaves with 1 when nothing may be sent."""
    found = look(desk.database, desk.settings)
    refusal = found.refusal(desk.now())
    if as_json:
        desk.print_json(_json(found, refusal))
    else:
        _say(desk, found, refusal)
    raise click.exceptions.Exit(OK if refusal is None else FAILED)


def _json(found: Standing, refusal: Fenced | ClockBack | None) -> dict[str, object]:
    row = found.row
    return {"primary": found.why is None, "sends": refusal is None, "found": found.why, "reason": refusal.reason if refusal else None,
            "remedy": refusal.remedy if refusal else None, "since": row.since if row else None, "claimed_by": row.by or None if row else None,
            "last_sent_at": found.sent_at, "latest_moment": found.latest, "place": dict(row.place) if row else None, "place_now": dict(found.here)}


def _say(desk: Desk, found: Standing, refusal: Fenced | ClockBack | None) -> None:
    row = found.row
    if refusal is not None:
        desk.say(f"✗ {refusal}")
    elif row is None:
        desk.say("✓ " + _("Nothing was sent yet: this database becomes the one that sends with its first mail."))
    else:
        desk.say("✓ " + _("This database is the one that sends."))
    if row is not None and row.by:
        desk.say(_("Claimed by %(by)s at %(at)s", by=row.by, at=row.since[:16].replace("T", " ") + " UTC"))
    elif row is not None:
        desk.say(_("Since %(at)s", at=row.since[:16].replace("T", " ") + " UTC"))
    if row is not None and found.sent_at is not None:
        desk.say(_("Last sent at %(at)s", at=f"{found.sent_at:%Y-%m-%d %H:%M} UTC"))
        desk.say(_("It sent from: %(place)s", place=_words(row.place)))
    desk.say(_("It is at: %(place)s", place=_words(found.here)))


def _words(place: Place) -> str:
    kind = "PostgreSQL" if place.get("kind") == "postgresql" else "SQLite"
    return ", ".join([kind, *(f"{_(name)} {place[part]}" for part, name in _PARTS.items() if part in place)])


@primary.command(help=_(
    "Say that this database is the one that sends: after a restored backup, a move to another machine, a copy. What was on its way is held for you.")
    + "\n\n" + examples("publisher primary claim", "publisher primary claim --yes", "publisher primary claim --restored"))
@click.option("--restored", is_flag=True, help=_("Hold what was on its way although nothing shows a restore: after a snapshot of the whole machine."))
@yes_option
@json_option
@pass_desk
def claim(desk: Desk, restored: bool, yes: bool, as_json: bool) -> None:
    """Ask, hold, claim."""
    found, now = look(desk.database, desk.settings), desk.now()
    refusal = found.refusal(now)
    if not as_json:
        desk.say(_("This database is the one that sends.") if refusal is None else f"! {refusal.reason}")
    if refusal is not None or restored:
        desk.confirm(_("Is every other copy of it stopped for good, and is this the one that is to send?"), yes=yes)
    held = hold_passed(desk.database, desk.settings, now) if found.why is not None or restored else 0
    claimed = claim_primary(desk.database, desk.settings, now, _user(), restored=restored)
    if as_json:
        desk.print_json({"found": claimed.found, "paused_issues": list(claimed.issues), "unknown_mails": claimed.mails,
                         "posts_to_look_for": claimed.posts, "held_moments": claimed.slots + held})
        return
    desk.say("✓ " + _("Claimed: it sends from here."))
    _say_what_is_left(desk, claimed, held)


def _say_what_is_left(desk: Desk, claimed: Claimed, held: int) -> None:
    """What a person has to decide now."""
    for issue_id in claimed.issues:
        desk.warn("! " + _("Issue %(id)s was being sent and is paused: its readers may have it already. Look: publisher issues show %(id)s; "
                           "send it to everybody not known to have it: publisher issues resume %(id)s; to nobody else: "
                           "publisher issues cancel %(id)s", id=issue_id))
    if claimed.mails:
        desk.warn("! " + ngettext("%(n)s mail was on the wire and is unknown: publisher issues unknown ID",
                                  "%(n)s mails were on the wire and are unknown: publisher issues unknown ID", claimed.mails))
    if claimed.posts:
        desk.warn("… " + ngettext("%(n)s post is looked for on its network before it is made.",
                                  "%(n)s posts are looked for on their networks before they are made.", claimed.posts))
    if claimed.slots + held:
        desk.warn("! " + ngettext("%(n)s moment of the timetable is held: publisher issues list",
                                  "%(n)s moments of the timetable are held: publisher issues list", claimed.slots + held))


def _user() -> str:
    """Who is at the keyboard; in a container the number may be all there is."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
