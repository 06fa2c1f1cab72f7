"""Judges a refusal by what it says and, where that says nothing, by its number: hard, soft, or blocked.

* hard: there is no such address (RFC 3463 section 3.2), and there never will be mail to it.
* soft: it did not arrive this time: a full or closed mailbox, a mail too large, a server that never answered.
* blocked: refused for what we are or what the mail says (RFC 3463 section 3.8), or because the other system has trouble. Not the reader's fault: one
  mistake in our DMARC record must not delete the list.

Text counts for more than numbers, because numbers are often general where the text is not (Postfix: 5.0.0 "User unknown"). A temporary answer
(4.x.x) is never hard, whatever it says: who is not sure may be mistaken.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from publisher.text.strike import without_addresses

Strength = Literal["hard", "soft", "blocked"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to say it. `said_by` names those who are known to."""

    strength: Strength
    pattern: re.Pattern[str]
    said_by: str


def _rule(strength: Strength, pattern: str, said_by: str) -> Rule:
    return Rule(strength, re.compile(pattern), said_by)


_PERSON = r"(?:user|recipient|mailbox|account|address(?:ee)?|local[ -]?part|email|person|customer)"
_ABSENT = r"(?:unknown|invalid|(?:could ?n[o']t|can ?n[o']t|can't|was ?n[o']t|not) (?:be )?found|does ?n[o']t exist|not exist)"
# All are asked. Where several answer, soft wins (a full mailbox exists, whatever else is said of it); between hard and blocked the number decides.
RULES = (
    _rule("soft", r"(?:mail ?box|inbox|account|user|recipient|storage|quota|disk)[^.;]{0,40}?(?:\bfull\b|over ?quota|exceed)",
          "Exchange, Gmail, qmail, Dovecot"),
    _rule("soft", r"over ?(?:its |the |disk )?quota|quota (?:has been )?exceed|out of storage|insufficient (?:mailbox )?quota",
          "Gmail, Yahoo, Dovecot"),
    _rule("soft", r"メール ?ボックス.{0,12}(?:一杯|いっぱい|満杯|容量)|容量.{0,10}(?:超|オーバー|不足)", "Japanese hosts"),
    _rule("soft", r"message (?:size |file )?(?:is )?(?:too (?:big|large)|exceeds)|size (?:limit|exceed)"
                  r"|exceeds (?:fixed |maximum )*(?:message )?size",
          "Postfix, Exim, Exchange"),
    _rule("soft", r"(?:mailbox|account|user)[^.;]{0,60}?(?:disabled|inactive|suspended|locked|deactivated)", "Gmail 5.2.1, Yahoo, Exchange"),
    _rule("soft", r"recipient address rejected: access denied", "Exchange Online 5.4.1: not in its directory, or not there yet"),
    _rule("blocked", r"\bspam|\bjunk|unsolicited|\bbulk mail|phish|\bvirus|malware|迷惑メール|スパム|なりすまし", "Gmail, Yahoo, carriers"),
    _rule("blocked", r"block(?:ed|\s?list)|black\s?list|deny\s?list|\bd?nsbl\b|\brbl\b|spamhaus|barracuda|reputation|\bbanned\b",
          "Outlook.com S3140, Postfix with a block list"),
    _rule("blocked", r"\bpolicy\b|policies|prohibited|受信拒否|拒否設定|not permitted|message (?:was )?(?:refused|filtered)|content (?:was )?reject",
          "GMX, Exim, carriers"),
    _rule("blocked", r"\bdmarc\b|\bspf\b|\bdkim\b|unauthenticated|authenticat|not authori[sz]ed|unauthori[sz]ed",
          "Gmail 5.7.26, Outlook.com 5.7.515"),
    _rule("blocked", r"relay access denied|relaying (?:denied|not)|unable to relay|not allowed to relay|rcpthosts|relay not permitted",
          "Postfix, Exchange, qmail, Exim"),
    _rule("blocked", r"(?:access|permission) denied|sender (?:address )?(?:rejected|denied|verif)|bad outbound sender|null ?mx.{0,20}sender"
                     r"|sender.{0,20}null ?mx", "Exchange 5.1.8, Postfix, RFC 7505 section 4.2"),
    _rule("blocked", r"(?:reverse|ptr|rdns)[^.;]{0,20}(?:dns|record|lookup|host)|client host|\bhelo\b|your (?:ip|server|host|network|domain)\b",
          "Postfix, Yahoo"),
    _rule("blocked", r"rate[ -]?limit|too many (?:connection|message|recipient|error)|throttl|gr[ea]y ?list|try again later",
          "Gmail 4.7.28, Yahoo TSS04"),
    _rule("blocked", r"insufficient (?:system|disk) (?:storage|resource|space)|system (?:is )?not accepting|queue file write error"
                     r"|service (?:is )?(?:currently )?unavailable", "Postfix, sendmail: the system's own trouble"),
    _rule("hard", r"(?:unknown|no such|invalid|non-?exist[ea]nt|bad|unroute?able|undeliverable)"
                  r" (?:remote |local |destination |or invalid )?" + _PERSON,
          "Postfix, SoftBank, docomo, Exim, sendmail"),
    _rule("hard", _PERSON + r"(?: name| address)?(?: [^\s.;]+)?:? ?(?:is |was )?" + _ABSENT, "Postfix, au, Exchange, sendmail"),
    _rule("hard", r"recip(?:ient)?notfound|no mailbox here by that name|not a valid (?:mailbox|recipient|user|address)"
                  r"|no (?:valid )?recipients? here",
          "Exchange RESOLVER.ADR, qmail"),
    _rule("hard", _PERSON + r"[^.;]{0,60}? (?:does|did) ?n[o']t exist|doesn't have an? [\w.]+ account", "Gmail, Yahoo"),
    _rule("hard", r"not our customer|no longer (?:valid|exists|in use)|address (?:is )?no longer|has moved|(?:closed|discontinued) account", "hosts"),
    _rule("hard", r"mailbox unavailable", "RFC 5321 section 4.2.3, Outlook.com"),
    _rule("hard", r"宛先不明|宛先.{0,24}(?:存在し|見つかり|ありません|不明|誤り)"
                  r"|(?:ユーザー?|アドレス|アカウント|メールボックス).{0,16}(?:存在し(?:ません|ない)|見つかりません|ありません|不明)",
          "Japanese carriers and hosts"),
    _rule("hard", r"(?:host|domain)(?: name)?(?: \S+)? (?:not found|does ?n[o']t exist)|nxdomain"
                  r"|(?:no such|unknown|invalid|non-?existent) (?:host|domain)"
                  r"|couldn't find any host|name or service not known|unrouteable mail domain|no mx or a record",
          "Postfix 5.4.4, qmail, Gmail, Exim"),
    _rule("hard", r"null ?mx|does not accept (?:e-?)?mail|accepts no (?:e-?)?mail", "RFC 7505 section 4.1"),
)
# RFC 3463 section 3.2 with RFC 7505 and Exchange's use of 5.1.10. 5.1.7, 5.1.8 and 5.1.9 are about the sender.
_ADDRESS_CLASSES = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})
_BLOCKED_CLASSES = re.compile(r"[45]\.7\.\d+|5\.1\.[789]|[45]\.3\.[1235]|4\.3\.0")
# RFC 5321 section 4.2.3 writes "mailbox unavailable" for every 550: it means something only where no number says more.
_SAYS_LITTLE = frozenset({"", "5.0.0", "5.5.0"})
# Neither 5.1.1 in an address of the network (10.5.1.1) nor in a version.
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_CODE = re.compile(r"(?<![\d.])([45]\d\d)(?=[ \-#<(:,]|$)")
_OF_CODE = {"556": "5.1.10", "552": "5.2.2"}  # RFC 7505 section 4.1; RFC 5321 section 4.2.3
_LINK = re.compile(r"(?:https?://|www\.)\S+")
_LONGEST = 4000


