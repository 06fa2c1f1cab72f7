"""Secrets come from the environment, or from a file that it names; never from publisher.toml, a command line, or into a log."""

import logging
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.settings import Account, Settings
from publisher.settings_sending import SINGLE, Relay, RelayEntry

_RELAY = "PUBLISHER_RELAY_PASSWORD"
_IMAP = "PUBLISHER_IMAP_PASSWORD"
_HOOKS = {"mailgun": "PUBLISHER_MAILGUN_SIGNING_KEY", "postmark": "PUBLISHER_POSTMARK_HOOK_PASSWORD",
          "sendgrid": "PUBLISHER_SENDGRID_PUBLIC_KEY", "resend": "PUBLISHER_RESEND_SIGNING_SECRET"}
# What each way of speaking to X needs, and what it may have besides.
_X = {"1.0a": (("CONSUMER_KEY", "CONSUMER_SECRET", "ACCESS_TOKEN", "ACCESS_TOKEN_SECRET"), ()),
      "2.0": (("CLIENT_ID", "ACCESS_TOKEN", "REFRESH_TOKEN"), ("CLIENT_SECRET",))}


@dataclass(frozen=True, slots=True)
class Credentials:
    """The secrets of one account by their short names. They are not shown when this is printed."""

    values: Mapping[str, str] = field(repr=False)

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def get(self, name: str) -> str | None:
        """A secret that may be absent."""
        return self.values.get(name)


def relay_password(environ: Mapping[str, str] = os.environ) -> str | None:
    """The password of the relay, or None. Raises PublisherError for a file that cannot be read."""
    return _secret(_RELAY, environ)


def relay_variable(relay: str) -> str:
    """The variable that holds the secret of a relay: SINGLE → PUBLISHER_RELAY_PASSWORD, tokyo-1 → PUBLISHER_RELAY_TOKYO_1_PASSWORD."""
    return _RELAY if relay == SINGLE else f"PUBLISHER_RELAY_{re.sub(r'[^A-Z0-9]', '_', relay.upper())}_PASSWORD"


def relay_secrets(settings: Settings, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The secret of each relay by its name: a password, or a provider's key; one without is not here.

    Raises PublisherError for a file that cannot be read.
    """
    return {relay.name: value for relay in settings.all_relays() if (value := _secret(relay_variable(relay.name), environ))}


def imap_password(environ: Mapping[str, str] = os.environ) -> str | None:
    """The password of the mailbox in `inbound.imap`, or None. Raises PublisherError for a file that cannot be read."""
    return _secret(_IMAP, environ)


def hook_secrets(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What proves each provider's reports, by provider; one without its secret is not here. Raises PublisherError for a file that cannot be read."""
    return {provider: value for provider, name in _HOOKS.items() if (value := _secret(name, environ))}


def variable_of(account: str, name: str) -> str:
    """The variable that holds the secret `name` of an account: x-main, ACCESS_TOKEN → PUBLISHER_X_MAIN_ACCESS_TOKEN."""
    return f"PUBLISHER_{re.sub(r'[^A-Z0-9]', '_', account.upper())}_{name}"


def credentials_of(account: Account, environ: Mapping[str, str] = os.environ) -> Credentials:
    """The secrets of an account. Raises PublisherError naming the variables that are missing."""
    missing = _missing(account, environ)
    if missing:
        raise PublisherError(_("the account %(name)s has no credentials", name=account.name),
                             remedy=_("set %(names)s in the environment", names=", ".join(missing)))
    required, optional = _X[account.oauth] if account.kind == "x" else ((), ())
    found = {name: _secret(variable_of(account.name, name), environ) for name in (*required, *optional)}
    return Credentials({name: value for name, value in found.items() if value})


def missing_secrets(settings: Settings, environ: Mapping[str, str] = os.environ) -> dict[str, tuple[str, ...]]:
    """The variables that are needed and not set, by account; the relay is `mail`, one of several `relays.NAME`, the mailbox `inbound`."""
    found: dict[str, tuple[str, ...]] = {}
    known = relay_secrets(settings, environ)
    for relay in settings.all_relays():
        if relay.name not in known and _needs_secret(relay):
            found[f"relays.{relay.name}" if settings.relays else "mail"] = (relay_variable(relay.name),)
    if settings.inbound.imap and not imap_password(environ):
        found["inbound"] = (_IMAP,)
    for account in settings.accounts:
        missing = _missing(account, environ)
        if missing:
            found[account.name] = missing
    return found


def _needs_secret(relay: RelayEntry) -> bool:
    """A user of SMTP has a password, a provider a key. SES may do without: boto3 finds the role of the machine, for one."""
    return Relay.parse(relay.url).user is not None if relay.kind == "smtp" else relay.kind != "ses"


def _missing(account: Account, environ: Mapping[str, str]) -> tuple[str, ...]:
    if account.kind != "x":
        return ()
    names = (variable_of(account.name, name) for name in _X[account.oauth][0])
    return tuple(name for name in names if not _secret(name, environ))


def _secret(name: str, environ: Mapping[str, str]) -> str | None:
    """The value of `name`, or what stands in the file that `name`_FILE names, without the line end."""
    if environ.get(name):
        return environ[name]
    path = environ.get(f"{name}_FILE")
    if not path:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            # What a container is handed stands there for everybody to read (mode 0444), and nobody else is in it.
            if os.fstat(file.fileno()).st_mode & stat.S_IROTH and not Path(path).is_relative_to("/run/secrets"):
                _warn_of_readers(f"{name}_FILE", path)
            return file.read().strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise PublisherError(_("%(name)s names the file %(path)s, which cannot be read: %(reason)s", name=f"{name}_FILE", path=path,
                               reason=getattr(error, "strerror", None) or _("is not UTF-8"))) from None


@cache
def _warn_of_readers(name: str, path: str) -> None:
    """Once a process: the file is used all the same, because a morning without an issue is worse."""
    logging.getLogger(__name__).warning(_("%(name)s names the file %(path)s, which everybody on this machine can read; run: chmod 600 %(path)s",
                                          name=name, path=path))
