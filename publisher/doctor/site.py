"""The pages as a mail provider finds them: one-click leaving over https, without redirect or cookie (RFC 8058), and the clock there."""

import ipaddress
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

import httpx

from publisher import __version__
from publisher.doctor.asking import Answer, Names, is_public, unanswered
from publisher.doctor.finding import Finding, doubtful, right, single_line, why, wrong
from publisher.doctor.tls import distrust, distrusted, expiry, judge_certificate
from publisher.i18n import _
from publisher.links import leave_url
from publisher.settings_sending import is_loopback

# A token that nobody was ever given: the page says so, and nobody leaves.
NOBODY = "publisher-doctor"
_ONE_CLICK = b"List-Unsubscribe=One-Click"
_REDIRECTS = range(300, 400)
_MOST_OFF = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: its status (0: none came, and why), headers, whether this machine gave it, the certificate's end, how far its clock is ahead."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    distrust: ssl.SSLCertVerificationError | None = None
    here: bool = False
    until: datetime | None = None
    ahead: timedelta | None = None

    @property
    def is_ours(self) -> bool:
        """Whether our own page for wrong links answered: no other page says 404 and asks robots away at once."""
        return self.status in (404, 429) and "noindex" in self.headers.get("x-robots-tag", "")


@dataclass(frozen=True, slots=True)
class Where:
    """How the site is found. `literal`: its settings name an address, or this machine. `addresses` is what may be connected to."""

    state: Literal["literal", "public", "private", "unknown"]
    addresses: tuple[str, ...]
    answer: Answer


def find(names: Names, host: str) -> Where:
    """Where the site is for the world. A name that leads inside the network is not followed: only what the settings name is."""
    if is_loopback(host):
        return Where("literal", ("127.0.0.1",) if "localhost" in host else (host,), Answer("found"))
    try:
        return Where("literal", (str(ipaddress.ip_address(host)),), Answer("found"))
    except ValueError:
        answer = names.addresses(host)
    public = tuple(address for address in answer.records if is_public(address))
    if public:
        return Where("public", public, answer)
    return Where("private" if answer.records else "unknown", (), answer)


class Caller:
    """Asks the site, at addresses that were looked at before; redirects are answers."""

    def __init__(self, tls: ssl.SSLContext, seconds: float, clock: Callable[[], datetime]) -> None:
        self._tls, self._seconds, self._clock = tls, seconds, clock

    def call(self, method: str, url: str, address: str) -> Reply:
        """One request to `url` at `address`."""
        parts = urlsplit(url)
        headers = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": f"publisher-doctor/{__version__}"}
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = _ONE_CLICK if method == "POST" else None
        began = self._clock()
        try:
            with httpx.Client(trust_env=False, verify=self._tls, timeout=self._seconds, follow_redirects=False) as client:
                request = client.build_request(method, _at(parts, address), headers=headers, content=body,
                                               extensions={"sni_hostname": parts.hostname})
                answer = client.send(request, stream=True)
                try:
                    return _read(answer, began, self._clock())
                finally:
                    answer.close()
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Reply(0, reason=why(error), distrust=distrust(error))


def _at(parts: SplitResult, address: str) -> str:
    host = f"[{address}]" if ":" in address else address
    return urlunsplit((parts.scheme, f"{host}:{parts.port}" if parts.port else host, parts.path, "", ""))


def _read(answer: httpx.Response, began: datetime, ended: datetime) -> Reply:
    stream = answer.extensions["network_stream"]
    tls, here, there = (stream.get_extra_info(name) for name in ("ssl_object", "client_addr", "server_addr"))
    try:
        # RFC 9110 section 6.6.1: a server without a clock sends none.
        said = parsedate_to_datetime(answer.headers["date"])
        ahead = (said if said.tzinfo else said.replace(tzinfo=UTC)) - (began + (ended - began) / 2)
    except (KeyError, ValueError):
        ahead = None
    return Reply(answer.status_code, {name.lower(): value for name, value in answer.headers.items()},
                 here=bool(here and there and here[0] == there[0]),
                 until=expiry(tls.getpeercert()) if tls else None, ahead=ahead)


