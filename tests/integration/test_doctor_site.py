"""The pages and the clock as `publisher doctor` sees them: the real application, and servers in front of it that do what servers do."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from publisher.db import Database
from publisher.doctor.asking import Names
from publisher.doctor.finding import Finding
from publisher.doctor.site import Caller, Reply, examine_site, find, judge_address, judge_clock, judge_replies
from publisher.web.app import create_web
from subscribers.registry.readers import membership
from tests import serving
from tests.certificates import certificate
from tests.names import name_server
from tests.pages import free_port, running
from tests.readers import HANAKO, KEYS, ids_of

OURS = {"X-Robots-Tag": "noindex, nofollow", "Cache-Control": "no-store"}
SITE = "https://www.news.example.jp"


@contextmanager
def front(status: int = 404, *, tls: ssl.SSLContext | None = None, date: datetime | None = None, **headers: str) -> Iterator[tuple[int, list[str]]]:
    """A server on this machine that gives one answer to everything: its port, and what it was asked."""
    asked: list[str] = []

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            asked.append(f"{self.command} {self.headers['Host']} {self.path} {body} {'Cookie' in self.headers}")
            self.send_response_only(status)
            self.send_header("Date", format_datetime(date or datetime.now(UTC), usegmt=True))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_arguments: object) -> None:
            """Tests are quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        server.daemon_threads = True
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server.server_address[1], asked
        server.shutdown()


def caller(trusting: Path | None = None, seconds: float = 2.0) -> Caller:
    """Somebody who asks, and trusts one certificate besides those of the machine."""
    return Caller(ssl.create_default_context(cafile=trusting), seconds, lambda: datetime.now(UTC))


def look(url: str, trusting: Path | None = None) -> list[Finding]:
    """What is said of a site."""
    with name_server() as server:
        return examine_site(url, Names(1.0, server.address), caller(trusting), datetime.now(UTC))


def judged(status: int, **headers: str) -> dict[str, str]:
    """What is said of a site that gives one answer to everything."""
    with front(status, **(OURS if status == 404 else {}), **headers) as (port, _asked):
        found = look(f"http://127.0.0.1:{port}")
    return {one.code: one.state for one in found}


def test_the_real_pages_take_one_click_and_nobody_leaves(database: Database) -> None:
    """The link is nobody's: no reader is on the way out, and the page for leaving is shown."""
    site = serving.site(database)
    port = free_port()
    with running(create_web(database, site.settings, KEYS, health=lambda: {}), port):
        found = look(f"http://127.0.0.1:{port}")
    assert {one.code: one.state for one in found} == {"site-here": "doubtful", "one-click": "right", "leave-page": "right", "clock-alone": "doubtful"}
    with database.reading() as session:
        reader = membership(session, *ids_of(database, HANAKO))
    assert reader is not None
    assert reader.state == "subscribed"


def test_a_provider_is_imitated_to_the_letter() -> None:
    """RFC 8058 section 3.1: the body, no cookie; and a link scanner's GET after it."""
    with front(**OURS) as (port, asked):
        look(f"http://127.0.0.1:{port}")
    assert asked == [f"POST 127.0.0.1:{port} /u/publisher-doctor List-Unsubscribe=One-Click False", f"GET 127.0.0.1:{port} /u/publisher-doctor  False"]


@pytest.mark.parametrize(("status", "headers", "code", "state"), [
    (301, {"Location": "https://www.news.example.jp/u/x"}, "one-click-redirect", "wrong"), (308, {"Location": "/u/x/"}, "one-click-redirect", "wrong"),
    (405, {}, "one-click-refused", "wrong"), (403, {}, "one-click-refused", "wrong"), (502, {}, "one-click-refused", "wrong"),
    (401, {}, "one-click-refused", "wrong"), (200, {}, "one-click-other", "wrong"), (429, {}, "one-click-busy", "doubtful"),
    (404, {"Set_Cookie": "id=1"}, "one-click-cookie", "doubtful")])
def test_what_stands_in_front_of_the_pages_must_not_be_in_the_way(status: int, headers: dict[str, str], code: str, state: str) -> None:
    """Redirects, robot checks, another site under the same name: each costs readers their way out."""
    assert judged(status, **headers)[code] == state


