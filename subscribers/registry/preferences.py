"""What a reader takes, how often and when: kept with the subscription, and honoured when an issue is sent."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.i18n import LANGUAGES, _
from subscribers.consent import CHANGED, Evidence, record
from subscribers.models import EVERY_SECTION, RHYTHMS, Subscriber, Subscription
from subscribers.registry.writing import lock_person

_MOST_SECTIONS, _LONGEST_SECTION = 100, 200


@dataclass(frozen=True, slots=True)
class Preferences:
    """A reader's choice. `sections` None: every one; `hour` 0 to 23 in `timezone`, None: when the issue leaves; None elsewhere: as the list has it.

    `timezone` and `language` are the person's, for all their lists.
    """

    rhythm: str = "each"
    sections: tuple[str, ...] | None = None
    hour: int | None = None
    timezone: str | None = None
    language: str | None = None


def sections_key(sections: Sequence[str] | None) -> str:
    """The key of the group of readers who take the same sections, in whatever order they were named: `all`, or 64 hexadecimal digits."""
    if sections is None:
        return EVERY_SECTION
    return hashlib.sha256("\n".join(sorted(set(sections))).encode()).hexdigest()


def read_preferences(session: Session, list_id: int, subscriber_id: int) -> Preferences | None:
    """What a reader chose for a list; None when they have nothing to do with it."""
    found = session.execute(_of(list_id, subscriber_id)).one_or_none()
    return _preferences(*found) if found else None


def set_preferences(database: Database, list_id: int, subscriber_id: int, wanted: Preferences, evidence: Evidence, now: datetime) -> bool:
    """Keep a choice; whether anything changed. Somebody who left has nothing to choose. Raises PublisherError for what cannot be chosen."""
    wanted = _checked(wanted)
    with database.writing() as session:
        if lock_person(session, subscriber_id) is None:
            return False
        found = session.execute(_of(list_id, subscriber_id).with_for_update()).one_or_none()
        if found is None or found[0].state == "left":
            return False
        subscription, person = found
        changes = _changes(_preferences(subscription, person), wanted)
        if not changes:
            return False
        if wanted.rhythm != subscription.rhythm:
            subscription.rhythm, subscription.rhythm_since = wanted.rhythm, now
        subscription.sections = list(wanted.sections) if wanted.sections is not None else None
        subscription.sections_key, subscription.hour = sections_key(wanted.sections), wanted.hour
        person.timezone, person.language = wanted.timezone, wanted.language
        words = "; ".join([*([evidence.wording] if evidence.wording else []), *changes])
        told = Evidence(evidence.door, words, evidence.wording_id, evidence.origin, evidence.client_hash, evidence.request_id)
        record(session, list_id, [subscriber_id], CHANGED, told, now)
        return True


def _of(list_id: int, subscriber_id: int):  # type: ignore[no-untyped-def]
    return (select(Subscription, Subscriber).join(Subscriber, Subscriber.id == Subscription.subscriber_id)
            .where(Subscription.list_id == list_id, Subscription.subscriber_id == subscriber_id))


def _preferences(subscription: Subscription, person: Subscriber) -> Preferences:
    sections = tuple(subscription.sections) if subscription.sections is not None else None
    return Preferences(subscription.rhythm, sections, subscription.hour, person.timezone, person.language)


def _changes(before: Preferences, after: Preferences) -> list[str]:
    """Each thing that changed, with its new value."""
    pairs = [(name, getattr(before, name), getattr(after, name)) for name in Preferences.__slots__]
    return [f"{name}: {', '.join(new) if isinstance(new, tuple) else '–' if new is None else new}" for name, old, new in pairs if old != new]


def _checked(wanted: Preferences) -> Preferences:
    """The choice with its sections in order. Raises PublisherError."""
    if wanted.rhythm not in RHYTHMS:
        raise PublisherError(_("“%(value)s” is no rhythm", value=wanted.rhythm), remedy=_("known: %(names)s", names=", ".join(RHYTHMS)))
    if wanted.hour is not None and not 0 <= wanted.hour <= 23:
        raise PublisherError(_("“%(value)s” is no hour of the day", value=wanted.hour), remedy=_("a whole number from 0 to 23"))
    if wanted.language is not None and wanted.language not in LANGUAGES:
        raise PublisherError(_("“%(value)s” is no language this program speaks", value=wanted.language),
                             remedy=_("known: %(names)s", names=", ".join(LANGUAGES)))
    if wanted.timezone is not None:
        _check_zone(wanted.timezone)
    if wanted.sections is None:
        return wanted
    sections = tuple(sorted({name.strip() for name in wanted.sections if name.strip()}))
    if not sections:
        raise PublisherError(_("no section is chosen"), remedy=_("choose one at least, or all of them, or leave the list"))
    if len(sections) > _MOST_SECTIONS or any(len(name) > _LONGEST_SECTION for name in sections):
        raise PublisherError(_("these are no sections of a newsletter"))
    return Preferences(wanted.rhythm, sections, wanted.hour, wanted.timezone, wanted.language)


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # an absent name is a KeyError, a folder of the zone files an OSError
        raise PublisherError(_("“%(value)s” is no time zone", value=name), remedy=_("such as Asia/Tokyo")) from None
