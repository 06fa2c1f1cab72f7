"""What bounces and complaints are made of, from a mail that may be broken in any way: fields, words, the headers of the mail they are about."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from email.header import decode_header
from email.message import Message
from email.parser import HeaderParser
from itertools import islice

# Fields by name in small letters; of several with one name the first.
Fields = Mapping[str, str]
_COPIES = ("message/rfc822", "message/global", "message/global-headers", "text/rfc822-headers", "message/rfc822-headers", "text/rfc822")
_MOST_PARTS = 100
_LONGEST_TEXT = 20_000
_LONGEST_FIELD = 4000
_HEADERS_WANTED = ("return-path", "message-id", "list-unsubscribe", "x-hmxmroriginalrecipient")
# The headers of a mail that is quoted in words, as qmail and Exim do it; a line that begins with blanks goes on.
_QUOTED = re.compile(r"^[> \t]*(" + "|".join(_HEADERS_WANTED) + r"):[ \t]*(.*(?:\r?\n[> ]*[ \t]+\S.*)*)", re.IGNORECASE | re.MULTILINE)


def parts(message: Message) -> Iterator[Message]:
    """The parts in their order, the mail itself first; those of a returned mail are left out, and so is what lies behind the hundredth."""
    return islice(_walk(message), _MOST_PARTS)


def _walk(message: Message) -> Iterator[Message]:
    waiting = [message]
    while waiting:
        part = waiting.pop(0)
        yield part
        payload = part.get_payload()
        if isinstance(payload, list) and part.get_content_maintype() == "multipart":
            waiting[:0] = [one for one in payload if isinstance(one, Message)]


def spelled(value: object) -> str:
    """A header's value as text on one line: raw bytes are read as UTF-8, encoded words are decoded where they can be."""
    text = str(value)[:_LONGEST_FIELD]
    raw = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if "=?" in raw:
        # An encoding that does not exist, a word that is broken: it stays as it is.
        with contextlib.suppress(LookupError, ValueError):
            raw = "".join(piece.decode(charset or "ascii", "replace") if isinstance(piece, bytes) else piece for piece, charset in decode_header(raw))
    return " ".join(raw.split())


def fields_of(message: Message) -> Fields:
    """The headers of a mail, or the fields of one block of a report."""
    found: dict[str, str] = {}
    # The values as they were parsed: asking by name would turn raw UTF-8 (RFC 6533) into question marks.
    for name, value in message.raw_items():
        found.setdefault(name.lower(), spelled(value))
    return found


def header(fields: Fields, name: str) -> str:
    """A field's value, or nothing."""
    return fields.get(name, "")


def decoded(part: Message) -> str:
    """The words of a part, whatever it says of its encoding."""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    charset = part.get_content_charset() or "utf-8"
    try:
        return content.decode(charset, "replace")[:_LONGEST_TEXT]
    except (LookupError, ValueError):
        return content.decode("utf-8", "replace")[:_LONGEST_TEXT]


def text_of(message: Message) -> str:
    """The words for people: every plain part; where there is none, the others without their tags."""
    found = [(part.get_content_type(), decoded(part)) for part in parts(message) if part.get_content_maintype() == "text"]
    plain = "\n".join(words for kind, words in found if kind == "text/plain")
    return plain if plain.strip() else "\n".join(re.sub(r"<[^>]{0,2000}>", " ", words) for kind, words in found if kind == "text/html")


def blocks_of(part: Message) -> Iterator[Fields]:
    """The blocks of a report (RFC 3464 section 2.1, RFC 5965 section 3), the one about the mail first.

    The library takes a `message/delivery-status` apart; of the others it reads the first block as headers and leaves the rest as a body, and of one
    in base64 (RFC 6533 allows it) it reads nothing.
    """
    payload = part.get_payload()
    for piece in payload if isinstance(payload, list) else [part]:
        if not isinstance(piece, Message):
            continue
        if piece is not part and (fields := fields_of(piece)):
            yield fields
        # As bytes: the library gives raw UTF-8 as question marks otherwise.
        rest = piece.get_payload(decode=True)
        if isinstance(rest, bytes) and rest.strip():
            yield from _blocks_in(_unpacked(part, rest) if piece is not part else rest.decode("utf-8", "replace"))


def _unpacked(part: Message, content: bytes) -> str:
    carrier = Message()
    carrier["Content-Transfer-Encoding"] = str(part.get("content-transfer-encoding", "8bit")).strip()
    carrier.set_payload(content.decode("ascii", "surrogateescape"))
    return decoded(carrier)


def _blocks_in(text: str) -> Iterator[Fields]:
    for block in re.split(r"\r?\n[ \t]*\r?\n", text[:_LONGEST_TEXT].strip()):
        if fields := fields_of(HeaderParser().parsestr(block + "\n\n")):
            yield fields


def returned_headers(message: Message) -> Fields:
    """The headers of the mail that came back: from its copy, or quoted in the words."""
    copies = returned_copies(message)
    return copies[0] if copies else {found[1].lower(): spelled(found[2]) for found in _QUOTED.finditer(text_of(message))}


def returned_copies(message: Message) -> list[Fields]:
    """The headers of each mail that is attached, whole or as its headers alone."""
    return [fields for part in parts(message) if (fields := _copy(part))]


def _copy(part: Message) -> Fields:
    kind, payload = part.get_content_type(), part.get_payload()
    inner = payload[0] if isinstance(payload, list) and payload else None
    if kind not in _COPIES:
        return {}
    if isinstance(inner, Message):
        return fields_of(inner)
    return fields_of(HeaderParser().parsestr(decoded(part)))
