"""Knows what a page leaves behind when it is saved as text: share buttons, comment forms, contents, captions, counters. None of it is body."""

import re
from collections.abc import Sequence

from publisher.text.fingerprint import containment, ngrams

_DEBRIS = re.compile(
    r"(?:URLを?コピー(?:しました|する)?|リンクを?コピー(?:しました|する)?|コピーしました|よかったらシェアしてね|(?:この記事を)?シェア(?:する|してね)?|(?:記事を)?共有(?:する)?|ツイート(?:する)?|ポスト(?:する)?|はてな(?:ブックマーク)?|はてブ"
    r"|(?:facebook|twitter|x|line|pocket|pinterest|linkedin|instagram|hatena|note|feedly|threads|bluesky|reddit|whatsapp|telegram|email|e-mail|rss)(?:でシェア|で送る|に保存)?"
    r"|いいね|フォロー(?:する)?|保存(?:する)?|印刷(?:する)?|ブックマーク(?:する)?|コメント(?:する|を残す|を書く|欄"
    r"|一覧)?(?:[ ]*[(（]?\d+[ ]*件?[)）]?)?|コメントをキャンセル|返信(?:する)?|目次(?:[ ]*[\[［(（]?(?:閉じる|開く|非表示"
    r"|表示)[\]］)）]?)?|閉じる|もくじ"
    r"|続きを読む|もっと見る|次の記事(?:へ)?|前の記事(?:へ)?|トップ(?:ページ)?(?:へ|に戻る)?|ページの先頭へ|ホーム|メニュー|検索|プロフィール|この記事を書いた人|スポンサー(?:ド)?リンク|広告|PR|アーカイブ|サイドバー|ログイン|会員登録|名前|メール|サイト"
    r"|メールアドレスが公開されることはありません.*|※?[ ]*が付いている欄は必須項目です.*|次回のコメントで使用するため.*"
    r"|この記事は約[ ]*\d+[ ]*分で読めます|読了(?:時間|目安)[:：]?[ ]*(?:約[ ]*)?\d+[ ]*分|約?[ ]*\d+[ ]*分で読め(?:る|ます)"
    r"|[\d,，]+[ ]*(?:文字|字|views?|pv|回閲覧|閲覧|words|characters|min(?:ute)?s?(?: read)?|コメント|comments?|shares?|likes?)"
    r"|(?:文字数|閲覧数)[:：]?[ ]*[\d,，]+(?:文字|字)?"
    r"|share(?: this| on .{1,20}| via .{1,20}| article| this (?:article|post|story))?|tweet(?: this)?|copy (?:link|url)|(?:link"
    r"|url) copied|copied|(?:\d+ )?comments?(?: \(\d+\))?|(?:leave|post|write|add) a (?:comment|reply)|reply|cancel reply"
    r"|table of contents|contents|toc|\[?toc\]?|jump to section|print|save|bookmark|like|follow(?: us)?|subscribe|sign (?:in|up)"
    r"|log ?in|menu|home|search|skip to (?:main )?content|advertisement|sponsored|ads?|read more|load more|next (?:post|article)"
    r"|previous (?:post|article)|back to top|your email address will not be published.*)"
    r"[ ]*[!！.。…:：▼▲]*", re.IGNORECASE)
_TAIL = re.compile(
    r"(?:よかったらシェアしてね|この記事をシェア(?:する)?|この記事を書いた人|コメントする|コメントを(?:残す|書く)|関連記事"
    r"|あわせて読みたい|おすすめ記事|人気記事|leave a (?:reply|comment)|related (?:posts|articles|stories)|you may also like"
    r"|more from.{0,40}|share this(?: article| post| story)?)[ ]*[!！:：]*", re.IGNORECASE)
_SOURCES = re.compile(
    r"[#* ]*(?:sources?|references?|参考(?:文献|資料|リンク|サイト)?|出典|情報源|引用元?|via|tags?|タグ|カテゴリー?|関連記事"
    r"|関連リンク|categor(?:y|ies))[*]*[ ]*[:：][* ]*", re.IGNORECASE)
