"""`publisher doctor`: what receivers look at, looked at first."""

import ipaddress
import logging
import ssl
from collections.abc import Sequence

import click

from publisher.cli.frame import FAILED, OK, Desk, examples, json_option, pass_desk
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.settings_secrets import relay_secrets

_SYMBOLS = {"right": "✓", "doubtful": "!", "wrong": "✗"}
_OF_THE_RELAY = "-"


@click.command(help=_("Look at what receivers look at: SPF, DKIM, DMARC, names, relay, certificates, one-click leaving, clock.") + "\n\n" + _(
    "Nothing is sent. Each line says what is wrong, and the record to publish or the command to run.") + "\n\n" + _(
    "Exit codes: 0 nothing is wrong, 1 something is.") + "\n\n" + examples(
    "publisher doctor", "publisher doctor --address 203.0.113.5 --port25 mx.example.com", "publisher doctor --resolver 9.9.9.9:53 --json"))
@click.option("--resolver", metavar="HOST:PORT", help=_("Ask this name server instead of the machine's own."))
@click.option("--address", "addresses", multiple=True, metavar="IP",
              help=_("The address from which mail leaves, when it is not this machine's own; repeatable."))
@click.option("--port25", metavar="HOST", is_flag=False, flag_value=_OF_THE_RELAY,
              help=_("Try whether port 25 of a host can be reached (without HOST: the relay's)."))
@click.option("--timeout", type=click.FloatRange(min=0.1), default=10.0, show_default=True, metavar="SECONDS", help=_("How long one check may take."))
@json_option
@pass_desk
def doctor(desk: Desk, resolver: str | None, addresses: Sequence[str], port25: str | None, timeout: float, as_json: bool) -> None:
    """Examine, and say of each point whether it is right, what is wrong, and what to publish or run."""
    # The libraries for records and signatures take half a second to load, and no other command needs them.
    from publisher.doctor.examination import Case, checks, examine

    # What they would warn of stands in the report.
    for name in ("checkdmarc", "publisher.deliver.dkim"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    settings = desk.settings
    case = Case(settings, relay_secrets(settings), ssl.create_default_context(), desk.now, timeout, _server(resolver), _addresses(addresses),
                _way_out(desk, port25))
    made = checks(case)
    with desk.progress(_("Looking"), len(made)) as update:
        found = examine(made, timeout, lambda done: update(done, None))
    every = [finding for findings in found for finding in findings]
    if as_json:
        desk.print_json([{"group": check.group, "code": one.code, "state": one.state, "what": one.what, "remedy": one.remedy, "record": one.record}
                         for check, findings in zip(made, found, strict=True) for one in findings])
    else:
        group = ""
        for check, findings in zip(made, found, strict=True):
            if check.group != group:
                desk.say(("\n" if group else "") + _(check.group))
                group = check.group
            for one in findings:
                desk.say(f"{_SYMBOLS[one.state]} {one.what}" + (f" — {one.remedy}" if one.remedy else ""))
                if one.record:
                    click.echo(one.record)  # never broken into lines: it is to be copied
        counted = {state: sum(one.state == state for one in every) for state in _SYMBOLS}
        desk.say("\n" + _("✓ %(right)s right · ! %(doubtful)s to look at · ✗ %(wrong)s wrong", **counted))
    raise click.exceptions.Exit(FAILED if any(one.state == "wrong" for one in every) else OK)


def _server(given: str | None) -> tuple[str, int] | None:
    if given is None:
        return None
    host, colon, port = given.rpartition(":") if not _is_address(given) else (given, ":", "53")
    if not (colon and port.isdigit() and 0 < int(port) < 65536 and _is_address(host.strip("[]"))):
        raise PublisherError(_("%(given)s is no name server such as 127.0.0.1:53", given=given), remedy=_("write its address and port"))
    return host.strip("[]"), int(port)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _addresses(given: Sequence[str]) -> tuple[str, ...]:
    for one in given:
        if not _is_address(one):
            raise PublisherError(_("%(given)s is no address such as 203.0.113.5", given=one))
    return tuple(str(ipaddress.ip_address(one)) for one in given)


def _way_out(desk: Desk, given: str | None) -> tuple[str, int] | None:
    """The host and port to try; with another port than 25 for a host that is told so."""
    from publisher.doctor.examination import relay_host

    if given is None:
        return None
    if given == _OF_THE_RELAY:
        host = relay_host(desk.settings)
        if host is None:
            raise PublisherError(_("no relay of the settings has a host to try port 25 with"), remedy=_("name one: --port25 HOST"))
        return host, 25
    host, colon, port = given.rpartition(":")
    return (host.strip("[]"), int(port)) if colon and port.isdigit() and not _is_address(given) else (given.strip("[]"), 25)
