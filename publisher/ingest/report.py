"""Recognises the stories of a report that holds many: headings with labelled lines below, linked headings, and lists of linked items."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from publisher.ingest.markdown import Heading, Outline, title_of, without_emoji
from publisher.ingest.report_fields import Fields, read_fields
from publisher.ingest.report_list import Item, read_items
from publisher.ingest.report_story import Found, Place, story_of_heading, story_of_item
from publisher.text.dates import as_day, find_date
from publisher.text.lead import plain_line

# Headings that are no story whatever stands under them, and under which none is looked for.
_FRAME = re.compile(
    r"(?:はじめに|序文|序論|導入|イントロ(?:ダクション)?|概要|目次|まとめ|(?:本日|今日|今週|全体)の(?:まとめ|総括|要約|ポイント|ハイライト)|総括|総評|結論|結び|おわりに|終わりに|最後に|所感|考察|編集後記"
    r"|(?:今後|将来|中長期|短期)(?:的|的な)?の?(?:展望|見通し|予測|動向)(?:と.{1,12})?|(?:展望|見通し|予測)(?:と.{1,12})?|関連(?:リンク|記事|情報|資料)(?:と.{1,12}|一覧|集)?|リンク(?:集|一覧)|主要ニュースソース|ニュースソース(?:一覧)?"
    r"|参考(?:文献|資料|リンク|情報|記事|サイト|url)?(?:一覧|集)?|情報源(?:一覧|リスト)?|出典(?:一覧)?|引用元?|ソース(?:一覧)?|技術ドキュメント|免責(?:事項)?|注意(?:事項)?|注記|付録|用語集|次回(?:予告|の予定)?|エグゼクティブ・?サマリー?|サマリー?"
    r"|introduction|intro|overview|summary|executive summary|table of contents|contents|conclusions?|closing(?: thoughts)?|outlook"
    r"|looking ahead|what'?s next|final thoughts"
    r"|references?|sources?|links?|related(?: links| articles| reading)?|further reading|useful links|resources|bibliography"
    r"|disclaimer|about(?: this report)?|appendix|glossary|key takeaways|takeaways|highlights)"
    r"[ :：!！.。]*", re.IGNORECASE)
_REPORT_TITLE = re.compile(
    r"ニュース|レポート|まとめ|ダイジェスト|日報|週報|速報|トピックス|ウォッチ|\b(?:news|digest|roundup|round-up|briefing|brief"
    r"|report|weekly|daily|bulletin|newsletter)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Context:
    """What the document says about itself: its title and language where front matter gives them, the day of the report, the file's name."""

    where: str
    title: str | None = None
    language: str | None = None
    day: date | None = None


def is_frame(heading: str) -> bool:
    """Whether a heading (plain, without number and emoji) opens introduction, outlook, link list or conclusion."""
    return bool(_FRAME.fullmatch(heading.strip()))


def looks_like_report(title: str) -> bool:
    """Whether a title speaks of a report, a digest or the like."""
    return bool(_REPORT_TITLE.search(title))


def report_day(outline: Outline, title: str | None) -> date | None:
    """The report's own day, from its title or its opening lines: it gives story dates their year, and nothing else."""
    opening = [title or ""]
    for index, line in enumerate(outline.lines):
        if line.strip() and not outline.code[index]:
            opening.append(plain_line(line[:300]))
        if len(opening) > 8:
            break
    return as_day(next((found for line in opening if (found := find_date(line))), None))


