"""The relay as a mail would find it: it answers, proves itself, takes the login, and says what it can do. Nothing is handed to it."""

import smtplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from publisher.doctor.finding import Finding, doubtful, right, single_line, why, wrong
from publisher.doctor.sending import shown
from publisher.doctor.tls import distrust, distrusted, expiry, judge_certificate
from publisher.i18n import _
from publisher.settings_secrets import relay_variable
from publisher.settings_sending import SINGLE, Relay, RelayEntry, is_loopback
from publisher.text.strike import without_addresses

Fault = Literal["", "unreached", "turned-away", "no-tls", "tls", "distrusted", "login", "no-login"]
# What pays: RFC 2920, 1870, 6152, 3461.
_WANTED = ("PIPELINING", "SIZE", "8BITMIME", "DSN")
_LEAST_SIZE = 1_000_000


@dataclass(frozen=True, slots=True)
class Talk:
    """What came of one connection. `features` are those of EHLO, in the end; `until` is when the certificate ends; `reason` is the relay's own."""

    fault: Fault = ""
    reason: str = ""
    distrust: ssl.SSLCertVerificationError | None = None
    features: Mapping[str, str] = field(default_factory=dict)
    until: datetime | None = None


def talk(relay: Relay, secret: str | None, tls: ssl.SSLContext, seconds: float) -> Talk:
    """Connect, encrypt as the settings say, log in, and leave; each answer is waited for `seconds` at most."""
    name = "localhost" if relay.is_loopback else socket.getfqdn()
    try:
        smtp = (smtplib.SMTP_SSL(relay.host, relay.port, name, timeout=seconds, context=tls) if relay.security == "tls"
                else smtplib.SMTP(relay.host, relay.port, name, seconds))
    except (OSError, smtplib.SMTPException) as error:
        return _failed(error, "unreached")
    try:
        return _spoken(smtp, relay, secret, tls)
    finally:
        smtp.close()


def _spoken(smtp: smtplib.SMTP, relay: Relay, secret: str | None, tls: ssl.SSLContext) -> Talk:
    try:
        smtp.ehlo_or_helo_if_needed()
        if relay.security == "starttls":
            smtp.starttls(context=tls)
            smtp.ehlo()
    except (OSError, smtplib.SMTPException) as error:
        return _failed(error, "unreached")
    features = {name.upper(): value for name, value in smtp.esmtp_features.items()}
    until = expiry(smtp.sock.getpeercert()) if isinstance(smtp.sock, ssl.SSLSocket) else None
    if relay.user and secret:
        try:
            smtp.login(relay.user, secret)
        except smtplib.SMTPNotSupportedError:
            return Talk("no-login", features=features, until=until)
        except (OSError, smtplib.SMTPException) as error:
            return Talk("login", _words(error), features=features, until=until)
    try:
        smtp.quit()
    except (OSError, smtplib.SMTPException):
        smtp.close()  # it hung up first, as some do
    return Talk(features=features, until=until)


def _failed(error: Exception, otherwise: Fault) -> Talk:
    untrusted = distrust(error)
    if untrusted:
        return Talk("distrusted", distrust=untrusted)
    if isinstance(error, ssl.SSLError):
        return Talk("tls", str(error.reason or error))
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Talk("no-tls")
    return Talk("turned-away" if isinstance(error, smtplib.SMTPResponseException) else otherwise, _words(error))


def _words(error: Exception) -> str:
    """What the relay or the system said, on one line and without addresses."""
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else str(error.smtp_error)
        return without_addresses(single_line(f"{error.smtp_code} {said}"))
    return why(error)


def judge_talk(entry: RelayEntry, relay: Relay, talked: Talk, secret: str | None, now: datetime) -> list[Finding]:
    """What to say of one relay."""
    place, setting = shown(entry), "mail.relay" if entry.name == SINGLE else "relays.url"
    if talked.fault in ("unreached", "turned-away", "no-tls", "tls", "distrusted"):
        return [_judge_no_talk(place, setting, relay, talked)]
    findings = [right("relay", _("The relay %(relay)s answers (only this machine)", relay=place) if relay.is_loopback else
                      _("The relay %(relay)s answers", relay=place))]
    if talked.until:
        findings.append(judge_certificate("relay-certificate", relay.host, talked.until, now))
    elif not relay.is_loopback:
        findings.append(_judge_plain(entry, place, relay, talked))
    return [*findings, *_judge_login(entry, place, relay, talked, secret), *_judge_features(place, talked)]


