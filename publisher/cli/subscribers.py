"""`publisher subscribers`: look at readers, add and remove them; files of them are in subscribers_files.py."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice

import click

from publisher.cli.frame import Desk, examples, json_option, pass_desk, yes_option
from publisher.clock import local_date
from publisher.errors import BadInput, PublisherError
from publisher.i18n import N_, _
from publisher.text.clean import clean_line
from subscribers.addresses import Address, NotAnAddress, parse_address
from subscribers.models import SUBSCRIPTION_STATES
from subscribers.registry.enrolment import Person
from subscribers.registry.readers import Reader, add, check_wording, find, readers, remove

for _state in (N_("unconfirmed"), N_("subscribed"), N_("left")):
    assert _state in SUBSCRIPTION_STATES

# More than a person reads; machines take all of them with --json.
_SHOWN = 200


@click.group(help=_("Look at readers, add and remove them."))
def subscribers() -> None:
    """The noun."""


@subscribers.command("list", help=_("List readers by list and address.") + "\n\n" + examples(
    "publisher subscribers list", "publisher subscribers list --list daily --state left", "publisher subscribers list --json"))
@click.option("--list", "list_name", metavar="NAME", help=_("Only this list."))
@click.option("--state", type=click.Choice(SUBSCRIPTION_STATES), help=_("Only readers in this state."))
@json_option
@pass_desk
def list_subscribers(desk: Desk, list_name: str | None, state: str | None, as_json: bool) -> None:
    """Print the readers; JSON is written as it is read, whatever their number."""
    with desk.database.reading() as session:
        found = readers(session, list_name=list_name, state=state)
        if as_json:
            for piece in _json_pieces(found):
                click.echo(piece, nl=False)
            return
        shown = list(islice(found, _SHOWN))
        more = sum(1 for _reader in found)
    desk.table((_("address"), _("name"), _("list"), _("state"), _("since")), [_line(desk, reader) for reader in shown],
               _("No readers here. Import them with: publisher subscribers import readers.csv --list NAME --consent \"how they agreed\""))
    if more:
        desk.say(_("… and %(n)s more; all of them with --json", n=more))


def _line(desk: Desk, reader: Reader) -> tuple[object, ...]:
    since = {"subscribed": reader.confirmed_at, "left": reader.left_at}.get(reader.state) or reader.created_at
    state = _(reader.state) + (" · " + _("never mailed again") if reader.suppressed else "")
    return reader.address, reader.name, reader.list, state, local_date(since, desk.settings.site.timezone)


def _json_pieces(found: Iterator[Reader]) -> Iterator[str]:
    """The pieces of one JSON array."""
    before = "[\n"
    for reader in found:
        moments = {name: moment and moment.isoformat() for name in ("created_at", "confirmed_at", "left_at")
                   for moment in [getattr(reader, name)]}
        yield before + json.dumps(asdict(reader) | moments, ensure_ascii=False)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


@subscribers.command("add", help=_("Add one reader who agreed.") + "\n\n" + examples(
    "publisher subscribers add hanako@example.jp --list daily --name \"山田 花子\" --consent \"asked by telephone\""))
@click.argument("address", metavar="ADDRESS")
@click.option("--list", "list_name", required=True, metavar="NAME", help=_("The list they join."))
@click.option("--name", help=_("What they are called."))
@click.option("--consent", required=True, metavar="TEXT", help=_("How they agreed; it is kept."))
@yes_option
@pass_desk
def add_subscriber(desk: Desk, address: str, list_name: str, name: str | None, consent: str, yes: bool) -> None:
    """Subscribe; ask when the person had left."""
    check_wording(consent)
    person = Person(_address(address), clean_line(name or "") or None)
    with desk.database.reading() as session:
        left = [reader for reader in find(session, person.address) if reader.list == list_name and reader.state == "left"]
    if left:
        desk.confirm(_("%(address)s left this list on %(day)s. Have they asked to come back?", address=person.address.typed,
                       day=local_date(left[0].left_at or left[0].created_at, desk.settings.site.timezone)), yes=yes)
    joined = add(desk.database, desk.keys, person, list_name, consent, desk.now(), rejoin=bool(left))
    if joined == "left":
        desk.confirm(_("A suppression of %(address)s was lifted. Have they asked themselves to be mailed again?", address=person.address.typed),
                     yes=yes)
        joined = add(desk.database, desk.keys, person, list_name, consent, desk.now(), rejoin=True)
    if joined == "suppressed":
        raise PublisherError(_("%(address)s is never mailed again: it bounced, complained, or asked for that", address=person.address.typed))
    done = {"added": _("Added: %(address)s"), "rejoined": _("Back on the list: %(address)s")}
    desk.say("✓ " + done.get(joined, _("Already on the list: %(address)s")) % {"address": person.address.typed})


@subscribers.command("remove", help=_("Take a reader off a list, or off all lists.") + "\n\n" + examples(
    "publisher subscribers remove hanako@example.jp --list daily", "publisher subscribers remove hanako@example.jp --yes"))
@click.argument("address", metavar="ADDRESS")
@click.option("--list", "list_name", metavar="NAME", help=_("Only this list."))
@yes_option
@pass_desk
def remove_subscriber(desk: Desk, address: str, list_name: str | None, yes: bool) -> None:
    """Unsubscribe by hand; the row stays, so that no import brings the reader back."""
    found = _address(address)
    desk.confirm(_("Take %(address)s off %(list)s?", address=found.typed, list=list_name or _("all lists")), yes=yes)
    names = remove(desk.database, found, list_name, "publisher subscribers remove", desk.now())
    if names:
        desk.say("✓ " + _("Removed from %(lists)s: %(address)s", lists=", ".join(names), address=found.typed))
    else:
        desk.say("✓ " + _("Already off: %(address)s", address=found.typed))


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except NotAnAddress as error:
        raise BadInput(text, _(str(error))) from None
