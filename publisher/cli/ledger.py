"""`publisher ledger`: which story was told where and when, which waits, and why that one was passed over."""

from typing import Any
from zoneinfo import ZoneInfo

import click

from publisher.cli.frame import Desk, examples, json_option, pass_desk
from publisher.cli.sending import account_or_error, issue_or_error
from publisher.clock import local_date
from publisher.deliver.ledger import Entry, Told, entries
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.models import Story
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
    _known(desk, story, issue, account)
    today = local_date(desk.now(), desk.settings.site.timezone)
    with desk.database.reading() as session:
        found = list(entries(session, story_id=story, issue_id=issue, account=account))
    if as_json:
        desk.print_json([_json(entry, today) for entry in found])
        return
    rows = []
    for entry in found:
        for told in entry.told:
            rows.append((entry.story_id, entry.headline, ("✓ " if told.told_at else "… ") + _told(told, desk.settings.site.timezone)))
        for untold in entry.untold:
            target = f"{_target(untold.target)}: " if untold.target else ""
            rows.append((entry.story_id, entry.headline, ("… " if untold.waits else "– ") + target + sentence(untold.reason, today)))
    desk.table((_("id"), _("headline"), _("told, or why not")), rows, _("The ledger is empty: no story has been read yet."))


def _known(desk: Desk, story: int | None, issue: int | None, account: str | None) -> None:
    """Refuse a name or number that nothing has: an empty answer would say that it was told nowhere."""
    with desk.database.reading() as session:
        if story is not None and session.get(Story, story) is None:
            raise PublisherError(_("there is no story %(id)s", id=story), remedy=_("look with: publisher stories list"))
    if issue is not None:
        issue_or_error(desk, issue)
    if account is not None:
        account_or_error(desk, account)


def _target(target: str) -> str:
    kind, _space, name = target.partition(" ")
    return _("newsletter %(name)s", name=name) if kind == "newsletter" else _("account %(name)s", name=name)


def _told(told: Told, zone: str) -> str:
    moment = told.told_at.astimezone(ZoneInfo(zone)).isoformat(sep=" ", timespec="minutes") if told.told_at else ""
    if told.post_id is not None:
        return " ".join(part for part in (_target(told.target), _(told.state), moment, told.permalink or "") if part)
    return _("%(target)s, issue %(number)s (%(state)s) %(moment)s, %(n)s mails accepted",
             target=_target(told.target), number=told.number, state=_(told.state), moment=moment, n=told.message_ids)


def _json(entry: Entry, today: Any) -> dict[str, Any]:
    return {
        "story": entry.story_id, "headline": entry.headline, "status": entry.status,
        "told": [{"target": told.target, "issue": told.issue_id, "number": told.number, "post": told.post_id, "told_at": told.told_at,
                  "state": told.state, "permalink": told.permalink, "message_ids": told.message_ids} for told in entry.told],
        "waiting": [{"target": one.target, "reason": sentence(one.reason, today), "code": one.reason["code"]} for one in entry.untold if one.waits],
        "passed_over": [{"target": one.target, "reason": sentence(one.reason, today), "code": one.reason["code"]}
                        for one in entry.untold if not one.waits]}
