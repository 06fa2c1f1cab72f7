"""`publisher mail`: the addresses at which mail comes in, and one mail handed over by a mail server's pipe."""

import sys
from typing import BinaryIO

import click
from sqlalchemy.exc import SQLAlchemyError

from publisher.cli.frame import OK, Desk, examples, json_option, pass_desk
from publisher.errors import PublisherError
from publisher.i18n import N_, _
from subscribers.mailbox.reading import read_headers
from subscribers.mailbox.recipients import addresses

# sysexits.h, as mail servers understand it: refuse for good, or keep and try again.
NO_USER, TRY_AGAIN = 67, 75
_MEANING = {"subscribe": N_("joins; the answer asks to confirm"), "unsubscribe": N_("leaves"), "help": N_("says how to join and leave"),
            "request": N_("takes a command in the subject or in the first lines"), "owner": N_("goes on to a person"),
            "complaint": N_("takes complaint reports of providers")}
# What Postfix writes for the null sender where nobody told it otherwise (pipe(8), null_sender).
_NULL_SENDERS = ("", "<>", "MAILER-DAEMON")
_CHUNK = 65536


@click.group(help=_("See at which addresses mail comes in, and take mail from a mail server."))
def mail() -> None:
    """The noun."""


@mail.command("addresses", help=_("List the addresses at which mail comes in.") + "\n\n" + examples(
    "publisher mail addresses", "publisher mail addresses --json"))
@json_option
@pass_desk
def list_addresses(desk: Desk, as_json: bool) -> None:
    """Print each address and what it does. Those with a token are in the mails themselves."""
    found = addresses(desk.settings)
    if not found:
        raise PublisherError(_("no mail comes in: there is no domain for it"), remedy=_("set inbound.domain, as docs/mailbox.md says"))
    if as_json:
        desk.print_json([{"address": address, "kind": recipient.kind, "list": recipient.list_name or None} for address, recipient in found])
        return
    desk.table([_("Address"), _("List"), _("What it does")],
               [(address, recipient.list_name, _(_MEANING[recipient.kind])) for address, recipient in found], "")


@mail.command(help=_("Take one mail from standard input, for a mail server's pipe.") + "\n\n" + _(
    "Exit codes: 0 taken, 67 no such address, 75 try again later.") + "\n\n" + examples(
    "publisher mail receive --recipient daily-subscribe@lists.example.jp --sender taro@example.jp < mail.eml"))
@click.option("--recipient", required=True, help=_("The recipient of the envelope."))
@click.option("--sender", help=_("The sender of the envelope; empty for a bounce. Default: the header Return-Path."))
@pass_desk
def receive(desk: Desk, recipient: str, sender: str | None) -> None:
    """Deal with one mail. Whatever keeps us from it, the server keeps the mail."""
    try:
        code = _received(desk, recipient, sender, sys.stdin.buffer)
    except (PublisherError, SQLAlchemyError, OSError) as error:
        desk.warn(f"✗ {error if isinstance(error, PublisherError) else type(error).__name__}")
        code = TRY_AGAIN
    raise click.exceptions.Exit(code)


def _received(desk: Desk, recipient: str, sender: str | None, stream: BinaryIO) -> int:
    # A mail in a pipe is one process each: what it does not need it does not load.
    from publisher.logs import configure_logs
    from publisher.mailroom.reception import Reception, TryLater
    from publisher.settings_secrets import relay_secrets
    from publisher.track.inbound import Envelope

    configure_logs()
    reception = Reception(desk.database, desk.settings, desk.keys, relay_secrets(desk.settings), desk.now)
    data = _whole(stream, desk.settings.inbound.largest + 1)
    if not reception.takes(recipient):
        return NO_USER
    if sender is None:
        noted = read_headers(data).all("return-path")
        sender = noted[0].strip() if noted else None
    if sender is not None:
        sender = "" if sender in _NULL_SENDERS else sender.strip("<>")
    try:
        reception.receive(Envelope(sender, recipient), data)
    except TryLater:
        return TRY_AGAIN
    return OK


def _whole(stream: BinaryIO, most: int) -> bytes:
    """The first `most` bytes; the rest is read and dropped, because a server takes an unread pipe for a failure."""
    data = bytearray()
    while chunk := stream.read(_CHUNK):
        data += chunk[:max(0, most - len(data))]
    return bytes(data)