def _judge_no_talk(place: str, setting: str, relay: Relay, talked: Talk) -> Finding:
    if talked.fault == "unreached":
        return wrong("relay-unreached", _("The relay %(relay)s does not answer: %(reason)s", relay=place, reason=talked.reason),
                     _("to try things out, run it here:") if relay.is_loopback else _("check %(setting)s, and that the relay is running",
                                                                                      setting=setting),
                     f"publisher relay --listen {relay.host}:{relay.port}" if relay.is_loopback and relay.port > 1024 else "")
    if talked.fault == "turned-away":
        return wrong("relay-turned-away", _("The relay %(relay)s turns us away: %(reason)s", relay=place, reason=talked.reason),
                     _("ask whoever runs it"))
    if talked.fault == "no-tls":
        return wrong("relay-no-starttls", _("The relay %(relay)s does not offer STARTTLS", relay=place),
                     _("ask whoever runs it for the right port; many have:"), f'"smtps://{_at(relay)}:465"')
    if talked.distrust:
        return distrusted("relay-certificate", place, talked.distrust,
                          _("write the name that is in the certificate into %(setting)s, or have it renewed",
                                                                         setting=setting))
    return wrong("relay-tls", _("The relay %(relay)s speaks no TLS that is still safe: %(reason)s", relay=place, reason=talked.reason),
                 _("port 465 is smtps://, ports 587 and 25 are smtp+starttls://"))


def _at(relay: Relay) -> str:
    return f"{relay.user}@{relay.host}" if relay.user else relay.host


def _judge_plain(entry: RelayEntry, place: str, relay: Relay, talked: Talk) -> Finding:
    key = "relay" if entry.name == SINGLE else "url"
    better = f'{key} = "smtp+starttls://{_at(relay)}:{relay.port}"' if "STARTTLS" in talked.features else ""
    remedy = _("it offers STARTTLS; write:") if better else _("ask whoever runs it for a port with TLS (587 or 465)")
    if relay.user:
        return wrong("relay-plain", _("The password travels to %(relay)s unencrypted", relay=place), remedy, better)
    return doubtful("relay-plain", _("Mail travels to %(relay)s unencrypted", relay=place), remedy, better)


def _judge_login(entry: RelayEntry, place: str, relay: Relay, talked: Talk, secret: str | None) -> list[Finding]:
    if talked.fault == "no-login":
        return [wrong("relay-no-login", _("The relay %(relay)s offers no login that we know", relay=place),
                      _("without encryption many offer none: use smtp+starttls:// or smtps://, or leave the user out"))]
    if talked.fault == "login":
        return [wrong("relay-login",
                      _("The relay %(relay)s refuses the login of %(user)s: %(reason)s", relay=place, user=relay.user, reason=talked.reason),
                      _("check the user name and %(variable)s", variable=relay_variable(entry.name)))]
    if relay.user and not secret:
        return [wrong("relay-secret", _("There is no password for %(user)s at %(relay)s", user=relay.user, relay=place), _("set in the environment:"),
                      f"{relay_variable(entry.name)}=…")]
    if relay.user:
        return [right("relay-login", _("The relay %(relay)s takes the login of %(user)s", relay=place, user=relay.user))]
    return []


def _judge_features(place: str, talked: Talk) -> list[Finding]:
    offered = " ".join(f"{name} {talked.features[name]}".strip() for name in _WANTED if name in talked.features) or "–"
    size = talked.features.get("SIZE", "")
    findings = []
    if size.isdigit() and 0 < int(size) < _LEAST_SIZE:
        findings.append(doubtful("relay-size", _("The relay %(relay)s takes mails of %(n)s bytes at most", relay=place, n=f"{int(size):,}"),
                                 _("ask whoever runs it for more: an issue with long texts is larger")))
    if "PIPELINING" not in talked.features:
        findings.append(doubtful("relay-features",
                                 _("The relay %(relay)s does not offer PIPELINING (it offers: %(offered)s)", relay=place, offered=offered),
                                 _("sending works, and takes several times as long over a distance; ask whoever runs it")))
    return findings or [right("relay-features", _("The relay %(relay)s offers %(offered)s", relay=place, offered=offered))]


def examine_relay(entry: RelayEntry, secret: str | None, tls: ssl.SSLContext, seconds: float, now: datetime) -> list[Finding]:
    """One SMTP relay."""
    relay = Relay.parse(entry.url)
    return judge_talk(entry, relay, talk(relay, secret, tls, seconds), secret, now)


def examine_port(host: str, port: int, seconds: float) -> list[Finding]:
    """Whether mail can leave by port 25 of another host; many providers close it."""
    place = f"{host}:{port}"
    if is_loopback(host):
        return [doubtful("port25", _("%(place)s is only this machine: that says nothing about the way out", place=place), _("name a host elsewhere:"),
                         "publisher doctor --port25 HOST")]
    try:
        with socket.create_connection((host, port), seconds) as line:
            line.settimeout(seconds)
            greeting = line.recv(512)
    except OSError as error:
        return [wrong("port25", _("%(place)s is not reached: %(reason)s", place=place, reason=why(error)),
                      _("many providers close port 25 outwards: ask yours to open it, or use a relay at port 587"))]
    if greeting.startswith(b"220"):
        return [right("port25", _("%(place)s is reached: mail can leave by this way", place=place))]
    return [doubtful("port25", _("%(place)s is reached, and does not greet as a mail server: %(reason)s", place=place,
                                 reason=without_addresses(single_line(greeting.decode("utf-8", "replace"))) or "–"),
                     _("something stands in between, or that host turns us away"))]
