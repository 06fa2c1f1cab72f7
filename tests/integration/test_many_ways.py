"""Everything at once, on seeded plans: relays and a provider that refuse, rest, hang up and lose answers, under limits. Nobody is lost, nothing hangs."""

import random
import threading
import time
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from publisher.db import Database
from publisher.deliver.control import resume
from publisher.deliver.dkim import make_key
from publisher.errors import PublisherError
from publisher.models import Edition
from publisher.text.slots import slot
from tests.mailing import Newsroom
from tests.providers import KEY, FakePostmark
from tests.relay import HANG_UP, Relay
from tests.several import entry, office

DOMAINS = ("gmail.com", "docomo.ne.jp", "example.jp", "example.com")
ODD = {"CONNECT": ["554 5.3.2 no service", "421 4.3.2 come back"], "MAIL": [HANG_UP, "451 4.3.0 try later", "452 4.3.1 no room"],
       "RCPT": [HANG_UP, "450 4.7.28 too many, gsmtp", "550 5.1.1 no such user", "451 4.7.1 grey-listed", "554 5.7.1 denied"],
       ".": [HANG_UP, "451 4.3.0 try later", "554 5.7.1 spam"]}


class Fitful:
    """A plan: something odd one time in twelve until it is well. `lost` counts the answers that it kept to itself."""

    def __init__(self, seed: int, well: threading.Event) -> None:
        self._rolled, self._well, self._lock, self.lost = random.Random(seed), well, threading.Lock(), 0

    def __call__(self, verb: str, _argument: str) -> str | None:
        with self._lock:
            if verb not in ODD or self._well.is_set() or self._rolled.random() >= 0.08:
                return None
            answer = self._rolled.choice(ODD[verb])
            self.lost += verb == "." and answer == HANG_UP
            return answer


def bring_to_an_end(room: Newsroom, well: threading.Event) -> int:
    """Send whenever something is due, resume when it was paused, and let the relays be well after five rounds; the rounds it took."""
    for number in range(60):
        if number == 5:
            well.set()
        began = time.monotonic()
        with suppress(PublisherError):
            room.send(secrets={"pm": KEY})
        assert time.monotonic() - began < 30
        if room.state() == "paused":
            resume(room.database, room.issue_id, room.clock())
        if room.state() == "sent":
            return number
        assert room.counts().sending == 0
        due = [row.not_before for row in room.rows().values() if row.not_before and row.state in ("queued", "deferred", "unknown")]
        room.clock.now = max(room.clock.now + timedelta(seconds=1), min(due, default=room.clock.now))
        room.clock.pass_by(timedelta(minutes=4))
    raise AssertionError(room.counts())


@pytest.mark.parametrize("seed", range(2))
def test_whatever_relays_do_every_row_ends_and_repeats_are_only_of_lost_answers(database: Database, tmp_path: Path, seed: int) -> None:
    """Three servers and a provider, limits on two groups, signatures in every second one."""
    well, readers = threading.Event(), [f"p{number}@{DOMAINS[number % 4]}" for number in range(120)]
    words = random.Random(seed).choices(["", "", "429", "cut", "cut before", "taken 500"], k=6)
    sections: dict[str, Any] = {"limits": [{"name": "google", "domains": ["gmail.com"], "connections": 2},
                                           {"name": "carriers", "domains": ["docomo.ne.jp"], "per_second": 40, "connections": 1}]}
    if seed % 2:
        make_key(tmp_path / "state" / "dkim.pem")
        sections["dkim"] = {"selector": "p1"}
    plans = [Fitful(seed + 100 * number, well) for number in range(3)]
    with Relay(plans[0]) as one, Relay(plans[1]) as other, Relay(plans[2]) as small, FakePostmark(plan=list(words)) as postmark:
        relays = [entry("one", one, connections=3), entry("other", other, connections=2, per_connection=5), entry("small", small, connections=1, weight=0),
                  entry("pm", "postmark://broadcast", endpoint=postmark.url, connections=2)]
        room = office(database, tmp_path, relays, readers, mail={"slice_size": 70}, **sections)
        bring_to_an_end(room, well)
    taken, ids = Counter[str](), defaultdict(set)
    for address, message_id in [*((mail.recipient, mail.message_id) for relay in (one, other, small) for mail in relay.taken),
                                *((mail.to, mail.headers["message-id"]) for mail in postmark.mailbox)]:
        taken[address] += 1
        ids[address].add(message_id)
    assert all(len(found) == 1 for found in ids.values())
    rows = room.rows()
    assert {row.state for row in rows.values()} <= {"accepted", "refused"}
    assert {address for address, row in rows.items() if row.state == "accepted"} <= set(taken)
    assert Counter(row.state for row in rows.values())["accepted"] >= 90
    # One mail for each answer that was lost, or fifty for one of the provider's.
    lost = sum(word in ("cut", "taken 500") for word in words) * 50 + sum(plan.lost for plan in plans)
    assert sum(taken.values()) - len(taken) <= lost


@pytest.mark.parametrize("signed", [False, True])
def test_a_fault_of_ours_in_the_middle_ends_the_call_and_nothing_stays_in_hand(database: Database, tmp_path: Path, signed: bool) -> None:
    """A mail with a hole never leaves: also where mails are written ahead by other threads, the fault comes up, and the rows wait as they were."""
    make_key(tmp_path / "state" / "dkim.pem")
    with Relay() as relay:
        room = office(database, tmp_path, [entry("one", relay)], 60, **({"dkim": {"selector": "p1"}} if signed else {}))
        with database.writing() as session:
            session.execute(update(Edition).values(text=slot("weather")))
        began = time.monotonic()
        with pytest.raises(KeyError, match="weather"):
            room.send()
        assert time.monotonic() - began < 10
    assert relay.taken == []
    assert {(row.state, row.attempts) for row in room.rows().values()} == {("queued", 0)}
