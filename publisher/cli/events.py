"""`publisher events`: what came back after sending. Readers stand in it by number only."""

import json
from collections.abc import Iterable, Iterator
from typing import get_args

import click
from sqlalchemy import select

from publisher.cli.frame import Desk, examples, json_option, pass_desk
from publisher.i18n import N_, _
from publisher.models_mail import Event
from publisher.track.report import Kind

_WORDS = (N_("bounce"), N_("complaint"), N_("delay"), N_("other"), N_("hard"), N_("soft"), N_("blocked"))
_SHOWN = 200


@click.group(help=_("See what came back: bounces, complaints, delays."))
def events() -> None:
    """The noun."""


@events.command("list", help=_("List what came back, the newest first.") + "\n\n" + examples(
    "publisher events list", "publisher events list --issue 12 --kind bounce", "publisher events list --json"))
@click.option("--issue", "issue_id", type=int, metavar="ID", help=_("Only of this issue."))
@click.option("--kind", type=click.Choice(get_args(Kind)), help=_("Only of this kind."))
@json_option
@pass_desk
def list_events(desk: Desk, issue_id: int | None, kind: str | None, as_json: bool) -> None:
    """Print the events; JSON holds them all."""
    query = select(Event).order_by(Event.id.desc())
    if issue_id is not None:
        query = query.where(Event.issue_id == issue_id)
    if kind is not None:
        query = query.where(Event.kind == kind)
    with desk.database.reading() as session:
        if as_json:
            for piece in _json_pieces(session.scalars(query, execution_options={"yield_per": 1000})):
                click.echo(piece, nl=False)
            return
        found = session.scalars(query.limit(_SHOWN + 1)).all()
    desk.table((_("at"), _("kind"), _("issue"), _("reader"), _("source"), _("reason")),
               [(one.at.isoformat(timespec="seconds"), _kind(one), one.issue_id, one.subscriber_id, one.source, one.reason)
                for one in found[:_SHOWN]], _("Nothing came back."))
    if len(found) > _SHOWN:
        desk.say(_("… and more; all of them with --json"))


def _json_pieces(found: Iterable[Event]) -> Iterator[str]:
    """The pieces of one JSON array, whatever its length."""
    before = "[\n"
    for one in found:
        yield before + json.dumps({"at": one.at.isoformat(), "kind": one.kind, "strength": one.strength, "source": one.source, "issue": one.issue_id,
                                   "notice": one.notice_id, "subscriber": one.subscriber_id, "reason": one.reason}, ensure_ascii=False)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _kind(event: Event) -> str:
    return _(event.kind) + (f" · {_(event.strength)}" if event.strength else "")
