"""Reads the labelled lines of a story (公開日, 情報源, URL, Summary …) in all the ways that newsrooms write them."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from publisher.ingest.draft import Fact
from publisher.ingest.markdown import EMOJI, title_of
from publisher.text.clean import clean_line, safe_target
from publisher.text.dates import find_date, is_only_date
from publisher.text.lead import plain_line
from publisher.text.urls import first_url, is_web_url

_NAMES = {
    "date": "リリース日 リリース日時 公開日 公開日時 発表日 発表日時 日付 日時 掲載日 配信日"
            " 報道日 報道日時 投稿日 発行日 記事日付"
            " ニュース日付 公開 リリース date published publisheddate publishdate publicationdate publishedon publishedat pubdate released"
            " releasedate dateposted posted postedon announced announcementdate datepublished",
    "source": "情報源 出典 ソース 情報ソース 媒体 媒体名 メディア 引用元 参照元 出所 提供元 配信元 発信元 掲載元 発表元 ニュースソース source sources"
              " sourcename via publisher outlet newssource reportedby",
    "url": "url リンク link links 記事url 記事リンク 元記事 元記事url 元記事リンク ソースurl 情報源url 参照url"
           " 出典url 参考リンク 参考url 参照リンク 原文 原文リンク"
           " 詳細リンク 公式リンク ニュースurl sourceurl sourcelink articleurl articlelink originalarticle originallink permalink readmore website",
    "summary": "要約 概要 サマリー サマリ 内容 要旨 要点 説明 本文要約 記事要約 summary overview abstract description tldr tl;dr inbrief",
    "category": "カテゴリ カテゴリー 分類 分野 ジャンル セクション category categories section topic",
    "tags": "タグ キーワード tag tags keywords keyword",
    "title": "タイトル 見出し 題名 記事タイトル ニュースタイトル title headline",
    "author": "著者 執筆者 筆者 記者 執筆 author authors writer by",
    # What a report says of itself: neither a story's field nor a fact.
    "report": "作成日 作成日時 作成者 更新日 更新日時 最終更新 最終更新日 レポート日 レポート作成日 対象期間 期間 調査日"
              " 調査期間 収集日 収集期間 取得日 取得日時"
              " generated generatedat lastupdated updated reportdate period coverage",
}
KINDS = {name: kind for kind, names in _NAMES.items() for name in names.split()}
TRIGGERS = frozenset({"date", "source", "url"})
_UNKNOWN = frozenset({"", "-", "–", "—", "ー", "n/a", "na", "none", "unknown", "不明", "なし"})
_BULLET = re.compile(r"^(?P<indent>[ >]*)(?P<bullet>(?:[-*+•・◦▪‣●○]|\d{1,3}[.)．])[ \u3000]+|[•・][ ]*)?")
_EMOJI = re.compile(f"^[{EMOJI}]+[ ]*")
_BOLD = re.compile(r"(?P<mark>\*\*|__|\*|_|`)(?P<label>[^*_`:：\n]{1,60}?)[ ]*(?:(?P=mark)[ ]*[:：]|[:：][ ]*(?P=mark))[ ]*(?P<value>.*)")
_PLAIN = re.compile(r"(?P<label>[^*_`:：\n|\[\](){}<>]{1,40}?)[ ]*[:：](?!//)[ ]*(?P<value>.*)")
_LENS = re.compile(r"(?:【(?P<label>[^【】\n]{1,20})】|\[(?P<square>[^\[\]\n]{1,20})\](?!\())[ ]*[:：]?[ ]*(?P<value>.*)")
_ROW = re.compile(r"\|[ ]*(?:\*\*)?(?P<label>[^|*\n]{1,40}?)(?:\*\*)?[ ]*\|[ ]*(?P<value>[^|\n]*?)[ ]*\|?")
_PARTS = re.compile(r"[ ]*[|｜][ ]*|[ ]+[/／][ ]+|[ ]*／[ ]*|[ ]+·[ ]+|\u3000+")
_LINK = re.compile(r"(?<!!)\[(?P<text>(?:[^\[\]\\]|\\.|\[[^\[\]]*\])*)\]\((?P<target>[^()\n]*(?:\([^()\n]*\)[^()\n]*)*)\)")
_TAG_BREAK = re.compile(r"[,、，;；|／/]+[ ]*|[ \u3000]+(?=[#＃])")
_SAYS_LINK = re.compile(
    r"(?i)(?:元?記事(?:を読む|リンク|はこちら)?|リンク|こちら|詳細(?:はこちら)?|原文|続きを読む|公式(?:発表|サイト)?|link|here|url"
    r"|source|article|original|read\b.*|full\b.*|more\b.*|https?:.*)")
LONGEST_LINE = 3000


@dataclass(frozen=True, slots=True)
class Labelled:
    """One labelled line: `indent` counts columns, `bold` whether the label is set off by marks, `kind` is None for a label that is no field."""

    indent: int
    bullet: bool
    bold: bool
    label: str
    value: str

    @property
    def kind(self) -> str | None:
        return kind_of(self.label)


@dataclass(slots=True)
class Fields:
    """The fields of one story, which of the document's lines they used, and dates that are none as (line from 0, text)."""

    values: dict[str, str] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    used: set[int] = field(default_factory=set)
    bad_dates: list[tuple[int, str]] = field(default_factory=list)
    date: str | None = None
    source_name: str | None = None
    source_url: str | None = None

    @property
    def triggers(self) -> frozenset[str]:
        return TRIGGERS & self.values.keys()

    def tags(self) -> tuple[str, ...]:
        return split_tags(self.values.get("tags", ""))


