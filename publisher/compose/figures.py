"""Knows figures when it sees them: how much money, a multiple, a share, a rank, a count or a time tells, and what only looks like one."""

import re

# How much a kind of figure tells. A figure that stands alone may count anything.
_MUCH, _MULTIPLIED, _SHARED, _RANKED, _MANY, _COUNTED, _TIMED, _FEW, BARELY = 60, 55, 50, 42, 40, 34, 24, 20, 8
# A line that is long tells less at a glance.
_LONG, _VERY_LONG = 60, 100

_FLAGS = re.IGNORECASE | re.ASCII
_NUMBER = r"(?<![\d.,０-９])[0-9０-９][0-9０-９,.，．]*"
_SCALE = r"[ ]?(?:[万億兆千百]+|thousand|million|billion|trillion|bn|[MBT](?![A-Za-z]))?"
_COUNTERS = "社人名件個台本枚回校国店基冊棟匹頭隻機両床席票点語種"
_COUNTED_WORDS = (
    "言語|トークン|パラメータ|ユーザー|プロジェクト|か国|カ国|ヶ国|か所|カ所|カ月|か月|ヶ月|トン|メートル|キロ|ワット|量子ビット"
    r"|(?:customers|companies|people|users|countries|cities|schools|languages|staff|jobs|engineers|arms|robots|chips|cards|pages|tokens"
    r"|parameters|stores|projects|patients|students|employees|units|members|gpus?|megawatts|gigawatts|tons|tonnes|metres|kilometres|qubits?)\b")
_UNITS = r"(?:[kKMGTPE]i?[BbWF](?:ps)?|[KMGTPE]?B/s|nm|nanomet(?:re|er)s?|mm|cm|km|kg|[kMG]?Hz|(?:peta|exa|tera|zetta)?flops)\b"


def _pattern(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts), _FLAGS)


_MONEY = _pattern(
    r"数[十百千]*[万億兆]+米?(?:円|ドル|ユーロ)", r"[$¥￥€£₩][ ]?[0-9]", r"\b(?:USD|JPY|EUR|GBP)[ ]?[0-9]",
    rf"{_NUMBER}{_SCALE}(?:米|豪)?[ ]?(?:円|ドル|ユーロ|ポンド|ウォン|元(?!号|年)|(?:dollars?|yen|euros?|pounds?|yuan)\b)(?!あたり|当たり|につき)")
_BIG_MONEY = _pattern("[万億兆]", r"\b(?:million|billion|trillion|bn)\b", r"[0-9][MBT]\b", "[0-9]{5}", "[0-9]{2},[0-9]{3}")
_MULTIPLE = _pattern(
    rf"{_NUMBER}[ ]?(?:倍|x\b|×|-?fold\b|times\b(?!\s+(?:a|per)\b))", "半減|倍増",
    r"\b(?:halv(?:es?|ed|ing)|doubl(?:es?|ed|ing)|tripl(?:es?|ed|ing)|twice)\b")
_SHARE = _pattern(rf"{_NUMBER}[ ]?(?:[%％]|パーセント|ポイント|割(?!り)|per ?cent\b|percentage points?\b)")
_RANK = _pattern(
    r"(?:第[ ]?)?[0-9０-９]+[ ]?位", r"\bNo\. ?\d+\b", r"\b\d+(?:st|nd|rd|th) (?:place|in)\b", "世界初", r"\bfirst in the world\b")
_LARGE = _pattern(
    rf"{_NUMBER}[ ]?(?:[万億兆]|(?:thousand|million|billion|trillion|[BMT])\b)", "[0-9]{1,3}(?:,[0-9]{3})+",
    r"(?<![\d年])[3-9][0-9]{3}(?!年|[\d-])")
_COUNT = _pattern(rf"{_NUMBER}[ ]?(?:{_UNITS}|[{_COUNTERS}]|{_COUNTED_WORDS}|(?:以上の?|余りの?)[^\d])")
_TIME = _pattern(rf"{_NUMBER}[ ]?(?:秒|分(?!の|類)|時間|日(?:間|以内)|週間|年間|(?:ms|(?:second|minute|hour|day|week|month|year)s?)\b)")
_KINDS = ((_MONEY, _MUCH), (_MULTIPLE, _MULTIPLIED), (_SHARE, _SHARED), (_RANK, _RANKED), (_LARGE, _MANY), (_COUNT, _COUNTED), (_TIME, _TIMED))
# Days, years, versions and names of models measure nothing.
_NO_FIGURE = re.compile("|".join((
    r"(?:20|19|２０)[0-9０-９]{2}[ ]?[-/.年][ ]?\d{1,2}(?:[ ]?[-/.月][ ]?\d{1,2}日?)?", r"\d{1,2}月(?:\d{1,2}日)?", r"(?:20|19)\d\d年度?",
    r"\b(?:20|19)\d\d\b(?![ ]?[A-Za-z])", r"['’]\d\d\b", r"\b[A-Za-z]+[-–]?\d+(?:\.\d+)*[A-Za-z]*\b", r"\bv?\d+\.\d+\.\d+\b",
    r"\b(?!(?:USD|JPY|EUR|GBP)\b)[A-Z][A-Za-z]+[ ]\d+(?:\.\d+)?(?![\d,.]*[ ]?(?:[%％倍万億兆a-z]|[A-Z]{1,2}\b|社|人))")), re.ASCII)
_BARE = re.compile(r"(?<![0-9０-９.])[0-9０-９][0-9０-９,]*(?![.0-9０-９])")
_FIGURE = re.compile(r"[0-9０-９]+(?:[.,．，][0-9０-９]+)*")


def strength(text: str) -> int:
    """How much the figures of `text` tell: 0 where it has none that measures something."""
    counted = _NO_FIGURE.sub(" ", text)
    found = [worth for kind, worth in _KINDS if kind.search(counted)]
    if not found:
        return BARELY if _BARE.search(counted) else 0
    # Three companies and thirty yen are figures, and seldom the news.
    if max(found) == _COUNTED and all(len(figure) == 1 for figure in _FIGURE.findall(counted)):
        found = [_FEW]
    if found[0] == _MUCH and not _BIG_MONEY.search(counted):
        found[0] = _COUNTED
    return max(found) + min(4, 2 * (len(found) - 1)) - (10 if len(text) > _VERY_LONG else 4 if len(text) > _LONG else 0)


def figures(text: str) -> set[str]:
    """The figures of `text` that measure something."""
    return set(_FIGURE.findall(_NO_FIGURE.sub(" ", text)))


def without_figures(text: str) -> str:
    """The words that are left of `text`."""
    return _FIGURE.sub("", _NO_FIGURE.sub("", text))
