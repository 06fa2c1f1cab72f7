"""What an address is, and when two of them are the same person: pure, without DNS.

The address is kept as it was typed, because that is what is mailed. The key, which decides who is the same person, is folded:

* The domain is lower-cased and in its ASCII form (RFC 5890), so that 日本語.jp and xn--wgv71a119e.jp are one.
* The local part is lower-cased. RFC 5321 section 2.4 lets a host tell Taro from taro, but none in use does, and a telephone writes
  the first letter large: a suppression must hold for both spellings.
* Dots and +tags stay. Which hosts ignore them is nobody's to guess, and taro.yamada is somebody else than taroyamada almost everywhere.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from publisher.i18n import N_
from publisher.tokens import Keys

# RFC 5321 section 4.5.3.1.3: a path has 256 octets, its angle brackets among them.
LONGEST = 254
_LONGEST_LOCAL = 64  # RFC 5321 section 4.5.3.1.1
_PURPOSE = "address"
# Japanese carriers gave out addresses that RFC 5322 does not know (two dots in a row, a dot at an end); their owners still have them.
_CARRIERS = ("docomo.ne.jp", "ezweb.ne.jp", "au.com", "softbank.ne.jp", "vodafone.ne.jp", "disney.ne.jp", "ymobile.ne.jp", "emnet.ne.jp",
             "emobile.ne.jp", "pdx.ne.jp", "willcom.com", "uqmobile.jp", "tu-ka.ne.jp")
_CARRIER = re.compile(r"(?:[a-z0-9-]+\.)*(?:" + "|".join(map(re.escape, _CARRIERS)) + r")|jp-[a-z]\.ne\.jp")
_CARRIER_LOCAL = re.compile(r"[A-Za-z0-9._+/?-]{1,64}")
_QUOTED = re.compile(r'"([^"\\]*)"')
# Nearly every address there is: email-validator has no word against such a one (a property test holds that), and costs fifty times as much.
_PLAIN_LOCAL = re.compile(r"[A-Za-z0-9_+-]{1,63}(?:\.[A-Za-z0-9_+-]{1,63}){0,9}")
_PLAIN_DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:-?[A-Za-z0-9]){0,31}\.){1,8}[A-Za-z]{2,31}")
_SPECIAL = frozenset(name.rpartition(".")[2] for name in SPECIAL_USE_DOMAIN_NAMES)
# Of a million readers most live in a few hundred domains.
_DOMAINS_KEPT = 20_000
# A Japanese keyboard left in full-width mode types ｔａｒｏ＠ｅｘａｍｐｌｅ．ｊｐ.
_NARROW = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_SPACE_AROUND = " \t\r\n\u3000\xa0\u200b\ufeff"


class NotAnAddress(ValueError):
    """Why a text is no address: a message for the catalogue."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address: `typed` is mailed, `key` says whose it is."""

    typed: str
    key: str

    def digest(self, keys: Keys) -> str:
        """The keyed hash that stands for the address where none may be stored, under the signing key."""
        return keys.digest(_PURPOSE, self.key)

    def digests(self, keys: Keys) -> list[str]:
        """The hashes under every key: a suppression written before a rotation is found by one of them."""
        return keys.digests(_PURPOSE, self.key)


def parse_address(text: str) -> Address:
    """The address in `text`. Raises NotAnAddress with a sentence for the catalogue."""
    typed = text.strip(_SPACE_AROUND)
    if not typed.isascii():
        typed = typed.translate(_NARROW)
    if not typed:
        raise NotAnAddress(N_("the address is missing"))
    local, at, domain = typed.rpartition("@")
    if not at or not local:
        raise NotAnAddress(N_("an address has one @, with something before it and a domain after it"))
    domain, ascii_domain, carrier = _domain(domain)
    if carrier:
        local = _carrier_local(local)
    elif len(local) > _LONGEST_LOCAL or not _PLAIN_LOCAL.fullmatch(local):
        check_local(local)
    if len(local) + 1 + len(ascii_domain) > LONGEST:
        raise NotAnAddress(N_("the address is longer than 254 characters"))
    return Address(f"{local}@{domain}", f"{local.lower()}@{ascii_domain}")


def masked(address: str) -> str:
    """The address as its owner knows it again and nobody else learns it: h•••@example.jp."""
    local, _at, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"


@lru_cache(maxsize=_DOMAINS_KEPT)
def _domain(domain: str) -> tuple[str, str, bool]:
    """The domain as it is kept, as DNS knows it in lower case, and whether a Japanese carrier's. One for tests (RFC 6761 section 6.2) passes."""
    folded = domain.lower()
    if domain.isascii() and len(domain) < LONGEST and _PLAIN_DOMAIN.fullmatch(domain) and folded.rpartition(".")[2] not in _SPECIAL:
        return domain, folded, bool(_CARRIER.fullmatch(folded))
    kept, folded = checked_domain(domain)
    return kept, folded, bool(_CARRIER.fullmatch(folded))


def checked_domain(domain: str) -> tuple[str, str]:
    """The domain as it is kept and as DNS knows it, by email-validator. Raises NotAnAddress."""
    try:
        found = validate_email(f"a@{domain}", check_deliverability=False, globally_deliverable=False, test_environment=True)
    except EmailNotValidError:
        raise NotAnAddress(N_("what follows the @ is not a domain")) from None
    folded = found.ascii_domain.lower()
    last = folded.rpartition(".")[2]
    if last == folded or not last[-1].isalpha():
        raise NotAnAddress(N_("what follows the @ is not a domain"))
    # UTS 46 passes over soft hyphens and the like: what is kept is the name without them.
    return domain if domain.isascii() else found.domain, folded


def _carrier_local(local: str) -> str:
    quoted = _QUOTED.fullmatch(local)
    plain = quoted[1] if quoted else local
    if not _CARRIER_LOCAL.fullmatch(plain):
        raise NotAnAddress(N_("what stands before the @ cannot be part of an address"))
    return plain


def check_local(local: str) -> None:
    """Raises NotAnAddress where email-validator does."""
    if len(local) > _LONGEST_LOCAL:
        raise NotAnAddress(N_("what stands before the @ is longer than 64 characters"))
    if not local.isascii():
        # SMTPUTF8 (RFC 6531) would be needed by every server on the way; such a mail mostly comes back.
        raise NotAnAddress(N_("what stands before the @ must be plain letters, digits and signs"))
    try:
        validate_email(f"{local}@example.com", allow_smtputf8=False, check_deliverability=False)
    except EmailNotValidError:
        raise NotAnAddress(N_("what stands before the @ cannot be part of an address")) from None
