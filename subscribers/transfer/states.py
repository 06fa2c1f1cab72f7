"""What the files of other tools say of a reader's state, and what that means here. Only a word that says "agreed" makes anybody a reader.

Words of Mailchimp's three files (subscribed, unsubscribed, cleaned: its help on "View or export contacts"), of Buttondown (`SubscriberType` in the
`enums.json` of its OpenAPI), of listmonk (enabled, disabled, blocklisted: docs/docs/content/concepts.md) and of those who write Japanese.
"""

import re
import unicodedata
from typing import Literal, NamedTuple

State = Literal["join", "leave", "suppress", "pending"]

HARD_BOUNCE, COMPLAINT, BLOCKLIST = "hard-bounce", "complaint", "blocklist"
_SIGNS = re.compile(r"[\s_\-・]+")
_WORDS: dict[State, str] = {
    "join": "subscribed|active|enabled|confirmed|regular|premium|free|paid|opted in|subscriber|yes|true|1|on|"
            "登録|登録中|登録済|登録済み|有効|購読|購読中|配信|配信中|確認済|確認済み",
    "leave": "unsubscribed|left|inactive|disabled|removed|deleted|opted out|cancelled|canceled|spammy|blocked|archived|no|false|0|off|"
             "退会|退会済|退会済み|解除|解除済|解除済み|登録解除|配信停止|停止|停止中|無効|購読停止",
    "pending": "unconfirmed|pending|unactivated|not confirmed|awaiting confirmation|non subscribed|nonsubscribed|transactional|"
               "未確認|仮登録|確認待ち|未承認",
}
_SUPPRESSED = {
    HARD_BOUNCE: "bounced|bounce|hard bounce|hard bounced|cleaned|undeliverable|invalid|不達|エラー|配信エラー",
    COMPLAINT: "complained|complaint|spam|abuse|spam complaint|marked as spam|reported spam|苦情",
    BLOCKLIST: "blocklisted|blacklisted|suppressed|配信禁止",
}
# In a column of this name Buttondown keeps who pays as well; these still get the free issues.
_BUTTONDOWN = "trialed|unpaid|gifted|churning|churned|paused|past due"


class Meaning(NamedTuple):
    """What a word means; `reason` is that of a suppression."""

    state: State
    reason: str = ""


_MEANINGS = {word: Meaning(state) for state, words in _WORDS.items() for word in words.split("|")} | {
    word: Meaning("suppress", reason) for reason, words in _SUPPRESSED.items() for word in words.split("|")}
_PAYING = {word: Meaning("join") for word in _BUTTONDOWN.split("|")}


def folded(text: str) -> str:
    """One spelling of a word or a column's name: width, case, and the signs between its parts do not matter."""
    return _SIGNS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def meaning(word: str, *, buttondown: bool = False) -> Meaning | None:
    """What the word of a column of states means; None for one that nobody taught us, whose row must not become a reader."""
    word = folded(word)
    return _MEANINGS.get(word) or (_PAYING.get(word) if buttondown else None)


def truth(text: str) -> bool | None:
    """Whether a yes-or-no column says yes; None where it says neither."""
    word = folded(text)
    if word in ("true", "yes", "1", "y", "t", "on", "はい"):
        return True
    return False if word in ("false", "no", "0", "n", "f", "off", "いいえ") else None
