"""Short posts: first the fact, then whose, then the link; shortened between phrases until the network takes them whole."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import TemplateNotFound
from jinja2.sandbox import SandboxedEnvironment

from publisher.compose.issue import link_of, short_summary
from publisher.compose.rendering import render
from publisher.compose.telling import telling_line
from publisher.compose.views import IssueView
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.links import story_url
from publisher.settings import Account, Settings
from publisher.text.campaign import with_campaign
from publisher.text.clean import clean_line, clean_text
from publisher.text.lead import sentences
from publisher.text.length import Limit, limit_of
from publisher.text.phrases import cut

_MOST_TAGS, _LONGEST_TAG, _FEW_CHARACTERS = 2, 20, 12


@dataclass(frozen=True, slots=True)
class PostView:
    """What a post's template sees. `credit` is the source in brackets; `fact` is empty where the headline tells as much."""

    fact: str
    headline: str
    credit: str
    detail: str
    tags: tuple[str, ...]
    link: str
    language: str


@dataclass(frozen=True, slots=True)
class Written:
    """A post as it goes out."""

    text: str
    link: str
    language: str


def network_of(account: Account) -> str:
    """The network whose templates and limits apply: for dry runs the one that `network` names."""
    return (account.network or "x") if account.kind == "outbox" else account.kind


def story_post(made: SandboxedEnvironment, settings: Settings, account: Account, snapshot: Mapping[str, Any], campaign: str) -> Written:
    """The post that tells one story. Raises BadInput for a broken template, PublisherError where it leaves no room."""
    network, language = network_of(account), snapshot["language"]
    limit = limit_of(network)
    link = with_campaign(link_of(settings, snapshot), source=network, medium="social", campaign=campaign)
    # An address that fills two thirds of the post leaves no room for news: the story's page here is short.
    if limit.measure(link) > limit.most * 2 // 3:
        link = with_campaign(story_url(settings.site.url, snapshot["id"]), source=network, medium="social", campaign=campaign)
    snapshot = dict(snapshot) | {"headline": clean_line(snapshot["headline"]), "summary": clean_line(snapshot["summary"])}
    fact = clean_line(telling_line(snapshot) or "")
    source = clean_line(snapshot["source_name"] or "")
    credit = (f"（{source}）" if language == "ja" else f" ({source})") if source else ""
    first = (sentences(snapshot["summary"]) or [""])[0].strip()
    detail = "" if fact or not first or first in snapshot["headline"] else short_summary(first, language)
    view = PostView(fact, snapshot["headline"], credit, detail, hashtags(snapshot["tags"]), link, language)
    return _written(made, network, "story", view)


def issue_post(made: SandboxedEnvironment, settings: Settings, account: Account, issue: IssueView, campaign: str) -> Written:
    """The post that tells that an issue is out, in the language of `issue`."""
    network = network_of(account)
    link = with_campaign(issue.footer.issue_url, source=network, medium="social", campaign=campaign)
    view = PostView("", f"{issue.title} {issue.number}", "", issue.lead, (), link, issue.language)
    return _written(made, network, "issue", view)


def hashtags(tags: Sequence[str]) -> tuple[str, ...]:
    """At most two tags that a network takes for one: words joined, no figures alone, none twice."""
    found: dict[str, str] = {}
    for tag in tags:
        word = re.sub(r"[\s\-・._/]+", "", clean_line(tag).lstrip("#＃"))
        if re.fullmatch(r"\w+", word) and not word.isdigit() and len(word) <= _LONGEST_TAG:
            found.setdefault(word.casefold(), f"#{word}")
    return tuple(found.values())[:_MOST_TAGS]


def _written(made: SandboxedEnvironment, network: str, kind: str, view: PostView) -> Written:
    name = _template(made, network, kind)
    limit = limit_of(network)

    def text_of(shown: PostView) -> str:
        text = clean_text(render(made, name, {"post": shown}))
        return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ ]+$", "", text, flags=re.MULTILINE)).strip()

    for shown in _shorter_and_shorter(view, limit, text_of):
        text = text_of(shown)
        if (shown.fact or shown.headline) and limit.allows(text):
            return Written(text, view.link, view.language)
    raise PublisherError(_("%(template)s leaves no room for a headline and a link on %(network)s", template=name, network=network),
                         remedy=_("compare it with the shipped template of that name"))


def _shorter_and_shorter(view: PostView, limit: Limit, text_of: Callable[[PostView], str]) -> Iterator[PostView]:
    """What is tried in turn: all of it, then without what is least missed, at last as much of the news as there is room for."""
    yield view
    if view.detail:
        yield replace(view, detail=cut(view.detail, lambda text: limit.allows(text_of(replace(view, detail=text)))))
        view = replace(view, detail="")
    while view.tags:
        view = replace(view, tags=view.tags[:-1])
        yield view
    shorter = _cut_part(view, "headline", limit, text_of)
    # Half a dozen characters of a headline say nothing; behind a fact they are left out.
    if not view.fact or len(shorter) >= min(_FEW_CHARACTERS, len(view.headline)):
        yield _with(view, "headline", shorter)
    view = replace(view, credit="")
    if view.fact:
        view = replace(view, headline="")
        yield _with(view, "fact", _cut_part(view, "fact", limit, text_of))
    else:
        yield _with(view, "headline", _cut_part(view, "headline", limit, text_of))


def _with(view: PostView, part: str, text: str) -> PostView:
    return replace(view, fact=text) if part == "fact" else replace(view, headline=text)


def _cut_part(view: PostView, part: str, limit: Limit, text_of: Callable[[PostView], str]) -> str:
    return cut(getattr(view, part), lambda text: limit.allows(text_of(_with(view, part, text))))


def _template(made: SandboxedEnvironment, network: str, kind: str) -> str:
    """The network's template, or the one that serves all."""
    own = f"social/{network}/{kind}.txt"
    assert made.loader is not None
    try:
        made.loader.get_source(made, own)
    except TemplateNotFound:
        return f"social/_base/{kind}.txt"
    return own
