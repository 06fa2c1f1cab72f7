"""What a parser gives: stories as plain data, not yet filed anywhere."""

from dataclasses import dataclass

from publisher.errors import Problem


@dataclass(frozen=True, slots=True)
class Fact:
    """One key fact: 「メモリ容量」, 「30TB」."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Draft:
    """One story as its source tells it. `date` is ISO (a day or a moment with zone) or None; `body` is Markdown without raw HTML.

    `key` names the story within its source where the source does so itself (a feed entry's id); otherwise its place counts.
    `excerpt` is the excerpt a post carries, kept beside the chosen summary because two posts that share one prove it to be boilerplate.
    """

    headline: str
    summary: str = ""
    body: str = ""
    facts: tuple[Fact, ...] = ()
    section: str | None = None
    tags: tuple[str, ...] = ()
    author: str | None = None
    source_name: str | None = None
    source_url: str | None = None
    image_url: str | None = None
    image_alt: str | None = None
    date: str | None = None
    language: str = "ja"
    reading_minutes: int = 1
    key: str | None = None
    excerpt: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The stories of one document in their order, and what of it could not be used."""

    drafts: tuple[Draft, ...]
    problems: tuple[Problem, ...] = ()
