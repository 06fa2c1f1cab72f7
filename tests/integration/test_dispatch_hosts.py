"""Which host takes the mail of which domain is asked of a real DNS server, seldom, and only where a limit counts by host."""

import socketserver
import threading
from collections.abc import Iterator
from datetime import timedelta

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest
from sqlalchemy import insert, select

from publisher.db import Database
from publisher.deliver.dispatch.hosts import look_up_hosts
from publisher.models_sending import MailHost
from subscribers.models import Subscriber
from tests.dispatching import NOW, Desk, relay, settings

ZONE = {
    "company.example.": ["20 alt1.aspmx.l.google.com.", "10 ASPMX.L.Google.com."],
    "gmail.com.": ["5 gmail-smtp-in.l.google.com."],
    "no-mail.example.": ["0 ."],
    "bare.example.": [],
}
SERVFAIL, SILENT = "broken.example.", "silent.example."


class Answers(socketserver.BaseRequestHandler):
    """One question by UDP."""

    def handle(self) -> None:
        """MX records of ZONE; other names do not exist."""
        data, socket = self.request
        question = dns.message.from_wire(data)
        name = question.question[0].name.to_text().lower()
        self.server.asked.append(name)  # type: ignore[attr-defined]
        if name.endswith(SILENT):
            return
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.AA | dns.flags.RA
        if name == SERVFAIL:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif name not in ZONE:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif ZONE[name]:
            answer.answer.append(dns.rrset.from_text(name, 300, "IN", "MX", *ZONE[name]))
        socket.sendto(answer.to_wire(), self.client_address)


class Names(socketserver.ThreadingUDPServer):
    """A DNS server on this machine that remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[str] = []

    def resolver(self) -> dns.resolver.Resolver:
        """A resolver that asks this server and no other."""
        made = dns.resolver.Resolver(configure=False)
        made.nameservers, made.port, made.timeout = ["127.0.0.1"], self.server_address[1], 0.2
        return made


@pytest.fixture
def names() -> Iterator[Names]:
    """The server, as long as the test."""
    with Names() as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield server
        server.shutdown()


LIMITED = settings(relay("a"), limits=[{"name": "google", "mx": ["*.google.com"], "per_second": 3}])


def readers(database: Database, **by_domain: int) -> None:
    """So many readers at each domain; `_` in a name stands for a dot."""
    people = [f"r{number}@{domain.replace('_', '.')}" for domain, count in by_domain.items() for number in range(count)]
    with database.writing() as session:
        session.execute(insert(Subscriber), [{"address": address, "address_key": address, "address_hash": f"{number:040d}", "created_at": NOW}
                                             for number, address in enumerate(people)])


def hosts(database: Database) -> dict[str, str]:
    """What is known."""
    with database.reading() as session:
        return {domain: host for domain, host in session.execute(select(MailHost.domain, MailHost.host))}


def test_the_host_that_is_asked_first_is_noted_for_domains_with_several_readers(database: Database, names: Names) -> None:
    readers(database, company_example=7, gmail_com=9, bare_example=5, gone_example=5, small_example=4)
    with database.writing() as session:
        session.execute(insert(Subscriber), [{"address": f'"a@{number}"@no-mail.example', "address_key": f'"a@{number}"@no-mail.example',
                                              "address_hash": f"{number:040d}", "created_at": NOW} for number in range(1000, 1006)])
    assert look_up_hosts(database, LIMITED, NOW, names.resolver()) == 4
    assert hosts(database) == {"gmail.com": "gmail-smtp-in.l.google.com", "company.example": "aspmx.l.google.com", "bare.example": "bare.example",
                               "gone.example": ""}
    assert names.asked[:2] == ["gmail.com.", "company.example."]


def test_a_domain_that_wants_no_mail_or_whose_server_is_broken_has_no_host(database: Database, names: Names) -> None:
    readers(database, **{"no-mail_example": 5, "broken_example": 6})
    assert look_up_hosts(database, LIMITED, NOW, names.resolver()) == 2
    assert hosts(database) == {"no-mail.example": "", "broken.example": ""}


def test_a_host_is_asked_for_again_after_a_week(database: Database, names: Names) -> None:
    readers(database, gmail_com=9)
    assert [look_up_hosts(database, LIMITED, NOW + timedelta(days=day), names.resolver()) for day in (0, 1, 6, 7, 8)] == [1, 0, 0, 1, 0]
    assert names.asked == ["gmail.com."] * 2


def test_nobody_is_asked_where_no_limit_counts_by_host(database: Database, names: Names) -> None:
    readers(database, gmail_com=9)
    assert look_up_hosts(database, settings(relay("a"), limits=[{"name": "google", "domains": ["gmail.com"], "per_second": 3}]), NOW, names.resolver()) == 0
    assert names.asked == []


def test_no_more_are_asked_for_than_wanted_and_none_when_it_ends(database: Database, names: Names) -> None:
    readers(database, gmail_com=9, company_example=7, bare_example=5)
    stop = threading.Event()
    assert look_up_hosts(database, LIMITED, NOW, names.resolver(), 2, stop=stop) == 2
    stop.set()
    assert look_up_hosts(database, LIMITED, NOW, names.resolver(), stop=stop) == 0


def test_a_silent_resolver_is_given_up_and_asked_again_the_next_time(database: Database, names: Names) -> None:
    """Three questions without an answer are enough; what was known stays."""
    readers(database, gmail_com=9, **{f"s{number}_silent_example": 6 for number in range(5)})
    resolver = names.resolver()
    resolver.lifetime = 0.3
    assert look_up_hosts(database, LIMITED, NOW, resolver) == 1
    assert len({name for name in names.asked if name.endswith(SILENT)}) == 3
    assert hosts(database) == {"gmail.com": "gmail-smtp-in.l.google.com"}


def test_domains_of_one_host_share_its_limit(database: Database, names: Names) -> None:
    readers(database, company_example=7, gmail_com=9)
    look_up_hosts(database, LIMITED, NOW, names.resolver())
    desk = Desk(database, LIMITED)
    assert desk.many(10, "company.example") == {"a": 3, "pace of google": 7}
    assert desk.many(10, "gmail.com", first=11) == {"pace of google": 10}
    assert desk.many(10, "other.example", first=21) == {"a": 10}


def test_a_worker_learns_of_new_hosts_within_ten_minutes(database: Database, names: Names) -> None:
    readers(database, company_example=7)
    desk = Desk(database, LIMITED)
    assert desk.many(10, "company.example") == {"a": 10}
    look_up_hosts(database, LIMITED, NOW, names.resolver())
    desk.pass_by(minutes=10)
    assert desk.many(10, "company.example")["a"] == 3
