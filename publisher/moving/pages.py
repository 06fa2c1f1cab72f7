"""The page of a past issue in our own look: its whole text under the newsletter's masthead, styled on its elements as frozen issues are."""

import re
from dataclasses import dataclass, replace

from jinja2.sandbox import SandboxedEnvironment

from publisher.clock import local_date
from publisher.compose.issue import Number, Told, issue_view
from publisher.compose.page import as_page
from publisher.compose.rendering import BORDER, render
from publisher.i18n import in_language, ngettext
from publisher.models import Issue, Story
from publisher.settings import Newsletter, Settings
from publisher.text.markup import markdown_html
from publisher.text.reading import reading_minutes

TEMPLATE = "email/past/page.html"
# As the style sheet of mails styles its own paragraphs: what has no class there has its style here.
_STYLES = {
    "p": 'class="ink" style="padding-top:16px"', "h3": 'class="serif section ink" style="margin-top:32px"',
    "h4": 'class="serif ink" style="padding-top:24px;font-size:18px"', "h5": 'class="serif ink" style="padding-top:24px;font-size:16px"',
    "h6": 'class="serif ink" style="padding-top:24px;font-size:16px"', "ul": 'class="ink" style="margin:16px 0 0;padding-left:24px"',
    "ol": 'class="ink" style="margin:16px 0 0;padding-left:24px"', "li": 'style="padding-top:4px"',
    "blockquote": 'class="rule second" style="margin:16px 0 0;padding:0 0 0 16px;border-top:0;border-left-width:3px;border-left-style:solid"',
    "pre": 'class="rule ink" style="margin:16px 0 0;padding-top:16px;white-space:pre-wrap;overflow-wrap:anywhere"',
    "hr": 'class="rule" style="margin:32px 0 0;border:0;border-top-width:1px;border-top-style:solid"', "a": 'class="accent"',
    "table": 'class="ink" width="100%" style="margin-top:16px;border-collapse:collapse"',
    "td": 'class="rule" style="padding:8px 12px 8px 0;vertical-align:top"',
    "th": 'class="rule" style="padding:8px 12px 8px 0;vertical-align:top;text-align:left"'}
_OPENING = re.compile(r"<(" + "|".join(sorted(_STYLES, key=len, reverse=True)) + r")(?=[\s>])")
_HEADING = re.compile(r"<(/?)h([2-5])>")


@dataclass(frozen=True, slots=True)
class Shown:
    """What the template sees of the past issue: its words, and its text as safe HTML."""

    title: str
    subtitle: str
    language: str
    body: str


def past_page(made: SandboxedEnvironment, settings: Settings, newsletter: Newsletter, issue: Issue, story: Story, subtitle: str) -> str:
    """The frozen page. Raises BadInput for a template of the newsroom's own that is broken."""
    language = settings.language_of(newsletter)
    with in_language(language):
        number = Number(issue.id, issue.number, newsletter, local_date(issue.created_at, settings.zone_of(newsletter)))
        minutes = reading_minutes(story.body, story.language)
        view = replace(issue_view(settings, number, [Told(story.snapshot(), None)], language), subject=story.headline,
                       minutes=ngettext("%(n)s minute", "%(n)s minutes", minutes))
        shown = Shown(story.headline, subtitle, story.language, styled(markdown_html(story.body)))
        return as_page(render(made, TEMPLATE, {"issue": view, "past": shown, "web": True, "leave_url": ""}).replace(BORDER, "<wbr>"))


def styled(html: str) -> str:
    """Sanitised `html` with its headings under the issue's own, and the style of a mail on each element."""
    # The sanitiser wrote these tags: no attribute can hold one.
    lowered = _HEADING.sub(lambda found: f"<{found[1]}h{int(found[2]) + 1}>", html)
    return _OPENING.sub(lambda found: f"<{found[1]} {_STYLES[found[1]]}", lowered)
