"""How many requests one worker answers: `python -m benchmarks.web [--requests N] [--connections K] [--database URL] [--json]`.

Two servers stand on this machine in turn, each one uvicorn worker in a process of its own: the real pages (sign-up by form, one-click of
RFC 8058, each with its writes on disk), and as the yardstick of the same run a bare FastAPI page that answers a POST with a few words. Figures are
requests per second and the 99th percentile in milliseconds, over K connections that stay open.
"""

import argparse
import asyncio
import json
import multiprocessing
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

_SETTINGS = """\
[site]
name = "Benchmark"
url = "http://127.0.0.1:{port}"
postal_address = "Tokyo"
contact = "desk@news.example.jp"
[database]
url = "{database}"
[web]
trusted_proxies = ["127.0.0.1/32"]
[mail]
sender = "news@news.example.jp"
[signup]
per_domain = 100000000
in_all = 100000000
[[lists]]
name = "daily"
[[newsletters]]
name = "morning"
list = "daily"
"""
# Path, body and further headers of a POST.
Request = tuple[str, bytes, dict[str, str]]
_TYPE = "application/x-www-form-urlencoded"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.web", description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--database", help="default: SQLite in a folder of its own")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="publisher-web-") as name:
        figures = measure(Path(name), options.requests, options.connections, options.database)
    if options.json:
        print(json.dumps(figures))
        return 0
    for name in ("bare", "subscribe", "one_click"):
        one = figures[name]
        print(f"{name.replace('_', '-'):>10}: {one['per_second']:7.0f} requests/s, 99th percentile {one['p99_ms']:6.1f} ms, "
              f"{one['ratio']:.2f} of the bare page")
    return 0


def measure(folder: Path, requests: int, connections: int, database: str | None) -> dict[str, Any]:
    """The figures of one run: the bare page first and last, so that a machine that grows slower is seen."""
    bare = _served(_bare, (), lambda port: _load(port, [("/", b"a=b", {})] * requests, connections))
    port = _free_port()
    config = folder / "publisher.toml"
    config.write_text(_SETTINGS.format(port=port, database=database or f"sqlite:///{folder}/bench.db"), "utf-8")
    tokens = _readers(config, requests)
    sign_ups: list[Request] = [
        ("/subscribe/daily", f"email={quote(f'new{number}@sub{number % 50}.example.jp')}".encode(), {"X-Forwarded-For": _client(number)})
        for number in range(requests)]
    leaving: list[Request] = [(f"/u/{token}", b"List-Unsubscribe=One-Click", {}) for token in tokens]
    found = _served(_pages, (str(config),), lambda port: (_load(port, sign_ups, connections), _load(port, leaving, connections)), port)
    again = _served(_bare, (), lambda port: _load(port, [("/", b"a=b", {})] * requests, connections))
    yardstick = (bare["per_second"] + again["per_second"]) / 2
    figures: dict[str, Any] = {"requests": requests, "connections": connections, "bare": bare | {"per_second": yardstick},
                               "subscribe": found[0], "one_click": found[1]}
    for name in ("bare", "subscribe", "one_click"):
        figures[name]["ratio"] = figures[name]["per_second"] / yardstick
    return figures


def _client(number: int) -> str:
    return f"10.{number // 65536 % 256}.{number // 256 % 256}.{number % 256}"


def _readers(config: Path, count: int) -> list[str]:
    """Readers on the list, and the leave token of each."""
    from publisher.app import open_publisher
    from publisher.clock import utc_now
    from publisher.links import leave_token
    from publisher.settings_file import load_settings
    from subscribers.addresses import parse_address
    from subscribers.registry.enrolment import Agreement, Person, enrol
    from subscribers.registry.lists import list_id

    now = utc_now()
    opened = open_publisher(load_settings(config), now)
    people = [Person(parse_address(f"reader{number}@example.jp")) for number in range(count)]
    with opened.database.writing() as session:
        agreed = Agreement(list_id(session, "daily"), "imported", "benchmark", now)
        for first in range(0, count, 1000):
            enrol(session, opened.keys, people[first:first + 1000], agreed)
    opened.close()
    return [leave_token(opened.keys, 1, number, 1) for number in range(1, count + 1)]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _served(app: Callable[..., Any], arguments: tuple[Any, ...], load: Callable[[int], Any], port: int | None = None) -> Any:
    """What `load` finds at a worker of its own."""
    chosen = port or _free_port()
    worker = multiprocessing.get_context("spawn").Process(target=_work, args=(app, arguments, chosen), daemon=True)
    worker.start()
    try:
        _await(chosen, worker)
        return load(chosen)
    finally:
        worker.terminate()
        worker.join()


def _await(port: int, worker: Any) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and worker.is_alive():
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server did not come up")


def _work(app: Callable[..., Any], arguments: tuple[Any, ...], port: int) -> None:
    import uvicorn

    uvicorn.run(app(*arguments), host="127.0.0.1", port=port, log_level="critical", access_log=False)


def _bare() -> Any:
    from fastapi import FastAPI
    from starlette.responses import PlainTextResponse, Response

    web = FastAPI(openapi_url=None)

    @web.post("/")
    def page() -> Response:
        return PlainTextResponse("a few words\n")

    return web


def _pages(config: str) -> Any:
    from publisher.app import open_publisher
    from publisher.clock import utc_now
    from publisher.settings_file import load_settings
    from publisher.web.app import create_web

    opened = open_publisher(load_settings(Path(config)), utc_now())
    return create_web(opened.database, opened.settings, opened.keys, health=dict)


def _load(port: int, requests: Sequence[Request], connections: int) -> dict[str, float]:
    times, seconds = asyncio.run(_run(port, requests, connections))
    times.sort()
    return {"per_second": len(times) / seconds, "p99_ms": times[min(len(times) - 1, int(len(times) * 0.99))] * 1000,
            "median_ms": times[len(times) // 2] * 1000}


async def _run(port: int, requests: Sequence[Request], connections: int) -> tuple[list[float], float]:
    waiting, times = iter(requests), list[float]()
    began = time.perf_counter()
    await asyncio.gather(*(_client_of(port, waiting, times) for _line in range(connections)))
    return times, time.perf_counter() - began


async def _client_of(port: int, waiting: Iterator[Request], times: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for path, body, headers in waiting:
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        began = time.perf_counter()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {_TYPE}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        status = await _answer(reader)
        if status != 200:
            raise SystemExit(f"{path}: {status}")
        times.append(time.perf_counter() - began)
    writer.close()


async def _answer(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = next(int(line.partition(":")[2]) for line in head.split("\r\n") if line.lower().startswith("content-length:"))
    await reader.readexactly(length)
    return int(head.split(" ", 2)[1])


if __name__ == "__main__":
    sys.exit(main())
