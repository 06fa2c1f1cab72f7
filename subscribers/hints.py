"""What is worth a question before an address is taken: a slip in a well-known domain, an address of an office. Nothing is corrected unasked."""

from functools import lru_cache
from pathlib import Path

import idna
import structlog
from rapidfuzz.distance import DamerauLevenshtein

from subscribers.addresses import Address

log = structlog.get_logger("publisher")
# Where most people have their mailbox, Japan first: of two that are as near, the first is asked about. Short names are no targets:
# ocn.ne.jp, odn.ne.jp and dozens beside them all exist.
_TARGETS = ("gmail.com", "yahoo.co.jp", "docomo.ne.jp", "icloud.com", "ezweb.ne.jp", "softbank.ne.jp", "i.softbank.jp", "ymobile.ne.jp",
            "outlook.jp", "outlook.com", "hotmail.co.jp", "hotmail.com", "yahoo.com", "ymobile1.ne.jp", "uqmobile.jp", "rakumail.jp",
            "biglobe.ne.jp", "nifty.com", "plala.or.jp", "so-net.ne.jp", "excite.co.jp", "infoseek.jp", "googlemail.com", "hotmail.co.uk",
            "yahoo.co.uk", "protonmail.com", "proton.me")
# These exist and look like a slip of one of the above.
_REAL = ("ymail.com", "mail.com", "email.com", "gmx.com", "gmx.net", "cloud.com", "au.com", "me.com", "mac.com", "aol.com", "live.com",
         "live.jp", "msn.com", "nifty.ne.jp", "vodafone.ne.jp", "outlook.fr", "outlook.de", "outlook.es", "outlook.it", "outlook.kr",
         "hotmail.fr", "hotmail.de", "hotmail.es", "hotmail.it", "hotmail.co.kr", "yahoo.fr", "yahoo.de", "yahoo.ca", "yahoo.es", "yahoo.it",
         "yahoo.co.kr", "yahoo.co.in", "yahoo.co.id", "yahoo.co.nz", "yahoo.co.th", "yahoo.co.za", "yahoo.co.il", "softbank.jp",
         "softbank.co.jp", "excite.com", "protonmail.ch", "pm.me")
_KNOWN = frozenset(_TARGETS + _REAL)
# Further away than one slip, and typed every day.
_CONFUSED = {"gmail.co.jp": "gmail.com", "gmail.ne.jp": "gmail.com", "gmail.jp": "gmail.com", "icloud.co.jp": "icloud.com",
             "icloud.ne.jp": "icloud.com", "icloud.jp": "icloud.com", "yahoo.ne.jp": "yahoo.co.jp", "yahoo.or.jp": "yahoo.co.jp",
             "docomo.co.jp": "docomo.ne.jp", "ezweb.co.jp": "ezweb.ne.jp", "hotmail.ne.jp": "hotmail.co.jp", "outlook.ne.jp": "outlook.jp"}
# RFC 2142 and what offices are called; whoever reads there may change, and nobody of them may have asked.
_ROLES = frozenset((
    "abuse", "admin", "administrator", "all", "billing", "contact", "customer", "customerservice", "dev", "editor", "everyone", "help", "helpdesk",
    "hostmaster", "hr", "info", "information", "inquiry", "it", "jinji", "kouhou", "koho", "list", "mail", "mailer-daemon", "marketing", "media",
    "news", "newsletter", "no-reply", "no_reply", "noc", "noreply", "office", "otoiawase", "postmaster", "pr", "press", "privacy", "recruit",
    "root", "saiyo", "sales", "security", "service", "soumu", "spam", "staff", "subscribe", "support", "sysadmin", "team", "tech", "toiawase",
    "unsubscribe", "usenet", "webmaster", "www"))


def suggestion(address: Address) -> str | None:
    """The address with the well-known domain that was probably meant, to be asked about; None when nothing looks like a slip."""
    domain = address.key.rpartition("@")[2]
    meant = None if domain in _KNOWN else _CONFUSED.get(domain) or next(
        (known for known in _TARGETS if DamerauLevenshtein.distance(domain, known, score_cutoff=1) == 1), None)
    return f"{address.typed.rpartition('@')[0]}@{meant}" if meant else None


def is_role(address: Address) -> bool:
    """Whether the address is that of an office (info@, postmaster@) and not of a person: worth a warning, not a refusal."""
    return address.key.rpartition("@")[0].partition("+")[0] in _ROLES


class RefusedDomains:
    """The newsroom's list of domains nobody may sign up from: one a line, `#` begins a remark, subdomains are meant too.

    Raises OSError or ValueError when the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        lines = (line.partition("#")[0].strip().strip("@.").lower() for line in path.read_text("utf-8-sig").splitlines())
        self._domains = frozenset(_ascii(line) for line in lines if line)

    def refuses(self, address: Address) -> bool:
        """Whether the address stands in one of these domains, or below one."""
        labels = address.key.rpartition("@")[2].split(".")
        return any(".".join(labels[start:]) in self._domains for start in range(len(labels)))


def refused_domains(path: Path | None) -> RefusedDomains | None:
    """The list at `path`, read again when the file has changed. One that cannot be read refuses nobody, and the log says so."""
    if path is None:
        return None
    try:
        stand = path.stat()
        return _read(path, stand.st_mtime_ns, stand.st_size)
    except (OSError, ValueError) as error:
        log.warning("refused_domains_unreadable", path=str(path), reason=str(error))
        return None


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int, _size: int) -> RefusedDomains:
    return RefusedDomains(path)


def _ascii(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain
