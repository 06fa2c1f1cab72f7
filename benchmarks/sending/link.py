"""A long way on this machine: a TCP proxy that holds every byte back for half of the round trip, in each direction.

`python -m benchmarks.sending.link HOST PORT MILLISECONDS` listens on a free port of loopback, prints it, and serves until it is ended.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent  # where `benchmarks` can be imported
_CHUNK = 65536
_BACKLOG = 64


@contextmanager
def link(host: str, port: int, milliseconds: float) -> Iterator[int]:
    """A port of this machine from which `host`:`port` is `milliseconds` away, there and back, over the block."""
    command = [sys.executable, "-m", "benchmarks.sending.link", host, str(port), str(milliseconds)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


async def _serve(host: str, port: int, one_way: float) -> None:
    async def meet(near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, there = await asyncio.open_connection(host, port)
        await asyncio.gather(_carry(near, there, one_way), _carry(far, back, one_way))

    server = await asyncio.start_server(meet, "127.0.0.1", 0, backlog=_BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter, one_way: float) -> None:
    """Everything that comes from `source` reaches `sink` so many seconds later, as much of it as wants to be on the way at once."""
    way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    arriving = asyncio.create_task(_arrive(way, sink))
    clock = asyncio.get_running_loop().time
    data = b"."
    while data:
        try:
            data = await source.read(_CHUNK)
        except ConnectionError:
            data = b""
        way.put_nowait((clock() + one_way, data))
    await arriving


async def _arrive(way: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        due, data = await way.get()
        if (early := due - clock()) > 0:
            await asyncio.sleep(early)
        if not data:
            sink.close()
            return
        try:
            sink.write(data)
            await sink.drain()
        except ConnectionError:
            # The other side is gone; what is still on the way is lost, as on a real one.
            return


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 2000))