def judge_address(url: str, where: Where, seconds: float) -> list[Finding]:
    """Whether site.url is one that readers and providers can use at all."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if where.state == "unknown":
        topic = _("The address of %(host)s (site.url)", host=host)
        return [unanswered("site-unanswered", topic, where.answer, seconds) if not where.answer.known else
                wrong("site-nowhere", _("%(host)s (site.url) has no address: no link in a mail leads anywhere", host=host),
                      _("correct site.url, or publish, with the address of the site in the place of ADDRESS:"),
                      f"{host}. A ADDRESS")]
    if where.state == "private":
        return [doubtful("site-private", _("%(host)s (site.url) is %(address)s, seen from here: inside this network, so it was not asked", host=host,
                                           address=where.answer.records[0]),
                         _("look from outside, with another resolver:"), "publisher doctor --resolver 9.9.9.9:53")]
    if is_loopback(host):
        return [doubtful("site-here",
                         _("site.url is %(url)s, only this machine: fine for trying out, and readers elsewhere do not reach it", url=url),
                         _("in earnest write https:// and the name of the site"))]
    if where.state == "literal" and not is_public(where.addresses[0]):
        return [doubtful("site-inside", _("site.url is %(url)s, only this network: readers elsewhere do not reach it", url=url),
                         _("in earnest write https:// and the name of the site"))]
    if parts.scheme != "https":
        return [wrong("site-http", _("site.url begins with http://: leaving by one click works over https:// only (RFC 8058)"),
                      _("put a certificate in front, then write in [site]:"), f'url = "{url.replace("http://", "https://", 1)}"')]
    return [right("site", _("site.url is %(url)s, and the world finds it", url=url))]


def judge_replies(url: str, posted: Reply, got: Reply | None, now: datetime) -> list[Finding]:
    """What to say of a one-click POST with a link that is nobody's, and of a GET at the same address."""
    if posted.distrust:
        return [distrusted("site-certificate", urlsplit(url).hostname or "", posted.distrust,
                           _("no provider posts to it: have it renewed, or correct site.url"))]
    if not posted.status:
        return [wrong("site-silent", _("%(url)s does not answer: %(reason)s", url=url, reason=posted.reason),
                      _("start the service, or look at the server in front of it:"), "publisher run")]
    findings = [judge_certificate("site-certificate", urlsplit(url).hostname or "", posted.until, now)] if posted.until else []
    findings.append(_judge_post(posted))
    if got is not None:
        findings.append(_judge_get(got))
    if "set-cookie" in posted.headers or (got is not None and "set-cookie" in got.headers):
        findings.append(doubtful("one-click-cookie", _("Leaving by one click is answered with a cookie: something in front of the pages sets it"),
                                 _("switch it off for /u/: providers send none back (RFC 8058 section 3.1)")))
    return findings


def _judge_post(posted: Reply) -> Finding:
    if posted.status in _REDIRECTS:
        return wrong("one-click-redirect", _("Leaving by one click is redirected to %(there)s, which RFC 8058 forbids: providers take it for broken",
                                             there=single_line(posted.headers.get("location", "–"))),
                     _("write the address at the end of the redirect into site.url, or take the redirect away for /u/"))
    if posted.status == 429:
        return doubtful("one-click-busy", _("The pages say that this machine asked too often (429)"), _("try again in ten minutes"))
    if posted.is_ours:
        return right("one-click", _("Leaving by one click is answered at once, without redirect"))
    if posted.status in (200, 404):
        return wrong("one-click-other", _("Something else than publisher answers under /u/ (%(status)s)", status=posted.status),
                     _("let the server in front pass /u/ on to publisher run, POST as well as GET"))
    return wrong("one-click-refused", _("Leaving by one click is answered with %(status)s", status=posted.status),
                 _("let the server in front (firewall, robot check, login) pass POST to /u/ without cookie and token"))


def _judge_get(got: Reply) -> Finding:
    if got.is_ours or got.status == 429:
        return right("leave-page", _("A GET at the same address shows a page and nobody leaves by it: link scanners do no harm"))
    if got.status in _REDIRECTS:
        return wrong("leave-page-redirect", _("The page for leaving is redirected to %(there)s", there=single_line(got.headers.get("location", "–"))),
                     _("write the address at the end of the redirect into site.url, or take the redirect away for /u/"))
    return wrong("leave-page-other", _("The page for leaving is not shown (%(status)s)", status=got.status or got.reason),
                 _("let the server in front pass /u/ on to publisher run, POST as well as GET"))


def judge_clock(host: str, reply: Reply) -> Finding:
    """The machine's clock beside that of the site: timetables and signatures go by it."""
    if reply.ahead is None or reply.here:
        return doubtful("clock-alone", _("The clock was compared with nothing: no answer came from another machine"), _("see that it is kept right:"),
                        "timedatectl status")
    off = abs(round(reply.ahead.total_seconds()))
    if abs(reply.ahead) <= _MOST_OFF:
        return right("clock", _("The clock agrees with that of %(host)s", host=host))
    what = (_("The clock is %(n)s seconds behind that of %(host)s", n=off, host=host) if reply.ahead > timedelta(0)
            else _("The clock is %(n)s seconds ahead of that of %(host)s", n=off, host=host))
    return wrong("clock", what, _("have it set by the network:"), "timedatectl set-ntp true")


def examine_site(url: str, names: Names, caller: Caller, now: datetime) -> list[Finding]:
    """site.url: its address, the two requests, the clock."""
    host = urlsplit(url).hostname or ""
    where = find(names, host)
    findings = judge_address(url, where, names.seconds)
    if not where.addresses:
        return findings
    page, posted, used = leave_url(url, NOBODY), Reply(0), where.addresses[0]
    for address in where.addresses[:3]:
        posted, used = caller.call("POST", page, address), address
        if posted.status or posted.distrust:
            break
    got = caller.call("GET", page, used) if posted.status else None
    return [*findings, *judge_replies(url, posted, got, now), judge_clock(host, posted)]
