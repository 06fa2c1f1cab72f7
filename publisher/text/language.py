"""Tells Japanese from English by its script."""

import re

_SAMPLE = 4000
_JAPANESE = re.compile("[\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9d]")
_LETTER = re.compile(r"[^\W\d_]")
_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{2,8})*")


def language_of(text: str) -> str:
    """`ja` where kana and kanji are at least a seventh of the letters, else `en`. A kanji says about as much as two Latin letters and more."""
    sample = text[:_SAMPLE]
    japanese = len(_JAPANESE.findall(sample))
    return "ja" if japanese and japanese * 7 >= len(_LETTER.findall(sample)) else "en"


def language_tag(named: str) -> str | None:
    """The primary language of a tag such as `ja-JP` or `en_US` (RFC 5646 section 2.2.1), or None where it is no tag."""
    found = _TAG.fullmatch(named.strip())
    return found[1].lower() if found else None
