"""The yardstick: smtp-sink takes the mails and smtp-source sends as many of the same size to it, both of Debian's package `postfix`."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_FOLDERS = "/usr/sbin:/usr/lib/postfix/sbin"
_BACKLOG = 1000
_PATIENCE = 10.0
# smtp-source counts what follows its own From, To, Date and Message-Id: with the addresses below, so many bytes with the empty line.
SOURCE_HEADERS = 145
_FROM, _TO = "news@news.example.jp", "reader.123456@yahoo.co.jp"


@dataclass(frozen=True, slots=True)
class Timed:
    """What a program took: seconds on the clock, seconds of CPU."""

    seconds: float
    cpu_seconds: float


def found(program: str) -> str | None:
    """Where smtp-sink or smtp-source is; /usr/sbin is looked into although it may not be in the path of a user."""
    return shutil.which(program) or shutil.which(program, path=_FOLDERS)


@contextmanager
def sink() -> Iterator[tuple[int, int]]:
    """A smtp-sink over the block: the port of loopback on which it listens, and its process. Raises SystemExit when there is none."""
    program = found("smtp-sink")
    if program is None:
        raise SystemExit("smtp-sink is not here: install Debian's package postfix, or name a relay with --relay smtp://HOST:PORT")
    port = _free_port()
    # As root it insists on a user to become.
    process = subprocess.Popen([program, *(["-u", "nobody"] if os.geteuid() == 0 else []), "-c", f"127.0.0.1:{port}", str(_BACKLOG)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def source(host: str, port: int, *, connections: int, wire_bytes: int, messages: int) -> Timed:
    """Send `messages` mails of `wire_bytes` each by smtp-source over connections that stay open (-d). Raises SystemExit when it fails."""
    program = found("smtp-source")
    if program is None:
        raise SystemExit("smtp-source is not here: install Debian's package postfix")
    command = [program, "-d", "-s", str(connections), "-l", str(max(1, wire_bytes - SOURCE_HEADERS)), "-m", str(messages), "-f", _FROM, "-t", _TO,
               f"{host}:{port}"]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _pid, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    said = process.stderr.read().decode("utf-8", "replace").strip() if process.stderr else ""
    if process.returncode:
        raise SystemExit(f"smtp-source failed: {said}")
    return Timed(seconds, used.ru_utime + used.ru_stime)


def cpu_of(process: int) -> float:
    """Seconds of CPU that a running process has used (proc(5), fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("smtp-sink does not start") from None
            time.sleep(0.02)
