"""`publisher work` as it runs: `python -m publisher.work`. The command becomes this once it has looked at everything, so that it is as small.

With `--processes` above 1 this process sends nothing: it keeps so many others, and starts one again that ends by itself.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from publisher.clock import utc_now
from publisher.errors import PublisherError, SettingsError
from publisher.i18n import use_language
from publisher.logs import configure_logs
from publisher.settings import Settings
from publisher.settings_file import load_settings
from publisher.signals import answered
from publisher.work.orphans import following, watch_pipe

log = structlog.get_logger("publisher")
# Ten seconds is what is promised after SIGTERM; what is left is for the database.
STOP_WITHIN = 8.0
_LOOK_EVERY = 2.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


def main(arguments: Sequence[str]) -> int:
    """Work until SIGTERM or SIGINT; the exit code. A changed publisher.toml is taken up by itself."""
    parser = argparse.ArgumentParser(prog="publisher work")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--lang", default="en")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--parent", type=int)
    given = parser.parse_args(arguments)
    use_language(given.lang)
    configure_logs()
    stop = threading.Event()
    if given.parent is not None:
        watch_pipe(sys.stdin.buffer, stop)
    try:
        with following(given.parent, stop) if given.parent is not None else answered(lambda _number: stop.set()):
            if given.processes > 1:
                return _keep(list(arguments), given.processes, stop)
            return _work(given.config, list(arguments), stop)
    except PublisherError as error:
        log.error("stopped", reason=str(error))
        return error.exit_code


def _work(config: Path | None, arguments: list[str], stop: threading.Event) -> int:
    # What sends is loaded by the processes that send, and not by the one that keeps them.
    from publisher.work.opening import open_sending
    from publisher.work.worker import Worker

    settings = load_settings(config)
    ending = threading.Event()
    thread = threading.Thread(target=Worker(open_sending(settings, utc_now), ending).run, name="work", daemon=True)
    thread.start()
    log.info("started", pid=os.getpid())
    changed = False
    while thread.is_alive() and not changed and not stop.wait(_LOOK_EVERY):
        changed = _is_changed(config, settings)
    failed = not thread.is_alive()
    log.info("configuration_changed" if changed else "stopping")
    ending.set()
    thread.join(STOP_WITHIN)
    if changed and not stop.is_set():
        os.execv(sys.executable, [sys.executable, "-m", "publisher.work", *arguments])
    log.info("stopped", clean=not thread.is_alive())
    # Whatever still waits for a network is cut; what it had begun is in the journal, and settled by whoever takes the slice.
    os._exit(1 if failed else 0)


def _is_changed(config: Path | None, settings: Settings) -> bool:
    """Whether there are new settings, and right ones; `publisher run` says what is wrong with wrong ones."""
    try:
        return load_settings(config).fingerprint != settings.fingerprint
    except SettingsError:
        return False


def _keep(arguments: list[str], many: int, stop: threading.Event) -> int:
    """Keep `many` working processes alive until `stop`, and have them end with this one."""
    command = [sys.executable, "-m", "publisher.work", *arguments, "--processes", "1", "--parent", str(os.getpid())]
    children: list[subprocess.Popen[bytes]] = []
    pause, begun = _FIRST_PAUSE, time.monotonic()
    log.info("started", pid=os.getpid(), processes=many)
    while not stop.is_set():
        for child in [one for one in children if one.poll() is not None]:
            children.remove(child)
            log.error("process_ended", process=child.pid, code=child.returncode, again_in=pause)
            # The others work on while this one waits for its turn.
            stop.wait(pause)
            pause = _FIRST_PAUSE if time.monotonic() - begun > _LONGEST_PAUSE else min(_LONGEST_PAUSE, 2 * pause)
        while len(children) < many and not stop.is_set():
            children.append(subprocess.Popen(command, stdin=subprocess.PIPE))
            begun = time.monotonic()
        stop.wait(0.5)
    for child in children:
        child.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_WITHIN + 1
    for child in children:
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
