"""Time zones with names that people know, in the language of a page: cities by region, the common ones first."""

from functools import cache
from importlib.resources import files
from zoneinfo import available_timezones

from babel import Locale
from babel.core import get_global

from publisher.i18n import N_, _, in_language

Choices = tuple[tuple[str, str], ...]
# Where most readers of a Japanese newsroom live, from east to west.
_COMMON = ("Asia/Tokyo", "Asia/Seoul", "Asia/Shanghai", "Asia/Taipei", "Asia/Singapore", "Australia/Sydney", "Asia/Kolkata", "Europe/Berlin",
           "Europe/Paris", "Europe/London", "America/Sao_Paulo", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
           "Pacific/Honolulu", "UTC")
_REGIONS = {"Asia": N_("Asia"), "Europe": N_("Europe"), "America": N_("America"), "Australia": N_("Australia"), "Pacific": N_("Pacific"),
            "Africa": N_("Africa"), "Atlantic": N_("Atlantic"), "Indian": N_("Indian Ocean"), "Antarctica": N_("Antarctica"), "Arctic": N_("Arctic")}


def is_zone(name: str) -> bool:
    """Whether `name` is a time zone that can be counted in."""
    return name in _known()


@cache
def _known() -> frozenset[str]:
    # The library walks through the files of all zones each time.
    return frozenset(available_timezones())


@cache
def zone_groups(language: str) -> tuple[tuple[str, Choices], ...]:
    """Headings with (zone, name) pairs under them: the common ones, then every region in alphabetical order of the names."""
    with in_language(language):
        common = tuple((zone, zone_name(zone, language)) for zone in _COMMON)
        groups: dict[str, list[tuple[str, str]]] = {_(label): [] for label in _REGIONS.values()}
        for zone in _countries():
            region = _REGIONS[zone.partition("/")[0]]
            groups[_(region)].append((zone, zone_name(zone, language)))
        return ((_("Common"), common),
                *((label, tuple(sorted(entries, key=lambda entry: entry[1]))) for label, entries in groups.items() if entries))


@cache
def zone_name(zone: str, language: str) -> str:
    """`東京（日本）`, `Tokyo (Japan)`; the zone's own name where nobody knows a better one."""
    locale = Locale.parse(language)
    if zone in ("UTC", "Etc/UTC"):
        return {"ja": "協定世界時（UTC）"}.get(language, "Coordinated Universal Time (UTC)")
    city = _city(zone, locale)
    country = locale.territories.get(_countries().get(zone, ""))
    if not country or country == city:
        return city
    return f"{city}（{country}）" if language == "ja" else f"{city} ({country})"


def _city(zone: str, locale: Locale) -> str:
    # CLDR keeps its words under the name that a zone had first: Asia/Calcutta, Europe/Kiev.
    newer = get_global("zone_aliases")
    for name in (zone, *(old for old, new in newer.items() if new == zone)):
        city = locale.time_zones.get(name, {}).get("city")
        if city:
            return str(city)
    return zone.rpartition("/")[2].replace("_", " ")


@cache
def _countries() -> dict[str, str]:
    """The zones that people live in, each with the code of its country (the time zone database's own table)."""
    found = {}
    for line in (files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            country, _place, zone = line.split("\t")[:3]
            if zone.partition("/")[0] in _REGIONS:
                found[zone] = country
    return found
