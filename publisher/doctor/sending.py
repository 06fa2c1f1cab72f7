"""From where mail leaves, as far as it can be known, and what receivers see of that address: its name, and that the name leads back to it."""

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import dns.reversename
from checkdmarc.utils import get_base_domain

from publisher.doctor.asking import Answer, Names, is_public, unanswered
from publisher.doctor.finding import Finding, doubtful, right, wrong
from publisher.i18n import _
from publisher.settings_sending import Relay, RelayEntry, is_loopback

# Stands in a record where only the operator knows the address.
PLACE = "ADDRESS"
# What each service asks its customers to include (their pages on SPF), by the end of its host's name.
_SERVICES = {"amazonaws.com": "amazonses.com", "mailgun.org": "mailgun.org", "postmarkapp.com": "spf.mtasv.net", "sendgrid.net": "sendgrid.net",
             "gmail.com": "_spf.google.com", "google.com": "_spf.google.com", "office365.com": "spf.protection.outlook.com"}
_PROVIDERS = {"ses": "amazonses.com", "mailgun": "mailgun.org", "postmark": "spf.mtasv.net"}
# RFC 5737 and RFC 3849: addresses of examples. Nothing is sent to them; the machine says which address of its own it would take.
_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


@dataclass(frozen=True, slots=True)
class Origin:
    """From where the mail of one relay leaves.

    `whose`: `machine` (this one, directly), `ours` (a relay in our own domain), `given` (named on the command line), `theirs` (somebody else's relay
    or a provider: its address is its own affair). `terms` let it send, in the words of SPF.
    """

    relay: str
    whose: Literal["machine", "ours", "given", "theirs"]
    addresses: tuple[str, ...]
    terms: tuple[str, ...]

    @property
    def certain(self) -> bool:
        """Whether mail leaves from `addresses` for sure: a relay may take mail at one address and send it from another."""
        return self.whose in ("machine", "given")


def own_addresses() -> tuple[str, ...]:
    """The public addresses that this machine itself speaks from; none behind address translation."""
    found = []
    for family, there in _ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as asked:
                asked.connect((there, 25))
                found.append(str(asked.getsockname()[0]))
        except OSError:
            continue  # no route for that family
    return tuple(address for address in found if is_public(address))


def shown(entry: RelayEntry) -> str:
    """A relay as a person knows it: host and port, or the provider and its place."""
    if entry.kind != "smtp":
        return f"{entry.name} ({entry.url})"
    relay = Relay.parse(entry.url)
    return f"{relay.host}:{relay.port}"


def origin_of(entry: RelayEntry, author: str, names: Names, given: Sequence[str], own: Sequence[str]) -> Origin:
    """From where the mail of `entry` leaves. `author` is the From domain."""
    if entry.kind != "smtp":
        return Origin(shown(entry), "theirs", (), (f"include:{_PROVIDERS[entry.kind]}",))
    host = Relay.parse(entry.url).host
    if is_loopback(host) or given:
        addresses = tuple(given or own)
        return Origin(shown(entry), "given" if given else "machine", addresses,
                      tuple(_term(address) for address in addresses) or (f"ip4:{PLACE}",))
    service = next((name for end, name in _SERVICES.items() if host == end or host.endswith(f".{end}")), None)
    if service:
        return Origin(shown(entry), "theirs", (), (f"include:{service}",))
    if _is_address(host):
        return Origin(shown(entry), "ours", (host,) if is_public(host) else (), (_term(host),))
    if get_base_domain(host) == get_base_domain(author):
        found = tuple(address for address in names.addresses(host).records if is_public(address))
        return Origin(shown(entry), "ours", found, (f"a:{host}",))
    return Origin(shown(entry), "theirs", (), (f"a:{host}",))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _term(address: str) -> str:
    return f"ip{ipaddress.ip_address(address).version}:{address}"


def read_reverse(names: Names, address: str) -> tuple[Answer, dict[str, Answer]]:
    """The names of an address, and the addresses that each of them leads to."""
    reverse = names.names_of(address)
    return reverse, {name: names.addresses(name) for name in reverse.records[:5]}


def judge_reverse(address: str, reverse: Answer, forward: Mapping[str, Answer], host: str, seconds: float) -> Finding:
    """Whether the address has a name that leads back to it: Gmail (4.7.23), Yahoo and iCloud want it. `host` stands in the record to publish."""
    pointer = f"{dns.reversename.from_address(address).to_text()} PTR"
    if not reverse.known:
        return unanswered("ptr-unanswered", _("The name of %(address)s (PTR)", address=address), reverse, seconds)
    if reverse.state != "found":
        return wrong("ptr-absent", _("%(address)s, from which mail leaves, has no name (PTR): Gmail and Yahoo refuse it", address=address),
                     _("whoever gave you the address sets it:"), f"{pointer} {host}.")
    # Compared as addresses: 2001:db8::1 has several spellings.
    wanted = ipaddress.ip_address(address)
    if any(wanted == ipaddress.ip_address(found) for answer in forward.values() for found in answer.records):
        return right("ptr", _("%(address)s is called %(name)s, and that name leads back to it", address=address, name=reverse.records[0]))
    unknown = next((answer for answer in forward.values() if not answer.known), None)
    if unknown:
        return unanswered("ptr-unanswered", _("The name of %(address)s (PTR)", address=address), unknown, seconds)
    name, kind = reverse.records[0], "A" if wanted.version == 4 else "AAAA"
    what = _("%(address)s is called %(name)s, and that name does not lead back to it: Gmail refuses it", address=address, name=name)
    if get_base_domain(name) == get_base_domain(host):
        return wrong("ptr-forward", what, _("publish:"), f"{name}. {kind} {address}")
    return wrong("ptr-forward", what, _("whoever gave you the address sets it:"), f"{pointer} {host}.")


def examine_reverse(names: Names, origin: Origin, author: str) -> list[Finding]:
    """The names of the addresses that the mail of one relay leaves from."""
    if origin.whose == "theirs":
        return [right("ptr-theirs", _("The name of the sending address (PTR) is the affair of %(relay)s", relay=origin.relay))]
    if not origin.addresses:
        if origin.whose == "machine":
            return [doubtful("ptr-unknown",
                             _("Mail leaves from this machine, and its public address is not known here: its name (PTR) was not looked at"),
                             _("name it:"), f"publisher doctor --address {PLACE}")]
        return [doubtful("ptr-unknown", _("The relay %(relay)s has no public address here: the name of the sending address (PTR) was not looked at",
                                          relay=origin.relay), _("name it:"), f"publisher doctor --address {PLACE}")]
    host = f"mail.{author}" if origin.whose in ("machine", "given") else origin.relay.rpartition(":")[0]
    return [judge_reverse(address, *read_reverse(names, address), host if not _is_address(host) else f"mail.{author}", names.seconds)
            for address in origin.addresses]
