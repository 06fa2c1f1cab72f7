"""Bytes to text: UTF-8, Shift_JIS (CP932) or EUC-JP, told apart without guessing; everything else is refused with its reason."""

import re

from publisher.errors import BadInput
from publisher.i18n import _

MAX_BYTES = 5 * 1024 * 1024
_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"PK\x03\x04", b"%PDF-",
          b"\x1f\x8b", b"\x7fELF", b"Rar!", b"7z\xbc\xaf", b"BZh9", b"\xfd7zXZ", b"RIFF", b"OggS", b"ID3")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# ISO-2022-JP, which is seven-bit and would pass for ASCII (RFC 1468).
_ESCAPED_JAPANESE = (b"\x1b$@", b"\x1b$B", b"\x1b(J")
_CONTROLS = bytes(set(range(32)) - {7, 8, 9, 10, 11, 12, 13, 27}) + b"\x7f"
_SAMPLE = 40_000
_WIDE = re.compile("[^\x00-\x7f]+")
_KANA = re.compile("[\u3041-\u3093\u30a1-\u30f6\u30fc\u3001\u3002\u300c\u300d]")
_ODD = re.compile("[\uff61-\uff9f\ue000-\uf8ff\u0080-\u00ff\u0370-\u052f\u2500-\u257f]")


def decode(data: bytes, where: str) -> str:
    """The text of `data`. Raises BadInput when it is too large, empty, binary, or in an encoding that is not read."""
    if len(data) > MAX_BYTES:
        raise BadInput(where, _("the file is larger than 5 MB"), remedy=_("split it, or remove what is not text"))
    if not data.strip():
        raise BadInput(where, _("the file is empty"))
    if data.startswith(_UTF16):
        raise _unknown(where)
    if _is_binary(data):
        raise BadInput(where, _("this is a binary file, not text"), remedy=_("save it as text (UTF-8)"))
    if any(mark in data for mark in _ESCAPED_JAPANESE):
        raise _unknown(where)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = _japanese(data)
        if text is None:
            raise _unknown(where, line=data.count(b"\n", 0, error.start) + 1) from error
        return text


def _unknown(where: str, line: int | None = None) -> BadInput:
    return BadInput(where, _("unknown encoding: it is neither UTF-8 nor Shift_JIS nor EUC-JP"), line=line, remedy=_("save it as UTF-8"))


def _is_binary(data: bytes) -> bool:
    if data.startswith(_MAGIC) or b"\0" in data:
        return True
    sample = data[:_SAMPLE]
    return (len(sample) - len(sample.translate(None, _CONTROLS))) * 50 > len(sample)


def _japanese(data: bytes) -> str | None:
    """The reading that looks like Japanese. Both encodings accept most bytes of the other, and those of Latin and Chinese text as well:
    kana are what tells (a detector by statistics is slower and errs on short files)."""
    readings = [(text, _likeness(text)) for encoding in ("euc_jp", "cp932") if (text := _strictly(data, encoding)) is not None]
    best = max(readings, key=lambda reading: reading[1], default=("", 0.0))
    return best[0] if best[1] >= 0.5 else None


def _strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _likeness(text: str) -> float:
    """How Japanese the characters beyond ASCII look, from 0 to 1: kana and kanji of everyday use, in runs, and few odd ones."""
    runs = _WIDE.findall(text[:_SAMPLE])
    wide = "".join(runs)[:_SAMPLE]
    if not wide:
        return 0.0
    kana = len(_KANA.findall(wide)) / len(wide)
    everyday = sum(_everyday(char) for char in wide) / len(wide)
    # Running Japanese has kana; a line or two may do without, if it is words and not single characters in foreign ones.
    if kana < 0.05 and (len(wide) >= 20 or len(wide) < 2 * len(runs)):
        return 0.0
    return everyday - len(_ODD.findall(wide)) / len(wide)


def _everyday(char: str) -> bool:
    """Kana, full-width forms and the kanji of JIS X 0208 level 1 (rows 16 to 47, which EUC-JP writes as B0 to CF)."""
    if "\u3000" <= char <= "\u30ff" or "\uff01" <= char <= "\uff5e":
        return True
    try:
        return 0xB0 <= char.encode("euc_jp")[0] <= 0xCF
    except UnicodeEncodeError:
        return False
