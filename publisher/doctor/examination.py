"""All checks at once, each in a thread of its own and with its own time: one that hangs or breaks is a line of the report, the others go on."""

import contextvars
import queue
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from publisher.deliver.headers import route, split_mailbox
from publisher.doctor.asking import Names
from publisher.doctor.dkim import examine_dkim
from publisher.doctor.dmarc import Identities, examine_dmarc
from publisher.doctor.domains import judge_author, judge_way_in, judge_zone, likely_host, read_way, read_zone
from publisher.doctor.finding import Finding, wrong
from publisher.doctor.machine import examine_machine
from publisher.doctor.provider import examine_provider
from publisher.doctor.relay import examine_port, examine_relay
from publisher.doctor.sending import Origin, examine_reverse, origin_of, own_addresses, shown
from publisher.doctor.site import Caller, examine_site
from publisher.doctor.spf import judge_spf, read_spf
from publisher.i18n import N_, _
from publisher.settings import Settings
from publisher.settings_sending import Relay, RelayEntry

# Of a check's time one question gets so much: a check asks several in a row.
_SHARE = 0.4
_AT_ONCE = 32
DNS, RELAYS, PAGES, MACHINE = N_("Records in the DNS"), N_("Relays"), N_("Pages and clock"), N_("This machine")


