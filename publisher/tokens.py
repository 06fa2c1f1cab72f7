"""Signed links: a token is derived from ids and a key, is stored nowhere, and works for ever.

Lower-case base32, because some mail servers change the case of an address and the same token stands in
addresses (VERP: at most 64 octets before the @, RFC 5321 section 4.5.3.1.1) and in links.
"""

import base64
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

_MAC_BYTES = 15
_DERIVED = "derived:"


def _derive(key: str) -> bytes:
    return hashlib.sha256(b"publisher:" + key.encode()).digest()


def derived(key: str) -> str:
    """What is kept of a key of the environment, so that its links work after it was rotated. Keep it as secret as the key: it would sign as well."""
    return _DERIVED + _bytes_of(key).hex()


def _bytes_of(key: str) -> bytes:
    return bytes.fromhex(key.removeprefix(_DERIVED)) if re.fullmatch(_DERIVED + "[0-9a-f]{64}", key) else _derive(key)


def _varint(number: int) -> bytes:
    if number < 0x80:
        return _SHORT[number]
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_SHORT = [bytes([number]) for number in range(0x80)]


def _varints(data: bytes) -> tuple[int, ...]:
    numbers, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
    return tuple(numbers)


_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]


def _spell(token: bytes) -> str:
    """Base32 (RFC 4648 section 6) in lower case without padding; a third of the library's time, and every mail has four."""
    bits = 8 * len(token)
    spare = -bits % 10
    number = int.from_bytes(token, "big") << spare
    pairs = [_PAIRS[number >> shift & 1023] for shift in range(bits + spare - 10, -1, -10)]
    return "".join(pairs)[:(bits + 4) // 5]


# What is the same for every token of a purpose is hashed once.
@lru_cache(maxsize=64)
def _begun(key: bytes, purpose: str) -> hmac.HMAC:
    return hmac.new(key, purpose.encode() + b"\0", "sha256")


class Mint:
    """See `Keys.mint`: what does not differ is hashed once."""

    def __init__(self, key: bytes, purpose: str, before: Sequence[int], after: Sequence[int]) -> None:
        self._before = b"".join([_varint(number) for number in before])
        self._after = b"".join([_varint(number) for number in after])
        self._begun = _begun(key, purpose).copy()
        self._begun.update(self._before)

    def token(self, number: int) -> str:
        """The token of one number."""
        rest = _varint(number) + self._after
        mac = self._begun.copy()
        mac.update(rest)
        return _spell(self._before + rest + mac.digest()[:_MAC_BYTES])


class Keys:
    """The signing keys of one publisher: the first signs, every one is accepted, so that a rotated key keeps old links working."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("at least one key is needed")
        self._keys = [_bytes_of(key) for key in keys]

    def _mac(self, key: bytes, purpose: str, payload: bytes) -> bytes:
        begun = _begun(key, purpose).copy()
        begun.update(payload)
        return begun.digest()[:_MAC_BYTES]

    def sign(self, purpose: str, *ids: int) -> str:
        """A token for `ids` (non-negative whole numbers) that only serves `purpose`: lower-case letters and digits."""
        payload = b"".join([_varint(number) for number in ids])
        return _spell(payload + self._mac(self._keys[0], purpose, payload))

    def mint(self, purpose: str, before: Sequence[int] = (), after: Sequence[int] = ()) -> "Mint":
        """Makes the tokens of one purpose of which one id differs: `sign(purpose, *before, number, *after)`, in half the time."""
        return Mint(self._keys[0], purpose, before, after)

    def read(self, purpose: str, token: str) -> tuple[int, ...] | None:
        """The ids inside `token`, or None when it was not signed by one of our keys for this purpose."""
        try:
            raw = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
        except ValueError:
            return None
        # The last digit has bits to spare, and letters exist that become ASCII in upper case: only the one spelling counts.
        if _spell(raw) != token.lower():
            return None
        payload, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not payload:
            return None
        if any(hmac.compare_digest(mac, self._mac(key, purpose, payload)) for key in self._keys):
            return _varints(payload)
        return None

    def digest(self, purpose: str, text: str) -> str:
        """A keyed hash of `text` under the signing key: 40 hexadecimal digits."""
        return self.digests(purpose, text)[0]

    def digests(self, purpose: str, text: str) -> list[str]:
        """The keyed hashes of `text` under every key, newest first: compare a stored hash with all of them."""
        return [hmac.digest(key, purpose.encode() + b"\0" + text.encode(), "sha256").hex()[:40] for key in self._keys]

    def signing_as(self, fingerprint: str) -> "Keys":
        """The same keys, signing with the one of `fingerprint`; as they are when that key is not here."""
        order = self.fingerprints()
        if fingerprint not in order:
            return self
        changed = Keys.__new__(Keys)
        first = order.index(fingerprint)
        changed._keys = [self._keys[first], *self._keys[:first], *self._keys[first + 1:]]
        return changed

    def fingerprints(self) -> list[str]:
        """What may be stored about each key, newest first: it identifies the key and tells nothing of it."""
        return self.digests("key-fingerprint", "publisher")


def read_key_file(path: Path) -> list[str]:
    """The keys of `path`, one a line, the newest first. An absent file has none. Raises OSError or ValueError for one that cannot be read."""
    try:
        text = path.read_text("ascii")
    except FileNotFoundError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def make_key_file(path: Path) -> list[str]:
    """Write a new key to `path` (mode 0600) unless another process was faster; returns the keys that stand there then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(f"# Signing keys of this publisher, newest first. Keep old lines: they keep old links working.\n{secrets.token_urlsafe(48)}\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link fails where the name exists, so that a reader never sees a half-written file and two starts agree.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return read_key_file(path)
