"""Texts that people were shown when they agreed: each version is kept once, and a consent names it."""

import hashlib
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from subscribers.models import Wording
from subscribers.registry.writing import insert_absent


def wording_id(session: Session, kind: str, language: str, text: str, now: datetime) -> int:
    """The id of this text (`kind`: form, mail); one that was never shown before is written down."""
    digest = hashlib.sha256(f"{language}\n{text}".encode()).hexdigest()
    known = select(Wording.id).where(Wording.hash == digest)
    found = session.scalar(known)
    if found is None:
        insert_absent(session, Wording, [{"hash": digest, "kind": kind, "language": language, "text": text, "first_used_at": now}])
        found = session.scalars(known).one()
    return found
