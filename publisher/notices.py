"""Mails that are no issue are asked for by writing a row; the service renders and sends them within seconds."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from publisher.models_mail import Notice

# confirm: asks whether the address joins. already: it is on the lists. welcome: it joined. goodbye: it left by mail. leave: asks whether it
# leaves (a mail without a token). help: what the addresses do. alert: for the operator.
KINDS = ("confirm", "already", "welcome", "goodbye", "leave", "help", "alert")


def write_notice(session: Session, kind: str, subscriber_id: int, language: str, now: datetime, *, list_id: int | None = None,
                 request_id: int | None = None, in_reply_to: str | None = None, data: dict[str, Any] | None = None) -> int:
    """Ask for a mail to a person; returns the row's id. `data` holds ids and words of ours only: nothing a stranger wrote, and no address.

    `lists` in it are the ids of several lists that the mail is about; `list_id` is then the one whose links it carries.
    """
    return _write(session, Notice(kind=kind, subscriber_id=subscriber_id, list_id=list_id, request_id=request_id, language=language,
                                  in_reply_to=in_reply_to, data=data or {}, created_at=now))


def write_alert(session: Session, code: str, values: dict[str, Any], language: str, now: datetime) -> int:
    """Tell the operator; `code` and `values` become a sentence when the mail is rendered (see reasons.py). Values hold no address."""
    return _write(session, Notice(kind="alert", language=language, data={"code": code, **values}, created_at=now))


def lists_of(notice: Notice) -> list[int]:
    """The ids of the lists a mail is about: `lists` of its data, else its own."""
    return list(notice.data.get("lists", ())) or ([notice.list_id] if notice.list_id is not None else [])


def _write(session: Session, notice: Notice) -> int:
    session.add(notice)
    session.flush()
    return notice.id
