"""What the environment says about this process: the language of the person at the keyboard, and the signing keys."""

import os
from collections.abc import Mapping, Sequence

from publisher.i18n import LANGUAGES


def interface_language(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> str:
    """The language of commands: `--lang`, else the locale (POSIX: LC_ALL, LC_MESSAGES, LANG), else English."""
    for index, argument in enumerate(arguments):
        given = argument.removeprefix("--lang=") if argument.startswith("--lang=") else None
        if argument == "--lang" and index + 1 < len(arguments):
            given = arguments[index + 1]
        if given in LANGUAGES:
            return given
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environ.get(name):
            return "ja" if environ[name].startswith("ja") else "en"
    return "en"


def wants_plain(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether colour is switched off (https://no-color.org)."""
    return bool(environ.get("NO_COLOR"))


def signing_secret(environ: Mapping[str, str] = os.environ) -> str | None:
    """The signing key of the environment, or None where the key file serves."""
    return environ.get("PUBLISHER_SECRET") or None


def old_signing_secrets(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Keys that no longer sign and are still accepted: PUBLISHER_SECRET_OLD, separated by commas."""
    return [part.strip() for part in environ.get("PUBLISHER_SECRET_OLD", "").split(",") if part.strip()]


def without_ours(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment for a process that must know none of this newsroom's settings and secrets."""
    return {name: value for name, value in environ.items() if not name.startswith("PUBLISHER_")}
