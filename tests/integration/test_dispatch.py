"""Which relay takes each mail, and when: what the rows that all workers share make of routes, limits and warm-up."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select

from publisher.db import Database
from publisher.deliver.dispatch.dispatch import Dispatch
from publisher.deliver.dispatch.routes import NoRelay
from publisher.deliver.dispatch.sitting import Leave, Wait
from publisher.deliver.verdict import Verdict
from publisher.models import Delivery, Issue, NewsletterRow
from publisher.models_sending import Pace, RelayDay
from tests import composing
from tests.dispatching import NOW, Desk, given, history, relay, settings

TOMORROW = datetime(2025, 12, 6, tzinfo=UTC)


def test_a_single_relay_takes_all_and_each_is_counted(database: Database) -> None:
    """At the cost of one statement for a batch, and a look at the rows once a second."""
    desk = Desk(database, settings(relay("a")))
    desk.ask(["example.jp"] * 10)
    said: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda _c, _cursor, statement, *_more: said.append(statement))
    assert desk.ask(["example.jp"] * 500, first=11) == [Leave("a")] * 500
    assert [statement.split()[0] for statement in said if "BEGIN" not in statement] == ["INSERT"]
    desk.pass_by(seconds=1)
    said.clear()
    desk.ask(["example.jp"] * 500, first=511)
    assert [statement.split()[0] for statement in said if "BEGIN" not in statement] == ["SELECT", "INSERT"]
    assert given(database) == 1010


def test_each_mail_takes_its_route_and_the_counts_say_which(database: Database) -> None:
    desk = Desk(database, settings(relay("a", weight=3), relay("b"), relay("carrier", domains=["docomo.ne.jp"]), relay("paper", newsletters=["other"]),
                                   newsletters=[{"name": "morning", "list": "daily"}, {"name": "other", "list": "daily"}]))
    made = desk.ask(["docomo.ne.jp", "example.jp"] * 400)
    assert all(one == Leave("carrier") for one in made[::2])
    shares = Counter(one.relay for one in made[1::2] if isinstance(one, Leave))
    assert set(shares) == {"a", "b"}
    assert 250 < shares["a"] < 350
    assert {name: given(database, name) for name in ("a", "b", "carrier", "paper")} == dict(shares) | {"carrier": 400, "paper": 0}
    assert desk.ask(["docomo.ne.jp", "example.jp"] * 400) == made


def test_a_relay_that_is_down_is_not_used_and_all_down_is_said(database: Database) -> None:
    desk = Desk(database, settings(relay("a"), relay("b"), relay("carrier", domains=["docomo.ne.jp"])))
    assert desk.many(100, down={"a"}) == {"b": 100}
    with pytest.raises(NoRelay, match="no relay takes mail now: a, b, carrier"):
        desk.many(100, down={"a", "b", "carrier"})
    assert desk.ask(["docomo.ne.jp", "example.jp"], down={"carrier", "a"}) == [
        Wait(NOW + timedelta(minutes=5), "the relay carrier takes no mail now"), Leave("b")]
    assert given(database, "b") == 101


def test_a_single_relay_that_is_down_is_said(database: Database) -> None:
    desk = Desk(database, settings(relay("a")))
    with pytest.raises(NoRelay):
        desk.many(3, down={"a"})
    assert given(database) == 0


def test_mails_beyond_a_limit_get_the_moment_at_which_they_leave(database: Database) -> None:
    """Mails to others are not held back with them."""
    desk = Desk(database, settings(relay("a"), limits=[{"name": "carriers", "domains": ["docomo.ne.jp", "au.com"], "per_second": 10}]))
    made = desk.ask(["docomo.ne.jp", "au.com", "example.jp"] * 20)
    assert sum(isinstance(one, Leave) for one in made) == 20 + 10
    waits = [one for one in made if isinstance(one, Wait)]
    assert {one.reason for one in waits} == {"pace of carriers"}
    assert [one.until for one in waits] == [NOW + timedelta(seconds=number / 10) for number in range(1, 31)]
    desk.now = waits[-1].until
    assert desk.many(1, "au.com") == {"a": 1}


def test_a_limit_goes_on_after_a_restart_as_if_there_had_been_none(database: Database) -> None:
    made = settings(relay("a", per_second=5))
    before = Desk(database, made).ask(["example.jp"] * 20)
    after = Desk(database, made).ask(["example.jp"] * 20, first=21)
    assert sum(isinstance(one, Leave) for one in before) == 5
    assert [one.until for one in after if isinstance(one, Wait)] == [NOW + timedelta(seconds=number / 5) for number in range(16, 36)]


def test_two_limits_at_once_hold_both(database: Database) -> None:
    desk = Desk(database, settings(relay("a", per_second=20), limits=[{"name": "carriers", "domains": ["docomo.ne.jp"], "per_second": 2}]))
    assert desk.many(50, "docomo.ne.jp") == {"a": 2, "pace of carriers": 48}
    assert desk.many(50, first=51) == {"a": 18, "pace of a": 32}


def test_workers_share_a_limit(database: Database) -> None:
    """Four at once, each with a dispatch of its own: together they let go what one may."""
    made = settings(relay("a"), limits=[{"name": "carriers", "domains": ["docomo.ne.jp"], "per_second": 40}, {"name": "mobile", "domains": ["au.com"], "per_second": 7}])
    found = at_once(database, made, lambda number: ["docomo.ne.jp", "au.com"] * 25 if number % 2 else ["au.com", "docomo.ne.jp"] * 25)
    assert sum(isinstance(one, Leave) for one in found) == 47
    moments = [one.until for one in found if isinstance(one, Wait) and one.reason == "pace of carriers"]
    assert len(set(moments)) == len(moments) == 4 * 5 * 25 - 40


def at_once(database: Database, made: composing.Settings, domains: Callable[[int], list[str]]) -> list[Leave | Wait]:
    """Five batches of each of four workers, at the same moment, each with answers about its pace and mails that it gives back."""
    found: list[Leave | Wait] = []
    faults: list[BaseException] = []

    def work(number: int) -> None:
        desk = Desk(database, made)
        try:
            for batch in range(5):
                found.extend(desk.ask(domains(number), first=1 + 1000 * number + 100 * batch))
                answers = [("z", domain, Verdict("deferred", "421 slower")) for domain in ("", "elsewhere.example", f"w{number}.example")]
                with database.writing() as session:
                    desk.dispatch.heard(session, answers if number % 2 else answers[::-1], NOW)
                    desk.dispatch.give_back(session, {"z": 1, "a": 0}, NOW)
        except BaseException as error:  # what went wrong in a thread is shown by the test
            faults.append(error)

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    return found


def test_a_relay_without_history_is_given_its_start_and_the_others_wait_for_tomorrow(database: Database) -> None:
    desk = Desk(database, settings(relay("a", warm_up=True)))
    assert desk.many(400) == {"a": 400}
    assert desk.many(400, first=401) == {"a": 100, "warming up the relay a": 300}
    assert desk.ask(["example.jp"]) == [Wait(TOMORROW, "warming up the relay a")]
    desk.now = TOMORROW
    assert desk.many(1500) == {"a": 1000, "warming up the relay a": 500}
    assert given(database) == 500
    assert given(database, day="2025-12-06") == 1000


def test_workers_share_the_allowance_of_a_relay(database: Database) -> None:
    """Twenty batches of 50 over four workers at the same moment: 500, not one more."""
    made = settings(relay("a", warm_up=True), relay("b", warm_up=True, weight=2), warm_up={"start": 150})
    found = at_once(database, made, lambda _number: ["example.jp"] * 50)
    assert Counter(one.relay for one in found if isinstance(one, Leave)) == {"a": 150, "b": 150}
    assert given(database, "a") == given(database, "b") == 150


def test_readers_above_the_allowance_take_a_relay_with_history(database: Database) -> None:
    history(database, "old", 50_000)
    desk = Desk(database, settings(relay("new", warm_up=True), relay("old", warm_up=True), relay("spare", weight=0)))
    found = desk.many(3000)
    assert found["new"] == 500
    assert found["old"] == 2500


def test_a_relay_that_once_was_given_the_ceiling_is_given_all(database: Database) -> None:
    history(database, "a", 20, 50, 0)
    assert Desk(database, settings(relay("a", warm_up=True), warm_up={"start": 10, "ceiling": 50})).many(1000) == {"a": 1000}


def test_days_on_which_a_relay_was_not_used_do_not_count(database: Database) -> None:
    history(database, "a", 3, 0, 0, 4)
    assert Desk(database, settings(relay("a", warm_up=True))).many(3000)["a"] == 2000


def test_what_was_not_given_after_all_is_no_part_of_the_day(database: Database) -> None:
    desk = Desk(database, settings(relay("a", warm_up=True)))
    assert desk.many(500) == {"a": 500}
    with database.writing() as session:
        desk.dispatch.give_back(session, {"a": 120}, NOW)
    assert desk.many(500, first=501)["a"] == 120
    with database.writing() as session:
        desk.dispatch.give_back(session, Counter({"a": 9999, "b": 1}), NOW)
    assert given(database) == 0


def sent_before(database: Database, *days_ago: int, mails: int = 700, relay_name: str | None = None) -> None:
    """Issues that left on earlier days, before relays were counted."""
    with database.writing() as session:
        session.add(NewsletterRow(id=1, name="morning"))
        session.flush()
        for number, ago in enumerate(days_ago, 1):
            started = NOW - timedelta(days=ago)
            session.add(Issue(id=number, newsletter_id=1, number=number, state="sent", created_at=started, started_at=started))
            session.add_all([Delivery(issue_id=number, edition_id=1, subscriber_id=reader, state="accepted" if reader else "refused", relay=relay_name)
                             for reader in range(mails + 1)])


def test_an_older_installation_has_its_history(database: Database) -> None:
    """What it sent before days were counted is its one relay's; it is counted once."""
    sent_before(database, 3, 2, 2, 0)
    desk = Desk(database, settings(warm_up={"start": 500, "growth": 2}))
    assert desk.many(3000)["mail"] == 2000
    with database.reading() as session:
        rows = {day: mails for day, mails in session.execute(select(RelayDay.day, RelayDay.given).where(RelayDay.relay == "mail"))}
    assert rows == {"2025-12-02": 700, "2025-12-03": 1400, "2025-12-05": 2000}
    assert Desk(database, settings()).many(10, first=3001) == {"warming up the relay mail": 10}


