"""Mailgun: many mails in one call, where what differs is a recipient variable; or one mail as it is, as MIME.

https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/batch-sending
https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages/post-v3--domain-name--messages
"""

import json
import re
from collections.abc import Sequence
from urllib.parse import quote

from publisher.deliver.message import Mail
from publisher.deliver.providers.base import MOST, in_turn, lost, reason_of, trouble, wants_rest
from publisher.deliver.providers.batch import Variables, groups_of, holds_marks
from publisher.deliver.providers.calls import Answer, Calls
from publisher.deliver.providers.parts import Parts, parts_of, unsigned
from publisher.deliver.verdict import Verdict
from publisher.i18n import _
from publisher.settings_sending import RelayEntry

_API = "https://api.mailgun.net"
# A message has 25 MB at most; a batch of ours carries all that differs with it, so it counts together.
_LARGEST = 20_000_000
# "Send options (parameters starting with o:, h:, v:, or t:) are limited to 16KB total."
_MOST_OPTIONS = 15_000
_Fields = list[tuple[str, tuple[str | None, str | bytes]]]
# A link of ours stays a link of ours, and no picture tells who opened (RFC 8058 section 3.1: the address must not be rewritten).
_NO_TRACKING: _Fields = [(f"o:{name}", (None, "no")) for name in ("tracking", "tracking-clicks", "tracking-opens")]
# What 400 is about, by its words.
_LIMIT = re.compile(r"limit exceeded|try again", re.IGNORECASE)
_SENDER = re.compile(r"'?from'? parameter|not allowed to send|disabled|suspended|not verified|free accounts|sandbox", re.IGNORECASE)
_READER = re.compile(r"'?to'? parameter|valid address|recipient", re.IGNORECASE)


class Mailgun:
    """A line to Mailgun for the sending domain `relay.place`."""

    most = MOST

    def __init__(self, relay: RelayEntry, key: str, timeout: float) -> None:
        self._name, self._path = relay.name, f"/v3/{quote(relay.place, safe='')}/messages"
        self._calls = Calls(relay, _API, timeout, auth=("api", key))

    def send(self, mails: Sequence[Mail]) -> list[Verdict]:
        """Mails that are alike go in one call, others each in one. Raises RelayTrouble."""
        opened = [(mail, parts if (parts := parts_of(mail)) and not holds_marks(parts) else None) for mail in mails]
        groups = groups_of([parts for _mail, parts in opened], [len(mail.data) for mail in mails], _LARGEST)
        verdicts = iter(in_turn([[opened[place] for place in group] for group in groups], self._group))
        placed = {place: next(verdicts) for group in groups for place in group}
        return [placed[place] for place in range(len(mails))]

    def _group(self, opened: Sequence[tuple[Mail, Parts | None]]) -> list[Verdict]:
        mails, parts = [mail for mail, _parts in opened], [parts for _mail, parts in opened if parts is not None]
        fields = _batch(parts) if len(parts) > 1 else None
        if fields is None:
            return in_turn([[mail] for mail in mails], self._alone)
        answer = self._calls.post(self._path, files=fields)
        if isinstance(answer, Answer) and not 200 <= answer.status < 300:
            # One address that is none, and the whole call is refused: each alone, so that it costs one.
            return in_turn([[mail] for mail in mails], self._alone)
        return [self._judged(answer)] * len(mails)

    def _alone(self, mails: Sequence[Mail]) -> list[Verdict]:
        """One mail as it is: the MIME that the reader gets is ours, byte for byte but for what Mailgun adds."""
        (mail,) = mails
        files = [("to", (None, mail.recipient)), *_NO_TRACKING, ("message", ("message.eml", unsigned(mail.data), "message/rfc822"))]
        return [self._judged(self._calls.post(f"{self._path}.mime", files=files))]

    def _judged(self, answer: Answer | Verdict) -> Verdict:
        """What one answer makes of each mail of its call. Raises RelayTrouble when it is about us."""
        if isinstance(answer, Verdict):
            return answer
        if 200 <= answer.status < 300:
            if isinstance(answer.body, dict) and answer.body.get("id"):
                # The id looks like an address, and outcomes hold none: what stands before the @ says enough.
                return Verdict("accepted", reason_of(str(answer.body["id"]).strip("<>").partition("@")[0]))
            if "Magnificent" in answer.text:  # what Mailgun says at an address where it takes nothing
                raise trouble(self._name, _("turns us away: %(reason)s", reason=answer.reason),
                              _("check the domain in relays.url, and relays.endpoint"))
            return lost(f"not understood: {answer.reason}")
        if _LIMIT.search(answer.text):
            return wants_rest(answer.reason)
        if _SENDER.search(answer.text):
            raise trouble(self._name, _("refuses the sender: %(reason)s", reason=answer.reason),
                          _("check mail.sender, and the domain and the account at Mailgun"))
        return Verdict("refused", answer.reason, policy=not _READER.search(answer.text))

    def close(self) -> None:
        """Close the connections."""
        self._calls.close()


def _batch(mails: Sequence[Parts]) -> _Fields | None:
    """The fields of one call for mails of one shape; None when their headers are longer than Mailgun takes."""
    variables = Variables(len(mails))
    head: _Fields = []
    for place, (name, _value) in enumerate(mails[0].headers):
        head.append((f"h:{name}", (None, variables.value([mail.headers[place][1] for mail in mails]))))
    if sum(len(name) + len(str(value)) for name, (_file, value) in (*head, *_NO_TRACKING)) > _MOST_OPTIONS:
        return None
    fields: _Fields = [("from", (None, mails[0].sender)), ("subject", (None, mails[0].subject))]
    fields += [("to", (None, mail.recipient)) for mail in mails]
    bodies = (("text", [mail.text for mail in mails]), ("html", [mail.html for mail in mails]))
    fields += [(kind, (None, variables.lines(texts))) for kind, texts in bodies if any(texts)]
    values = {mail.recipient: own for mail, own in zip(mails, variables.values, strict=True)}
    return [*fields, *head, *_NO_TRACKING, ("recipient-variables", (None, json.dumps(values, ensure_ascii=False)))]
