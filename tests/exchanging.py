"""An exchange in the hands of a test: mails to offer, what it wants sent, what came of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from publisher.deliver.exchange import Done, Exchange
from publisher.deliver.message import Mail

ENVELOPE = b"MAIL FROM:<news@paper.example>\r\nRCPT TO:<%s>\r\nDATA\r\n"
TAKES = b"250 ok\r\n250 ok\r\n354 go on\r\n"


@dataclass
class Letter:
    """A mail on its way."""

    mail: Mail
    again: bool = False


def letter(name: str = "hanako", body: bytes = b"Good morning.\r\n", *, again: bool = False) -> Letter:
    """A mail to one reader."""
    return Letter(Mail("news@paper.example", f"{name}@example.jp", body, is_plain=False), again)


def says(exchange: Exchange[Letter]) -> bytes:
    """What it wants sent now."""
    return b"".join(exchange.take())


def begun(*, pipelining: bool = True, body: bytes = b"Good morning.\r\n", again: bool = False) -> tuple[Exchange[Letter], Letter]:
    """An exchange whose first mail has left as a whole."""
    exchange, first = Exchange[Letter](pipelining=pipelining), letter(body=body, again=again)
    exchange.offer(first)
    says(exchange)
    for line in TAKES.splitlines(keepends=True):
        exchange.receive(line)
        says(exchange)
    exchange.go()
    return exchange, first


def verdicts(events: Sequence[object]) -> list[tuple[Letter, str, str]]:
    """What came of which mail."""
    return [(event.item, event.verdict.state, event.verdict.reason) for event in events if isinstance(event, Done)]