def status_in(text: str) -> str:
    """The enhanced status (RFC 3463) that a text holds, such as 5.1.1; else what its SMTP code says, at least 5.0.0 or 4.0.0; else nothing."""
    if found := _STATUS.search(text):
        return found[1]
    code = _CODE.search(text)
    return _OF_CODE.get(code[1], f"{code[1][0]}.0.0") if code else ""


def says_why(text: str) -> bool:
    """Whether a line sounds like the reason of a failure, and not like the courtesies around it."""
    said = _plain(text)
    return bool(status_in(said)) or any(rule.pattern.search(said) for rule in RULES)


def classify(status: str, text: str) -> Strength:
    """How a failure counts. `status` is the report's own (RFC 3464 section 2.3.4) or empty, `text` what the refusing server said."""
    said = _plain(text)
    enhanced = _STATUS.search(said)
    inner = status_in(said)
    # What the server itself answered is nearer to the truth than what the reporting one made of it, unless it is only a class.
    number = enhanced[1] if enhanced and not enhanced[1].endswith(".0.0") else inner if status in ("", "5.0.0", "4.0.0") and inner else status
    found = {rule.strength for rule in RULES if rule.pattern.search(said)}
    if "soft" in found or (inner or status).startswith("4"):
        return "blocked" if "soft" not in found and ("blocked" in found or _BLOCKED_CLASSES.fullmatch(number)) else "soft"
    if "hard" in found and "mailbox unavailable" in said and number not in _SAYS_LITTLE:
        found.discard("hard")
    if "hard" in found and ("blocked" not in found or number in _ADDRESS_CLASSES):
        return "hard"
    if "blocked" in found:
        return "blocked"
    if number in _ADDRESS_CLASSES:
        return "hard"
    return "blocked" if _BLOCKED_CLASSES.fullmatch(number) else "soft"


def _plain(text: str) -> str:
    """In small letters, narrow forms, on one line, without links: their words are not the server's."""
    folded = unicodedata.normalize("NFKC", text[:_LONGEST]).replace("’", "'").lower()
    return " ".join(_LINK.sub(" ", folded).split())


_SHORTEST_NAME = 3


def without_names(text: str, *known: str) -> str:
    """`text` on one line without any address, and without the names that the `known` addresses begin with ("unknown user: taro")."""
    clean = without_addresses(" ".join(text[:_LONGEST].split()))
    for address in known:
        local, _at, domain = address.rpartition("@")
        for word in (f"{local}={domain}", f"{local}%{domain}", local):
            if local and len(word) >= _SHORTEST_NAME:
                clean = re.sub(rf"(?<![\w.]){re.escape(word)}(?!\.?\w)", "<…>", clean, flags=re.IGNORECASE)
    return clean
