"""The run of a rehearsal: starts the sender, kills it, cuts it off, starts it again, until the issue is at its end."""

import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from sqlalchemy import select

from publisher.i18n import _
from publisher.models import Delivery
from publisher.rehearsal import child
from publisher.rehearsal.judgement import Evidence, Judgement, Row, judge
from publisher.rehearsal.plan import Moment, Plan
from publisher.rehearsal.relay import EvilRelay
from publisher.rehearsal.scratch import cut_connections
from publisher.rehearsal.senders import KILLED, Senders
from publisher.rehearsal.stage import PATIENCE, Stage, traces

Progress = Callable[[int, int], None]
# How often in a row a sender may end by itself, and how long it may do nothing (seconds), before the rehearsal is given up.
_ENDS, _STALL = 8, 60.0
_BLINK = 0.05
_HOLD = {"cut": 0.4, "long cut": PATIENCE * 1.5}


@dataclass(slots=True)
class Course:
    """What happened: which process (by its number, from 1) was killed and cut off how often, and who was gone from which process on."""

    kills: Counter[int] = field(default_factory=Counter)
    cuts: Counter[int] = field(default_factory=Counter)
    gone: dict[int, int] = field(default_factory=dict)
    traces: set[str] = field(default_factory=set)
    processes: int = 0
    seconds: float = 0.0
    memory: float = 0.0
    trouble: str | None = None


class Rehearsal:
    """One rehearsal on a stage. `run` once, then `judgement`."""

    def __init__(self, stage: Stage, relay: EvilRelay, plan: Plan) -> None:
        self._stage, self._relay, relay.plan = stage, relay, plan
        self._moments = plan.moments()
        self._leavers = plan.leavers(stage.people.readers)
        self.course = Course()
        self._cutting: threading.Thread | None = None

    def run(self, progress: Progress) -> None:
        """Send the issue to its end; whatever ends this ends the sender too."""
        began = time.monotonic()
        stage, course = self._stage, self.course
        stage.leave(self._leavers.left, stage.began)
        stage.suppress(self._leavers.suppressed, stage.began)
        course.gone = dict.fromkeys((*self._leavers.left, *self._leavers.suppressed), 1)
        with Senders(stage) as senders:
            self._send_on(senders, progress)
        course.seconds = time.monotonic() - began

    def _send_on(self, senders: Senders, progress: Progress) -> None:
        """One sender after another, until one has come to the end of the issue."""
        course, ends = self.course, 0
        while not course.trouble:
            course.processes += 1
            self._relay.process = course.processes
            senders.begin()
            code = self._accompany(senders, progress)
            self._after(code == KILLED)
            if code == child.DONE:
                return
            # One whose database was cut off may end by itself; one that does so again and again gets nowhere.
            ends = 0 if code == KILLED else ends + 1
            if ends > _ENDS:
                course.trouble = senders.last_words()

    def _accompany(self, senders: Senders, progress: Progress) -> int:
        """Watch a sender to its end, doing to it what the plan says; its exit code."""
        relay, last, moved = self._relay, -1, time.monotonic()
        while True:
            relay.ring_at(self._moments[0].after if self._moments else sys.maxsize)
            while not relay.bell.wait(_BLINK):
                progress(len(relay.record.takes), self._stage.rows)
                self.course.memory = max(self.course.memory, senders.memory())
                code = senders.ended()
                if code is not None:
                    return code
                if relay.record.seen != last:
                    last, moved = relay.record.seen, time.monotonic()
                elif time.monotonic() - moved > _STALL:
                    self.course.trouble = _("no mail for %(n)s seconds", n=int(_STALL))
                    return senders.kill()
            moment = self._moments.pop(0)
            time.sleep(moment.delay)
            if moment.kind != "kill":
                self._cut(moment)
                continue
            self.course.memory = max(self.course.memory, senders.memory())
            code = senders.kill()
            if code == KILLED:
                self.course.kills[self.course.processes] += 1
            else:
                # It had ended by itself in this very moment: the next one is meant.
                self._moments.insert(0, Moment("kill", 0, 0.0))
            return code

    def _cut(self, moment: Moment) -> None:
        self.course.cuts[self.course.processes] += 1
        if not self._stage.database.is_sqlite:
            cut_connections(self._stage.database, self._stage.place)
            return
        if self._cutting is not None:
            self._cutting.join()
        self._cutting = threading.Thread(target=self._hold_lock, args=(_HOLD[moment.kind],), daemon=True)
        self._cutting.start()

    def _hold_lock(self, seconds: float) -> None:
        """Nobody else can write to SQLite for a while."""
        with closing(sqlite3.connect(str(self._stage.database.engine.url.database), timeout=30, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            other.execute("ROLLBACK")

    def _after(self, killed: bool) -> None:
        """What is done while no sender lives: wait until the relay has read what the dead one sent, look for addresses, let somebody leave."""
        if self._cutting is not None:
            self._cutting.join()
            self._cutting = None
        deadline = time.monotonic() + 5
        while self._relay.open_now and time.monotonic() < deadline:
            time.sleep(0.002)
        self.course.traces.update(traces(self._stage))
        number = self.course.kills.total()
        later = self._leavers.later[number - 1:number]
        if killed and later:
            self._stage.leave(later, self._stage.began)
            self.course.gone |= dict.fromkeys(later, self.course.processes + 1)

    def judgement(self) -> Judgement:
        """Compare the ledger with what the relay saw."""
        stage, course = self._stage, self.course
        allowed = {number: stage.bound * (course.kills[number] + course.cuts[number]) for number in range(1, course.processes + 1)}
        with stage.database.reading() as session:
            rows = (Row(*row) for row in session.execute(
                select(Delivery.subscriber_id, Delivery.state, Delivery.reason).where(Delivery.issue_id == stage.issue_id),
                execution_options={"yield_per": 5000}))
            return judge(Evidence(rows, stage.people.readers, self._relay.record, allowed, course.gone, course.traces, stage.holds, course.memory,
                                  course.trouble))

