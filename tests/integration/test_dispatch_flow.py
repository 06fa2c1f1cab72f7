"""A whole issue under a limit, two workers and a clock that is moved: the limit is used to the full, and no mail is asked about again and again."""

from collections import Counter
from datetime import datetime, timedelta

from publisher.db import Database
from publisher.deliver.dispatch.sitting import Leave
from tests.dispatching import NOW, SLOWER, Desk, relay, settings

AT_ONCE = 50


class Flow:
    """Workers that claim what is due, fifty at a time, twice a second."""

    def __init__(self, *desks: Desk, mails: int, domain: str) -> None:
        self.desks, self.domain, self.now = desks, domain, NOW
        self.queues = [{number: NOW for number in range(mails * place, mails * (place + 1))} for place in range(len(desks))]
        self.asked: Counter[int] = Counter()
        self.left: list[datetime] = []

    def tick(self) -> None:
        """Half a second of work."""
        for desk, queue in zip(self.desks, self.queues, strict=True):
            desk.now = self.now
            while batch := [number for number, due in queue.items() if due <= self.now][:AT_ONCE]:
                with desk.database.writing() as session:
                    decided = desk.dispatch.decide(session, [(number, self.domain) for number in batch], self.now)
                self.asked.update(batch)
                for number, one in zip(batch, decided, strict=True):
                    if isinstance(one, Leave):
                        del queue[number]
                        self.left.append(self.now)
                    else:
                        queue[number] = one.until
        self.now += timedelta(seconds=0.5)

    def run(self) -> float:
        """To the end; returns after how many seconds the last mail left."""
        while any(self.queues):
            self.tick()
            assert self.now - NOW < timedelta(hours=1)
        return (self.left[-1] - NOW).total_seconds()


def test_a_limit_is_used_to_the_full_and_each_mail_is_asked_about_twice(database: Database) -> None:
    """600 mails at 20 a second take 30 seconds, whoever sends them."""
    made = settings(relay("a"), limits=[{"name": "carriers", "domains": ["docomo.ne.jp"], "per_second": 20}])
    flow = Flow(Desk(database, made), Desk(database, made), mails=300, domain="docomo.ne.jp")
    assert 28 <= flow.run() <= 32
    assert max(flow.asked.values()) <= 3
    assert sum(flow.asked.values()) <= 2 * 600


def test_a_worker_that_dies_leaves_a_hole_and_no_rush(database: Database) -> None:
    """One of two is gone for ten seconds and comes back: never more than the rate and a burst in any second."""
    made = settings(relay("a"), limits=[{"name": "carriers", "domains": ["docomo.ne.jp"], "per_second": 20}])
    flow = Flow(Desk(database, made), Desk(database, made), mails=300, domain="docomo.ne.jp")
    for _tick in range(10):
        flow.tick()
    gone, flow.queues[1] = flow.queues[1], {}
    for _tick in range(20):
        flow.tick()
    flow.desks, flow.queues[1] = (flow.desks[0], Desk(database, made)), gone
    assert flow.run() <= 45
    assert max(Counter(int((moment - NOW).total_seconds()) for moment in flow.left).values()) <= 40
    assert max(flow.asked.values()) <= 6


def test_what_waited_for_a_rest_is_through_soon_after_the_climb(database: Database) -> None:
    """500 mails to receivers who asked for a rest: ten minutes, a climb of two, and each is asked about a few times only."""
    made = settings(relay("a", connections=3))
    desk = Desk(database, made)
    desk.hear(SLOWER)
    flow = Flow(desk, mails=500, domain="gmail.com")
    while not flow.left:
        flow.tick()
    desk.hear("250 ok", state="accepted")
    assert (flow.left[0] - NOW) == timedelta(minutes=10)
    assert flow.run() <= 12 * 60 + 5
    assert max(flow.asked.values()) <= 6
