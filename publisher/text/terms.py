"""Cuts text into the terms that a search compares: pairs of characters where words have no spaces (Japanese), whole words elsewhere."""

import unicodedata
from dataclasses import dataclass
from itertools import pairwise

import regex

# Scripts that write no spaces between words, with the signs that stand among their letters: ー, 々, 〆, 〇, ゝ.
_UNSPACED = (r"\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}"
             r"\p{Script=Khmer}\p{Script=Myanmar}ー〆〇")
_LETTER = rf"[[\p{{L}}\p{{N}}\p{{M}}]--[{_UNSPACED}]]"
_RUN = regex.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|(?P<word>{_LETTER}+)", regex.V1)
_BETWEEN = r"[^\p{L}\p{N}\p{M}]*"
_QUOTES = "\"“”„«»「」『』"
_ASKED = regex.compile(rf"[{_QUOTES}]([^{_QUOTES}]*)[{_QUOTES}]|([^\s{_QUOTES}]+)")
_CLUSTER = regex.compile(r"\X")
# PostgreSQL takes 2,046 bytes for a lexeme; no word that anybody looks for is longer.
_LONGEST = 64
# Words of so many letters are found by their beginnings too: "model" finds "models". Shorter ones are not: "AI" must not find "air".
_BEGINNING = 4


def folded(text: str) -> str:
    """`text` as it is compared: full and half width are one, capitals and small letters are one (NFKC, case folded)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def terms(text: str) -> list[str]:
    """The terms of `text` in their order, one for each character of a Japanese run and one for each other word.

    楽天市場 is 楽天, 天市, 市場, 場: every character begins a term, so that a query of one character finds it too.
    """
    return [term for run in _RUN.finditer(folded(text)) for term in _run_terms(run, whole=True)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing that a query asks for: terms that follow one another. With `begins`, the last one may go on."""

    terms: tuple[str, ...]
    begins: bool
    pattern: str  # the same as a regular expression over folded text, for marking


def wanted(query: str, most: int = 12) -> list[Wanted]:
    """What `query` asks for: each word, and each phrase in quotation marks; at most so many. Whatever else stands in it is passed over."""
    found: list[Wanted] = []
    for asked in _ASKED.finditer(query):
        one = _wanted(asked[1] if asked[1] is not None else asked[2])
        if one and one not in found:
            found.append(one)
    return found[:most]


def marked(text: str, query: list[Wanted]) -> list[tuple[str, bool]]:
    """`text` in parts, each with whether a word of the query stands there; the parts joined are `text`."""
    # One place of the folded text for each of its characters: in which cluster of `text` it began.
    clusters = _CLUSTER.findall(text)
    origin = [place for place, cluster in enumerate(clusters) for _letter in folded(cluster)]
    plain = "".join(folded(cluster) for cluster in clusters)
    hit = [False] * len(clusters)
    for one in query:
        for match in regex.finditer(one.pattern, plain, regex.V1):
            for place in range(match.start(), match.end()):
                hit[origin[place]] = True
    parts: list[tuple[str, bool]] = []
    for cluster, shown in zip(clusters, hit, strict=True):
        if parts and parts[-1][1] == shown:
            parts[-1] = (parts[-1][0] + cluster, shown)
        else:
            parts.append((cluster, shown))
    return parts


def _run_terms(run: "regex.Match[str]", *, whole: bool) -> list[str]:
    """The terms of one run; without `whole` a Japanese one leaves out its last character, which may go on in the text."""
    if run["word"]:
        return [run["word"][:_LONGEST]]
    letters = run["unspaced"]
    pairs = [first + second for first, second in pairwise(letters)]
    return [*pairs, letters[-1]] if whole or not pairs else pairs


def _wanted(words: str) -> Wanted | None:
    runs = list(_RUN.finditer(folded(words)))
    if not runs:
        return None
    last = runs[-1]
    found = [term for run in runs[:-1] for term in _run_terms(run, whole=True)] + _run_terms(last, whole=False)
    begins = len(last["unspaced"] or "") == 1 or (len(last["word"] or "") >= _BEGINNING and last["word"].isalpha())
    return Wanted(tuple(found), begins, _pattern(runs, begins=begins))


def _pattern(runs: "list[regex.Match[str]]", *, begins: bool) -> str:
    parts = []
    for run in runs:
        if run["word"]:
            open_end = begins and run is runs[-1]
            parts.append(f"(?<!{_LETTER})" + regex.escape(run["word"]) + ("" if open_end else f"(?!{_LETTER})"))
        else:
            parts.append(regex.escape(run["unspaced"]))
    return _BETWEEN.join(parts)
