"""Reasons are stored as a code and values, and become a sentence in the language of whoever looks."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from publisher.i18n import N_, _

_SENTENCES = {
    "told": N_("told in issue %(number)s"),
    "told_today": N_("told in today's issue (%(number)s)"),
    "told_yesterday": N_("told in yesterday's issue (%(number)s)"),
    "told_elsewhere": N_("the same story was told in issue %(number)s: %(headline)s"),
    "duplicate": N_("the same story as “%(headline)s”, which is told instead"),
    "duplicate_waits": N_("the same story as “%(headline)s”, and waits with it"),
    "waits_room": N_("no room in this issue (at most %(max)s); it waits until %(until)s"),
    "waits_section": N_("the section “%(section)s” is full (at most %(max)s); it waits until %(until)s"),
    "waited_too_long": N_("it has waited for longer than %(span)s"),
    "outside_window": N_("older than the window of this newsletter (%(window)s)"),
    "section_not_taken": N_("the section “%(section)s” is not part of this newsletter"),
    "no_section": N_("it has no section, and this newsletter takes named sections only"),
    "tags_missing": N_("it has none of the tags %(tags)s"),
    "tag_excluded": N_("the tag “%(tag)s” is left out of this newsletter"),
    "language": N_("its language (%(language)s) is not one of this newsletter"),
    "too_few": N_("only %(found)s stories, and an issue needs %(min)s; it waits"),
    "not_looked": N_("it waits for the next issue"),
    "inbox": N_("it waits in the inbox for an editor"),
    "rejected": N_("an editor said no"),
    "archive": N_("it was old when its source was first read"),
    "withdrawn": N_("its file no longer holds it"),
    "slot_too_few": N_("skipped: only %(found)s stories, and an issue needs %(min)s"),
    "slot_late": N_("held: missed by %(late)s, more than the grace of %(grace)s"),
    "slot_claimed": N_("held: the database was restored or moved, and does not know what left meanwhile"),
    "slot_superseded": N_("skipped: a later moment of the timetable had come as well"),
    "slot_refused": N_("held: %(why)s"),
    "digest_no_readers": N_("nobody takes this digest"),
    "digest_nothing_new": N_("nothing was told since the last one that its readers have not had"),
    "slot_no_readers": N_("skipped: nobody takes this digest"),
    "slot_nothing_new": N_("skipped: nothing was told since the last one that its readers have not had"),
    "slot_paused": N_("skipped: the newsletter is paused"),
    # Alerts to the operator (notices.py, write_alert): `share` and `limit` are written as people read them, such as 6.2 %.
    "bounces_high": N_("Issue %(number)s of %(newsletter)s was paused: %(share)s of its mails came back (limit %(limit)s)."),
    "complaints_high": N_("Issue %(number)s of %(newsletter)s was paused: %(share)s of its readers complained (limit %(limit)s)."),
    "blocked_high": N_("%(share)s of the mails of issue %(number)s of %(newsletter)s were refused as spam or for our sender records"
                       " (limit %(limit)s). Nothing was paused, and no reader was given up."),
    "relay_refuses": N_("Issue %(number)s of %(newsletter)s was paused: the relay %(relay)s took none of its last mails: %(said)s"),
    "canary_held": N_("Issue %(number)s of %(newsletter)s was paused after its first %(mails)s mails: %(share)s came back or were complained about"
                      " (limit %(limit)s)."),
}
# Those with which an issue is paused by itself.
PAUSES = ("bounces_high", "complaints_high", "canary_held", "relay_refuses")


def sentence(reason: Mapping[str, Any], today: date) -> str:
    """The reason as a sentence in the current language, seen from `today` in the newsletter's zone."""
    code, values = reason["code"], {key: value for key, value in reason.items() if key != "code"}
    if code == "told" and values.get("day"):
        day = date.fromisoformat(values["day"])
        code = {today: "told_today", today - timedelta(days=1): "told_yesterday"}.get(day, code)
    return _(_SENTENCES[code], **values) if code in _SENTENCES else code
