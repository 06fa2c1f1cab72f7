"""Lists in the words of readers: what one is called, when its issues come, and the addresses at which a mail does something."""

from dataclasses import dataclass
from datetime import datetime

from publisher.compose.issue import title_of
from publisher.compose.moments import in_words
from publisher.links import list_address, subscribe_url
from publisher.settings import Newsletter, Settings
from publisher.text.clean import clean_line

# In the order in which somebody needs them.
ACTS = ("subscribe", "unsubscribe", "help", "owner")


@dataclass(frozen=True, slots=True)
class ListView:
    """A list as templates see it. `when` are its newsletters' timetables in words, `addresses` what a mail to them does (see ACTS)."""

    name: str
    title: str
    description: str
    when: tuple[str, ...]
    addresses: dict[str, str]
    subscribe_url: str


def list_view(settings: Settings, name: str, rhythm: str, now: datetime) -> ListView:
    """The list `name` for a reader who is mailed at `rhythm`, in the current language."""
    entry = settings.reader_list(name)
    return ListView(name=name, title=list_title(settings, name), description=clean_line(entry.description) if entry else "",
                    when=_when(settings, name, rhythm, now), addresses=list_addresses(settings, name),
                    subscribe_url=subscribe_url(settings.site.url, name))


def list_title(settings: Settings, name: str) -> str:
    """What readers call the list: its title, else those of the newsletters it gets, else the newsroom's name."""
    entry = settings.reader_list(name)
    titles = dict.fromkeys(title_of(settings, newsletter) for newsletter in settings.newsletters_of(name))
    return clean_line((entry.title if entry else None) or " · ".join(titles) or settings.site.name or name)


def list_addresses(settings: Settings, name: str) -> dict[str, str]:
    """The addresses of a list by what a mail there does; empty where no mail is taken in."""
    found = {act: list_address(settings, name, act) for act in ACTS}
    return {act: address for act, address in found.items() if address}


def _when(settings: Settings, name: str, rhythm: str, now: datetime) -> tuple[str, ...]:
    newsletters = settings.newsletters_of(name)
    told = []
    for newsletter in newsletters:
        line = _timetable(newsletter, rhythm)
        words = in_words(line, settings.zone_of(newsletter), now) if line else None
        if words:
            told.append(words if len(newsletters) == 1 else f"{title_of(settings, newsletter)}: {words}")
    return tuple(told)


def _timetable(newsletter: Newsletter, rhythm: str) -> str | None:
    return {"daily": newsletter.daily_digest, "weekly": newsletter.weekly_digest}.get(rhythm, newsletter.timetable)