def read_report(outline: Outline, context: Context) -> list[Found]:
    """The stories of a report in their order, or nothing where the document is no report."""
    fields = _fields_of_headings(outline, context.day)
    groups = _groups(outline)
    candidates = [index for index in range(len(outline.headings)) if _is_candidate(outline, index, fields[index]) and not groups.get(index, 0) > 1]
    chosen = _choose(outline, candidates, fields)
    taken = set(chosen)
    reaches = {index: _reach(outline, index, taken) for index in chosen}
    stories = [(outline.headings[index].line, story_of_heading(outline, index, fields[index], _place(outline, index, context), reaches[index]))
               for index in chosen]
    covered = [(outline.headings[index].line, reaches[index].stop) for index in chosen]
    items = _free_items(outline, covered, context.day)
    if items and _are_stories(outline, items, context, mixed=bool(stories)):
        wanted = [item for item in items if item.summary or item.has_fields or not stories]
        stories += [(item.line, story_of_item(outline, item, _item_place(outline, item, context))) for item in wanted]
    return [found for _line, found in sorted(stories, key=lambda story: story[0])]


def _fields_of_headings(outline: Outline, day: date | None) -> list[Fields]:
    return [
        read_fields(outline.lines, [row for row in range(heading.after, outline.own_end(index)) if not outline.code[row]], day)
        for index, heading in enumerate(outline.headings)
    ]


def _groups(outline: Outline) -> Counter[int]:
    """How many linked items with a summary stand directly under each heading: two make it a group of stories and no story."""
    return Counter(item.heading for item in read_items(outline, 0, len(outline.lines), None)
                   if item.heading is not None and item.linked and (item.summary or item.has_fields))


def _is_candidate(outline: Outline, index: int, fields: Fields) -> bool:
    heading = outline.headings[index]
    title = title_of(heading.text)
    if not title or is_frame(title):
        return False
    return bool(fields.triggers) or "summary" in fields.values or _linked(heading)


def _linked(heading: Heading) -> bool:
    return bool(re.fullmatch(
        r"(?:[^\[\]]{0,12}|\*\*[^\[\]]{0,12})\[.+\]\(https?://[^\s]+\)[*\s]*", heading.text)) if heading.text.endswith((")", "*", " ")) else False


def _choose(outline: Outline, candidates: list[int], fields: Sequence[Fields]) -> list[int]:
    """Which candidates are stories: the level that has most of them, and others that neither hold nor belong to one of these."""
    # The title of the report may carry a date, which is the report's own; where its peers carry labels too, it is a story among them.
    first = outline.headings[0].level if outline.headings else 0
    if not any(index != outline.title and outline.headings[index].level == first for index in candidates):
        candidates = [index for index in candidates if index != outline.title]
    if not candidates:
        return []
    counts = Counter(outline.headings[index].level for index in candidates)
    main = min(counts, key=lambda level: (-counts[level], level))
    chosen = {index for index in candidates if outline.headings[index].level == main}
    holding = {above for index in chosen for above in outline.ancestors(index)}
    for index in candidates:
        if index not in chosen and index not in holding and not chosen.intersection(outline.ancestors(index)):
            chosen.add(index)
            holding.update(outline.ancestors(index))
    chosen -= {index for index in chosen if chosen.intersection(outline.ancestors(index))}
    return sorted(chosen) if len(chosen) > 1 or _surely(outline, next(iter(chosen)), fields) else []


def _surely(outline: Outline, index: int, fields: Sequence[Fields]) -> bool:
    """One labelled heading alone makes no report, unless it has two kinds of label."""
    kinds = fields[index].values.keys() - {"tags", "author", "title"}
    return len(kinds) + _linked(outline.headings[index]) >= 2


def _reach(outline: Outline, index: int, chosen: set[int]) -> range:
    """The lines of a story: below its heading, and below each heading of its own level that follows, has no labels and frames nothing."""
    heading = outline.headings[index]
    for other in range(index + 1, len(outline.headings)):
        following = outline.headings[other]
        if following.level > heading.level and other not in chosen:
            continue
        ends = other in chosen or following.level < heading.level or is_frame(title_of(following.text))
        if ends or chosen.intersection(_below(outline, other)):
            return range(heading.after, following.line)
    return range(heading.after, len(outline.lines))


