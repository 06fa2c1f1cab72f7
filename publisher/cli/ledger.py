"""`publisher ledger`: which story was told where and when, which waits, and why that one was passed over."""

from typing import Any

import click

from publisher.cli.frame import Desk, examples, json_option, pass_desk
from publisher.clock import local_date
from publisher.deliver.ledger import Entry, Told, entries
from publisher.i18n import _
from publisher.reasons import sentence


@click.command(help=_("Show which story was told where and when, which waits, and which was passed over and why.") + "\n\n" + examples(
    "publisher ledger", "publisher ledger --story 12", "publisher ledger --issue 3 --json", "publisher ledger --account x-main"))
@click.option("--story", type=int, metavar="ID", help=_("One story."))
@click.option("--issue", type=int, metavar="ID", help=_("The stories of one issue."))
@click.option("--account", metavar="NAME", help=_("What one social account told."))
@json_option
@pass_desk
def ledger(desk: Desk, story: int | None, issue: int | None, account: str | None, as_json: bool) -> None:
    """Print the ledger."""
    today = local_date(desk.now(), desk.settings.site.timezone)
    with desk.database.reading() as session:
        found = list(entries(session, story_id=story, issue_id=issue, account=account))
    if as_json:
        desk.print_json([_json(entry, today) for entry in found])
        return
    rows = []
    for entry in found:
        for told in entry.told:
            rows.append((entry.story_id, entry.headline, "✓ " + _told(told) if told.told_at else "… " + _told(told)))
        for untold in entry.untold:
            target = f"{untold.target}: " if untold.target else ""
            rows.append((entry.story_id, entry.headline, ("… " if untold.waits else "– ") + target + sentence(untold.reason, today)))
    desk.table((_("id"), _("headline"), _("told, or why not")), rows, _("The ledger is empty: no story has been read yet."))


def _told(told: Told) -> str:
    moment = told.told_at.isoformat(timespec="minutes") if told.told_at else ""
    if told.post_id is not None:
        return " ".join(part for part in (told.target, _(told.state), moment, told.permalink or "") if part)
    return _("%(target)s, issue %(number)s (%(state)s) %(moment)s, %(n)s mails accepted",
             target=told.target, number=told.number, state=_(told.state), moment=moment, n=told.message_ids)


def _json(entry: Entry, today: Any) -> dict[str, Any]:
    return {
        "story": entry.story_id, "headline": entry.headline, "status": entry.status,
        "told": [{"target": told.target, "issue": told.issue_id, "number": told.number, "post": told.post_id, "told_at": told.told_at,
                  "state": told.state, "permalink": told.permalink, "message_ids": told.message_ids} for told in entry.told],
        "waiting": [{"target": one.target, "reason": sentence(one.reason, today), "code": one.reason["code"]} for one in entry.untold if one.waits],
        "passed_over": [{"target": one.target, "reason": sentence(one.reason, today), "code": one.reason["code"]}
                        for one in entry.untold if not one.waits]}