def kind_of(label: str) -> str | None:
    """Which field a label names, blind to width, case, spaces and emoji."""
    flat = unicodedata.normalize("NFKC", _EMOJI.sub("", label)).casefold()
    return KINDS.get(re.sub(r"[\s_\-・]", "", flat))


# The same lines are looked at for fields, facts and items in turn.
@lru_cache(maxsize=4096)
def labelled(line: str) -> Labelled | None:
    """The label and value of a line, or None. Unmarked labels are only taken for labels up to 40 characters; judge them by `kind` or `bullet`."""
    if len(line) > LONGEST_LINE or not line.strip():
        return None
    start = _BULLET.match(line)
    indent, bullet = (len(start["indent"]), bool(start["bullet"])) if start else (0, False)
    rest = _EMOJI.sub("", line[start.end() if start else 0:]).strip()
    if rest.startswith("|"):
        row = _ROW.fullmatch(rest)
        return Labelled(indent, False, False, row["label"].strip(), row["value"]) if row and kind_of(row["label"]) else None
    for pattern in (_BOLD, _LENS, _PLAIN):
        found = pattern.fullmatch(rest)
        if not found:
            continue
        label = (found["label"] or found["square"] if pattern is _LENS else found["label"]).strip()
        if pattern is _LENS and not kind_of(label):
            continue
        if label and re.search(r"\w", label):
            return Labelled(indent, bullet, pattern is _BOLD, label, _unwrapped(found["value"].strip()))
    return None


def _unwrapped(value: str) -> str:
    return value[2:-2].strip() if len(value) > 4 and value.startswith("**") and value.endswith("**") and "**" not in value[2:-2] else value


def on_one_line(line: str) -> list[Labelled]:
    """The fields of a line: one, several parted by | or /, or none."""
    whole = labelled(line)
    parts = _PARTS.split(line) if whole and len(line) <= LONGEST_LINE and not line.lstrip().startswith("|") else []
    if len(parts) > 1:
        each = [labelled(part) for part in parts]
        fields = [part for part in each if part and part.kind]
        if len(fields) == len(parts):
            return fields
    return [whole] if whole else []


