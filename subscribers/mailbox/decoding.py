"""Text of mails, whatever was written over it: the charset that was named is tried first, and nothing here ever raises.

Japanese mail often holds characters that its charset has not got (① and ㈱ stand in row 13 of NEC, which ISO-2022-JP and EUC-JP do not know and
Python's codecs refuse): both are read by way of CP932, which has them.
"""

import base64
import binascii
import codecs
import re

# Nothing that is shown or obeyed is longer; whoever writes more gains nothing.
LONGEST_HEADER = 4000
_WORD = re.compile(rb"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)(?:\?=|$)")
_ESCAPE = re.compile(rb"\x1b(?:\$[@B]|\$\(D|\([BJIH]|&@)")
_JAPANESE = re.compile("[\u3041-\u30ff\u4e00-\u9fff\uff01-\uff5e]")
# What EUC-JP and CP932 make of each other: half-width katakana, private use and the replacement of what cannot be read.
_ODD = re.compile("[\uff61-\uff9f\ue000-\uf8ff\ufffd\x80-\x9f]")
# Codecs that are no charset of a mail: they run code paths of their own, and two of them take quadratic time (CPython gh-98433).
_NO_CHARSET = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem", "utf-7"})
_JIS = ("iso2022-jp", "iso-2022-jp", "iso2022_jp", "csiso2022jp", "cp50220", "cp50221", "cp50222")
_EUC = ("euc-jp", "euc_jp", "eucjp", "x-euc-jp", "ujis", "cp51932", "eucjp-ms")
_SJIS = ("shift_jis", "shift-jis", "sjis", "x-sjis", "ms_kanji", "windows-31j", "ms932", "cp932", "csshiftjis", "ms-kanji")


def decode(data: bytes, charset: str | None = None) -> str:
    """`data` as text: in `charset` where that fits, else in the encoding that it looks like. What cannot be read becomes U+FFFD."""
    named = _named(data, charset) if charset else None
    return named if named is not None else guess(data)


