"""Reads mail that says another mail did not arrive: reports as in RFC 3464 and RFC 6533, and those of servers that follow no standard.

Anything that is no such report (an absence note, a reply, a challenge, a receipt) is None. What is read here is a stranger's word: whoever
applies it asks for a token of ours first.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from email.message import Message
from itertools import islice
from typing import Literal

from flufl.bounce import all_failures

from subscribers.mailbox.classify import Strength, classify, says_why, status_in, without_names
from subscribers.mailbox.parts import Fields, blocks_of, fields_of, header, parts, returned_headers, text_of

# It logs each of its own stumbles with a traceback; `read_bounce` says what could be read.
logging.getLogger("flufl.bounce").disabled = True
_LONGEST_REASON = 300
_ACTIONS = ("failed", "delayed")
_STATUS_PARTS = ("message/delivery-status", "message/global-delivery-status")
# RFC 6533 section 3: an address outside ASCII may be written \x{3042} in a report.
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_PLUS_HEX = re.compile(r"\+([0-9A-F]{2})")  # xtext: RFC 3461 section 4
# Postmasters without any standard. Both must hold, and the text must name a reason: an absence note comes from a person.
_POSTMASTER = re.compile(r"mailer-daemon|postmaster|mail[ ._-]?delivery|mail[ ._-]?system|(?:no-?reply|mailadm|delivery)@", re.IGNORECASE)
_FAILED = re.compile(r"undeliver|returned mail|failure notice|delivery[^a-z]+(?:status|has failed|fail)|mail(?: system)? error"
                     r"|could not be delivered|not delivered|配信(?:不能|エラー|失敗|できません)|送信(?:エラー|できません)|宛先不明"
                     r"|お届けできません", re.IGNORECASE)
# Where the copy of the mail begins in a report in words.
_COPY = re.compile(r"\n-{2,}.*copy|\n-{3,} ?original|\n[> ]*(?:Received|Return-Path|Message-I[dD]|From|Subject):", re.IGNORECASE)
_LINES_OF_A_REASON = 4
# A mail of ours has one recipient, who may pass it on to some; a report that names a thousand is an attack.
_MOST_RECIPIENTS = 50
# The library goes through every line some hundred times.
_MOST_LINES = 5000


@dataclass(frozen=True, slots=True)
class Failure:
    """One recipient whom a mail did not reach, as a report tells it.

    `recipient` is the address it names, or empty; `original` the address that the mail was first for. `envelope_id`, `message_id` and
    `unsubscribe` are of the mail that came back, or empty. `reason` holds no address. `action` "delayed": it is still tried.
    """

    recipient: str
    status: str
    strength: Strength
    reason: str
    envelope_id: str = ""
    message_id: str = ""
    unsubscribe: str = ""
    original: str = ""
    action: Literal["failed", "delayed"] = "failed"


def read_bounce(message: Message) -> list[Failure] | None:
    """What the report says, one entry a recipient who failed or waits; empty when all were reached. None for a mail that is no report."""
    if message.get_param("report-type") in ("disposition-notification", "feedback-report"):
        return None
    found = _standard(message)
    if found is None:
        found = _by_header(message) or _by_shape(message)
    if found is None:
        return None
    returned = returned_headers(message)
    envelope = header(returned, "return-path")
    return [replace(one, envelope_id=one.envelope_id or envelope, message_id=header(returned, "message-id"),
                    unsubscribe=header(returned, "list-unsubscribe")) for one in found]


def _standard(message: Message) -> list[Failure] | None:
    """RFC 3464: the first block is about the mail, each further one about a recipient."""
    blocks = [block for part in parts(message) if part.get_content_type() in _STATUS_PARTS for block in blocks_of(part)]
    recipients = [block for block in blocks if block.get("final-recipient") or block.get("original-recipient") or block.get("action")]
    if not recipients:
        return None
    envelope_id = next((block["original-envelope-id"] for block in blocks if block.get("original-envelope-id")), "")
    words = text_of(message)
    return [made for block in recipients[:_MOST_RECIPIENTS] if (made := _of_block(block, envelope_id, words)) is not None]


def _of_block(block: Fields, envelope_id: str, words: str) -> Failure | None:
    action = block.get("action", "failed").split(" ")[0].lower()
    if action not in _ACTIONS:
        return None
    status = status_in(block.get("status", ""))
    said = block.get("diagnostic-code", "").partition(";")[2].strip() or block.get("diagnostic-code", "")
    # Without a diagnosis the words for people are all there is, where the number says nothing.
    told = said or (words if status in ("", "5.0.0", "4.0.0") else "")
    recipient, original = _address(block.get("final-recipient", "")), _address(block.get("original-recipient", ""))
    return Failure(recipient or original, status or status_in(said), classify(status, told), _reason(status, said, recipient, original),
                   envelope_id, original=original, action="delayed" if action == "delayed" else "failed")


def _address(field: str) -> str:
    """The address of `rfc822; taro@example.jp`, `utf-8; …` (RFC 6533 section 3)."""
    kind, semicolon, value = field.partition(";")
    value = (value if semicolon else kind).strip().strip("<>")
    value = _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if int(found[1], 16) < 0x110000 else "", value)
    return value if "@" in value else _PLUS_HEX.sub(lambda found: chr(int(found[1], 16)), value)


def _reason(status: str, said: str, *addresses: str) -> str:
    text = said if status_in(said) not in ("", "5.0.0", "4.0.0") else f"{status} {said}"
    return without_names(text, *addresses)[:_LONGEST_REASON].strip()


def _by_header(message: Message) -> list[Failure] | None:
    """Exim names the recipients in a header and tells the rest in words."""
    named = header(fields_of(message), "x-failed-recipients")
    words = text_of(message)
    return _told(words, (one.strip() for one in named.split(",") if one.strip())) if named else None


def _by_shape(message: Message) -> list[Failure] | None:
    """What a library of such forms knows; last, the words of a postmaster."""
    temporary, permanent = _known_forms(message)
    words = text_of(message)
    if permanent:
        return _told(words, permanent)
    if temporary:
        return [replace(one, action="delayed") for one in _told(words, temporary)]
    fields = fields_of(message)
    from_system = _POSTMASTER.search(header(fields, "from")) or not header(fields, "return-path").strip("<> ") and "return-path" in fields
    if from_system and _FAILED.search(header(fields, "subject")) and says_why(_refusal(words)):
        return _told(words, [""])
    return None


def _known_forms(message: Message) -> tuple[list[str], list[str]]:
    if sum(payload.count("\n") for part in message.walk() if isinstance(payload := part.get_payload(), str)) > _MOST_LINES:
        return [], []
    try:
        temporary, permanent = all_failures(message)
    except Exception:  # thirty detectors over a stranger's bytes: whatever one of them stumbles over is no bounce we can read
        return [], []
    return sorted(_spelled(temporary)), sorted(_spelled(permanent))


def _spelled(found: Iterable[object]) -> Iterator[str]:
    for one in found:
        yield one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one)


def _told(words: str, recipients: Iterable[str]) -> list[Failure]:
    """What a report in words says, the same of all it names."""
    names = list(islice(recipients, _MOST_RECIPIENTS))
    told = _refusal(words)
    return [Failure(name, status_in(told), classify("", told), _reason("", told, *names)) for name in names]


def _refusal(words: str) -> str:
    """The lines that tell the reason: from the first that sounds like one, without the copy of the mail below."""
    lines = [line.strip() for line in _COPY.split(words, maxsplit=1)[0].splitlines() if line.strip()]
    first = next((index for index, line in enumerate(lines) if says_why(line)), 0)
    return " ".join(lines[first:first + _LINES_OF_A_REASON])
