"""Commands in a subject or a body: one line that says nothing else, in English or Japanese, in whatever width and case it was typed."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verb = Literal["subscribe", "unsubscribe", "confirm", "help"]
# Mailman's figure (email_commands_max_lines): who writes longer writes a letter.
MOST_LINES = 10
_LONGEST = 120
_ENGLISH: dict[str, Verb] = {"subscribe": "subscribe", "join": "subscribe", "unsubscribe": "unsubscribe", "leave": "unsubscribe",
                             "remove": "unsubscribe", "help": "help"}
_POLITE = r"(?: please| me| my (?:e-?mail|address)| from (?:this|the|your) (?:mailing )?list| to (?:this|the|your) (?:mailing )?list| this list)*"
_JAPANESE: dict[str, Verb] = {
    "登録解除": "unsubscribe", "登録の解除": "unsubscribe", "登録削除": "unsubscribe", "登録抹消": "unsubscribe", "購読解除": "unsubscribe",
    "購読停止": "unsubscribe", "購読中止": "unsubscribe", "購読の停止": "unsubscribe", "購読の解除": "unsubscribe", "配信停止": "unsubscribe",
    "配信の停止": "unsubscribe", "配信解除": "unsubscribe", "配信中止": "unsubscribe", "配信不要": "unsubscribe", "メール停止": "unsubscribe",
    "退会": "unsubscribe", "解除": "unsubscribe", "停止": "unsubscribe", "解約": "unsubscribe",
    "登録": "subscribe", "購読": "subscribe", "参加": "subscribe", "配信登録": "subscribe", "購読登録": "subscribe", "新規登録": "subscribe",
    "ヘルプ": "help", "使い方": "help"}
# What may follow without changing the meaning. "登録しません" and "登録できない" are no commands.
_WISH = r"(?:を|の)?(?:ご)?(?:希望|お願い|おねがい|願い|依頼|申請|申込|申し込み|申込み|手続き|手続)?(?:を)?"
_END = (r"(?:(?:いた|致)?します|(?:いた|致)したいです|したい(?:です)?|する|です|(?:して)?(?:下さい|ください)"
        r"|(?:いた|致)したく(?:思います|存じます)?)?"
        r"(?:お願い|おねがい|宜しくお願い|よろしくお願い)?(?:(?:いた|致)?します|(?:申し|もうし)?(?:上|あ)げます)?")
_WORDS = re.compile(f"({'|'.join(sorted(_JAPANESE, key=len, reverse=True))}){_WISH}{_END}")
_ORDER = re.compile(f"({'|'.join(_ENGLISH)}){_POLITE}")
_CONFIRM = re.compile(r"(?:confirm|確認)[ :]*([a-z2-7]{20,60})")
_PREFIX = re.compile(r"(?:(?:re|fwd?|aw|wg|sv|tr|rv|antw|返信|転送|回复)(?:\[\d{1,3}\]|\^\d{1,3})?\s*:|\[[^\[\]]{1,40}\])\s*")
_SIGNATURE = re.compile(r"(?:--|__|==|\*\*|━━|──|◆◇|□■)[ \S]*")
_QUOTE = re.compile(r"[>|＞»│]")
# After these lines somebody else speaks.
_QUOTED_BELOW = re.compile(
    r"-{2,}\s*(?:original message|forwarded message|元のメッセージ|転送メッセージ|元のメール)|begin forwarded message"
    r"|(?:from|差出人|送信者|von|de)\s*:|on .{5,200} wrote:|.{0,200}書きました|\d{4}年\d{1,2}月\d{1,2}日.{0,200}:$", re.IGNORECASE)
# How an answer begins that wants nothing of it.
_NO = re.compile(r"(?:no|nope|stop|cancel|wrong address|not me|(?:please )?(?:do not|don't|never)|i (?:do not|don't|did not|didn't)|not interested"
                 r"|いいえ|いや|不要|いらない|要りません|いりません|キャンセル|取り?消し|中止|やめ|止め|身に覚え|心当たりが?(?:ない|ありません)"
                 r"|登録(?:し(?:ない|ません)|してい(?:ない|ません))|申し込んでい(?:ない|ません))(?![a-z])")
_EDGES = " \t\u3000\"'“”‘’「」『』【】()[]<>《》〈〉.。、,!?！？・…~〜-ー"


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody asks for; `token` is that of `confirm`."""

    verb: Verb
    token: str = ""


def command_of(subject: str, lines: Iterable[str]) -> Command | None:
    """The first command: that of the subject, else of the body's own lines. None when there is none: prose is never obeyed."""
    return command_in(_without_prefixes(subject)) or next((found for line in own_lines(lines) if (found := command_in(line))), None)


def command_in(text: str) -> Command | None:
    """The command that `text` consists of, after NFKC and case folding; None when it says anything else besides."""
    line = " ".join(_folded(text).split())
    if len(line) > _LONGEST:
        return None
    line = line.strip(_EDGES)
    if found := _CONFIRM.fullmatch(line):
        return Command("confirm", found[1])
    if found := _ORDER.fullmatch(line):
        return Command(_ENGLISH[found[1]])
    found = _WORDS.fullmatch(line.replace(" ", ""))
    return Command(_JAPANESE[found[1]]) if found else None


def declines(subject: str, lines: Iterable[str]) -> bool:
    """Whether somebody who was asked to confirm says no: by a command to leave, or in a word of refusal, in the subject or in a line of their own."""
    for text in (_without_prefixes(subject), *own_lines(lines)):
        line = " ".join(_folded(text).split()).strip(_EDGES)
        command = command_in(text)
        if (command is not None and command.verb == "unsubscribe") or _NO.match(line):
            return True
    return False


def own_lines(lines: Iterable[str]) -> list[str]:
    """The first lines that the writer wrote: without what is quoted, and without the signature."""
    own: list[str] = []
    for line in lines:
        text = _folded(line).strip()
        if _SIGNATURE.fullmatch(text) or _QUOTED_BELOW.match(text):
            break
        if text and not _QUOTE.match(text):
            own.append(line)
        if len(own) == MOST_LINES:
            break
    return own


def _without_prefixes(subject: str) -> str:
    text = _folded(subject)[:1000].strip()
    while found := _PREFIX.match(text):
        text = text[found.end():]
    return text


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
