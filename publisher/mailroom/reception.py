"""What every door does with a mail: refuse it at once when the address is not ours, take it when it is dealt with, else have it brought again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from publisher.db import Database
from publisher.deliver.smtp import RelayTrouble
from publisher.mailroom.forwarding import NotForwarded, forward
from publisher.settings import Settings
from publisher.tokens import Keys
from publisher.track.inbound import Envelope, Handled, digest_of, handle, known, remember, takes
from subscribers.mailbox.recipients import recipient_of

log = structlog.get_logger("publisher")


def fault_of(error: Exception) -> str:
    """What kind of fault it is and where it came from. Its words may hold an address, and so may the values in a traceback."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return f"{type(error).__name__} at {place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place is not None else type(error).__name__


class TryLater(Exception):
    """Not now: the database does not answer, or the relay did not take what goes on to a person. Whoever brought the mail keeps it.

    `hopeless`: the relay refused this one for good, and a person has to look.
    """

    def __init__(self, reason: str, *, hopeless: bool = False) -> None:
        super().__init__(reason)
        self.hopeless = hopeless


class NotForwardedNow(TryLater):
    """What goes on to a person waits for the relay; mail of other kinds does not."""


@dataclass(frozen=True, slots=True)
class Reception:
    """Takes mail in, by whatever door it comes. `secrets` are those of the relays, by name; `clock` says when."""

    database: Database
    settings: Settings
    keys: Keys
    secrets: Mapping[str, str]
    clock: Callable[[], datetime]

    def takes(self, recipient: str) -> bool:
        """Whether mail to this address is taken."""
        return takes(self.settings, self.keys, recipient)

    def is_for_a_person(self, recipient: str) -> bool:
        """Whether mail to this address goes on over the relay."""
        found = recipient_of(self.settings, recipient)
        return found is not None and found.kind == "owner"

    def receive(self, envelope: Envelope, data: bytes) -> Handled:
        """Deal with one mail to one recipient, and come back when that is committed. Raises TryLater; anything else is a fault of ours."""
        try:
            if self.is_for_a_person(envelope.recipient):
                return self._for_owner(envelope, data)
            return handle(self.database, self.settings, self.keys, envelope, data, self.clock())
        except (DataError, IntegrityError):
            raise  # the mail's own fault, or ours: it would be no better later
        except (DBAPIError, PoolTimeout) as error:
            log.error("mail_without_database", reason=type(error).__name__)
            raise TryLater("the database does not answer") from error
        except (NotForwarded, RelayTrouble) as error:
            log.warning("mail_not_forwarded", reason=str(error))
            raise NotForwardedNow("the relay did not take it", hopeless=isinstance(error, NotForwarded) and error.refused) from error

    def _for_owner(self, envelope: Envelope, data: bytes) -> Handled:
        digest = digest_of(envelope, data)
        if known(self.database, digest):
            return Handled("again")
        recipient = recipient_of(self.settings, envelope.recipient)
        if recipient is None:
            return Handled("silent:unknown")
        now = self.clock()
        if len(data) > self.settings.inbound.largest:
            outcome = "silent:too-large"
        else:
            outcome = forward(self.database, self.settings, self.secrets, envelope.recipient.strip("<> ").lower(), recipient, data, now)
        remember(self.database, digest, outcome, now)
        log.info("mail_handled", kind="owner", list=recipient.list_name or None, outcome=outcome)
        return Handled(outcome)
