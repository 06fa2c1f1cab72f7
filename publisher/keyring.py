"""The keys of this installation: made on first use, rotated without breaking a link, and missed loudly when they are gone."""

import os
from datetime import datetime
from pathlib import Path

from sqlalchemy import select, text

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.locks import hold
from publisher.models import Installation
from publisher.settings import Settings
from publisher.settings_environment import old_signing_secrets, signing_secret
from publisher.tokens import Keys, derived, make_key_file, read_key_file

KEY_FILE = "publisher.key"
OLD_KEYS = "publisher.old-keys"


# A shorter key can be guessed from one link.
_SHORTEST = 16


def open_keys(settings: Settings, database: Database, now: datetime) -> Keys:
    """The keys that sign and verify: PUBLISHER_SECRET, else the key file of the state folder, which is made when there is none.

    Raises PublisherError when the database holds issues, readers or suppressions and no key that ever signed for it is here:
    every link in every mail that was sent would be dead, and whoever complained would be mailed again.
    """
    folder = settings.place(settings.paths.state)
    secret = signing_secret()
    if secret and len(secret) < _SHORTEST:
        raise PublisherError(_("PUBLISHER_SECRET is too short: %(least)s characters at least", least=_SHORTEST),
                             remedy=_("make one with: python3 -c \"import secrets; print(secrets.token_urlsafe(48))\""))
    with database.reading() as session:
        # Readers' tables stand above this room, hence their plain names.
        at_stake = bool(session.scalar(text("SELECT EXISTS (SELECT 1 FROM issues) OR EXISTS (SELECT 1 FROM subscribers)"
                                            " OR EXISTS (SELECT 1 FROM suppressions)")))
        known = set(session.scalars(select(Installation.value).where(Installation.key.like("key:%"))))
    try:
        keys = _gather(folder, secret, at_stake=at_stake)
    except (OSError, ValueError) as error:
        raise PublisherError(_("the signing keys in %(path)s cannot be read or written: %(reason)s", path=folder, reason=error),
                             remedy=_("make the folder writable for this program, or name another one in paths.state")) from error
    if at_stake and known and not known & set(keys.fingerprints()):
        raise _lost(folder / KEY_FILE)
    if secret:
        _retire(folder / OLD_KEYS, derived(secret))
    signing = keys.fingerprints()[0]
    if signing not in known:
        with hold(database.engine, "configuration", wait=True), database.writing() as session:
            session.merge(Installation(key=f"key:{signing[:32]}", value=signing, noted_at=now))
    return keys


def _gather(folder: Path, secret: str | None, *, at_stake: bool) -> Keys:
    """Every key that is here, the signing one first; a new one is made only where nothing hangs on an old one."""
    stored = read_key_file(folder / KEY_FILE)
    if not secret and not stored:
        if at_stake:
            raise _lost(folder / KEY_FILE)
        stored = make_key_file(folder / KEY_FILE)
        if not stored:
            raise PublisherError(_("%(path)s holds no key", path=folder / KEY_FILE), remedy=_("delete the empty file; a new one is made"))
    given = [*([secret] if secret else []), *old_signing_secrets(), *stored, *read_key_file(folder / OLD_KEYS)]
    return Keys(list(dict.fromkeys(given)))


def _lost(path: Path) -> PublisherError:
    return PublisherError(_("the signing key is missing, and links in mails already sent depend on it"),
                          remedy=_("set PUBLISHER_SECRET as before, name the earlier one in PUBLISHER_SECRET_OLD, "
                                   "or bring %(path)s back from the backup", path=path))


def _retire(path: Path, key: str) -> None:
    """Remember a key of the environment for the day it is replaced."""
    try:
        if key in read_key_file(path):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w", encoding="ascii") as file:
            file.write(key + "\n")
    except OSError as error:
        raise PublisherError(_("the signing keys in %(path)s cannot be read or written: %(reason)s", path=path.parent, reason=error.strerror),
                             remedy=_("make the folder writable for this program, or name another one in paths.state")) from error
