"""What templates see: an issue as plain words and addresses, cleaned, in the language of its newsletter."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Named:
    """A name and, where it has one, its address."""

    name: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of our own, with its description and the size at which it is shown, in pixels."""

    url: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class StoryView:
    """One story of an issue. `meta` is source and date, `more` the words of its link, `also` who else tells it."""

    number: int
    id: int
    headline: str
    short: str
    url: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    meta: str
    more: str
    also: tuple[Named, ...]
    language: str
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class SectionView:
    """A section in its place; without a name its stories stand under no heading."""

    name: str | None
    stories: tuple[StoryView, ...]


@dataclass(frozen=True, slots=True)
class FooterView:
    """The sender block, and where the issue and its sisters are. `contact_url` is empty for a telephone number."""

    sender: str
    postal_address: str
    contact: str
    contact_url: str | None
    issue_url: str
    archive_url: str
    issue_label: str


@dataclass(frozen=True, slots=True)
class IssueView:
    """An issue, top to bottom. `words` are the newsletter's own, by name; `left_out` counts the stories for which the mail had no room.

    `in_subject` is how the subject calls it: its number, or for a digest what it is and of when.
    """

    title: str
    number: str
    date: str
    minutes: str
    language: str
    subject: str
    preheader: str
    lead: str
    sections: tuple[SectionView, ...]
    words: Mapping[str, str]
    footer: FooterView
    left_out: str = ""
    in_subject: str = ""

    @property
    def stories(self) -> list[StoryView]:
        """All stories in their order."""
        return [story for section in self.sections for story in section.stories]