def read_fields(lines: Sequence[str], rows: Sequence[int], year_hint: object = None) -> Fields:
    """The fields among the lines numbered `rows`: the text directly under one heading, or within one item."""
    found = Fields()
    intro = True
    block_has_field = False
    skip = -1
    for place, row in enumerate(rows):
        line = lines[row]
        if place <= skip:
            continue
        if not line.strip():
            block_has_field = False
            continue
        labels = on_one_line(line)
        known = [label for label in labels if label.kind]
        taken = [label for label in known if _acceptable(label, found, free=intro or block_has_field)]
        if known and len(taken) == len(labels):
            skip = place + _take(found, taken, lines, rows[place:])
            block_has_field = True
        elif intro and _dateline(line, found, row):
            block_has_field = True
        elif intro and labels and labels[0].bold and not labels[0].bullet and labels[0].value and len(labels[0].value) <= 120:
            found.facts.append(Fact(plain_line(labels[0].label), plain_line(labels[0].value)))
            found.used.add(row)
        elif not (labels and labels[0].bullet):
            intro = intro and line.strip().startswith(("---", "|"))
            block_has_field = block_has_field and bool(labels)
    _settle(found, year_hint)
    return found


def _acceptable(label: Labelled, found: Fields, *, free: bool) -> bool:
    """Whether a known label is a field here. The first of its kind is; past the opening lines only what could be nothing else."""
    kind, value = label.kind, label.value
    if kind == "report":
        return free
    if kind in found.values:
        return False
    if kind == "date":
        return bool(find_date(value, year_hint=2000)) or (free and kind_of(label.label) == "date" and not _is_common_word(label.label))
    if kind == "url":
        return _target(value) is not None or (free and not value)
    if free:
        return True
    return kind == "source" and (bool(_LINK.search(value)) or 0 < len(value) <= 60) or kind == "tags"


def _is_common_word(label: str) -> bool:
    """公開 and リリース are labels of a date only where a date follows."""
    return label.strip("* ") in ("公開", "リリース", "日時") or label.casefold() in ("released", "posted", "announced")


def _take(found: Fields, taken: Sequence[Labelled], lines: Sequence[str], rows: Sequence[int]) -> int:
    """Enter the fields of the line at `rows[0]`, with the lines that continue the last of them; the number of these."""
    last = taken[-1]
    may_go_on = last.kind == "summary" or (last.kind in ("source", "url", "tags") and not last.value)
    more = _continued(last, lines, rows[1:]) if may_go_on else []
    for label in taken:
        if label.kind and label.kind != "report":
            found.values[label.kind] = label.value
        if label.kind == "date":
            found.bad_dates.append((rows[0], label.value))
    if more and last.kind:
        texts = [_BULLET.sub("", lines[row]).strip() for row in more]
        between = "、" if last.kind == "tags" else " " if all(ord(text[-1]) < 0x2E80 for text in texts) else ""
        found.values[last.kind] = between.join(filter(None, [last.value, *texts]))
    found.used.update([rows[0], *more])
    return len(more)


def _continued(label: Labelled, lines: Sequence[str], rows: Sequence[int]) -> list[int]:
    """The lines right below that go on with the value: deeper ones, and after an unfinished or empty value those of the same paragraph."""
    more: list[int] = []
    for row in rows:
        line = lines[row]
        start = _BULLET.match(line)
        indent = len(start["indent"]) if start else 0
        item = bool(start and start["bullet"])
        if not line.strip() or line.lstrip().startswith(("---", "|", "#", "**")):
            break
        deeper = indent > label.indent
        if (item and not deeper) or any(inner.kind for inner in on_one_line(line)):
            break
        more.append(row)
    return more


def _dateline(line: str, found: Fields, row: int) -> bool:
    """A line that is nothing but a date, or a date and a short name: `*2026年3月2日 | Example News*`."""
    text = plain_line(line).strip("()（）[]【】").strip()
    if len(text) > 80 or "date" in found.values or not any(char.isdigit() for char in text):
        return False
    parts = [part.strip() for part in re.split(r"[|｜/／·•—–・,]\s|\s[|｜·•—–・-]\s|[|｜]", text) if part.strip()]
    dates = [part for part in parts if is_only_date(part)]
    if is_only_date(text):
        dates, parts = [text], [text]
    if len(dates) != 1 or len(parts) > 2 or any(part[-1] in "。.!?！？" for part in parts):
        return False
    found.values["date"] = dates[0]
    found.bad_dates.append((row, dates[0]))
    for part in parts:
        if part != dates[0]:
            found.values.setdefault("source", next((link[0] for link in _LINK.finditer(line)), part))
    found.used.add(row)
    return True


