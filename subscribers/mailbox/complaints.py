"""Reads mail in which a provider passes on a reader's complaint: ARF (RFC 5965), and the older form of Microsoft.

Whom it is about is told by what we signed; the address in it is often blacked out, and anybody could have written it.
"""

from dataclasses import dataclass
from email.message import Message

from subscribers.mailbox.parts import Fields, blocks_of, fields_of, header, parts, returned_copies

# RFC 5965 section 7.3 and its registry. What a reader did: called it spam, asked to be taken off. `not-spam` (RFC 6430) and
# `auth-failure` (RFC 6591) say nothing against us from a reader; a word that is not known is not guessed at.
_AGAINST_US = ("abuse", "fraud", "virus", "other", "opt-out", "opt-out-list")
_MICROSOFT = "x-hmxmroriginalrecipient"


@dataclass(frozen=True, slots=True)
class Complaint:
    """One mail that was complained of. `acts`: the reader is never to be mailed again. The rest is of the mail itself, or empty."""

    feedback_type: str
    acts: bool
    envelope: str = ""
    return_path: str = ""
    message_id: str = ""
    unsubscribe: str = ""


def read_complaint(message: Message) -> list[Complaint] | None:
    """What is complained of, one entry a mail that is attached; None for a mail that passes on no complaint."""
    reports = [fields for part in parts(message) if part.get_content_type() == "message/feedback-report" for fields in _report(part)]
    copies = returned_copies(message)
    if reports:
        # One report may name seven readers (section 3.2) and attach one mail: of our mails each is one reader's.
        return [_complaint(reports[min(index, len(reports) - 1)], copy) for index, copy in enumerate(copies or [{}])]
    marked = [copy for copy in copies if _MICROSOFT in copy]
    if not marked and _MICROSOFT in (own := fields_of(message)):
        marked = [own]
    return [_complaint({"feedback-type": "abuse"}, copy) for copy in marked] or None


def _report(part: Message) -> list[Fields]:
    return [fields for fields in blocks_of(part) if "feedback-type" in fields][:1]


def _complaint(report: Fields, copy: Fields) -> Complaint:
    kind = header(report, "feedback-type").strip().lower()
    return Complaint(kind, kind in _AGAINST_US, header(report, "original-mail-from"), header(copy, "return-path"),
                     header(copy, "message-id"), header(copy, "list-unsubscribe"))