def test_a_history_is_not_lost_with_the_transaction_that_found_it(database: Database) -> None:
    sent_before(database, 3, 2)
    desk = Desk(database, settings())

    def interrupted() -> None:
        with database.writing() as session:
            desk.dispatch.decide(session, [(1, "example.jp")], NOW)
            raise ZeroDivisionError

    for _try in range(2):
        with pytest.raises(ZeroDivisionError):
            interrupted()
    assert desk.connections("mail") == 4
    assert desk.many(3000)["mail"] == 2000
    assert given(database, "mail", "2025-12-03") == 700


def test_nobody_guesses_which_of_several_relays_has_the_history(database: Database) -> None:
    sent_before(database, 3, 2)
    assert Desk(database, settings(relay("a", warm_up=True), relay("b", weight=0))).many(3000)["a"] == 500


def test_a_new_relay_has_no_history_of_the_one_before_it(database: Database) -> None:
    """Mails that name their relay were counted when they left."""
    sent_before(database, 3, 2, relay_name="mail")
    assert Desk(database, settings(relay("a", warm_up=True))).many(3000)["a"] == 500


def test_mails_on_the_wire_are_bounded_where_a_limit_says_so(database: Database) -> None:
    made = settings(relay("a"), limits=[{"name": "carriers", "domains": ["docomo.ne.jp"], "connections": 2}, {"name": "slow", "domains": ["au.com"], "per_second": 3}])
    dispatch = Dispatch(made, "morning")
    group = dispatch.group_of("docomo.ne.jp")
    assert group is not None
    assert dispatch.most_of(group) == 2
    assert dispatch.group_of("au.com") is None
    assert dispatch.group_of("example.jp") is None


def test_accepted_mails_cost_no_statement_while_nothing_is_slowed(database: Database) -> None:
    desk = Desk(database, settings(relay("a")))
    desk.many(10)
    said: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda _c, _cursor, statement, *_more: said.append(statement))
    with database.writing() as session:
        desk.dispatch.heard(session, [("a", "example.jp", Verdict("accepted", "250 ok")), ("a", "example.jp", Verdict("refused", "550 no such user"))] * 250, NOW)
    assert [statement for statement in said if "BEGIN" not in statement] == []
    with database.reading() as session:
        assert session.scalars(select(Pace)).all() == []
