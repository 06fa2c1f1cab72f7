"""DMARC (RFC 9989): the policy that receivers find for the From domain, and whether From, envelope sender and signature belong together."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import dns.exception
from checkdmarc import dmarc as library

from publisher.doctor.asking import Answer, Names, unanswered
from publisher.doctor.finding import Finding, doubtful, right, single_line, txt_record, wrong
from publisher.i18n import _

Fault = Literal["", "unanswered", "absent", "several", "blank", "misplaced", "syntax"]
# RFC 9989 section 4.10: a longer name is cut to so many labels after the first question.
_MOST_LABELS = 7
# RFC 9989 appendix: tags of RFC 7489 that are gone.
_GONE = ("pct", "rf", "ri")


@dataclass(frozen=True, slots=True)
class Dmarc:
    """What was read. `tags` are those in force, with defaults; `gone` those that RFC 9989 removed; `strangers` are domains that take no reports."""

    domain: str
    answer: Answer
    fault: Fault = ""
    record: str = ""
    location: str = ""
    tags: Mapping[str, Any] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()


def read_dmarc(names: Names, domain: str) -> Dmarc:
    """Find the record by the tree walk and read it."""
    answer = names.ask(f"_dmarc.{domain}", "TXT")
    if not answer.known:
        return Dmarc(domain, answer, "unanswered")
    how: dict[str, Any] = {"nameservers": names.servers, "timeout": names.seconds, "retries": 0, "ignore_unrelated_records": True}
    try:
        query = library.query_dmarc_record(domain, **how)
    except library.DMARCError as error:
        return Dmarc(domain, answer, _fault_of(error))
    record, location = query["record"], query["location"]
    try:
        tags = {name: tag["value"] for name, tag in library.parse_dmarc_record(record, location, **how)["tags"].items()}
    except (library.DMARCError, dns.exception.DNSException):
        return Dmarc(domain, answer, "syntax", record, location)
    gone = tuple(name for name in _GONE if re.search(rf"(?:^|;)\s*{name}\s*=", record, re.IGNORECASE))
    return Dmarc(domain, answer, "", record, location, tags, gone, tuple(_strangers(location, tags.get("rua"), how)))


def _fault_of(error: library.DMARCError) -> Fault:
    kinds: list[tuple[type[Exception], Fault]] = [
        (library.DMARCRecordNotFound, "absent"), (library.MultipleDMARCRecords, "several"), (library.DMARCRecordStartsWithWhitespace, "blank"),
        (library.DMARCRecordInWrongLocation, "misplaced"), (library.DMARCSyntaxError, "syntax")]
    return next((fault for kind, fault in kinds if isinstance(error, kind)), "unanswered")


def _strangers(location: str, destinations: Any, how: Mapping[str, Any]) -> list[str]:
    """Domains that reports should go to and that do not say they take them (RFC 9990 section 4)."""
    found = []
    for one in destinations or ():
        destination = str(one.get("address", "")).rpartition("@")[2].lower()
        try:
            if destination:
                library.verify_dmarc_report_destination(location, destination, **how)
        except library.UnverifiedDMARCURIDestination:
            found.append(destination)
    return found


def _without(record: str, *names: str) -> list[str]:
    parts = [part.strip() for part in record.split(";") if part.strip()]
    return [part for part in parts if part.partition("=")[0].strip().lower() not in names]


def _with(record: str, **tags: str) -> str:
    """The record with some tags set, in their place where they stand already."""
    parts = _without(record, *_GONE)
    for name, value in tags.items():
        places = [index for index, part in enumerate(parts) if part.partition("=")[0].strip().lower() == name]
        if places:
            parts[places[0]] = f"{name}={value}"
        else:
            parts.insert(1 if name == "p" else len(parts), f"{name}={value}")
    return "; ".join(parts)


def judge_dmarc(dmarc: Dmarc, reports_to: str, seconds: float) -> list[Finding]:
    """What to say of the record. `reports_to` is the address for reports in a record to publish."""
    if dmarc.fault:
        return [_judge_fault(dmarc, reports_to, seconds)]
    name, findings = f"_dmarc.{dmarc.location}", []
    policy = "p" if dmarc.location == dmarc.domain else "sp"
    in_force = dmarc.tags.get(policy, "none")
    # What is mended in every record shown, so that following one line does not undo another.
    mended = _with(dmarc.record, **({} if "rua" in dmarc.tags else {"rua": f"mailto:{reports_to}"}))
    if dmarc.gone:
        findings.append(doubtful("dmarc-gone", _("DMARC of %(domain)s has tags that RFC 9989 removed: %(tags)s", domain=dmarc.domain,
                                                 tags=", ".join(dmarc.gone)), _("publish it without them:"), txt_record(name, mended)))
    if "rua" not in dmarc.tags:
        findings.append(doubtful("dmarc-no-reports",
                                 _("DMARC of %(domain)s names nobody who gets reports: mistakes stay unseen", domain=dmarc.domain),
                                 _("publish:"), txt_record(name, mended)))
    if in_force == "none":
        what = _("DMARC of %(domain)s asks receivers for nothing (%(tag)s=none): it counts for Gmail, and stops no forger", domain=dmarc.domain,
                 tag=policy)
        findings.append(doubtful("dmarc-none", what, _("when the reports show that all your mail passes, publish:"),
                                 txt_record(name, _with(mended, **{policy: "quarantine"}))))
    if dmarc.tags.get("t") == "y":
        findings.append(doubtful("dmarc-testing",
                                 _("DMARC of %(domain)s is marked as a test (t=y): receivers do less than it says", domain=dmarc.domain),
                                 _("when all your mail passes, publish:"), txt_record(name, "; ".join(_without(mended, "t")))))
    findings += [doubtful("dmarc-stranger", _("DMARC of %(domain)s sends reports to %(other)s, which does not say that it takes them",
                                              domain=dmarc.domain, other=other), _("there has to stand:"),
                          txt_record(f"{dmarc.location}._report._dmarc.{other}", "v=DMARC1")) for other in dmarc.strangers]
    told = right("dmarc", _("DMARC of %(domain)s is in order (%(tag)s=%(policy)s at %(location)s)", domain=dmarc.domain, tag=policy, policy=in_force,
                            location=name))
    return findings or [told]


def _judge_fault(dmarc: Dmarc, reports_to: str, seconds: float) -> Finding:
    domain, name = dmarc.domain, f"_dmarc.{dmarc.location or dmarc.domain}"
    anew = txt_record(f"_dmarc.{domain}", f"v=DMARC1; p=none; rua=mailto:{reports_to}")
    record = single_line(dmarc.record)
    if dmarc.fault == "unanswered":
        # The walk's other steps say nothing of why: a name above the domain did not answer.
        answer = dmarc.answer if not dmarc.answer.known else Answer("failure")
        return unanswered("dmarc-unanswered", _("DMARC of %(domain)s", domain=domain), answer, seconds)
    if dmarc.fault == "absent":
        return wrong("dmarc-absent", _("DMARC of %(domain)s: there is no record, and Gmail, Yahoo and Outlook want one", domain=domain),
                     _("publish:"), anew)
    if dmarc.fault == "several":
        return wrong("dmarc-several", _("DMARC of %(domain)s: there are several records, and receivers take none of them", domain=domain),
                     _("leave one only, such as:"), anew)
    if dmarc.fault == "blank":
        return wrong("dmarc-blank", _("DMARC of %(domain)s: the record begins with a blank", domain=domain), _("publish it without:"), anew)
    if dmarc.fault == "misplaced":
        return wrong("dmarc-misplaced", _("DMARC of %(domain)s: the record stands at the domain itself, where nobody looks", domain=domain),
                     _("move it to:"), anew)
    return wrong("dmarc-syntax", _("DMARC of %(domain)s is not understood: %(record)s", domain=domain, record=record or name),
                 _("correct it, or publish:"), anew)


def organizational(domain: str, found: Mapping[str, str]) -> str:
    """The Organizational Domain of `domain` (RFC 9989 section 4.10.2). `found` are the records of the tree walk, by the domain each stands at."""
    walked = [name for name in walk(domain) if name in found]
    for name in walked:
        psd = re.search(r";\s*psd\s*=\s*([nyu])", found[name], re.IGNORECASE)
        said = psd.group(1).lower() if psd else "u"
        if said == "n":
            return name
        if said == "y" and name != domain:
            return ".".join(domain.split(".")[-(name.count(".") + 2):])
    return walked[-1] if walked else domain


def walk(domain: str) -> list[str]:
    """The names at which a receiver looks for records, from the domain up (RFC 9989 section 4.10): eight at most."""
    labels = domain.split(".")
    return [domain] + [".".join(labels[start:]) for start in range(max(1, len(labels) - _MOST_LABELS), len(labels))]


def records_above(names: Names, domain: str) -> dict[str, str]:
    """The records of the tree walk. A name with several has none, as for a receiver."""
    found = {}
    for name in walk(domain):
        records = [text for text in names.ask(f"_dmarc.{name}", "TXT").records if re.match(r"v\s*=\s*DMARC1\s*(;|$)", text, re.IGNORECASE)]
        if len(records) == 1:
            found[name] = records[0]
    return found


@dataclass(frozen=True, slots=True)
class Identities:
    """The domains of a mail: From, envelope sender, and signature (None: the relay's affair)."""

    author: str
    envelope: str
    signature: str | None


def judge_alignment(who: Identities, dmarc: Dmarc, organization: Callable[[str], str]) -> Finding:
    """Whether what SPF and DKIM prove counts for the From domain (RFC 9989 section 4.5). Strict modes want the very same domain."""
    def together(other: str, mode: str) -> bool:
        return other == who.author or (dmarc.tags.get(mode, "r") != "s" and organization(other) == organization(who.author))

    by_spf = together(who.envelope, "aspf")
    by_dkim = together(who.signature, "adkim") if who.signature else None
    said = {"author": who.author, "envelope": who.envelope, "signature": who.signature}
    if by_spf and by_dkim is not False:
        return right("dmarc-aligned", _("From (%(author)s), envelope sender (%(envelope)s) and signature (%(signature)s) belong together", **said)
                     if by_dkim else _("From (%(author)s) and envelope sender (%(envelope)s) belong together", **said))
    if by_spf:
        what = _("The signature of %(signature)s does not count for %(author)s; SPF alone carries DMARC, and a forwarded mail loses it", **said)
        return doubtful("dmarc-signature-apart", what, _("set in [dkim]:"), f'domain = "{who.author}"')
    what = {True: _("SPF of %(envelope)s does not count for %(author)s; the signature alone carries DMARC", **said),
            False: _("Neither SPF of %(envelope)s nor the signature of %(signature)s counts for %(author)s: every mail fails DMARC", **said),
            None: _("SPF of %(envelope)s does not count for %(author)s; only a signature of the relay for that domain can carry DMARC",
                    **said)}[by_dkim]
    return (wrong if by_dkim is False else doubtful)("dmarc-envelope-apart", what, _("set in [mail]:"), f'bounce_domain = "bounces.{who.author}"')


def examine_dmarc(names: Names, who: Identities, reports_to: str) -> list[Finding]:
    """The record of the From domain and, where there is one, what belongs together."""
    dmarc = read_dmarc(names, who.author)
    findings = judge_dmarc(dmarc, reports_to, names.seconds)
    if dmarc.fault:
        return findings
    others: Sequence[str] = [domain for domain in dict.fromkeys((who.author, who.envelope, who.signature)) if domain]
    above = {domain: organizational(domain, records_above(names, domain)) for domain in others}
    return [*findings, judge_alignment(who, dmarc, lambda domain: above[domain])]
