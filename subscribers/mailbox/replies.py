"""Whether a mail may be answered, and to whom (RFC 3834): silence is the rule wherever a machine may have written.

An answer to a machine makes a loop, an answer to a forged sender makes us the sender of unasked-for mail (backscatter).
"""

import re
import unicodedata

import authres

from subscribers.addresses import Address, NotAnAddress, parse_address
from subscribers.mailbox.reading import Incoming

# Where no person reads, whoever's host it is.
_ROLES = re.compile(r"(?:mailer-?daemon|postmaster|hostmaster|abuse|majordomo|listserv|listproc|mailman|daemon|root|bounces?|double-bounce"
                    r"|do-?not-?reply|no-?reply|noreply-.*|owner-.*|.*-(?:owner|request|bounces?)|.*-bounces\+.*)")
# Programs that answer in somebody's absence and say so only in the subject; their words in the languages whose programs are common.
_ABSENT = re.compile(
    r"自動(?:返信|応答|送信)|不在(?:通知|連絡|の(?:お)?知らせ|のため|です|:|$)|^[\W_]*不在|休暇(?:中|のため)|長期休暇|外出中"
    r"|休業(?:日|中|の|のため|期間|:|$)|お休み(?:を|中|の)|^auto\s*:"
    r"|^(?:undeliver|undelivered|returned mail|delivery (?:status|failure)|mail delivery)"
    r"|\bon (?:holiday|vacation|(?:annual |parental |maternity )?leave)\b"
    r"|out of (?:the )?office|\booo\b|auto(?:matic|mated)?[ -]?(?:reply|response|answer|generated)|autoreply|vacation (?:reply|response|message)"
    r"|away from (?:my|the) (?:mail|desk|office)|automatische antwort|abwesenheit|r[eé]ponse automatique|risposta automatica"
    r"|respuesta autom[aá]tica|resposta autom[aá]tica|automatisch antwoord|自动回复|自動回覆|자동 ?(?:응답|회신)|부재중")
# Written by programs that answer by themselves, under whatever value.
_MACHINES = ("x-autoreply", "x-autorespond", "x-autoresponse", "x-auto-reply", "x-mail-autoreply", "x-autoreply-from", "x-auto-response",
             "x-vacation", "x-fc-machinegenerated", "x-ms-exchange-inbox-rules-loop", "delivered-to-autoresponder", "x-amazon-auto-reply")
# Batched tags before an address (BATV, draft-levine-smtp-batv): prvs=TAG=taro@example.jp.
_BATV = re.compile(r"prvs=[0-9A-Za-z]{6,20}[=/](?=.)", re.IGNORECASE)
_LONGEST_RESULTS = 4000


def silence(mail: Incoming, sender: str | None) -> str | None:
    """Why nothing is answered and nothing done, as a word for the log; None for a mail that a person may have written.

    `sender` is that of the envelope, empty for the null sender, None where no server told it.
    """
    if not mail.readable:
        return "unreadable"
    if sender == "":
        return "null-sender"
    if is_role(sender or "") or (mail.author is not None and is_role(mail.author.key)):
        return "role-sender"
    if mail.content_type == "multipart/report":
        return "report"
    if is_automatic(mail):
        return "automatic"
    if mail.first("precedence").strip().lower() in ("bulk", "list", "junk", "auto_reply"):
        return "precedence"
    if any(name.startswith("list-") for name, _value in mail.headers):
        return "list"
    if mail.first("x-auto-response-suppress"):
        return "suppress"
    return "loop" if mail.all("x-loop") else None


def is_automatic(mail: Incoming) -> bool:
    """Whether the mail says that a program wrote it (RFC 3834 section 5), or reads like a note of absence."""
    stated = re.sub(r"\([^()]*\)", "", mail.first("auto-submitted")).partition(";")[0].strip().lower()
    return stated not in ("", "no") or answers_by_itself(mail)


def answers_by_itself(mail: Incoming) -> bool:
    """Whether the mail is the answer of a program: a note of absence, an acknowledgement. What a program sent by itself is not meant."""
    stated = mail.first("auto-submitted").strip().lower()
    subject = unicodedata.normalize("NFKC", mail.subject).casefold()
    return stated.startswith("auto-replied") or any(mail.all(name) for name in _MACHINES) or bool(_ABSENT.search(subject))


def came_back(mail: Incoming, sender: str | None) -> bool:
    """Whether the mail is a report on another one: a bounce, a receipt."""
    from_daemon = mail.author is not None and mail.author.key.startswith(("mailer-daemon@", "postmaster@"))
    return mail.content_type == "multipart/report" or (sender == "" and from_daemon)


def is_role(address: str) -> bool:
    """Whether no person reads this address, by its name."""
    return bool(_ROLES.fullmatch((address.strip("<>").rpartition("@")[0] or address).lower()))


def refers_to(mail: Incoming, domains: set[str]) -> bool:
    """Whether the mail answers one of ours, by the domain of the Message-IDs it refers to."""
    return any(identity.rstrip(">").rpartition("@")[2].lower() in domains for identity in mail.referred)


def answerable(mail: Incoming, sender: str | None, trusted: tuple[str, ...]) -> Address | None:
    """Whom an answer may go to: the author, when the envelope names the same person or a server of ours has checked it. Nobody else is written to."""
    if mail.author is None:
        return None
    return mail.author if _same(mail.author, sender) or is_authenticated(mail, trusted) else None


def _same(author: Address, sender: str | None) -> bool:
    try:
        return bool(sender) and parse_address(_BATV.sub("", (sender or "").strip("<>"))).key == author.key
    except NotAnAddress:
        return False


def is_authenticated(mail: Incoming, trusted: tuple[str, ...]) -> bool:
    """Whether a server that we trust says that the author's domain wrote this (RFC 8601): by DMARC, or by DKIM or SPF for the same domain.

    Only the topmost header that bears a trusted name counts. What stands further down was there before the mail came to us: a forger writes it too.
    """
    names = {name.lower() for name in trusted}
    domain = mail.author.key.rpartition("@")[2] if mail.author else ""
    for value in mail.all("authentication-results") if names and domain else ():
        try:
            found = authres.all_features().parse_value(value[:_LONGEST_RESULTS])
        except (authres.AuthResError, ValueError, IndexError, TypeError, AttributeError, RecursionError):
            # One that cannot be read may be ours: then nothing is known, and what follows is not asked.
            if re.match(r"[\w.-]*", value.strip().lower())[0] in names:  # type: ignore[index]
                return False
            continue
        if (found.authserv_id or "").lower() in names:
            return any(_vouches(result, domain) for result in found.results)
    return False


def _vouches(result: object, domain: str) -> bool:
    if getattr(result, "result", "").lower() != "pass":
        return False
    method = getattr(result, "method", "").lower()
    if method == "dmarc":
        return _host(getattr(result, "header_from", None)) == domain
    if method == "dkim":
        signer = _host(getattr(result, "header_d", None)) or _host(getattr(result, "header_i", None))
        # A signature of the domain above counts as well ("relaxed", RFC 7489 section 3.1.1); nobody signs for .jp.
        return signer == domain or ("." in signer and domain.endswith(f".{signer}"))
    return method == "spf" and _host(getattr(result, "smtp_mailfrom", None)) == domain


def _host(value: str | None) -> str:
    return (value or "").strip().rstrip(".").rpartition("@")[2].lower()