def _settle(found: Fields, year_hint: object) -> None:
    """Make date, source name and source address of the raw values."""
    values = found.values
    found.date = find_date(plain_line(values["date"]), year_hint=year_hint) if "date" in values else None  # type: ignore[arg-type]
    given = plain_line(values.get("date", "")).casefold()
    found.bad_dates = [] if found.date or given in _UNKNOWN else found.bad_dates[:1]
    found.source_name, found.source_url = source_of(values.get("source", ""))
    if "url" in values:
        found.source_url = _target(values["url"]) or found.source_url
        link = _LINK.search(values["url"])
        if found.source_name is None and link and not _SAYS_LINK.fullmatch(text := plain_line(link["text"])) and len(text) <= 40:
            found.source_name = text or None


def source_of(value: str) -> tuple[str | None, str | None]:
    """Name and address of a source as written: `[name](url)`, `[name]`, `name (url)`, `name: url`, `url`, `name`. The first of several counts."""
    link = next((link for link in _LINK.finditer(value) if safe_target(link["target"])), None)
    if link:
        url = safe_target(link["target"])
        name = plain_line(link["text"])
        before = plain_line(_LINK.sub("", value[:link.start()])).strip(" (（:：-–—、,[]")
        name = before if before and _SAYS_LINK.fullmatch(name) else name
    else:
        url = first_url(value)
        name = plain_line(value.replace(url, " ") if url else value)
    name = clean_line(name).strip(" :：-–—|、,<>")
    name = re.sub(r"[ ]*[(（\[［][ ]*[)）\]］]$", "", name)
    if len(name) > 2 and name[0] in "[［" and name[-1] in "]］":
        name = name[1:-1].strip()
    known = name and not is_web_url(name) and name.casefold() not in _UNKNOWN and len(name) <= 120
    return (name if known else None), (url if url and is_web_url(url) else None)


def _target(value: str) -> str | None:
    link = next((target for link in _LINK.finditer(value) if (target := safe_target(link["target"])) and is_web_url(target)), None)
    return link or first_url(value)


def split_tags(value: str) -> tuple[str, ...]:
    """Tags without their signs, each once: parted by commas, or by spaces where each begins with #."""
    parts = _TAG_BREAK.split(plain_line(value))
    tags = (clean_line(part).strip("#＃[]`\"' ") for part in parts)
    return tuple(dict.fromkeys(tag for tag in tags if tag and len(tag) <= 60))


def read_facts(lines: Sequence[str], rows: Sequence[int]) -> Iterator[Fact]:
    """The key facts among the lines numbered `rows`, in their order: items `- **label**: value`.

    An item without a value of its own gives the labelled items below it, or their list as its value.
    """
    for place, row in enumerate(rows):
        item = labelled(lines[row])
        if item is None or not item.bullet or item.kind == "report":
            continue
        value, label = plain_line(item.value), title_of(item.label)
        if not value:
            value = _listed(item, lines, rows[place + 1:])
        if not value or len(value) > 120 or len(label) > 40 or "。" in label or "。" in value[:-1]:
            continue
        numbered = lines[row].lstrip()[0].isdigit()
        if item.bold or (not numbered and len(label) <= 20 and len(value) <= 80 and not re.search(r"[、,?？!！]", label)):
            yield Fact(label, value)


def _listed(item: Labelled, lines: Sequence[str], rows: Sequence[int]) -> str:
    """The unlabelled items below `item` as one value; empty where one of them has a label, for it is a fact then."""
    texts: list[str] = []
    for row in rows:
        start = _BULLET.match(lines[row])
        if not start or not start["bullet"] or len(start["indent"]) <= item.indent:
            break
        if labelled(lines[row]):
            return ""
        texts.append(plain_line(lines[row]))
    value = "、".join(texts)
    return value if value and not value.isascii() else ", ".join(texts)
