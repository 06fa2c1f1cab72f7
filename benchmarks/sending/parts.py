"""What the parts of sending cost, in microseconds a mail: `python -m benchmarks.sending.parts [--body-bytes B] [--postgres] [--json]`.

The mail of one reader, a claim of 500, a settlement of 500 on each database, one line of the journal: what a mail costs besides the talk with
the relay.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

from benchmarks.sending.newsroom import KEYS, Newsroom, Shape, newsroom, own_postgres, scratch, words_of
from publisher.clock import utc_now
from publisher.deliver.claim import Claimed, Settled, claim, settle
from publisher.deliver.journal import Journal, intent_line, outcome_line
from publisher.deliver.message import list_of, load_mailing
from publisher.deliver.slices import holding, slices_of
from publisher.deliver.start import start_issue
from publisher.deliver.verdict import Verdict
from publisher.models import Issue
from publisher.tokens import Keys

_BATCH = 500
_ACCEPTED = Verdict("accepted", "250 2.0.0 Ok: queued as 4XyZ12345")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sending.parts", description=__doc__)
    parser.add_argument("--readers", type=int, default=10_000)
    parser.add_argument("--body-bytes", type=int, default=30_000)
    parser.add_argument("--dkim", action="store_true")
    parser.add_argument("--postgres", action="store_true", help="on PyPI's PostgreSQL as well")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    shape = Shape(asked.readers, asked.body_bytes, 4, dkim=asked.dkim)
    with tempfile.TemporaryDirectory(prefix="publisher-parts-") as name, ExitStack() as stack:
        found = _parts(Path(name) / "sqlite", f"sqlite:///{name}/publisher.db", shape, "sqlite")
        if asked.postgres:
            url = stack.enter_context(scratch(stack.enter_context(own_postgres())))
            found |= _parts(Path(name) / "postgresql", url, shape, "postgresql")
    print(json.dumps(found) if asked.json else "\n".join(f"{name:48} {value:10.1f}" for name, value in found.items()))
    return 0


def _parts(folder: Path, url: str, shape: Shape, kind: str) -> dict[str, float]:
    with newsroom(folder, url, "smtp://127.0.0.1:25", shape) as room:
        issue_id = room.approved_issue(words_of(room.settings, shape))
        began = time.thread_time()
        start_issue(room.database, room.settings, issue_id, utc_now())
        found = {f"start_issue of {shape.readers:,}, {kind}": (time.thread_time() - began) * 1e6 / shape.readers}
        if kind == "sqlite":
            found |= _mails(room, issue_id) | _journal(folder)
        return found | _rows(room, issue_id, kind)


def _mails(room: Newsroom, issue_id: int) -> dict[str, float]:
    with room.database.reading() as session:
        mailing = load_mailing(session, room.settings, Keys(KEYS), issue_id)
    numbers = count(1)

    def one() -> None:
        number = next(numbers)
        mailing.to(number, f"reader.{number}@example.jp", utc_now())

    return {"Mailing.to, a reader": _cost(one)}


def _journal(folder: Path) -> dict[str, float]:
    journal = Journal(folder / "journal", "parts", 1)
    numbers = count(1)

    def one() -> None:
        number, now = next(numbers), utc_now()
        journal.write(outcome_line(number, _ACCEPTED, now) + intent_line(number + 1, now))

    cost, length = _cost(one), len(outcome_line(1_000_000, _ACCEPTED, utc_now()) + intent_line(1_000_000, utc_now()))
    journal.close(settled=True)
    return {"journal, a mail": cost, "journal, bytes a mail": float(length)}


def _rows(room: Newsroom, issue_id: int, kind: str) -> dict[str, float]:
    """Claims and settlements of 500 through the whole issue, apart."""
    with room.database.reading() as session:
        list_id = list_of(session, room.settings, session.get_one(Issue, issue_id))
    claims, settles = [], []
    for span in slices_of(room.database, issue_id, room.settings.mail.slice_size):
        with holding(room.database, span, utc_now()) as held:
            while True:
                began = time.thread_time()
                mails = claim(room.database, held, list_id, utc_now(), _BATCH)
                if not mails:
                    break
                claims.append((time.thread_time() - began) / len(mails))
                began = time.thread_time()
                settle(room.database, [_settled(mail, utc_now()) for mail in mails], timedelta(hours=24))
                settles.append((time.thread_time() - began) / len(mails))
    return {f"claim, a mail of {_BATCH}, {kind}": _median(claims), f"settle, a mail of {_BATCH}, {kind}": _median(settles)}


def _settled(mail: Claimed, now: datetime) -> Settled:
    return Settled(mail, _ACCEPTED, now)


def _median(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) // 2] * 1e6


def _cost(act: Callable[[], None], rounds: int = 5, times: int = 1000) -> float:
    """Microseconds of one call: the best of several rounds."""
    best = float("inf")
    for _round in range(rounds):
        began = time.thread_time()
        for _time in range(times):
            act()
        best = min(best, time.thread_time() - began)
    return best / times * 1e6


if __name__ == "__main__":
    sys.exit(main())
