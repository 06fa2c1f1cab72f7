"""A web server on this machine for tests of fetching: it answers as told and counts what was asked."""

import gzip
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Handler = Callable[["Request"], None]
FEED_TYPE = "application/rss+xml; charset=utf-8"


class Request(BaseHTTPRequestHandler):
    """One request; handlers answer through it."""

    web: "Web"

    def do_GET(self) -> None:
        """Answer with the page of that path."""
        self.web.asked[self.path] += 1
        self.web.headers[self.path] = dict(self.headers)
        handler = self.web.pages.get(self.path)
        if handler is None:
            self.send_error(404)
            return
        handler(self)

    def log_message(self, *_arguments: object) -> None:
        """Tests are quiet."""

    def answer(self, body: bytes, *, status: int = 200, **headers: str) -> None:
        """Send `body`; `content_type` becomes the header Content-Type."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):  # the reader had enough
            self.wfile.write(body)


class Web:
    """The server: `pages` by path, `asked` how often, `headers` of the last request of each path."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.pages: dict[str, Handler] = {}
        self.asked: Counter[str] = Counter()
        self.unchanged: Counter[str] = Counter()
        self.headers: dict[str, dict[str, str]] = {}

    def url(self, path: str) -> str:
        """The address of a page."""
        return self.address + path

    def put(self, path: str, body: str | bytes, **headers: str) -> str:
        """Serve `body` at `path`; returns its address."""
        data = body.encode() if isinstance(body, str) else body
        self.pages[path] = lambda request: request.answer(data, **headers)
        return self.url(path)

    def put_with_validators(self, path: str, body: str, *, etag: str | None = None, last_modified: str | None = None) -> str:
        """Serve `body` at `path`, and 304 to whoever knows it already."""
        def handler(request: Request) -> None:
            known = {"If-None-Match": etag, "If-Modified-Since": last_modified}
            if any(value and request.headers.get(name) == value for name, value in known.items()):
                self.unchanged[path] += 1
                request.answer(b"", status=304)
                return
            given = {name: value for name, value in (("ETag", etag), ("Last_Modified", last_modified)) if value}
            request.answer(body.encode(), Content_Type=FEED_TYPE, **given)

        self.pages[path] = handler
        return self.url(path)

    def redirect(self, path: str, location: str) -> str:
        """Answer `path` with a redirect."""
        self.pages[path] = lambda request: request.answer(b"", status=302, Location=location)
        return self.url(path)

    def bomb(self, path: str, megabytes: int) -> str:
        """Serve so many megabytes of nothing, packed small."""
        packed = gzip.compress(b"\0" * megabytes * 1024 * 1024)
        self.pages[path] = lambda request: request.answer(packed, Content_Encoding="gzip", Content_Type=FEED_TYPE)
        return self.url(path)

    def drip(self, path: str) -> str:
        """Send a byte of headers now and then, without end."""
        def handler(request: Request) -> None:
            try:
                for _step in range(200):
                    request.wfile.write(b"H" if _step == 0 else b"T")
                    request.wfile.flush()
                    time.sleep(0.05)
            except OSError:  # the reader gave up, as it should
                return

        self.pages[path] = handler
        return self.url(path)


@contextmanager
def web_server() -> Iterator[Web]:
    """A running server on 127.0.0.1."""
    web = Web("")
    handler = type("Bound", (Request,), {"web": web})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        web.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield web
        server.shutdown()
        thread.join()
