"""Header lines as bytes, encoded by our own hand, because Python's `email` breaks long addresses of links and Japanese subjects.

(CPython gh-85725, gh-92081, gh-144156.) What cannot stand in a header is refused, never repaired: RFC 5322 section 2.2, RFC 2047.
"""

import base64
import re
from collections.abc import Callable, Iterator

import idna
import regex

from publisher.errors import PublisherError
from publisher.i18n import _

LINE = 76  # RFC 2047 section 2: a line that holds an encoded-word
_WORD = 75  # ... and the word itself
_FRAME = len("=?utf-8?b?") + len("?=")
_UNCUT = 48  # columns that every word has room for: an encoded character of this width is never cut
_LONGEST_LINE = 998  # RFC 5322 section 2.1.1
# Line ends, other control characters, the separators of Unicode, and halves of characters.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")  # RFC 5322 section 3.2.3, words with single spaces
_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)+"')
_DOTS_ASTRAY = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
# What stands for itself in a Q word, in a phrase too: RFC 2047 section 5 (3).
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_ADDRESSES = ("From", "To", "Reply-To", "Sender")
_PHRASES = ("List-Id",)
_TEXTS = ("Subject",)


class BadHeader(PublisherError):
    """A value that cannot stand in a header."""


def header_line(name: str, value: str) -> bytes:
    """`Name: value`, encoded and folded, with its CRLF. Raises BadHeader for control characters and for an address that is none."""
    if _FORBIDDEN.search(value):
        raise BadHeader(_("the header %(name)s holds a line break or a control character", name=name))
    if name in _ADDRESSES:
        lines = _mailbox(name, value)
    elif name in _PHRASES:
        phrase, _bracket, rest = value.rpartition("<")
        if not rest.isascii():
            raise BadHeader(_("the header %(name)s can only hold ASCII", name=name))
        lines = _with_phrase(name, phrase.strip(), f"<{rest}")
    elif name in _TEXTS:
        lines = _text(name, value)
    else:
        lines = _structured(name, value)
    return f"{name}: ".encode() + "\r\n ".join(lines).encode("ascii") + b"\r\n"


def route(address: str) -> str:
    """An address as it travels: the domain in ASCII (RFC 5891), a local part such as `a..b` in quotes (RFC 5321 section 4.1.2).

    Raises BadHeader for what no server could take.
    """
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain or not local.isascii() or _FORBIDDEN.search(address) or " " in address:
        raise BadHeader(_("the address cannot be written in a mail"))
    try:
        host = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        raise BadHeader(_("the domain of the address cannot be written in a mail")) from None
    if not re.fullmatch(r"[A-Za-z0-9.-]+|\[[0-9A-Za-z.:]+\]", host):
        raise BadHeader(_("the domain of the address cannot be written in a mail"))
    if _DOT_ATOM.fullmatch(local) or _QUOTED.fullmatch(local):
        return f"{local}@{host}"
    return '"' + re.sub(r'(["\\])', r"\\\1", local) + f'"@{host}'


def ascii_domain(host: str) -> str:
    """A domain as mail servers know it (RFC 5891); one that is none stays as it is, and no mail can be made for it."""
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return host


def unquoted(address: str) -> str:
    """The address without quotes, for the servers of carriers that know their own addresses no other way."""
    local, _at, domain = address.rpartition("@")
    return f"{local[1:-1]}@{domain}" if local.startswith('"') else address


def shown(address: str) -> str:
    """A routed address as it stands in To: `a..b@docomo.ne.jp` as its owner writes it, quotes only where a bare form would be read otherwise."""
    bare = unquoted(address)
    return bare if _DOTS_ASTRAY.fullmatch(bare.rpartition("@")[0]) else address


def split_mailbox(value: str) -> tuple[str, str]:
    """Display name and address of `Name <address>`. The name is taken as it was written, with or without quotes: it may hold a comma."""
    phrase, bracket, rest = value.rpartition("<")
    if not bracket:
        return "", value.strip()
    phrase = phrase.strip()
    if len(phrase) > 1 and phrase.startswith('"') and phrase.endswith('"'):
        phrase = re.sub(r"\\(.)", r"\1", phrase[1:-1])
    return phrase, rest.rstrip("> ").strip()