def test_a_redirect_is_shown_and_not_followed() -> None:
    """It may lead anywhere, into the network as well."""
    with front() as (inside, asked), front(302, Location=f"http://127.0.0.1:{inside}/secret") as (port, _asked):
        found = look(f"http://127.0.0.1:{port}")
    assert any(f"127.0.0.1:{inside}/secret" in one.what for one in found)
    assert asked == []


def test_a_certificate_is_checked_against_the_name_of_the_site(tmp_path: Path) -> None:
    """At the address that the DNS gave; the server hears the site's name, not the address."""
    cert, context = certificate(tmp_path, "DNS:www.news.example.jp")
    with front(404, tls=context, **OURS) as (port, asked):
        url = f"{SITE}:{port}"
        posted = caller(cert).call("POST", f"{url}/u/x", "127.0.0.1")
        found = {one.code: one.state for one in judge_replies(url, posted, None, datetime.now(UTC))}
        stranger = caller(cert).call("POST", f"https://other.example.jp:{port}/u/x", "127.0.0.1")
        unknown = caller().call("POST", f"{url}/u/x", "127.0.0.1")
    assert found == {"site-certificate-soon": "doubtful", "one-click": "right"}
    assert asked == [f"POST www.news.example.jp:{port} /u/x List-Unsubscribe=One-Click False"]
    assert ["another host name" in judge_replies(url, stranger, None, datetime.now(UTC))[0].what,
            "signed by itself" in judge_replies(url, unknown, None, datetime.now(UTC))[0].what] == [True, True]


def test_a_service_that_is_not_running_is_started_by_the_command_shown() -> None:
    found = look(f"http://127.0.0.1:{free_port()}")
    assert [(one.code, one.state, one.record) for one in found][1] == ("site-silent", "wrong", "publisher run")
    assert found[1].what.endswith("Connection refused")


@pytest.mark.parametrize(("zone", "url", "code", "state"), [
    ("www.news.example.jp. A 1.1.1.1", SITE, "site", "right"), ("www.news.example.jp. A 1.1.1.1", SITE.replace("https", "http"), "site-http", "wrong"),
    ("www.news.example.jp. A 10.0.0.5", SITE, "site-private", "doubtful"), ("", SITE, "site-nowhere", "wrong"),
    ("", "http://localhost:8000", "site-here", "doubtful"), ("", "http://192.168.1.5:8000", "site-inside", "doubtful")])
def test_the_address_of_the_site_is_one_that_the_world_reaches(zone: str, url: str, code: str, state: str) -> None:
    """A name that leads inside the network is not asked: only what the settings name is."""
    with name_server(zone) as server:
        where = find(Names(1.0, server.address), url.partition("://")[2].partition(":")[0])
    found = judge_address(url, where, 1.0)
    assert [(one.code, one.state) for one in found] == [(code, state)]
    assert where.addresses == {"site": ("1.1.1.1",), "site-http": ("1.1.1.1",), "site-here": ("127.0.0.1",), "site-inside": ("192.168.1.5",)}.get(code, ())


def test_a_site_that_the_dns_does_not_know_of_costs_one_line() -> None:
    with name_server(failing=("www.news.example.jp",)) as server:
        found = examine_site(SITE, Names(1.0, server.address), caller(), datetime.now(UTC))
    assert [(one.code, one.state) for one in found] == [("site-unanswered", "wrong")]


@pytest.mark.parametrize(("off", "state", "words"), [(0, "right", "agrees"), (119, "right", "agrees"), (300, "wrong", "300 seconds behind"),
                                                     (-300, "wrong", "300 seconds ahead")])
def test_a_clock_more_than_two_minutes_off_is_wrong(off: int, state: str, words: str) -> None:
    """It is compared with the Date of another machine."""
    found = judge_clock("www.news.example.jp", Reply(404, ahead=timedelta(seconds=off)))
    assert (found.state, words in found.what) == (state, True)


def test_the_date_of_an_answer_is_read_and_that_of_this_machine_is_no_second_opinion() -> None:
    with front(date=datetime.now(UTC) + timedelta(hours=1), **OURS) as (port, _asked):
        reply = caller().call("GET", f"http://127.0.0.1:{port}/u/x", "127.0.0.1")
    assert reply.here
    assert timedelta(minutes=59) < (reply.ahead or timedelta()) < timedelta(minutes=61)
    assert judge_clock("127.0.0.1", reply).code == "clock-alone"
    assert judge_clock("127.0.0.1", Reply(200)).code == "clock-alone"
