"""Lists on pages: which are offered, which language their pages speak, and what their readers may choose."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from publisher.compose.lists import list_addresses, list_title
from publisher.i18n import LANGUAGES
from publisher.settings import Settings
from subscribers.models import RHYTHMS, ReaderListRow


@dataclass(frozen=True, slots=True)
class Offered:
    """A list that readers may join. `double`: a mail asks before anything else comes."""

    id: int
    name: str
    title: str
    description: str
    double: bool
    mail: str | None  # a mail to this address joins as well


def offered(session: Session, settings: Settings) -> list[Offered]:
    """The public lists in the order of publisher.toml."""
    public = {entry.name for entry in settings.lists if entry.public}
    return [entry for entry in known_lists(session, settings) if entry.name in public]


def known_lists(session: Session, settings: Settings) -> list[Offered]:
    """Every list of publisher.toml, whether it is offered or not."""
    ids = {name: list_id for name, list_id in session.execute(select(ReaderListRow.name, ReaderListRow.id).where(ReaderListRow.present))}
    return [Offered(ids[entry.name], entry.name, list_title(settings, entry.name), entry.description, entry.opt_in == "double",
                    list_addresses(settings, entry.name).get("subscribe"))
            for entry in settings.lists if entry.name in ids]


def subscribe_path(settings: Settings, names: Sequence[str]) -> str | None:
    """The page where these lists are joined; None where none of them is public."""
    public = [entry.name for entry in settings.lists if entry.public and entry.name in names]
    return f"/subscribe/{public[0]}" if len(public) == 1 else "/subscribe" if public else None


def list_language(settings: Settings, name: str | None, asked: str | None = None) -> str:
    """The language of a list's pages: the one `asked` for in the address, else that of its newsletters, else the site's."""
    if asked in LANGUAGES:
        return asked
    newsletters = settings.newsletters_of(name or "")
    return settings.language_of(newsletters[0]) if newsletters else settings.site.language


def list_zone(settings: Settings, name: str) -> str:
    """The time zone in which the list's newsletters count their days."""
    newsletters = settings.newsletters_of(name)
    return settings.zone_of(newsletters[0]) if newsletters else settings.site.timezone


def rhythms_of(settings: Settings, name: str) -> list[str]:
    """How often readers of a list may be mailed, as its newsletters offer it."""
    offers = {rhythm for newsletter in settings.newsletters_of(name) for rhythm in newsletter.rhythms}
    return [rhythm for rhythm in RHYTHMS if rhythm in offers]


def sections_of(settings: Settings, name: str) -> list[str]:
    """The sections of a list's newsletters in their order; empty where none is configured."""
    return list(dict.fromkeys(section.name for newsletter in settings.newsletters_of(name) for section in newsletter.sections))
