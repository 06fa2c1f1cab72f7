"""Receivers that count us together: the domains of one operator, the hosts that take their mail, and the words by which its answers are known.

Gmail: "limit per MX record domain, not recipient domain" (support.google.com/mail/answer/81126). The Japanese carriers count by operator as well.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """One operator. Its first domain is the name of the family; `hosts` are patterns of its mail hosts."""

    domains: tuple[str, ...]
    hosts: tuple[str, ...]
    words: re.Pattern[str]


def _family(domains: str, hosts: str, words: str) -> Family:
    return Family(tuple(domains.split()), tuple(hosts.split()), re.compile(words, re.IGNORECASE))


FAMILIES = (
    _family("gmail.com googlemail.com", "*.google.com *.googlemail.com", r"google|gmail|gsmtp"),
    _family("outlook.com hotmail.com live.com msn.com outlook.jp hotmail.co.jp live.jp", "*.olc.protection.outlook.com",
            r"outlook|hotmail|microsoft|\b4\.7\.6\d\d\b|\(S\d{3,4}\)"),
    _family("yahoo.com ymail.com rocketmail.com aol.com aim.com yahoo.co.uk yahoo.fr yahoo.de", "*.yahoodns.net", r"yahoo|\baol\b|\[TSS?\d"),
    _family("icloud.com me.com mac.com", "*.mail.icloud.com", r"icloud|\bapple\b"),
    _family("docomo.ne.jp", "*.docomo.ne.jp", r"docomo"),
    _family("au.com ezweb.ne.jp", "*.au.com *.ezweb.ne.jp", r"ezweb|kddi|\bau\.com"),
    _family("softbank.ne.jp i.softbank.jp vodafone.ne.jp " + " ".join(f"{letter}.vodafone.ne.jp" for letter in "dhtckrnsq"),
            "*.softbank.ne.jp *.softbank.jp", r"softbank|vodafone"),
    _family("yahoo.co.jp ymail.ne.jp", "*.yahoo.co.jp", r"yahoo"),
)
HEAD_OF = {domain: family.domains[0] for family in FAMILIES for domain in family.domains}
WORDS_OF = {family.domains[0]: family.words for family in FAMILIES}
