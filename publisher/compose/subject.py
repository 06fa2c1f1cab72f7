"""The subject line: the first headline, shortened between phrases, then which paper and which number."""

from dataclasses import replace

from jinja2.sandbox import SandboxedEnvironment

from publisher.compose.rendering import render
from publisher.compose.views import IssueView
from publisher.text.clean import clean_line
from publisher.text.phrases import cut

TEMPLATE = "email/issue/subject.txt"
# What mail programs on a desk show; on a phone the first third is seen, so the news comes first.
_LONGEST = {"ja": 46, "en": 78}
_HARD_LIMIT = 200


def with_subject(made: SandboxedEnvironment, view: IssueView) -> IssueView:
    """`view` with its subject: one line without control characters. Raises BadInput."""
    longest = _LONGEST[view.language]

    def whole(headline: str) -> str:
        return clean_line(render(made, TEMPLATE, {"issue": view, "headline": headline}))

    headline = view.stories[0].headline if view.stories else view.title
    # A newsroom's template or a long title may leave little room: then the headline keeps a dozen characters.
    room = max(longest, len(whole("")) + 12)
    fitting = cut(headline, lambda text: len(whole(text)) <= room) or headline[:12]
    return replace(view, subject=whole(fitting)[:_HARD_LIMIT])
