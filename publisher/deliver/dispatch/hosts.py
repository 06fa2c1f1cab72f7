"""Asks the DNS which host takes the mail of a domain: where some limit counts by host, of domains with several readers, and a week later again."""

import threading
from datetime import datetime, timedelta

import dns.exception
import dns.resolver
import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.models_sending import MailHost
from publisher.settings import Settings
from subscribers.models import Subscriber

log = structlog.get_logger("publisher")
_FRESH_FOR = timedelta(days=7)
# A domain of fewer readers is never sent so much that its host would mind; the thousand largest hold nearly all readers of any list.
_LEAST_READERS, _MOST_DOMAINS = 5, 1000
# So many questions in a row without an answer: the resolver is to blame, and not the domains.
_GIVES_UP_AFTER = 3


def look_up_hosts(database: Database, settings: Settings, now: datetime, resolver: dns.resolver.Resolver | None = None,
                  most: int = _MOST_DOMAINS, *, stop: threading.Event | None = None) -> int:
    """Ask for the mail hosts of at most `most` domains whose rows are missing or a week old, those with most readers first; returns how many.

    A domain without MX takes its mail itself (RFC 5321 section 5.1); one that does not exist or wants no mail (RFC 7505) has none. Nothing is held
    open while the network is asked, and a set `stop` ends it within seconds.
    """
    if not any(limit.mx for limit in settings.limits):
        return 0
    with database.reading() as session:
        wanted = _wanted(session, now)[:most]
    if not wanted:
        return 0
    asker = resolver or dns.resolver.Resolver()
    found: dict[str, str] = {}
    silent = 0
    for domain in wanted:
        if (stop is not None and stop.is_set()) or silent >= _GIVES_UP_AFTER:
            break
        try:
            found[domain] = mail_host(asker, domain)
            silent = 0
        except dns.exception.Timeout:
            silent += 1
    if silent >= _GIVES_UP_AFTER:
        log.warning("resolver_silent", asked=silent)
    with database.writing() as session:
        for domain, host in found.items():
            session.merge(MailHost(domain=domain, host=host, asked_at=now))
    return len(found)


def mail_host(resolver: dns.resolver.Resolver, domain: str) -> str:
    """The host that is asked first to take the mail of a domain, in lower case; "" when there is none. Raises dns.exception.Timeout."""
    try:
        answer = resolver.resolve(domain, "MX", search=False)
    except dns.resolver.NoAnswer:
        return domain
    except dns.exception.Timeout:
        raise
    except dns.exception.DNSException:
        # No such name, servers that refuse, labels that no name can have: nobody takes mail there that we could tell.
        return ""
    nearest = min(answer, key=lambda record: (record.preference, record.exchange))
    return nearest.exchange.to_text(omit_final_dot=True).lower().strip(".")


def _wanted(session: Session, now: datetime) -> list[str]:
    """The domains with several readers of which nothing fresh is known, those with most first."""
    at = func.instr if session.get_bind().dialect.name == "sqlite" else func.strpos
    domain = func.substr(Subscriber.address_key, at(Subscriber.address_key, "@") + 1)
    counted = session.execute(select(domain, func.count()).group_by(domain).having(func.count() >= _LEAST_READERS)
                              .order_by(func.count().desc(), domain).limit(_MOST_DOMAINS))
    # A quoted local part may hold an @ as well.
    domains = dict.fromkeys(str(name).rpartition("@")[2] for name, _count in counted)
    fresh = set(session.scalars(select(MailHost.domain).where(MailHost.asked_at > now - _FRESH_FOR)))
    return [name for name in domains if name not in fresh]
