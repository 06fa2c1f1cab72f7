"""Which receivers are counted together: those of a limit of publisher.toml, else the domains of one operator, else each domain by itself."""

import re
from collections.abc import Iterable, Sequence
from fnmatch import translate

from publisher.deliver.dispatch.families import FAMILIES, HEAD_OF
from publisher.settings_sending import Limit

LIMIT, RECEIVERS, RELAY = "limit:", "to:", "relay:"
_LONGEST_KEY = 160


class Groups:
    """The group of a recipient domain, as a key of `paces`. Of several limits: the first that names the domain, else the first by host."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._by_domain: dict[str, str] = {}
        for limit in limits:
            for domain in limit.domains:
                self._by_domain.setdefault(domain, LIMIT + limit.name)
        self._limits = _compiled((pattern, LIMIT + limit.name) for limit in limits for pattern in limit.mx)
        self._families = _compiled((pattern, family.domains[0]) for family in FAMILIES for pattern in family.hosts)
        self._limit_by_host: dict[str, str] = {}
        self._family_by_host: dict[str, str] = {}

    def learn(self, hosts: Sequence[tuple[str, str]]) -> None:
        """Take note of which host takes the mail of which domain."""
        self._limit_by_host = {domain: found for domain, host in hosts if (found := _first(self._limits, host)) is not None}
        self._family_by_host = {domain: found for domain, host in hosts if (found := _first(self._families, host)) is not None}

    def family_of(self, domain: str) -> str:
        """The first domain of the operator that takes the mail of a domain, or the domain itself where none is known."""
        return HEAD_OF.get(domain) or self._family_by_host.get(domain, domain)

    def key_of(self, domain: str) -> str:
        """The key under which the pace of a domain is kept."""
        found = self._by_domain.get(domain) or self._limit_by_host.get(domain)
        return found or (RECEIVERS + self.family_of(domain))[:_LONGEST_KEY]


def _compiled(patterns: Iterable[tuple[str, str]]) -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(translate(pattern.lower().rstrip("."))), name) for pattern, name in patterns]


def _first(patterns: Sequence[tuple[re.Pattern[str], str]], host: str) -> str | None:
    return next((name for pattern, name in patterns if pattern.match(host)), None)
