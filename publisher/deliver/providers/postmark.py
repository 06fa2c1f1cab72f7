"""Postmark: up to 500 mails in one call, each judged on its own.

https://postmarkapp.com/developer/api/email-api#send-batch-emails
https://postmarkapp.com/developer/api/overview#error-codes
"""

import re
from collections.abc import Sequence
from typing import Any

from publisher.deliver.message import Mail
from publisher.deliver.providers.base import MOST, in_turn, lost, reason_of, trouble, wants_rest
from publisher.deliver.providers.calls import Answer, Calls
from publisher.deliver.providers.parts import Parts, parts_of, readable_mailbox
from publisher.deliver.smtp import RelayTrouble
from publisher.deliver.verdict import Verdict
from publisher.i18n import _
from publisher.settings_sending import RelayEntry

_API = "https://api.postmarkapp.com"
# A call has 50 MB at most. A mail of ours is longer than what of it becomes JSON, but for the marks that JSON writes in two characters.
_LARGEST = 40_000_000
# "Header 'Date' not allowed", "Header 'Reply-To' not allowed" (symfony/symfony#60254): one has a field of its own, the other is theirs.
_NOT_ALLOWED = frozenset(("date", "reply-to", "sender", "cc", "bcc", "return-path"))
_LONGEST_METADATA = 80
_TAKEN = 0
_MAINTENANCE, _INVALID, _INACTIVE, _TOO_MANY = 100, 300, 406, 429
# Token, sender signature, not allowed to send (no credits), account pending, account stopped.
_OURS = frozenset((10, 400, 401, 405, 412, 413))
_STREAM = re.compile(r"message ?stream", re.IGNORECASE)
# 300 is for whatever is not valid: an address of the reader, or something of ours.
_SENDER = re.compile(r"'from'|\bfrom address|sender signature", re.IGNORECASE)
_READER = re.compile(r"'to'|\bto address|recipient|email address", re.IGNORECASE)


class Postmark:
    """A line to Postmark for the message stream `relay.place`; a call carries mails of `largest` bytes together."""

    most = MOST

    def __init__(self, relay: RelayEntry, token: str, timeout: float, largest: int = _LARGEST) -> None:
        self._name, self._stream, self._largest = relay.name, relay.place, largest
        self._calls = Calls(relay, _API, timeout, headers={"X-Postmark-Server-Token": token, "Accept": "application/json"})

    def send(self, mails: Sequence[Mail]) -> list[Verdict]:
        """One call, or as many as their size asks for. Raises RelayTrouble."""
        return in_turn(_by_size(mails, self._largest), self._together)

    def _together(self, mails: Sequence[Mail]) -> list[Verdict]:
        asked = [_message(parts, self._stream) if (parts := parts_of(mail)) else None for mail in mails]
        known = [message for message in asked if message is not None]
        verdicts = iter(self._call(known) if known else ())
        return [next(verdicts) if message else Verdict("refused", "holds more than a text and an HTML part", policy=True) for message in asked]

    def _call(self, asked: Sequence[dict[str, Any]]) -> list[Verdict]:
        answer = self._calls.post("/email/batch", json=list(asked))
        if isinstance(answer, Verdict):
            return [answer] * len(asked)
        if not 200 <= answer.status < 300:
            if len(asked) > 1:  # one that cannot be read, and the whole call is refused: each alone, so that it costs one
                return in_turn([[one] for one in asked], self._call)
            return [self._whole(answer)]
        if not isinstance(answer.body, list) or len(answer.body) != len(asked) or not all(isinstance(one, dict) for one in answer.body):
            return [lost(f"not understood: {answer.reason}")] * len(asked)
        return self._several(answer.body)

    def _whole(self, answer: Answer) -> Verdict:
        body = answer.body if isinstance(answer.body, dict) else {"ErrorCode": None, "Message": answer.reason}
        found = _judged(body)
        if isinstance(found, Verdict):
            return found
        raise self._turned_away(found)

    def _several(self, answers: list[dict[str, Any]]) -> list[Verdict]:
        """A verdict for each. Trouble is raised only where nothing at all was taken."""
        found = [_judged(one) for one in answers]
        ours = [one for one in found if isinstance(one, str)]
        if len(ours) == len(found):
            raise self._turned_away(ours[0])
        return [one if isinstance(one, Verdict) else wants_rest(one) for one in found]

    def _turned_away(self, why: str) -> RelayTrouble:
        return trouble(self._name, _("turns us away: %(reason)s", reason=why),
                       _("check mail.sender, the stream in relays.url, and the account at Postmark"))

    def close(self) -> None:
        """Close the connections."""
        self._calls.close()


def _judged(answer: dict[str, Any]) -> Verdict | str:
    """What Postmark's answer makes of one mail; words where it is about us and no reader."""
    code, text = answer.get("ErrorCode"), str(answer.get("Message", ""))
    reason = reason_of(code or "", text)
    if code == _TAKEN:
        return Verdict("accepted", reason_of(answer.get("MessageID") or "OK"))
    if code in (_MAINTENANCE, _TOO_MANY):
        return wants_rest(reason)
    if code in _OURS or _STREAM.search(text) or (code == _INVALID and _SENDER.search(text)):
        return reason
    return Verdict("refused", reason, policy=not (code == _INACTIVE or (code == _INVALID and _READER.search(text) is not None)))


def _message(parts: Parts, stream: str) -> dict[str, Any]:
    """One mail as Postmark takes it. Metadata comes back with each report about it."""
    own_id = parts.header("Message-ID") or ""
    headers = [{"Name": name, "Value": value} for name, value in parts.headers if name.lower() not in _NOT_ALLOWED]
    # Without it Postmark writes a Message-ID of its own (https://postmarkapp.com/developer/user-guide/send-email-with-smtp).
    headers.append({"Name": "X-PM-KeepID", "Value": "true"})
    made: dict[str, Any] = {"From": parts.sender, "To": parts.recipient, "Subject": parts.subject, "Headers": headers, "MessageStream": stream,
                            "TrackOpens": False, "TrackLinks": "None", "Metadata": {"message-id": own_id[:_LONGEST_METADATA]}}
    if answers_to := parts.header("Reply-To"):
        made["ReplyTo"] = readable_mailbox(answers_to)
    return made | {name: body for name, body in (("TextBody", parts.text), ("HtmlBody", parts.html)) if body}


def _by_size(mails: Sequence[Mail], largest: int) -> list[list[Mail]]:
    groups: list[list[Mail]] = []
    size = 0
    for mail in mails:
        size += len(mail.data)
        if not groups or size > largest:
            groups.append([])
            size = len(mail.data)
        groups[-1].append(mail)
    return groups
