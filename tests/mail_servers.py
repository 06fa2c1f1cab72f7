"""What the real mail servers of the tests share: a folder that their own users can reach, free ports, and patience."""

import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def public_folder(name: str) -> Iterator[Path]:
    """A new folder that other users may enter (pytest's own are closed to them, and servers give up being root), gone after the block."""
    with tempfile.TemporaryDirectory(prefix=f"publisher-{name}-", ignore_cleanup_errors=True) as made:
        os.chmod(made, 0o755)
        yield Path(made)


def free_port() -> int:
    """A port on this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(happens: Callable[[], object], *, within: float = 10.0, what: str = "it") -> None:
    """Wait until `happens()` is true. Raises AssertionError when that takes too long."""
    deadline = time.monotonic() + within
    while not happens():
        assert time.monotonic() < deadline, f"{what} did not happen within {within} s"
        time.sleep(0.03)


def listens(port: int) -> bool:
    """Whether somebody listens at the port."""
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True
