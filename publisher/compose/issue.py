"""Makes of an issue's picks what its templates show: masthead, lead, contents, sections, stories, footer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from babel.dates import format_date

from publisher.clock import local_date
from publisher.compose.colours import DARK, LEAST_CONTRAST, LIGHT, contrast
from publisher.compose.footer import contact_url
from publisher.compose.inlining import PLACEHOLDER_HOST
from publisher.compose.telling import ranked
from publisher.compose.views import FooterView, IssueView, Named, Picture, SectionView, StoryView
from publisher.i18n import _, ngettext
from publisher.links import issue_url, story_url
from publisher.pictures import Copy
from publisher.settings import Newsletter, Settings, Site
from publisher.text.clean import clean_line
from publisher.text.lead import sentences, shorten
from publisher.text.phrases import cut
from publisher.text.reading import reading_minutes
from publisher.text.slots import END, START
from publisher.text.urls import is_web_url

_MOST_FACTS = 5
_MOST_SENTENCES = 3
# Lengths in characters, for Japanese and for other languages, which need about twice as many.
_LONG_SUMMARY = {"ja": 260, "en": 480}
_LONG_VALUE = {"ja": 90, "en": 180}
_SHORT_HEADLINE = {"ja": 38, "en": 76}
_QUOTED_HEADLINE = {"ja": 30, "en": 60}
_LONGEST_HEADLINE = 200
_PREHEADER = 90
# The column less the air at its sides, in pixels.
_WIDTH = 552


@dataclass(frozen=True, slots=True)
class Told:
    """One pick as compose needs it: the story's snapshot, its section in the issue, the other sources that tell it, and our copy of its picture."""

    snapshot: Mapping[str, Any]
    section: str | None
    also: Sequence[Mapping[str, Any]] = ()
    picture: Copy | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """Which issue it is, of which newsletter, on which day; of a digest also its rhythm and the day of the first issue that it gathers."""

    issue_id: int
    number: int
    newsletter: Newsletter
    day: date
    rhythm: str = "each"
    since: date | None = None


def accent_problems(site: Site) -> list[str]:
    """A sentence for each accent of publisher.toml that cannot be read on the grounds it stands on."""
    problems = []
    for key, accent, grounds in (("site.accent", site.accent, LIGHT), ("site.accent_dark", site.accent_dark, DARK)):
        least = min(contrast(accent, grounds[ground]) for ground in ("paper", "card"))
        if least < LEAST_CONTRAST:
            problems.append(_("%(key)s %(colour)s has a contrast of %(found)s : 1 on its ground, and %(least)s : 1 is needed",
                              key=key, colour=accent, found=f"{least:.1f}", least=LEAST_CONTRAST))
    return problems


def title_of(settings: Settings, newsletter: Newsletter) -> str:
    """The name that stands at the head of the newsletter."""
    return clean_line(newsletter.title or settings.site.name or newsletter.name)


def issue_view(settings: Settings, number: Number, picks: Sequence[Told], language: str) -> IssueView:
    """The issue as its templates see it; call it inside `in_language(language)`."""
    sections = _sections(settings, number, picks, language)
    stories = [story for section in sections for story in section.stories]
    headlines = [story.headline for story in stories]
    read = " ".join(part for story in stories for part in (story.headline, story.summary, *(" ".join(fact) for fact in story.facts)))
    minutes = reading_minutes(read, language)
    rest = (" ／ " if language == "ja" else " · ").join(story.short for story in stories[1:]) or (stories[0].summary if stories else "")
    return IssueView(
        title=title_of(settings, number.newsletter), number=_called(number), date=_dated(number, language),
        in_subject=_called(number) if number.rhythm == "each" else f"{_called(number)} {_shortly_dated(number, language)}",
        minutes=ngettext("%(n)s minute", "%(n)s minutes", minutes), language=language, subject="",
        preheader=cut(rest, lambda text: len(text) <= _PREHEADER) or clean_line(rest)[:_PREHEADER],
        lead=_lead(headlines, language), sections=sections, words=_words(len(stories), language), footer=_footer(settings, number))


def _called(number: Number) -> str:
    if number.rhythm == "each":
        return _("No. %(number)s", number=number.number)
    return _("Daily digest") if number.rhythm == "daily" else _("Weekly digest")


def _dated(number: Number, language: str) -> str:
    """The day; of a weekly digest the days that it tells of: `2025年12月1日〜7日`, `1 – 7 December 2025`."""
    first, last = number.since, number.day
    if number.rhythm != "weekly" or first is None or first >= last:
        return long_date(last, language)
    forms = ("y年M月d日", "M月d日", "d日") if language == "ja" else ("d MMMM y", "d MMMM", "d")
    alike = 2 if (first.year, first.month) == (last.year, last.month) else 1 if first.year == last.year else 0
    begin, end = (forms[0], forms[alike]) if language == "ja" else (forms[alike], forms[0])
    return _from_to(format_date(first, begin, locale=language), format_date(last, end, locale=language), language)


