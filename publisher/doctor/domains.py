"""What has to stand in the DNS beside the signatures: somebody at the From domain, a zone around it, and a way in for bounces."""

from collections.abc import Mapping
from dataclasses import dataclass

from publisher.doctor.asking import Answer, Names, is_public, unanswered
from publisher.doctor.finding import Finding, doubtful, right, wrong
from publisher.i18n import _

_NULL_MX = "0 ."


@dataclass(frozen=True, slots=True)
class Way:
    """How mail reaches a domain: its MX, the addresses of their hosts, and its own."""

    domain: str
    mx: Answer
    own: Answer
    hosts: Mapping[str, Answer]

    @property
    def takes_none(self) -> bool:
        """Whether the domain says that it takes no mail (RFC 7505)."""
        return self.mx.records == (_NULL_MX,)


def read_way(names: Names, domain: str) -> Way:
    """Ask for the MX of `domain` and for what they lead to."""
    mx = names.ask(domain, "MX")
    hosts = [record.partition(" ")[2] for record in mx.records if record != _NULL_MX]
    return Way(domain, mx, names.addresses(domain) if mx.known else mx, {host: names.addresses(host) for host in hosts[:5]})


def judge_author(way: Way, seconds: float) -> Finding:
    """Whether answers could reach the From domain: NTT docomo wants A or MX there, and RFC 7505 section 4.2 refuses senders that take no mail."""
    domain = way.domain
    if not way.mx.known or not way.own.known:
        return unanswered("from-unanswered", _("Mail to %(domain)s (From)", domain=domain), way.mx if not way.mx.known else way.own, seconds)
    if way.takes_none:
        return wrong("from-null-mx", _("%(domain)s (From) says that it takes no mail (null MX), and receivers may refuse its senders", domain=domain),
                     _("publish where its mail goes, such as:"), f"{domain}. MX 10 mail.{domain}.")
    if way.mx.state == "found" or way.own.state == "found":
        return right("from", _("%(domain)s (From) can be answered: it has MX or A", domain=domain))
    return wrong("from-unreachable", _("%(domain)s (From) has neither MX nor A: NTT docomo refuses it, and answers get lost", domain=domain),
                 _("publish where its mail goes, such as:"), f"{domain}. MX 10 mail.{domain}.")


def read_zone(names: Names, domain: str) -> tuple[str | None, Answer]:
    """The name at which the SOA of `domain` stands, at or above it and below the top level, and the last answer."""
    labels = domain.split(".")
    answer = Answer("empty")
    for start in range(len(labels) - 1):
        name = ".".join(labels[start:])
        answer = names.ask(name, "SOA")
        if answer.state == "found":
            return name, answer
        if not answer.known:
            break
    return None, answer


def judge_zone(domain: str, zone: str | None, answer: Answer, seconds: float) -> Finding:
    """Whether a domain lies in a zone: Yahoo wants a SOA for From and envelope domains."""
    if zone:
        return right("soa", _("%(domain)s lies in the zone %(zone)s", domain=domain, zone=zone))
    if not answer.known:
        return unanswered("soa-unanswered", _("The zone of %(domain)s", domain=domain), answer, seconds)
    return wrong("soa-absent", _("%(domain)s lies in no zone (no SOA): Yahoo refuses it", domain=domain),
                 _("register the domain, or correct publisher.toml"))


def judge_way_in(way: Way, setting: str, seconds: float, host: str) -> Finding:
    """Whether bounces and commands reach `setting`, which names the domain. `host` stands in the record to publish."""
    domain, record = way.domain, f"{way.domain}. MX 10 {host}."
    if not way.mx.known:
        return unanswered("mx-unanswered", _("Mail to %(domain)s (%(setting)s)", domain=domain, setting=setting), way.mx, seconds)
    if way.takes_none:
        return wrong("mx-null", _("%(domain)s (%(setting)s) says that it takes no mail (null MX)", domain=domain, setting=setting), _("publish:"),
                     record)
    if way.mx.state != "found":
        if way.own.state == "found":
            return doubtful("mx-absent", _("%(domain)s (%(setting)s) has no MX; mail goes to its own address", domain=domain, setting=setting),
                            _("some servers ask for an MX; publish:"), f"{domain}. MX 10 {domain}.")
        return wrong("mx-absent", _("%(domain)s (%(setting)s) has no MX: bounces and commands of readers get lost", domain=domain, setting=setting),
                     _("publish the host that takes its mail, such as:"), record)
    reached = [name for name, answer in way.hosts.items() if any(is_public(address) for address in answer.records)]
    if reached:
        return right("mx", _("Mail to %(domain)s (%(setting)s) goes to %(hosts)s", domain=domain, setting=setting, hosts=", ".join(reached)))
    if any(not answer.known for answer in way.hosts.values()):
        return unanswered("mx-unanswered", _("Mail to %(domain)s (%(setting)s)", domain=domain, setting=setting),
                          next(answer for answer in way.hosts.values() if not answer.known), seconds)
    name, answer = next(iter(way.hosts.items()))
    if answer.records:
        return wrong("mx-private",
                     _("Mail to %(domain)s (%(setting)s) goes to %(host)s at %(address)s, which the world does not reach", domain=domain,
                                     setting=setting, host=name, address=answer.records[0]), _("publish the address the world sees"))
    return wrong("mx-dead", _("Mail to %(domain)s (%(setting)s) goes to %(host)s, which has no address", domain=domain, setting=setting, host=name),
                 _("publish the address of that host, or another MX"))


def likely_host(author: Way, bounce_domain: str) -> str:
    """The host that most likely takes the mail of `bounce_domain`: the one that takes that of the From domain."""
    hosts = [record.partition(" ")[2] for record in author.mx.records if record != _NULL_MX]
    return hosts[0] if hosts else f"mail.{bounce_domain}"
