"""How long a post may be on each network, counted as the network counts."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import regex

_ADDRESS = re.compile(r"https?://\S+")


def graphemes(text: str) -> int:
    """What a reader takes for characters (UAX 29): a family emoji is one."""
    return len(regex.findall(r"\X", text))


def x_weight(text: str) -> int:
    """The weight X gives to `text`: 2 for most Japanese, 1 for Latin, 23 for an address it recognises (twitter-text configuration v3)."""
    # Its tables cost 0.6 s of start-up, which a command that composes no post need not pay.
    from twitter_text import parse_tweet

    return int(parse_tweet(text).weightedLength)


def mastodon_length(text: str) -> int:
    """Graphemes, with 23 for every address (`characters_reserved_per_url`)."""
    return graphemes(_ADDRESS.sub("a" * 23, text))


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that one post may hold. `most_bytes` counts UTF-8."""

    most: int
    measure: Callable[[str], int]
    most_bytes: int | None = None

    def allows(self, text: str) -> bool:
        """Whether the network takes `text` whole."""
        return self.measure(text) <= self.most and (self.most_bytes is None or len(text.encode()) <= self.most_bytes)


_LIMITS = {
    "x": Limit(280, x_weight),
    "bluesky": Limit(300, graphemes, 3000),  # app.bsky.feed.post: 300 graphemes and 3,000 bytes
    "mastodon": Limit(500, mastodon_length),
}
# A network without a line of its own: short enough for all we know.
_SHORTEST = Limit(280, graphemes, 3000)


def limit_of(network: str) -> Limit:
    """The limit of a network by its name in publisher.toml."""
    return _LIMITS.get(network, _SHORTEST)
