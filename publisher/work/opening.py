"""What a process that only sends needs, opened without what composing, posting and pages would cost in memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from publisher.db import Database
from publisher.deliver.worker import check_relay
from publisher.keyring import open_keys
from publisher.models import Installation
from publisher.settings import Settings
from publisher.settings_secrets import relay_secrets
from publisher.tokens import Keys

log = structlog.get_logger("publisher")


@dataclass(frozen=True, slots=True)
class Sending:
    """Everything that sending a slice takes. `secrets` are the relays', by name."""

    settings: Settings
    database: Database
    keys: Keys = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    clock: Callable[[], datetime]


def open_sending(settings: Settings, clock: Callable[[], datetime]) -> Sending:
    """The open database, brought up to date, with the keys and the relays' secrets. Raises PublisherError."""
    check_relay(settings)
    database = Database(settings.database_url)
    database.migrate()
    keys = open_keys(settings, database, clock())
    with database.reading() as session:
        stored = session.get(Installation, "configuration")
    if stored is not None and stored.value != settings.fingerprint:
        # Machines that share a database must share the file: the links and the sender of a mail stand in it.
        log.warning("configuration_differs", remedy="give every machine the same publisher.toml")
    return Sending(settings, database, keys, relay_secrets(settings), clock)