@dataclass(frozen=True, slots=True)
class Case:
    """What is examined, and with what: the resolver, whom TLS trusts, the clock, the relays' secrets by name.

    `seconds` is what one check may take; `addresses` are those from which mail leaves, where the operator named them; `port25` is a host and port
    to try the way out with.
    """

    settings: Settings
    secrets: Mapping[str, str]
    tls: ssl.SSLContext
    clock: Callable[[], datetime]
    seconds: float = 10.0
    server: tuple[str, int] | None = None
    addresses: Sequence[str] = ()
    port25: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One check: the group it is shown in, its subject as a person knows it, and what is done."""

    group: str
    subject: str
    run: Callable[[], list[Finding]]


def checks(case: Case) -> list[Check]:
    """Every check of a newsroom, in the order in which they are read."""
    return [*_dns_checks(case), *_relay_checks(case), *_own_checks(case)]


def _dns_checks(case: Case) -> list[Check]:
    settings, names = case.settings, Names(case.seconds * _SHARE, case.server)
    author = route(split_mailbox(settings.mail.sender)[1]).rpartition("@")[2].lower()
    envelope = settings.mail.bounce_domain or author
    entries = settings.all_relays()
    # What goes by a provider leaves without our signature (docs/providers.md).
    selector = settings.dkim.selector if any(entry.kind == "smtp" for entry in entries) else None
    signer = settings.dkim.domain or author
    who = Identities(author, envelope, signer if selector else None)
    leaves = partial(origin_of, author=author, names=names, given=case.addresses, own=own_addresses())
    ways_in = {domain: key for key,
               domain in (("inbound.domain", settings.inbound.domain), ("mail.bounce_domain", settings.mail.bounce_domain)) if domain}
    runs: list[tuple[str, Callable[[], list[Finding]]]] = [
        *((_("SPF of %(domain)s", domain=domain), partial(_spf, names, domain, entries, leaves)) for domain in dict.fromkeys((envelope, author))),
        ("DKIM", partial(examine_dkim, names, selector, signer, settings.place(settings.dkim.key_file))),
        (_("DMARC of %(domain)s", domain=author), partial(examine_dmarc, names, who, f"postmaster@{author}")),
        (_("Mail to %(domain)s (From)", domain=author), partial(_author, names, author)),
        *((_("The zone of %(domain)s", domain=domain), partial(_zone, names, domain)) for domain in dict.fromkeys((author, envelope))),
        *((_("Mail to %(domain)s (%(setting)s)", domain=domain, setting=key), partial(_way_in, names, author, domain, key))
          for domain, key in ways_in.items()),
        *((f"PTR, {shown(entry)}", partial(_reverse, names, entry, author, leaves)) for entry in _of_several(entries, case.addresses))]
    return [Check(DNS, subject, run) for subject, run in runs]


def _of_several(entries: Sequence[RelayEntry], given: Sequence[str]) -> Sequence[RelayEntry]:
    """The relays whose sending addresses are asked for: with addresses given they are the same for all."""
    return entries[:1] if given else entries


def _spf(names: Names, domain: str, entries: Sequence[RelayEntry], leaves: Callable[[RelayEntry], Origin]) -> list[Finding]:
    origins = [leaves(entry) for entry in entries]
    terms = list(dict.fromkeys(term for origin in origins for term in origin.terms))
    addresses = list(dict.fromkeys(address for origin in origins for address in origin.addresses))
    certain = all(origin.certain for origin in origins if origin.addresses)
    return judge_spf(read_spf(names, domain, addresses), terms, names.seconds, certain=certain)


def _author(names: Names, author: str) -> list[Finding]:
    return [judge_author(read_way(names, author), names.seconds)]


def _zone(names: Names, domain: str) -> list[Finding]:
    return [judge_zone(domain, *read_zone(names, domain), names.seconds)]


def _way_in(names: Names, author: str, domain: str, setting: str) -> list[Finding]:
    way = read_way(names, domain)
    host = likely_host(read_way(names, author), domain) if way.mx.known else ""
    return [judge_way_in(way, setting, names.seconds, host)]


def _reverse(names: Names, entry: RelayEntry, author: str, leaves: Callable[[RelayEntry], Origin]) -> list[Finding]:
    return examine_reverse(names, leaves(entry), author)


def _relay_checks(case: Case) -> list[Check]:
    made = []
    for entry in case.settings.all_relays():
        secret = case.secrets.get(entry.name)
        run = partial(_relay, case, entry, secret) if entry.kind == "smtp" else partial(examine_provider, entry, secret)
        made.append(Check(RELAYS, shown(entry), run))
    if case.port25:
        host, port = case.port25
        made.append(Check(RELAYS, f"{host}:{port}", partial(examine_port, host, port, case.seconds * _SHARE)))
    return made


def _relay(case: Case, entry: RelayEntry, secret: str | None) -> list[Finding]:
    return examine_relay(entry, secret, case.tls, case.seconds * _SHARE, case.clock())


def _own_checks(case: Case) -> list[Check]:
    names = Names(case.seconds * _SHARE / 2, case.server)
    caller = Caller(case.tls, case.seconds * _SHARE / 2, case.clock)
    return [Check(PAGES, case.settings.site.url, partial(_site, case, names, caller)),
            Check(MACHINE, str(case.settings.root), partial(examine_machine, case.settings))]


def _site(case: Case, names: Names, caller: Caller) -> list[Finding]:
    return examine_site(case.settings.site.url, names, caller, case.clock())


def relay_host(settings: Settings) -> str | None:
    """The host of the first SMTP relay, to try port 25 with."""
    return next((Relay.parse(entry.url).host for entry in settings.all_relays() if entry.kind == "smtp"), None)


def examine(made: Sequence[Check], seconds: float, progress: Callable[[int], None] | None = None) -> list[list[Finding]]:
    """What each check found, in their order. All together take `seconds` for every 32 checks, whatever hangs."""
    found: dict[int, list[Finding]] = {}
    for start in range(0, len(made), _AT_ONCE):
        found |= _at_once({index: made[index] for index in range(start, min(start + _AT_ONCE, len(made)))}, seconds, start, progress)
    return [found[index] for index in range(len(made))]


def _at_once(made: Mapping[int, Check], seconds: float, before: int, progress: Callable[[int], None] | None) -> dict[int, list[Finding]]:
    answers: queue.SimpleQueue[tuple[int, list[Finding]]] = queue.SimpleQueue()
    for index, check in made.items():
        # Threads of our own: those of concurrent.futures are waited for when the program ends, and one that hangs would hold it.
        threading.Thread(target=contextvars.copy_context().run, args=(_run, answers, index, check), daemon=True).start()
    found: dict[int, list[Finding]] = {}
    deadline = time.monotonic() + seconds
    while len(found) < len(made):
        try:
            index, findings = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[index] = findings
        if progress:
            progress(before + len(found))
    late = {index: [wrong("timeout", _("%(subject)s: not done within %(n)s seconds", subject=check.subject, n=f"{seconds:g}"),
                          _("try again, with more time:"), f"publisher doctor --timeout {round(seconds * 3)}")]
            for index, check in made.items() if index not in found}
    return found | late


def _run(answers: "queue.SimpleQueue[tuple[int, list[Finding]]]", index: int, check: Check) -> None:
    try:
        findings = check.run()
    except Exception as error:  # what other people's servers and records can bring up has no end: it costs this line, not the report
        findings = [wrong("broken", _("%(subject)s: could not be examined (%(reason)s)", subject=check.subject, reason=type(error).__name__),
                          _("this is a fault of publisher: please report it"))]
    answers.put((index, findings))
