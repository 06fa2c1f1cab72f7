"""`publisher notices`: look at the mails that are no issue, and send what waits where no service runs."""

from typing import Any

import click
from sqlalchemy import select

from publisher.cli.frame import LEFT_OVER, OK, Desk, examples, json_option, pass_desk
from publisher.i18n import N_, _
from publisher.jobs import send_due_notices
from publisher.models import OUTCOMES
from publisher.models_mail import Notice
from publisher.notices import KINDS
from subscribers.addresses import masked
from subscribers.models import Subscriber

_LISTED = 100
# Kinds, and why there was no mail after all, as people read them.
_WORDS = {"confirm": N_("confirmation"), "already": N_("already subscribed"), "welcome": N_("welcome"), "goodbye": N_("goodbye"),
          "leave": N_("asks whether to leave"), "help": N_("help"), "alert": N_("alert"),
          "gone": N_("the reader is gone"), "suppressed": N_("the address is suppressed"), "left": N_("they have left meanwhile"),
          "expired": N_("the request has expired"), "used": N_("they have confirmed meanwhile")}


@click.group(help=_("Look at confirmations, welcomes and alerts, and send them."))
def notices() -> None:
    """The noun."""


@notices.command("list", help=_("List the mails that are no issue, the newest first.") + "\n\n" + examples(
    "publisher notices list", "publisher notices list --state deferred", "publisher notices list --kind confirm --json"))
@click.option("--kind", type=click.Choice(KINDS), help=_("Only this kind."))
@click.option("--state", type=click.Choice(OUTCOMES), help=_("Only those in this state."))
@click.option("--limit", type=click.IntRange(min=1), default=_LISTED, show_default=True, help=_("At most this many."))
@json_option
@pass_desk
def list_notices(desk: Desk, kind: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """Print the notices; addresses are masked."""
    query = select(Notice, Subscriber.address).outerjoin(Subscriber, Subscriber.id == Notice.subscriber_id).order_by(Notice.id.desc()).limit(limit)
    if kind:
        query = query.where(Notice.kind == kind)
    if state:
        query = query.where(Notice.state == state)
    with desk.database.reading() as session:
        found = [(notice, _to(notice, address)) for notice, address in session.execute(query)]
    if as_json:
        desk.print_json([_json(notice, to) for notice, to in found])
        return
    desk.table(("id", _("kind"), _("to"), _("state"), _("when"), _("reason")),
               [(notice.id, _words(notice.kind), to if to is not None else "–", _(notice.state),
                 f"{notice.settled_at or notice.created_at:%Y-%m-%d %H:%M} UTC", _words(notice.reason))
                for notice, to in found],
               _("No notices yet. They are written when somebody subscribes."))


def _to(notice: Notice, address: str | None) -> str | None:
    if notice.subscriber_id is None:
        return _("the operator")
    return masked(address) if address else None


def _words(code: str | None) -> str:
    """A kind or a reason as people read it; what a relay said stays as it is."""
    return _(_WORDS[code]) if code in _WORDS else code or ""


def _json(notice: Notice, to: str | None) -> dict[str, Any]:
    fields = ("id", "kind", "subscriber_id", "list_id", "request_id", "language", "state", "attempts", "not_before", "created_at", "settled_at",
              "reason")
    return {name: getattr(notice, name) for name in fields} | {"to": to}


@notices.command(help=_("Send what waits now. The service does it within seconds; this is for newsrooms without one.") + "\n\n" + examples(
    "publisher notices send", "publisher notices send --json"))
@json_option
@pass_desk
def send(desk: Desk, as_json: bool) -> None:
    """Send what is due; leaves with 4 when something waits for another try."""
    done = send_due_notices(desk.publisher.press(), desk.now)
    if as_json:
        desk.print_json({state: getattr(done, state) for state in ("accepted", "refused", "deferred", "unknown", "skipped")})
    else:
        desk.say("✓ " + _("Notices: %(accepted)s accepted, %(refused)s refused, %(skipped)s skipped, %(waiting)s waiting", accepted=done.accepted,
                          refused=done.refused, skipped=done.skipped, waiting=done.unfinished))
    raise click.exceptions.Exit(LEFT_OVER if done.unfinished else OK)
