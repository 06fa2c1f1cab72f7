"""The keys of this installation: made on first use, rotated without breaking a link, and missed loudly when they are gone."""

import os
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.models import Installation, Issue
from publisher.settings import Settings
from publisher.settings_environment import old_signing_secrets, signing_secret
from publisher.tokens import Keys, derived, make_key_file, read_key_file

KEY_FILE = "publisher.key"
OLD_KEYS = "publisher.old-keys"


def open_keys(settings: Settings, database: Database, now: datetime) -> Keys:
    """The keys that sign and verify: PUBLISHER_SECRET, else the key file of the state folder, which is made when there is none.

    Raises PublisherError when the database holds issues and no key that ever signed for it is here: every link in every
    mail that was sent would be dead.
    """
    folder = settings.place(settings.paths.state)
    secret, stored = signing_secret(), read_key_file(folder / KEY_FILE)
    with database.reading() as session:
        issues = session.scalar(select(func.count()).select_from(Issue)) or 0
        known = set(session.scalars(select(Installation.value).where(Installation.key.like("key:%"))))
    if not secret and not stored:
        if issues:
            raise _lost(folder / KEY_FILE)
        stored = make_key_file(folder / KEY_FILE)
    retired = read_key_file(folder / OLD_KEYS)
    given = [*([secret] if secret else []), *old_signing_secrets(), *stored, *retired]
    keys = Keys(list(dict.fromkeys(given)))
    if issues and known and not known & set(keys.fingerprints()):
        raise _lost(folder / KEY_FILE)
    if secret and derived(secret) not in retired:
        _retire(folder / OLD_KEYS, derived(secret))
    signing = keys.fingerprints()[0]
    if signing not in known:
        with database.writing() as session:
            session.merge(Installation(key=f"key:{signing[:32]}", value=signing, noted_at=now))
    return keys


def _lost(path: Path) -> PublisherError:
    return PublisherError(_("the signing key is missing, and links in mails already sent depend on it"),
                          remedy=_("set PUBLISHER_SECRET as before, name the earlier one in PUBLISHER_SECRET_OLD, "
                                   "or bring %(path)s back from the backup", path=path))


def _retire(path: Path, key: str) -> None:
    """Remember a key of the environment for the day it is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w", encoding="ascii") as file:
        file.write(key + "\n")
