"""`publisher issues unknown`: mails whose answer was lost, and a person's word about them."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice

import click
from sqlalchemy import select

from publisher.cli.frame import Desk, examples, json_option, pass_desk, yes_option
from publisher.cli.issues import issues
from publisher.cli.sending import issue_or_error
from publisher.deliver.unknowns import Unknown, accept, count_unknown, resend, unknown_mails
from publisher.errors import BadInput, PublisherError
from publisher.i18n import _, ngettext
from subscribers.addresses import NotAnAddress, masked, parse_address
from subscribers.models import Subscriber

_SHOWN = 200


@issues.command("unknown", help=_(
    "List the mails of which nobody knows whether they left, and settle them: --resend sends them again with the same Message-ID, --accept counts "
    "them as sent.") + "\n\n" + examples(
    "publisher issues unknown 12", "publisher issues unknown 12 --resend", "publisher issues unknown 12 --accept --reader hanako@example.jp"))
@click.argument("issue_id", type=int, metavar="ID")
@click.option("--resend", "again", is_flag=True, help=_("Send them again."))
@click.option("--accept", "taken", is_flag=True, help=_("Count them as sent."))
@click.option("--reader", metavar="ADDRESS", help=_("Only the mail of this reader."))
@yes_option
@json_option
@pass_desk
def unknown(desk: Desk, issue_id: int, again: bool, taken: bool, reader: str | None, yes: bool, as_json: bool) -> None:
    """List, or settle after asking."""
    issue, _name = issue_or_error(desk, issue_id)
    if again and taken:
        raise PublisherError(_("--resend and --accept exclude each other"), remedy=_("choose one of them"))
    only = _reader_id(desk, reader) if reader else None
    if not again and not taken:
        _list(desk, issue_id, only, as_json=as_json)
        return
    with desk.database.reading() as session:
        number = count_unknown(session, issue_id, only)
    if number:
        desk.confirm(ngettext("Send %(n)s mail again?", "Send %(n)s mails again?", number) if again
                     else ngettext("Count %(n)s mail as sent?", "Count %(n)s mails as sent?", number), yes=yes)
    done = resend(desk.database, issue_id, only) if again else accept(desk.database, issue_id, desk.now(), only)
    if as_json:
        desk.print_json({"issue": issue_id, "resend" if again else "accepted": done})
        return
    desk.say("✓ " + (ngettext("%(n)s mail is queued again.", "%(n)s mails are queued again.", done) if again
                     else ngettext("%(n)s mail counts as sent.", "%(n)s mails count as sent.", done)))
    if again and done:
        desk.say(_("publisher run sends them, or: publisher issues resume %(id)s", id=issue.id))


def _reader_id(desk: Desk, address: str) -> int:
    try:
        key = parse_address(address).key
    except NotAnAddress as error:
        raise BadInput(address, _(str(error))) from None
    with desk.database.reading() as session:
        found = session.scalar(select(Subscriber.id).where(Subscriber.address_key == key))
    if found is None:
        raise PublisherError(_("nobody has the address %(address)s", address=address), remedy=_("look with: publisher subscribers list"))
    return found


def _list(desk: Desk, issue_id: int, only: int | None, *, as_json: bool) -> None:
    """JSON is written as it is read, whatever their number."""
    with desk.database.reading() as session:
        found = unknown_mails(session, issue_id, only)
        if as_json:
            for piece in _pieces(found):
                click.echo(piece, nl=False)
            return
        shown = list(islice(found, _SHOWN))
        more = sum(1 for _one in found)
    desk.table((_("reader"), _("to"), _("since"), _("attempts"), _("reason")),
               [(one.subscriber_id, masked(one.address) if one.address else "–", f"{one.since:%Y-%m-%d %H:%M} UTC" if one.since else "–",
                 one.attempts, one.reason) for one in shown], _("Nothing is unknown: of every mail the outcome is on record."))
    if more:
        desk.say(_("… and %(n)s more; all of them with --json", n=more))
    if shown:
        desk.say(_("They arrived? publisher issues unknown %(id)s --accept. They did not? publisher issues unknown %(id)s --resend", id=issue_id))


def _pieces(found: Iterable[Unknown]) -> Iterator[str]:
    before = "[\n"
    for one in found:
        yield before + json.dumps({"subscriber": one.subscriber_id, "to": masked(one.address) if one.address else None,
                                   "since": one.since.isoformat() if one.since else None, "attempts": one.attempts, "reason": one.reason},
                                  ensure_ascii=False)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"