def _shortly_dated(number: Number, language: str) -> str:
    """The same as short as a subject wants it: `12月1日〜7日`, `29 Nov – 5 Dec`."""
    first, last = number.since, number.day
    full, day = ("M月d日", "d日") if language == "ja" else ("d MMM", "d")
    if number.rhythm != "weekly" or first is None or first >= last:
        return format_date(last, full, locale=language)
    alike = (first.year, first.month) == (last.year, last.month)
    begin, end = (full, day if alike else full) if language == "ja" else (day if alike else full, full)
    return _from_to(format_date(first, begin, locale=language), format_date(last, end, locale=language), language)


def _from_to(first: str, last: str, language: str) -> str:
    return f"{first}〜{last}" if language == "ja" else f"{first} – {last}"


def long_date(day: date, language: str) -> str:
    """`2025年12月5日（金）`, `Friday, 5 December 2025`."""
    return format_date(day, "y年M月d日（E）", locale="ja") if language == "ja" else format_date(day, "EEEE, d MMMM y", locale="en")


def story_date(iso: str | None, language: str, zone: str) -> str:
    """The day of a story's ISO date, in `zone` where it is a moment; empty for none."""
    if not iso:
        return ""
    try:
        day = local_date(datetime.fromisoformat(iso), zone) if len(iso) > 10 else date.fromisoformat(iso)
    except ValueError:
        return ""
    return format_date(day, "y年M月d日", locale="ja") if language == "ja" else format_date(day, "d MMMM y", locale="en")


def link_of(settings: Settings, snapshot: Mapping[str, Any]) -> str:
    """Where a story is read on: at its source, else on its page here."""
    url = (snapshot["source_url"] or "").strip()
    return url if _leads_out(url) else story_url(settings.site.url, snapshot["id"])


def _leads_out(url: str) -> bool:
    """Whether a source's address may stand in a mail: one that is no slot and no placeholder of ours."""
    return is_web_url(url) and START not in url and END not in url and urlsplit(url).hostname != PLACEHOLDER_HOST


def reduced(view: IssueView, step: int) -> IssueView:
    """`view` with less in it, the more so the higher the step; the rest is on the web page. Step 0 leaves it whole."""
    if step == 0:
        return view
    room = max(1, 120 - 20 * max(0, step - 3))
    sections, taken = [], 0
    for section in view.sections:
        kept = tuple(_reduced_story(story, step) for story in section.stories[:max(0, room - taken)])
        taken += len(kept)
        if kept:
            sections.append(replace(section, stories=kept))
    left_out = len(view.stories) - taken
    line = ngettext("%(n)s more story on the web page of this issue", "%(n)s more stories on the web page of this issue", left_out)
    return replace(view, sections=tuple(sections), left_out=line if left_out else "")


def _reduced_story(story: StoryView, step: int) -> StoryView:
    summary = story.summary if step == 1 else "".join(sentences(story.summary)[:1]).strip() if step == 2 else ""
    return replace(story, facts=story.facts[:2] if step == 1 else (), summary=summary[:400])


def _sections(settings: Settings, number: Number, picks: Sequence[Told], language: str) -> tuple[SectionView, ...]:
    named = any(pick.section for pick in picks)
    made, count = [], 0
    for name, group in groupby(picks, key=lambda pick: clean_line(pick.section or "")):
        stories = []
        for pick in group:
            count += 1
            stories.append(_story(settings, number, pick, count, language))
        heading = name or (_("Also") if named and count > len(stories) else None)
        made.append(SectionView(heading, tuple(stories)))
    return tuple(made)


