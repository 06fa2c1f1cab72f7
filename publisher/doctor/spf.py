"""SPF (RFC 7208) of a domain that mail is sent from: one record, understood, within its limits, closed, and with the address mail leaves from."""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import dns.exception
from checkdmarc import spf as library

from publisher.doctor.asking import Answer, Names, unanswered
from publisher.doctor.finding import Finding, doubtful, right, single_line, txt_record, wrong
from publisher.i18n import _

Fault = Literal["", "unanswered", "nowhere", "absent", "several", "syntax", "lookups", "void", "loop", "include", "include-unanswered"]
_MOST_TERMS = 10


@dataclass(frozen=True, slots=True)
class Spf:
    """What was read: every record of the kind, what is wrong with it, how it ends, how many lookups it costs (RFC 7208 section 4.6.4).

    `permits` says of each address asked about what the record says: `pass`, `fail`, `softfail`, `neutral`, or None where only a receiver can know.
    """

    domain: str
    answer: Answer
    records: tuple[str, ...] = ()
    fault: Fault = ""
    detail: str = ""
    ends: str = "neutral"
    lookups: int = 0
    void: int = 0
    permits: Mapping[str, str | None] = field(default_factory=dict)


def read_spf(names: Names, domain: str, addresses: Sequence[str] = ()) -> Spf:
    """Ask for the record of `domain` and follow what it includes."""
    answer = names.ask(domain, "TXT")
    records = tuple(record for record in answer.records if record.lower() == "v=spf1" or record.lower().startswith("v=spf1 "))
    if not answer.known:
        return Spf(domain, answer, fault="unanswered")
    if len(records) != 1:
        return Spf(domain, answer, records, "several" if records else "nowhere" if answer.state == "nowhere" else "absent")
    try:
        found: Any = library.parse_spf_record(records[0], domain, nameservers=names.servers, timeout=names.seconds, retries=0)
    except library.SPFError as error:
        fault, detail = _fault_of(error, records[0])
        return Spf(domain, answer, records, fault, detail)
    parsed = found["parsed"]
    permits = {address: _says(parsed, ipaddress.ip_address(address), lambda host: names.addresses(host).records) for address in addresses}
    return Spf(domain, answer, records, ends=parsed["all"], lookups=found["dns_lookups"], void=found["void_dns_lookups"], permits=permits)


def _fault_of(error: library.SPFError, record: str) -> tuple[Fault, str]:
    """The fault in our words, and what it is about; the library's own sentences are English."""
    if isinstance(error, library.SPFTooManyDNSLookups):
        return "lookups", ""
    if isinstance(error, library.SPFTooManyVoidDNSLookups):
        return "void", ""
    if isinstance(error, library.SPFIncludeLoop | library.SPFRedirectLoop):
        return "loop", ""
    if isinstance(error, library.SPFRecordNotFound | library.MultipleSPFRTXTRecords):
        cause = getattr(error.__cause__ or error, "error", None)
        return "include-unanswered" if isinstance(cause, dns.exception.DNSException) else "include", str(getattr(error, "domain", "") or "")
    words = str(error)
    return "syntax", next((term for term in record.split()[1:] if term in words), "")


def _says(parsed: Any, address: ipaddress.IPv4Address | ipaddress.IPv6Address, hosts: Callable[[str], Sequence[str]]) -> str | None:
    """What a parsed record says of an address; None where a term cannot be known without the mail (exists, ptr, macros)."""
    unsure = False
    for term in parsed["mechanisms"]:
        matches = _matches(term, address, hosts)
        unsure = unsure or matches is None
        if matches:
            return None if unsure and term["action"] != "pass" else str(term["action"])
    found: str | None = str(parsed["all"])
    redirect = parsed.get("redirect")
    if redirect:
        found = _says(redirect["parsed"], address, hosts) if redirect["parsed"] else None
    return None if unsure and found != "pass" else found


def _matches(term: Any, address: ipaddress.IPv4Address | ipaddress.IPv6Address, hosts: Callable[[str], Sequence[str]]) -> bool | None:
    kind = term["mechanism"]
    if "%" in term["value"] or kind in ("exists", "ptr"):
        return None
    if kind == "include":
        # RFC 7208 section 5.2: an include matches where the other record says pass, and nowhere else.
        found = _says(term["parsed"], address, hosts) if term["parsed"] else None
        return None if found is None else found == "pass"
    if kind in ("ip4", "ip6"):
        networks: Sequence[str] = [term["value"]]
    elif kind == "mx":
        networks = [found for host in term.get("hosts", ()) for found in hosts(host["hostname"])]
    else:
        networks = term.get("addresses", ())
    return any(address in ipaddress.ip_network(network, strict=False) for network in networks)


def spf_record(domain: str, terms: Sequence[str]) -> str:
    """The record to publish where there is none. `~all`: with DMARC a receiver decides by more than SPF (RFC 7489 section 10.1, RFC 9989)."""
    return txt_record(domain, " ".join(("v=spf1", *terms, "~all")))


