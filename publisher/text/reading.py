"""How long a text takes to read."""

import re

JAPANESE_CHARACTERS_A_MINUTE = 500
ENGLISH_WORDS_A_MINUTE = 220
_NOT_READ = re.compile(r"\]\([^()\n]*\)|[\s#*_`>|~-]+")
_WORD = re.compile(r"[^\W_][\w'’-]*")


def reading_minutes(text: str, language: str) -> int:
    """Whole minutes for `text` (Markdown or plain) in `language`, at least 1, rounded to the nearest."""
    if language == "ja":
        return max(1, round(len(_NOT_READ.sub("", text)) / JAPANESE_CHARACTERS_A_MINUTE))
    return max(1, round(len(_WORD.findall(_NOT_READ.sub(" ", text))) / ENGLISH_WORDS_A_MINUTE))