def _below(outline: Outline, index: int) -> range:
    level = outline.headings[index].level
    last = index + 1
    while last < len(outline.headings) and outline.headings[last].level > level:
        last += 1
    return range(index + 1, last)


def _place(outline: Outline, index: int, context: Context) -> Place:
    return Place(context.where, _section(outline, outline.ancestors(index)), context.language, context.day)


def _section(outline: Outline, ancestors: Sequence[int]) -> str | None:
    """The nearest heading above that is not the title of the document, without number and emoji."""
    return next((title_of(outline.headings[above].text) for above in ancestors if above != outline.title), None)


def _free_items(outline: Outline, covered: Sequence[tuple[int, int]], day: date | None) -> list[Item]:
    """The items that could be stories: outside the stories found, and not under introduction, outlook, links or conclusion."""
    free: list[Item] = []
    start = 0
    for begin, end in [*covered, (len(outline.lines), len(outline.lines))]:
        free += read_items(outline, start, begin, day)
        start = end
    return [item for item in free if item.heading is None
            or not any(is_frame(title_of(outline.headings[above].text)) for above in [item.heading, *outline.ancestors(item.heading)])]


def _are_stories(outline: Outline, items: Sequence[Item], context: Context, *, mixed: bool) -> bool:
    """Whether linked items are stories and not the references of an article: they are most of the text, or the title speaks of a report."""
    telling = [item for item in items if item.summary or item.has_fields]
    if mixed:
        return bool(telling)
    prose = sum(len(line.strip()) for row, line in enumerate(outline.lines) if not outline.code[row] and not line.lstrip().startswith("#"))
    share = sum(item.size for item in items) / max(1, prose)
    title = context.title or (plain_line(outline.headings[0].text) if outline.headings else "")
    if telling:
        return share >= 0.5 or (len(telling) >= 2 and looks_like_report(title))
    return len(items) >= 3 and share >= 0.7


_TOPIC = re.compile(
    r"動向|技術|研究|製品|企業|戦略|市場|政策|規制|法|モデル|投資|資金|買収|発表|その他|トピック|分野|注目|業界|開発|国内|海外|社会|ビジネス|セキュリティ|ハードウェア|半導体|医療|教育|ロボット|一覧|新着|主要|ニュース$|速報"
    r"|\b(?:research|products?|business|policy|regulation|models?|tools?|top stories|stories|funding|security|hardware|industry"
    r"|markets?|science|other|headlines|trends|updates|startups)\b", re.IGNORECASE)
_OUTLET = re.compile(
    r"新聞|通信社?$|テレビ|放送|ブログ|公式|編集部|マガジン|ジャーナル|\b(?:blog|wire|times|post|journal|review|press|media"
    r"|magazine|official|labs?|gazette|herald|tribune|chronicle|observer|newsroom|news$)\b|\.\w{2,}$", re.IGNORECASE)


def names_source(heading: str) -> bool:
    """Whether the heading above a list names where the items come from (「例示新聞」, "Example Wire") and not what they are about."""
    return bool(_OUTLET.search(heading)) or not _TOPIC.search(heading)


def _item_place(outline: Outline, item: Item, context: Context) -> Place:
    """A list stands under a heading that names its source, or under a section; with both, the upper is the section."""
    if item.heading is None or item.heading == outline.title:
        return Place(context.where, None, context.language, context.day)
    nearest = without_emoji(title_of(outline.headings[item.heading].text))
    above = _section(outline, outline.ancestors(item.heading))
    source = re.sub(r"^(?:出典|情報源|ソース|source)\s*[:：]\s*|\s*[(（]\d+\s*件?[)）]$|\s*より$", "", nearest, flags=re.IGNORECASE)
    is_source = names_source(nearest) and (source != nearest or outline.headings[item.heading].level > 1)
    return Place(context.where, above if is_source and above else nearest, context.language, context.day, source if is_source else None)