def _story(settings: Settings, number: Number, pick: Told, place: int, language: str) -> StoryView:
    snapshot = pick.snapshot
    its = "ja" if snapshot["language"] == "ja" else snapshot["language"] or language
    headline = clean_line(snapshot["headline"])
    headline = cut(headline, lambda text: len(text) <= _LONGEST_HEADLINE) or headline[:_LONGEST_HEADLINE]
    url = link_of(settings, snapshot)
    ours = url == story_url(settings.site.url, snapshot["id"])
    named = clean_line(snapshot["source_name"] or "")
    source = title_of(settings, number.newsletter) if ours else named or urlsplit(url).hostname or ""
    summary = short_summary(clean_line(snapshot["summary"]), its)
    meta = [named or ("" if ours else source), story_date(snapshot["date"], language, settings.zone_of(number.newsletter))]
    if ours and snapshot["rights"] == "own" and snapshot["reading_minutes"] > 1:
        meta.append(ngettext("%(n)s minute", "%(n)s minutes", snapshot["reading_minutes"]))
    short = cut(headline, lambda text: len(text) <= _SHORT_HEADLINE.get(its, 76)) or headline
    return StoryView(
        number=place, id=snapshot["id"], headline=headline, short=short, url=url, summary=summary, facts=_facts(snapshot["facts"], summary, its),
        meta=" · ".join(part for part in meta if part), more=_("Read on — %(source)s", source=source), also=_also(pick.also, named or source),
        language=its, picture=_picture(settings, pick) if place == 1 else None)


def short_summary(summary: str, language: str) -> str:
    """At most three sentences, and fewer where they are long."""
    taken = "".join(sentences(summary)[:_MOST_SENTENCES]).strip()
    return taken if len(taken) <= _LONG_SUMMARY.get(language, 480) else shorten(taken, language)


def _facts(facts: Sequence[Mapping[str, str]], summary: str, language: str) -> tuple[tuple[str, str], ...]:
    """The facts that tell the most, the first one first; what the summary says word for word is not said again."""
    cleaned = [{"label": clean_line(fact.get("label", "")), "value": clean_line(fact.get("value", ""))} for fact in facts]
    news = [fact for fact in cleaned if fact["value"] and not (fact["label"] and fact["label"] in summary and fact["value"] in summary)]
    longest = _LONG_VALUE.get(language, 180)
    return tuple((fact["label"], cut(fact["value"], lambda text: len(text) <= longest) or fact["value"][:longest])
                 for fact in ranked(news, _MOST_FACTS))


def _also(also: Sequence[Mapping[str, Any]], source: str) -> tuple[Named, ...]:
    named = [Named(clean_line(entry.get("name") or ""), entry.get("url") if _leads_out(entry.get("url") or "") else None) for entry in also]
    return tuple(entry for entry in named if entry.name and entry.name != source)


def _picture(settings: Settings, pick: Told) -> Picture | None:
    """Our copy of the picture of a story of our own. Its description is what the source gave; without one it is decoration beside the headline."""
    if pick.picture is None or pick.snapshot["rights"] != "own":
        return None
    width = min(_WIDTH, pick.picture.width)
    return Picture(pick.picture.url(settings.site.url), clean_line(pick.snapshot["image_alt"] or ""), width,
                   max(1, round(pick.picture.height * width / pick.picture.width)))


def _lead(headlines: Sequence[str], language: str) -> str:
    longest = _QUOTED_HEADLINE[language]
    quoted = [_quoted(cut(headline, lambda text: len(text) <= longest) or headline, language) for headline in headlines[:2]]
    if len(headlines) < 2:
        return _("In this issue: %(first)s.", first=quoted[0]) if quoted else ""
    if len(headlines) == 2:
        return _("In this issue: %(first)s and %(second)s.", first=quoted[0], second=quoted[1])
    return ngettext("%(first)s, %(second)s and %(n)s more story.", "%(first)s, %(second)s and %(n)s more stories.", len(headlines) - 2,
                    first=quoted[0], second=quoted[1], all=len(headlines))


def _quoted(text: str, language: str) -> str:
    if language != "ja":
        return "“" + re.sub("[“”\"]", "’", text) + "”"
    return f"「{text.translate(str.maketrans('「」', '『』'))}」"


def _words(stories: int, language: str) -> dict[str, str]:
    """The newsletter's own words, the same in both parts and on the page."""
    return {
        "contents": _("In this issue"), "also_told_by": _("Also reported by: "), "comma": "、" if language == "ja" else ", ",
        "count": ngettext("%(n)s story", "%(n)s stories", stories),
        "leave_reason": _("You receive this mail because you subscribed to it. You can leave at any time:"), "leave": _("Leave this newsletter"),
        "preferences": _("Choose what you get, how often and when"),
        "share": _("Know somebody who would like this? Show them this page:"),
        "read_on_web": _("Read this issue on the web"), "archive": _("All issues"), "contact": _("Contact: ")}


def _footer(settings: Settings, number: Number) -> FooterView:
    site = settings.site
    url = issue_url(site.url, number.issue_id)
    return FooterView(sender=clean_line(site.name), postal_address=clean_line(site.postal_address), contact=clean_line(site.contact),
                      contact_url=contact_url(site.contact), issue_url=url, archive_url=f"{site.url}/", issue_label=re.sub(r"^https?://", "", url))
