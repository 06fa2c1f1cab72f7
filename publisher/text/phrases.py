"""Where a line or a text may be parted: between phrases (BudouX for Japanese), never inside an address, a tag, a word or a number with its unit."""

import re
from collections.abc import Callable, Iterator
from functools import cache

import budoux
import regex

# Kinsoku (JIS X 4051 section 8): what begins no line, and what ends none.
NOT_FIRST = frozenset(
    "、。，．・：；？！!?,.:;…‥ーｰ々ゝゞヽヾ〻〜～’”」』）】〉》］｝〕〙〗｠»)]}%％‰°℃′″¢円"
    "ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿ｡､･｣\u3000") - {"円"}
NOT_LAST = frozenset("「『（【〈《［｛〔〘〖｟‘“«([{｢#＃@＠$＄￥¥€£№")
_OPEN, _CLOSED = "「『（【〈《［｛〔(“‘", "」』）】〉》］｝〕)”’"
_DIGIT = "0-9０-９"
_UNIT = ("ドル|ユーロ|ポンド|ウォン|ルピー|パーセント|ポイント|トークン|パラメータ|バイト|ビット|メートル|トン|キロ|ギガ|テラ|メガ|ワット|ナノ"
         "|カ国|か国|ヶ国|カ月|か月|ヶ月|時間")
_ATOM = re.compile(rf"https?://[!-~]+|(?<!\w)[#＃@＠]\w+|[{_DIGIT}][{_DIGIT},.，．]*[万億兆千百]*(?:米|豪)?(?:{_UNIT})+")
_JAPANESE = re.compile("[\u3041-\u30ff\u3400-\u9fff\uff66-\uff9f]")
_WORD_END, _WORD_START = re.compile(r"[A-Za-z0-9\u00c0-\u024f][-+._'’/&]*$"), re.compile(r"[-+._'’/&]*[A-Za-z0-9\u00c0-\u024f]")
_NUMBER_END = re.compile(rf"(?:[{_DIGIT}][,.，．]?|[{_DIGIT}][万億兆千百]+)$")
_NUMBER_SPACE = re.compile(rf"[{_DIGIT}]%?[ ](?:(?:hundred|thousand|million|billion|trillion)[ ])?$")
_SCHEMES = ("http://", "https://")
_LOOSE_END = "、，,;；：:・ 　-–—「『（【〈《［(“‘"


def phrases(text: str) -> list[str]:
    """The phrases of `text`; joined they give `text` again. Spaces stand at the end of the phrase before them."""
    pieces: list[str] = []
    for part, whole in _atoms(text):
        pieces += [part] if whole else _plain_phrases(part)
    return _joined(pieces)


def clusters(text: str) -> list[str]:
    """The smallest parts of `text` that no line break parts: words, numbers with units, characters with the marks that stick to them."""
    pieces: list[str] = []
    for part, whole in _atoms(text):
        pieces += [part] if whole else regex.findall(r"\X", part)
    return _joined(pieces)


def cut(text: str, fits: Callable[[str], bool]) -> str:
    """`text` when it fits, else as many of its phrases as fit, and …; empty when not even a beginning fits. Brackets left open are closed."""
    if not text or fits(text):
        return text
    parts = phrases(text)
    for count in range(len(parts) - 1, 0, -1):
        shorter = _with_dots("".join(parts[:count]))
        if shorter and fits(shorter):
            return shorter
    parts = clusters(parts[0])
    for count in range(len(parts) - 1, 0, -1):
        shorter = _with_dots("".join(parts[:count]))
        if shorter and fits(shorter):
            return shorter
    return ""


def _with_dots(head: str) -> str:
    head = head.rstrip(_LOOSE_END + "。．.!！?？…")
    open_ones: list[str] = []
    for char in head:
        if char in _OPEN:
            open_ones.append(_CLOSED[_OPEN.index(char)])
        elif open_ones and char == open_ones[-1]:
            open_ones.pop()
    return head + "…" + "".join(reversed(open_ones)) if head else ""


def _atoms(text: str) -> Iterator[tuple[str, bool]]:
    """The parts of `text`, each with whether it is an address, a tag or a number with its unit, which is never parted."""
    done = 0
    for found in _ATOM.finditer(text):
        if found.start() > done:
            yield text[done:found.start()], False
        yield found[0], True
        done = found.end()
    if done < len(text):
        yield text[done:], False


@cache
def _parser() -> budoux.Parser:
    return budoux.load_default_japanese_parser()


def _plain_phrases(text: str) -> list[str]:
    found: list[str] = []
    for run in re.findall(r"[ ]*[^ ]+[ ]*|[ ]+", text):
        found += _parser().parse(run) if _JAPANESE.search(run) else [run]
    return found


def _joined(pieces: list[str]) -> list[str]:
    made: list[str] = []
    for piece in pieces:
        if made and _sticks(made[-1], piece):
            made[-1] += piece
        else:
            made.append(piece)
    return made


def _sticks(before: str, after: str) -> bool:
    """Whether no line may end between the two."""
    if after.isspace():
        return True
    # An address stands alone where it must: behind a line that ends with a bracket rather than broken.
    if after.startswith(_SCHEMES) or (before.startswith(_SCHEMES) and _ATOM.fullmatch(before.rstrip(" "))):
        return False
    if after[0] in NOT_FIRST or before[-1] in NOT_LAST:
        return True
    tail = before[-14:]
    if _NUMBER_SPACE.search(tail):
        return after[0].isalpha()
    if before[-1] == " ":
        return False
    return bool(_NUMBER_END.search(tail) or (_WORD_END.search(tail) and _WORD_START.match(after)))