def _mailbox(name: str, value: str) -> list[str]:
    phrase, address = split_mailbox(value)
    spec = shown(route(address))
    return _with_phrase(name, phrase, f"<{spec}>") if phrase else [spec]


def _with_phrase(name: str, phrase: str, rest: str) -> list[str]:
    """A display name and what follows it; on two lines where one has no room."""
    if not phrase:
        return [rest]
    plain = phrase.isascii() and "=?" not in phrase
    if plain and _ATOMS.fullmatch(phrase) and "  " not in phrase and phrase == phrase.strip():
        words = [phrase]
    elif plain:
        words = ['"' + re.sub(r'(["\\])', r"\\\1", phrase) + '"']
    else:
        words = list(_encoded_words(phrase, LINE - len(name) - 2))
    if plain and len(words[0]) + len(name) + 2 > LINE:
        words = list(_encoded_words(phrase, LINE - len(name) - 2))
    room = LINE - (len(name) + 2 if len(words) == 1 else 1)
    return [*words[:-1], f"{words[-1]} {rest}"] if len(words[-1]) + 1 + len(rest) <= room else [*words, rest]


def _text(name: str, value: str) -> list[str]:
    if value.isascii() and "=?" not in value and "  " not in value and value == value.strip():
        folded = _folded(value.split(" "), LINE - len(name) - 2)
        if all(len(line) < LINE for line in folded):
            return folded
    return list(_encoded_words(value, LINE - len(name) - 2))


def _structured(name: str, value: str) -> list[str]:
    """ASCII as it is, folded between the items of a list only: a link is never cut and never encoded."""
    if not value.isascii():
        raise BadHeader(_("the header %(name)s can only hold ASCII", name=name))
    items = value.split(", ")
    lines = [*(f"{item}," for item in items[:-1]), items[-1]] if len(value) + len(name) + 2 > LINE else [value]
    if any(len(line) + len(name) + 2 > _LONGEST_LINE for line in lines):
        raise BadHeader(_("the header %(name)s is too long for a line of a mail", name=name))
    return lines


def _folded(words: list[str], first: int) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in words:
        room = (first if not lines else LINE - 1)
        if line and len(line) + 1 + len(word) > room:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


def _encoded_words(text: str, first: int) -> Iterator[str]:
    """`text` as encoded-words (RFC 2047), cut between characters as people see them; the first has `first` columns.

    Q where most of it can be read as it stands: filters mistrust Latin text in base64 (SpamAssassin, FROM_EXCESS_BASE64).
    """
    plain = sum(character.isascii() for character in text) * 4 > len(text) * 3
    encode, width = (_q, _q_width) if plain else (_b, _b_width)
    room = min(first, _WORD) - _FRAME
    part = b""
    for cluster in _pieces(text, width):
        if part and width(part + cluster) > room:
            yield encode(part)
            part, room = b"", _WORD - _FRAME
        part += cluster
    yield encode(part)


def _pieces(text: str, width: Callable[[bytes], int]) -> Iterator[bytes]:
    for cluster in regex.findall(r"\X", text):
        encoded = cluster.encode()
        # A flag or a family is one piece; a heap of accents longer than a word must be cut all the same.
        yield from [encoded] if width(encoded) <= _UNCUT else [character.encode() for character in cluster]


def _b_width(part: bytes) -> int:
    return -(-len(part) // 3) * 4


def _b(part: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(part).decode()}?="


def _q_width(part: bytes) -> int:
    return sum(1 if byte in _Q_SAFE or byte == 32 else 3 for byte in part)


def _q(part: bytes) -> str:
    return f"=?utf-8?q?{''.join(chr(byte) if byte in _Q_SAFE else '_' if byte == 32 else f'={byte:02X}' for byte in part)}?="
