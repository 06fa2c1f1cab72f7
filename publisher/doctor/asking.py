"""Asks the DNS as a receiver does, through the machine's resolver or a named one. An answer is data; it never raises."""

import ipaddress
from dataclasses import dataclass
from typing import Literal

import dns.exception
import dns.nameserver
import dns.rdata
import dns.resolver
import dns.reversename
from checkdmarc.utils import DNS_CACHE

from publisher.doctor.finding import Finding, wrong
from publisher.i18n import _

AnswerState = Literal["found", "empty", "nowhere", "failure", "silent"]
# RFC 6891: room for a key of 2,048 bits in one datagram; DNS Flag Day 2020 chose the size.
_DATAGRAM = 1232


@dataclass(frozen=True, slots=True)
class Answer:
    """What the DNS said. `found`: `records`, texts joined and names without their last dot, in a stable order.

    `empty`: the name is there without such a record; `nowhere`: no such name (NXDOMAIN); `failure`: the servers could not say (SERVFAIL, REFUSED);
    `silent`: no answer in time.
    """

    state: AnswerState
    records: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether the DNS answered, be it that there is nothing."""
        return self.state in ("found", "empty", "nowhere")


class Names:
    """Asks one resolver; each question is given up after `seconds`."""

    def __init__(self, seconds: float, server: tuple[str, int] | None = None) -> None:
        self.seconds = seconds
        # The library's cache outlives us and does not know which server it asked.
        DNS_CACHE.clear()
        self._resolver = dns.resolver.Resolver(configure=False)
        if server is not None:
            self._resolver.nameservers = [dns.nameserver.Do53Nameserver(*server)]
        else:
            try:
                self._resolver = dns.resolver.Resolver()
            except dns.resolver.NoResolverConfiguration:
                self._resolver.nameservers = []  # each question then says that nobody could answer
        self._resolver.lifetime, self._resolver.timeout = seconds, min(2.0, seconds)
        self._resolver.use_edns(0, 0, _DATAGRAM)

    @property
    def servers(self) -> list[dns.nameserver.Nameserver]:
        """The same servers, for libraries that ask by themselves."""
        made = [server if isinstance(server, dns.nameserver.Nameserver) else dns.nameserver.Do53Nameserver(str(server), self._resolver.port)
                for server in self._resolver.nameservers]
        return made

    def ask(self, name: str, kind: str) -> Answer:
        """The records of one kind at `name`, aliases followed."""
        try:
            found = self._resolver.resolve(name, kind, search=False)
        except dns.resolver.NXDOMAIN:
            return Answer("nowhere")
        except (dns.resolver.NoAnswer, dns.resolver.YXDOMAIN):
            return Answer("empty")
        except dns.exception.Timeout:
            return Answer("silent")
        except (dns.exception.DNSException, OSError, UnicodeError):  # UnicodeError: a name that no DNS can hold
            return Answer("failure")
        return Answer("found", tuple(sorted(_text(record, kind) for record in found)))

    def addresses(self, name: str) -> Answer:
        """The addresses of a host, IPv4 first."""
        answers = [self.ask(name, "A")]
        if answers[0].known:  # who does not answer the one question does not answer the other
            answers.append(self.ask(name, "AAAA"))
        records = tuple(record for answer in answers for record in answer.records)
        if records:
            return Answer("found", records)
        return next((answer for answer in answers if not answer.known), answers[0])

    def names_of(self, address: str) -> Answer:
        """The names that an address has in reverse (PTR)."""
        return self.ask(dns.reversename.from_address(address).to_text(omit_final_dot=True), "PTR")


def _text(record: dns.rdata.Rdata, kind: str) -> str:
    if kind == "TXT":
        return b"".join(record.strings).decode("utf-8", "replace")  # type: ignore[attr-defined]
    if kind == "MX":
        return f"{record.preference} {record.exchange.to_text(omit_final_dot=True) or '.'}"  # type: ignore[attr-defined]
    return record.to_text().rstrip(".")


def is_public(address: str) -> bool:
    """Whether the world reaches this address."""
    return ipaddress.ip_address(address.partition("%")[0]).is_global


def unanswered(code: str, topic: str, answer: Answer, seconds: float) -> Finding:
    """That the DNS did not say: receivers would be told no more than we were."""
    if answer.state == "silent":
        return wrong(code, _("%(topic)s: no name server answered within %(n)s seconds", topic=topic, n=f"{seconds:g}"),
                     _("try again; if it stays so, ask whoever runs your DNS, or name another resolver with --resolver"))
    return wrong(code, _("%(topic)s: the name servers answer with a failure (SERVFAIL or REFUSED)", topic=topic),
                 _("receivers are told the same: ask whoever runs your DNS (a broken DNSSEC signature is the usual cause)"))
