"""`publisher dkim`: the key that signs the mails, and the record that the world verifies them by."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from publisher.cli.frame import Desk, examples, json_option, pass_desk
from publisher.deliver.dkim import load_key, make_key, record_name, record_strings, record_value, signing_domain
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.settings_sending import Dkim


@click.group(help=_("Make the key that signs the mails (DKIM), and see the DNS record that belongs to it."))
def dkim() -> None:
    """The noun."""


def _selector(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    try:
        return Dkim(selector=value).selector
    except ValidationError:
        raise click.BadParameter(_("a selector has letters, digits, dots and hyphens only")) from None


def _key_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--selector` and `--key-file`, for a key that publisher.toml does not name yet."""
    command = click.option("--key-file", metavar="FILE",
                           help=_("The private key, seen from the folder of publisher.toml (default: dkim.key_file)."))(command)
    return click.option("--selector", callback=_selector, metavar="NAME", help=_("The name of the key in the DNS (default: dkim.selector)."))(command)


@dkim.command(help=_("Make an RSA key of 2048 bits; print the DNS record to publish and the lines for publisher.toml.") + "\n\n" + _(
    "A key that is there is never replaced: for a new one, name another selector and another file.") + "\n\n" + examples(
    "publisher dkim new", "publisher dkim new --selector p202701 --key-file state/dkim-p202701.pem"))
@_key_options
@pass_desk
def new(desk: Desk, selector: str | None, key_file: str | None) -> None:
    """Make the key. Nothing is signed with it before publisher.toml names its selector."""
    file = key_file or desk.settings.dkim.key_file
    path, domain = desk.settings.place(file), signing_domain(desk.settings)
    selector = _for_a_new_key(desk, selector, path)
    key = make_key(path)
    desk.say("✓ " + _("Made %(path)s, readable by its owner alone: whoever has it can write mails in your name.", path=path))
    _print_record(desk, domain, selector, record_value(key))
    desk.say("\n" + _("When the record can be looked up, add to publisher.toml:"))
    click.echo(f"\n[dkim]\nselector = {json.dumps(selector)}\nkey_file = {json.dumps(file, ensure_ascii=False)}")


@dkim.command(help=_("Print the DNS record of the key again.") + "\n\n" + examples("publisher dkim show", "publisher dkim show --json"))
@_key_options
@json_option
@pass_desk
def show(desk: Desk, selector: str | None, key_file: str | None, as_json: bool) -> None:
    """Print the record; the private key stays where it is."""
    chosen = desk.settings.dkim
    selector = selector or chosen.selector
    if selector is None:
        raise PublisherError(_("dkim.selector is not set"), remedy=_("set it in publisher.toml, or name one with --selector"))
    path = desk.settings.place(key_file or chosen.key_file)
    domain, key = signing_domain(desk.settings), load_key(path)
    value = record_value(key)
    if as_json:
        desk.print_json({"domain": domain, "selector": selector, "key_file": str(path), "bits": key.key_size, "name": record_name(selector, domain),
                         "type": "TXT", "value": value, "strings": record_strings(value)})
        return
    _print_record(desk, domain, selector, value)


def _for_a_new_key(desk: Desk, selector: str | None, path: Path) -> str:
    """The selector given, else the one of the settings where its key is not there yet, else the month.

    Raises PublisherError for the selector of a key that is in use.
    """
    chosen = desk.settings.dkim
    used = desk.settings.place(chosen.key_file)
    taken = chosen.selector if used.exists() else None
    selector = selector or (None if taken else chosen.selector) or f"p{desk.now():%Y%m}"
    if selector == taken and path != used:
        raise PublisherError(_("the selector %(selector)s belongs to the key %(path)s", selector=selector, path=chosen.key_file),
                             remedy=_("mails signed by that key are still on their way: name another with --selector"))
    return selector


def _print_record(desk: Desk, domain: str, selector: str, value: str) -> None:
    """The record as a zone file has it and in one piece. Not through the console, which would break its lines."""
    desk.say(_("The record to publish in the DNS of %(domain)s:", domain=domain))
    strings = "\n  ".join(f'"{string}"' for string in record_strings(value))
    click.echo(f"\n{record_name(selector, domain)}. 3600 IN TXT (\n  {strings} )")
    desk.say("\n" + _("The same where a form asks for name, type and value:"))
    click.echo(f"\n{record_name(selector, domain)}\nTXT\n{value}")