def _terms(record: str) -> list[str]:
    return [term for term in record.split()[1:] if term.lower().lstrip("+-~?") != "all"]


def _ending(records: Sequence[str]) -> str:
    endings = [term for record in records for term in record.split() if term.lower().lstrip("+-~?") == "all"]
    return "-all" if "-all" in endings else "~all"


def with_terms(domain: str, records: Sequence[str], terms: Sequence[str]) -> str:
    """One record that says what `records` say, with `terms` at its head."""
    kept = [term for record in records for term in _terms(record)]
    return txt_record(domain, " ".join(dict.fromkeys(("v=spf1", *terms, *kept, _ending(records)))))


def judge_spf(spf: Spf, terms: Sequence[str], seconds: float, *, certain: bool = True) -> list[Finding]:
    """What to say of it. `terms` stand in the record to publish; `certain`: mail leaves from the addresses in `permits` for sure."""
    if spf.fault:
        return [_judge_fault(spf, terms, seconds)]
    record, findings = spf.records[0], []
    if spf.ends == "pass":
        findings.append(wrong("spf-open", _("SPF of %(domain)s lets everybody send (+all)", domain=spf.domain),
                              _("close it with ~all:"), with_terms(spf.domain, [record], ())))
    elif spf.ends == "neutral":
        findings.append(doubtful("spf-unclosed", _("SPF of %(domain)s does not say what to think of everybody else", domain=spf.domain),
                                 _("close it with ~all:"), with_terms(spf.domain, [record], ())))
    if spf.void:
        findings.append(doubtful("spf-void", _("SPF of %(domain)s names hosts that are not there", domain=spf.domain),
                                 _("three of them, and receivers reject the record: take them out of %(record)s", record=single_line(record))))
    refused = [address for address, says in spf.permits.items() if says in ("fail", "softfail", "neutral")]
    if refused:
        what = _("SPF of %(domain)s does not name %(addresses)s, from which mail leaves", domain=spf.domain, addresses=", ".join(refused))
        add = with_terms(spf.domain, [record], [term_of(address) for address in refused])
        findings.append((wrong if certain else doubtful)("spf-address", what, _("add it:") if certain else _("add it if that is so:"), add))
    return findings or [right("spf", _("SPF of %(domain)s is in order (%(n)s of 10 lookups)", domain=spf.domain, n=spf.lookups))]


def term_of(address: str) -> str:
    """An address as a term of SPF."""
    return f"ip{ipaddress.ip_address(address).version}:{address}"


def _judge_fault(spf: Spf, terms: Sequence[str], seconds: float) -> Finding:
    domain, topic = spf.domain, _("SPF of %(domain)s", domain=spf.domain)
    anew = spf_record(domain, terms)
    publish = _("publish, with the address from which mail leaves in the place of ADDRESS:") if "ADDRESS" in anew else _("publish:")
    if spf.fault == "unanswered":
        return unanswered("spf-unanswered", topic, spf.answer, seconds)
    if spf.fault == "nowhere":
        return wrong("spf-nowhere", _("SPF of %(domain)s: there is no such domain", domain=domain), _("register it, or correct publisher.toml"))
    if spf.fault == "absent":
        return wrong("spf-absent", _("SPF of %(domain)s: there is no record", domain=domain), publish, anew)
    if spf.fault == "several":
        return wrong("spf-several",
                     _("SPF of %(domain)s: there are %(n)s records, and receivers take none of them", domain=domain, n=len(spf.records)),
                     _("RFC 7208 section 4.5; publish one instead:"), with_terms(domain, spf.records, ()))
    record = single_line(spf.records[0])
    if spf.fault == "lookups":
        return wrong("spf-lookups", _("SPF of %(domain)s needs more than %(n)s lookups, and receivers reject it", domain=domain, n=_MOST_TERMS),
                     _("take out what no longer sends for you, or name networks (ip4:, ip6:) instead of include:, a and mx in %(record)s",
                       record=record))
    if spf.fault == "void":
        return wrong("spf-void", _("SPF of %(domain)s names more than two hosts that are not there, and receivers reject it", domain=domain),
                     _("take them out of %(record)s", record=record))
    if spf.fault == "loop":
        return wrong("spf-loop", _("SPF of %(domain)s includes itself", domain=domain), _("take the circle out of %(record)s", record=record))
    if spf.fault == "include":
        return wrong("spf-include", _("SPF of %(domain)s includes %(other)s, which has no usable record, and receivers reject both", domain=domain,
                                      other=spf.detail or "…"), _("take it out of %(record)s", record=record))
    if spf.fault == "include-unanswered":
        return wrong("spf-unanswered",
                     _("SPF of %(domain)s includes %(other)s, of which the DNS says nothing", domain=domain, other=spf.detail or "…"),
                     _("try again; if it stays so, take it out of %(record)s", record=record))
    return wrong("spf-syntax", _("SPF of %(domain)s is not understood, and receivers reject it: %(term)s", domain=domain, term=spf.detail or record),
                 _("correct it in %(record)s", record=record))
