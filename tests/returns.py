"""Mails that came back, in the shapes that servers give them, with tokens of these tests in the places of ours."""

from pathlib import Path

from publisher.links import BOUNCE, MESSAGE, NOTICE, leave_token
from publisher.tokens import Keys
from tests.readers import KEYS

FOLDER = Path(__file__).parent / "returned"


def names(prefix: str = "") -> list[str]:
    """The mails of the folder whose names begin so."""
    return sorted(path.stem for path in FOLDER.glob(f"{prefix}*.eml"))


def mail(name: str, *, issue: int = 1, reader: int = 1, list_id: int = 1, keys: Keys = KEYS, address: str | None = None) -> bytes:
    """One of them, about an issue's mail to a reader; `address` takes the place of the one it names."""
    text = (FOLDER / f"{name}.eml").read_bytes()
    for slot, token in (("bounce", keys.sign(BOUNCE, issue, reader)), ("message", keys.sign(MESSAGE, issue, reader)),
                        ("leave", leave_token(keys, list_id, reader, issue))):
        text = text.replace(f"[[{slot}]]".encode(), token.encode())
    return text.replace(b"taro@reader.example", address.encode()) if address else text


def to(issue: int = 1, reader: int = 1, *, keys: Keys = KEYS) -> str:
    """The envelope sender of an issue's mail: where its bounce goes."""
    return f"b+{keys.sign(BOUNCE, issue, reader)}@bounces.example.jp"


def to_notice(notice: int, reader: int, *, keys: Keys = KEYS) -> str:
    """The same of a mail that is no issue."""
    return f"b+{keys.sign(NOTICE, notice, reader)}@bounces.example.jp"