_CAPTION = re.compile(
    r"(?:画像|写真|図\d*|図表\d*|イメージ|photo|image|figure \d+|picture|credit|image credit|photo by)[ ]*(?:[:：=＝／/]"
    r"|by[ ]).{0,80}", re.IGNORECASE)
_CONTENTS = re.compile(r"[#*\s]*(?:目次|もくじ|table of contents|contents|toc)[*:：\s]*", re.IGNORECASE)
_STOP = "。．.!?！？…」』:：、,，;；"
_LONGEST_TITLE = 70


def is_debris(line: str) -> bool:
    """Whether a line (its bullet and heading mark set aside) is what a button, a form or a counter left."""
    text = line.strip().strip("#*•・-+|> ").strip()
    return 0 < len(text) <= 80 and (bool(_DEBRIS.fullmatch(text)) or bool(_CAPTION.fullmatch(text)))


def is_short_title(line: str) -> bool:
    """Whether a line is short and ends like no sentence: a heading, or the caption of a picture."""
    text = line.strip()
    return 0 < len(text) <= _LONGEST_TITLE and text[-1] not in _STOP and text[0] not in "「『•・-*+#>|" and "。" not in text


def without_debris(lines: Sequence[str], code: Sequence[bool]) -> list[str]:
    """`lines` of a body with debris emptied: buttons, counters, contents with their list, the tail of forms, and "Sources:" with nothing after."""
    kept = [line if code[row] or not is_debris(line) else "" for row, line in enumerate(lines)]
    _cut_tail(lines, kept, code)
    for row, line in enumerate(lines):
        if not code[row] and _CONTENTS.fullmatch(line[:80]):
            _cut_contents(kept, row)
    _cut_empty_sources(kept, code)
    return kept


def _cut_tail(lines: Sequence[str], kept: list[str], code: Sequence[bool]) -> None:
    """Empty what follows the first tail mark behind the last sentence."""
    for row in range(len(lines) - 1, -1, -1):
        text = lines[row].strip().strip("#*•・- ")
        if code[row] or (len(text) >= 15 and text[-1] in "。.!?！？" and not is_debris(text)) or len(text) > 120:
            return
        if text and _TAIL.fullmatch(text[:80]):
            kept[row:] = [""] * (len(kept) - row)


def _cut_contents(kept: list[str], row: int) -> None:
    """Empty the list right below a line that says contents."""
    blanks = 0
    for below in range(row + 1, len(kept)):
        text = kept[below].strip()
        if not text:
            blanks += 1
            if blanks > 1:
                return
        elif re.match(r"(?:[-*+•・]|\d{1,3}[.)．])[ ]*\S", text) and len(text) <= 80 and text[-1] not in "。":
            kept[below] = ""
        else:
            return


def _cut_empty_sources(kept: list[str], code: Sequence[bool]) -> None:
    """Empty each "Sources:" after which nothing comes, or at once a heading."""
    following = ""
    for row in range(len(kept) - 1, -1, -1):
        text = kept[row].strip()
        if text and not code[row] and _SOURCES.fullmatch(text[:80]) and (not following or following.startswith("#")):
            kept[row] = ""
        following = kept[row].strip() or following


def without_captions(lines: Sequence[str], headline: str) -> list[str]:
    """`lines` of a page saved as text without its pictures' captions: a short line alone, directly before the next section (or the end), which
    repeats the headline or a heading of its own section."""
    rows = [row for row, line in enumerate(lines) if line.strip()]
    kept = list(lines)
    topics = [ngrams(headline, 2)]
    for place, row in enumerate(rows):
        line = lines[row].strip()
        if not is_short_title(line) or not _alone(lines, row):
            continue
        following = lines[rows[place + 1]].strip() if place + 1 < len(rows) else ""
        numbered = bool(re.match(r"[\d①-⑳]", following))
        before_section = not following or (is_short_title(following) and _alone(lines, rows[place + 1]) and not numbered)
        if before_section and any(containment(ngrams(line, 2), topic) >= 0.4 for topic in topics):
            kept[row] = ""
        else:
            topics = [topics[0], *topics[-3:], ngrams(line, 2)]
    return kept


def _alone(lines: Sequence[str], row: int) -> bool:
    return (row == 0 or not lines[row - 1].strip()) and (row + 1 == len(lines) or not lines[row + 1].strip())
