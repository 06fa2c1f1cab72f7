"""Finds out whom something that came back is about: by the tokens we signed, and only last by the address it names."""

import re
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from publisher.links import BOUNCE, MESSAGE, NOTICE, read_leave_token, read_pair
from publisher.tokens import Keys
from subscribers.addresses import NotAnAddress, parse_address
from subscribers.models import Subscriber

_TOKEN = r"[A-Za-z2-7]{25,64}"
# The envelope sender b+TOKEN@… with the delimiters that hosts know; an ENVID may hold the token alone, or with `b+` as xtext (RFC 3461 section 4).
_ENVELOPE = re.compile(rf"(?:b(?:[+=-]|\+2B))?({_TOKEN})(?:@.*)?", re.IGNORECASE)
_TOKEN_ADDRESS = re.compile(r"b[+=-].*@.*", re.IGNORECASE)
_MESSAGE_ID = re.compile(rf"<?\s*({_TOKEN})@[^<>]*>?")
# https://site/u/TOKEN and mailto:u+TOKEN@… inside List-Unsubscribe; folding may have left blanks in it.
_LEAVE = re.compile(rf"(?:/u/|\bu[+=-])({_TOKEN})(?![A-Za-z2-7])")


@dataclass(frozen=True, slots=True)
class Who:
    """Whom a token was signed for, and in which mail. The reader may have been erased since."""

    subscriber_id: int
    issue_id: int | None = None
    notice_id: int | None = None
    list_id: int | None = None


def who(keys: Keys, *, envelope: str | None = None, message_id: str | None = None, unsubscribe: str | None = None) -> Who | None:
    """The reader behind the first of these that carries a token of ours; None when none does.

    `envelope` is an address such as b+TOKEN@bounces.example.jp, or an Original-Envelope-Id; `message_id` the value of a Message-ID;
    `unsubscribe` the value of a List-Unsubscribe.
    """
    return _by_envelope(keys, envelope or "") or _by_message_id(keys, message_id or "") or _by_unsubscribe(keys, unsubscribe or "")


def is_token_address(address: str) -> bool:
    """Whether an address has the shape of b+TOKEN@…, be the token ours or not."""
    return _TOKEN_ADDRESS.fullmatch(address.strip().strip("<>").strip()) is not None


def who_is(session: Session, address: str) -> int | None:
    """The person with this address, however it is spelled. An address alone proves nothing: anybody can write one."""
    try:
        key = parse_address(address).key
    except NotAnAddress:
        return None
    return session.scalar(select(Subscriber.id).where(Subscriber.address_key == key))


def _by_envelope(keys: Keys, text: str) -> Who | None:
    found = _ENVELOPE.fullmatch(text.strip().strip("<>").strip())
    return _of_mail(keys, BOUNCE, found[1]) if found else None


def _by_message_id(keys: Keys, text: str) -> Who | None:
    found = _MESSAGE_ID.search(text)
    return _of_mail(keys, MESSAGE, found[1]) if found else None


def _of_mail(keys: Keys, purpose: str, token: str) -> Who | None:
    """Of an issue, or of a notice: those use one token in both places."""
    if ids := read_pair(keys, purpose, token):
        return Who(ids[1], issue_id=ids[0])
    if ids := read_pair(keys, NOTICE, token):
        return Who(ids[1], notice_id=ids[0])
    return None


def _by_unsubscribe(keys: Keys, text: str) -> Who | None:
    for token in _LEAVE.findall("".join(text.split())):
        if ids := read_leave_token(keys, token):
            # Mails that are no issue carry 0 in its place.
            return Who(ids[1], issue_id=ids[2] or None, list_id=ids[0])
    return None
