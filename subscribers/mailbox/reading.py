"""Reads a mail as far as commands and answers need it. Whatever the bytes hold, it comes back with something and never raises."""

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

import nh3

from publisher.text.from_html import html_markdown
from subscribers.addresses import Address, NotAnAddress, parse_address
from subscribers.mailbox.decoding import LONGEST_HEADER, decode, header_text

# A command stands in the first lines; the rest of a long mail is not even decoded.
_LONGEST_BODY = 20_000
_MOST_PARTS = 50
_MOST_HEADERS = 500
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]{1,200}@[!-;=?A-~]{1,200}>")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_SAFE = {"p", "br", "div", "tr", "li", "td", "span", "b", "i", "a", "table", "tbody", "ul", "ol", "h1", "h2", "h3"}
# What is quoted in a mail of HTML only is somebody else's.
_NOT_OWN = {"blockquote", "script", "style", "title", "head"}


@dataclass(frozen=True, slots=True)
class Incoming:
    """A mail that came in. Header names are lower-cased and their values decoded; `author` is the one address in From, if there is one.

    `readable` is False for what could not be taken apart: it is never answered.
    """

    headers: tuple[tuple[str, str], ...] = ()
    author: Address | None = None
    content_type: str = "text/plain"
    lines: tuple[str, ...] = ()
    readable: bool = True

    def all(self, name: str) -> list[str]:
        """The values of a header, topmost first."""
        return [value for known, value in self.headers if known == name]

    def first(self, name: str) -> str:
        """The topmost value of a header, or nothing."""
        return next((value for known, value in self.headers if known == name), "")

    @property
    def subject(self) -> str:
        """What the mail says it is about."""
        return self.first("subject")

    @property
    def message_id(self) -> str | None:
        """Its Message-ID, where it is one that may be named in an answer (RFC 5322 section 3.6.4)."""
        found = _MESSAGE_ID.fullmatch(self.first("message-id").strip())
        return found[0] if found else None

    @property
    def referred(self) -> list[str]:
        """The Message-IDs of the mails it answers."""
        return _MESSAGE_ID.findall(" ".join([*self.all("references"), *self.all("in-reply-to")]))


def read(data: bytes) -> Incoming:
    """The mail in `data`, with and without MIME, whole and broken."""
    try:
        message = email.message_from_bytes(data)
        headers = tuple(_headers(message))
        return Incoming(headers, _author(message), message.get_content_type(), tuple(_lines(message)))
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError, AssertionError):
        # The library takes mails apart by recursion and meets forms that its authors did not think of (CPython gh-111598 and others).
        return Incoming(readable=False)


def read_headers(data: bytes) -> Incoming:
    """The same of a mail of which only the headers were fetched."""
    return read(data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")


def _headers(message: Message) -> Iterator[tuple[str, str]]:
    for name, value in list(message.raw_items())[:_MOST_HEADERS]:
        yield name.lower(), header_text(_raw(value))


def _raw(value: object) -> bytes:
    return str(value).encode("utf-8", "surrogateescape")


def _author(message: Message) -> Address | None:
    """The address of the one From there is: two of them, or two addresses in one, are nobody's (RFC 5322 section 3.6.2 wants a Sender then).

    Encoded-words stay as they are: an address never stands in one (RFC 2047 section 5), and what a server checked was the bare text as well.
    """
    values = [_raw(value) for name, value in message.raw_items() if name.lower() == "from"]
    return address_in(decode(re.sub(rb"\r?\n(?=[ \t])", b"", values[0][:LONGEST_HEADER]))) if len(values) == 1 else None


def address_in(value: str) -> Address | None:
    """The one address of `Name <address>`, or of a bare address; None where there are several, or none that can be."""
    bare = _QUOTED.sub(lambda found: found[0] if found.end() < len(value) and value[found.end()] == "@" else "", value[:LONGEST_HEADER])
    angled = re.findall(r"<([^<>]*)>", bare)
    if len(angled) > 1:
        return None
    if angled:
        text = angled[0]
    else:
        text = re.sub(r"\([^()]*\)", "", bare)
        if text.count("@") > 1 and not _QUOTED.match(text.strip()):
            return None
    try:
        return parse_address(text)
    except NotAnAddress:
        return None


def _lines(message: Message) -> list[str]:
    """The lines of the text part, else of the HTML as a reader sees it."""
    found: dict[str, str] = {}
    for index, part in enumerate(message.walk()):
        if index == _MOST_PARTS or "text/plain" in found:
            break
        kind = part.get_content_type()
        if kind in ("text/plain", "text/html") and kind not in found and not part.is_multipart() and part.get_content_disposition() != "attachment":
            found[kind] = _text(part)
    if found.get("text/plain", "").strip():
        return found["text/plain"].splitlines()
    return _html_lines(found["text/html"]) if "text/html" in found else []


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    charset = part.get_param("charset")
    return decode(data[:_LONGEST_BODY], str(charset) if isinstance(charset, str) else None)


def _html_lines(source: str) -> list[str]:
    own = nh3.clean(source, tags=_SAFE, clean_content_tags=_NOT_OWN, attributes={})
    return html_markdown(own).replace("\\", "").replace("**", "").splitlines()
