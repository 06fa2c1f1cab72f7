"""One address on this machine with a feed or page that tests change as its publisher would."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.webserver import Request, web_server

ALLOWED = '[fetch]\nallow = ["127.0.0.0/8"]\ntimeout = "5s"\n'


@dataclass(slots=True)
class Site:
    """What the address answers with, and the ETag that each request named."""

    url: str
    content: bytes = b""
    content_type: str = "application/rss+xml"
    status: int = 200
    etag: str | None = None
    named: list[str | None] = field(default_factory=list)

    def answer(self, request: Request) -> None:
        """As servers do: 304 to whoever names the ETag, else the whole."""
        self.named.append(request.headers.get("If-None-Match"))
        headers = {"ETag": self.etag} if self.etag else {}
        if self.etag and self.named[-1] == self.etag:
            request.answer(b"", status=304, **headers)
        else:
            request.answer(self.content, status=self.status, Content_Type=self.content_type, **headers)


def item(key: str, title: str, body: str, *, day: str | None = "Thu, 05 Mar 2026 08:00:00 +0900") -> str:
    """One entry of an RSS feed."""
    date = f"<pubDate>{day}</pubDate>" if day else ""
    return (f"<item><guid isPermaLink='false'>{key}</guid><title>{title}</title><link>https://wire.example.com/{key}</link>{date}"
            f"<description>{body}</description></item>")


def rss(*items: str) -> bytes:
    """An RSS feed of `items`."""
    return f"<?xml version='1.0'?><rss version='2.0'><channel><title>例通信</title>{''.join(items)}</channel></rss>".encode()


@contextmanager
def serve() -> Iterator[Site]:
    """The address, alive over the block."""
    with web_server() as web:
        site = Site(web.url("/feed.xml"))
        web.pages["/feed.xml"] = site.answer
        yield site