def guess(data: bytes) -> str:
    """Text that names no charset, or a wrong one: ISO-2022-JP by its escapes, UTF-8 where it is valid, else the more Japanese of EUC-JP and CP932."""
    if _ESCAPE.search(data):
        return from_jis(data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":  # cut off, by a program that counts bytes
            return data[:error.start].decode("utf-8-sig")
        readings = (from_euc(data), data.decode("cp932", "replace"))
        return max(readings, key=lambda text: len(_JAPANESE.findall(text)) - 2 * len(_ODD.findall(text)))


def _named(data: bytes, charset: str) -> str | None:
    """`data` read as it says it is to be read, or None when that is not true or not known."""
    name = charset.strip("\"' ").partition("*")[0].lower()  # RFC 2231 section 5: a language may follow
    if name.startswith(_JIS) or (name in ("us-ascii", "utf-8", "") and _ESCAPE.search(data)):
        return from_jis(data)
    if name in _EUC:
        return from_euc(data)
    if name in _SJIS:
        name = "cp932"
    try:
        codec = codecs.lookup(name)
        if codec.name in _NO_CHARSET:
            return None
        return data.decode(codec.name)
    except (LookupError, ValueError):  # unknown, no charset at all, or not what was promised
        return None


def from_jis(data: bytes) -> str:
    """ISO-2022-JP with what mail programs add to it: row 13, half-width katakana, JIS X 0212, and lines that do not return to ASCII."""
    out, mode, place = [], b"(B", 0
    for found in [*_ESCAPE.finditer(data), None]:
        part = data[place:found.start() if found else len(data)]
        out.append(_jis_part(part, mode))
        if found is not None:
            mode, place = found[0][1:], found.end()
    return "".join(out)


def _jis_part(part: bytes, mode: bytes) -> str:
    if mode in (b"$@", b"$B", b"$(D", b"&@"):
        return _pairs(part, extra=mode == b"$(D")
    if mode == b"(I":
        return bytes(byte | 0x80 if 0x21 <= byte <= 0x5F else byte for byte in part).decode("cp932", "replace")
    # Eight-bit bytes have no place here; where they stand, something else was mixed in.
    return part.decode("ascii") if part.isascii() else part.decode("cp932", "replace")


def _pairs(part: bytes, *, extra: bool) -> str:
    out, place = [], 0
    while place < len(part):
        first, second = part[place], part[place + 1] if place + 1 < len(part) else 0
        if 0x21 <= first <= 0x7E and 0x21 <= second <= 0x7E:
            out.append(_supplementary(first, second) if extra else _kanji(first, second))
            place += 2
        else:
            out.append(chr(first) if first < 0x80 else "\ufffd")
            place += 1
    return "".join(out)


def _kanji(first: int, second: int) -> str:
    """A character of JIS X 0208 and of the rows that vendors added, by way of CP932 (JIS X 0208 annex 1: how the two codes correspond)."""
    lead = (first - 0x21) // 2 + (0x81 if first <= 0x5E else 0xC1)
    trail = second + (0x1F if second <= 0x5F else 0x20) if first % 2 else second + 0x7E
    return bytes((lead, trail)).decode("cp932", "replace")


def _supplementary(first: int, second: int) -> str:
    return bytes((0x8F, first | 0x80, second | 0x80)).decode("euc_jp", "replace")


def from_euc(data: bytes) -> str:
    """EUC-JP with row 13."""
    out, place = [], 0
    while place < len(data):
        first, second = data[place], data[place + 1] if place + 1 < len(data) else 0
        if first < 0x80:
            end = place + 1
            while end < len(data) and data[end] < 0x80:
                end += 1
            out.append(data[place:end].decode("ascii"))
            place = end
        elif first == 0x8E and 0xA1 <= second <= 0xDF:
            out.append(bytes((second,)).decode("cp932"))
            place += 2
        elif first == 0x8F and place + 2 < len(data) and 0xA1 <= second <= 0xFE and 0xA1 <= data[place + 2] <= 0xFE:
            out.append(_supplementary(second & 0x7F, data[place + 2] & 0x7F))
            place += 3
        elif 0xA1 <= first <= 0xFE and 0xA1 <= second <= 0xFE:
            out.append(_kanji(first & 0x7F, second & 0x7F))
            place += 2
        else:
            out.append("\ufffd")
            place += 1
    return "".join(out)


def header_text(raw: bytes) -> str:
    """The value of a header as a person reads it: unfolded, its encoded-words (RFC 2047) decoded, also broken and unfinished ones.

    Words of one charset that follow each other are joined before they are decoded: Japanese programs cut within a character.
    """
    raw = re.sub(rb"\r?\n(?=[ \t])", b"", raw[:LONGEST_HEADER]).strip()
    out: list[str] = []
    waiting, charset, place = b"", b"", 0
    for found in _WORD.finditer(raw):
        between = raw[place:found.start()]
        apart = bool(between.strip()) or (not waiting and place == 0)
        if waiting and (apart or found[1].lower() != charset):
            out.append(decode(waiting, charset.decode("ascii", "replace")))
            waiting = b""
        if apart:
            out.append(decode(between))
        waiting, charset, place = waiting + _word_bytes(found[2], found[3]), found[1].lower(), found.end()
    if waiting:
        out.append(decode(waiting, charset.decode("ascii", "replace")))
    out.append(decode(raw[place:]))
    return "".join(out)


def _word_bytes(kind: bytes, text: bytes) -> bytes:
    if kind in b"bB":
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", text)
        letters = letters[:-1] if len(letters) % 4 == 1 else letters
        try:
            return base64.b64decode(letters + b"=" * (-len(letters) % 4))
        except binascii.Error:
            return b""
    return re.sub(rb"=([0-9A-Fa-f]{2})", lambda found: bytes((int(found[1], 16),)), text.replace(b"_", b" "))
