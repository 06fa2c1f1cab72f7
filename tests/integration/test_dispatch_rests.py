"""After an answer about our pace: a rest, one connection, a climb; shared by all workers, kept over a restart, ended by an operator."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from publisher.db import Database
from publisher.deliver.dispatch.overview import resume, standings
from publisher.deliver.dispatch.sitting import Leave, Wait
from publisher.errors import PublisherError
from publisher.models import Delivery, Issue, NewsletterRow
from publisher.models_sending import Pace
from tests.dispatching import NOW, SLOWER, Desk, relay, settings


@pytest.fixture
def desk(database: Database) -> Desk:
    """A worker with one relay that is long warm."""
    return Desk(database, settings(relay("a", connections=3)))


def test_an_answer_of_google_rests_every_domain_of_google_and_no_other(desk: Desk) -> None:
    desk.hear(SLOWER)
    made = desk.ask(["gmail.com", "googlemail.com", "example.jp"])
    assert made == [Wait(NOW + timedelta(minutes=10), "gmail.com asked for a rest")] * 2 + [Leave("a")]
    assert desk.connections() == 3
    group = desk.dispatch.group_of("googlemail.com")
    assert group is not None
    assert desk.dispatch.most_of(group) == 0


def test_an_answer_of_the_relay_rests_the_relay(desk: Desk) -> None:
    desk.hear("421 4.7.0 too many connections", domain="")
    assert desk.many(3) == {"the relay a asked for a rest": 3}
    assert desk.connections() == 0


def test_while_one_relay_rests_another_takes_its_mails(database: Database) -> None:
    desk = Desk(database, settings(relay("a"), relay("b"), relay("new", warm_up=True, weight=1), warm_up={"start": 1000}))
    before = desk.many(900)
    desk.hear("421 slower", domain="", relay="a")
    after = desk.many(900)
    assert after["new"] == before["new"]
    assert after["b"] == before["a"] + before["b"]


def test_after_the_rest_a_few_then_more_each_minute_then_all(desk: Desk) -> None:
    """What waits is never told a moment after the end of the climb."""
    desk.hear(SLOWER)
    desk.pass_by(minutes=10)
    made = desk.ask(["gmail.com"] * 1000)
    assert sum(isinstance(one, Leave) for one in made) == 5
    assert max(one.until for one in made if isinstance(one, Wait)) == desk.now + timedelta(minutes=2)
    group = desk.dispatch.group_of("gmail.com")
    assert group is not None
    assert desk.dispatch.most_of(group) == 1
    desk.hear("250 ok", state="accepted")
    assert desk.many(1000, "gmail.com", first=1001) == {"pace of gmail.com": 1000}
    desk.pass_by(minutes=1)
    assert desk.many(100, "gmail.com", first=2001)["a"] == 10
    assert desk.dispatch.most_of(group) == 2
    desk.pass_by(minutes=1)
    assert desk.many(1000, "gmail.com", first=3001) == {"a": 1000}
    assert desk.dispatch.group_of("gmail.com") is None


def test_the_relay_climbs_by_one_connection_a_minute(desk: Desk) -> None:
    desk.hear("421 slower", domain="")
    desk.pass_by(minutes=10)
    assert desk.connections() == 1
    desk.pass_by(minutes=5)
    assert desk.connections() == 1
    desk.hear("250 ok", domain="example.jp", state="accepted")
    seen = []
    for _minute in range(4):
        seen.append(desk.connections())
        desk.pass_by(minutes=1)
    assert seen == [1, 2, 3, 3]
    desk.hear("421 slower", domain="")
    assert desk.ask(["example.jp"]) == [Wait(desk.now + timedelta(minutes=10), "the relay a asked for a rest")]


def test_a_failed_climb_rests_longer(desk: Desk) -> None:
    desk.hear(SLOWER)
    desk.pass_by(minutes=10)
    desk.hear("250 ok", state="accepted")
    desk.pass_by(minutes=1)
    desk.hear(SLOWER)
    desk.hear(SLOWER)
    assert desk.ask(["gmail.com"]) == [Wait(desk.now + timedelta(minutes=20), "gmail.com asked for a rest")]


def test_another_worker_knows_within_a_second_and_a_new_one_at_once(database: Database, desk: Desk) -> None:
    made = settings(relay("a", connections=3))
    other = Desk(database, made)
    assert other.many(5, "gmail.com") == {"a": 5}
    desk.hear(SLOWER)
    other.pass_by(seconds=1)
    assert other.many(5, "gmail.com") == {"gmail.com asked for a rest": 5}
    assert Desk(database, made).many(5, "gmail.com") == {"gmail.com asked for a rest": 5}


def test_workers_share_the_few_of_the_climb(database: Database, desk: Desk) -> None:
    desk.hear(SLOWER)
    other = Desk(database, settings(relay("a", connections=3)))
    for one in (desk, other):
        one.pass_by(minutes=10)
    assert desk.many(100, "gmail.com")["a"] + other.many(100, "gmail.com")["a"] == 5


def test_a_limit_that_is_slowed_is_slowed_as_a_whole(database: Database) -> None:
    desk = Desk(database, settings(relay("a"), limits=[{"name": "carriers", "domains": ["docomo.ne.jp", "au.com"], "connections": 2}]))
    desk.hear("421 docomo.ne.jp too many connections", domain="docomo.ne.jp")
    assert desk.many(2, "au.com") == {"carriers asked for a rest": 2}
    group = desk.dispatch.group_of("au.com")
    assert group is not None
    assert desk.dispatch.most_of(group) == 0
    desk.pass_by(minutes=10)
    desk.many(2, "au.com")
    assert desk.dispatch.most_of(group) == 1


def test_an_operator_ends_a_rest_and_what_waited_is_due(database: Database, desk: Desk) -> None:
    """Mails that wait for something else go on waiting."""
    desk.hear(SLOWER)
    wait, = desk.ask(["gmail.com"])
    assert isinstance(wait, Wait)
    with database.writing() as session:
        session.add(NewsletterRow(id=1, name="morning"))
        session.flush()
        session.add(Issue(id=1, newsletter_id=1, number=1, state="sending", created_at=NOW))
        usual = {"issue_id": 1, "edition_id": 1, "not_before": wait.until}
        session.add_all([Delivery(id=1, subscriber_id=1, reason=wait.reason, **usual), Delivery(id=2, subscriber_id=2, reason="pace of gmail.com", **usual)])
    assert resume(database, settings(relay("a")), "googlemail.com", NOW) == ["gmail.com"]
    with database.reading() as session:
        assert [row.not_before for row in session.scalars(select(Delivery).order_by(Delivery.id))] == [None, wait.until]
    desk.pass_by(seconds=1)
    assert desk.many(50, "gmail.com") == {"a": 50}
    with pytest.raises(PublisherError, match="nothing of the name gmail.com rests"):
        resume(database, settings(relay("a")), "gmail.com", NOW)


def test_an_operator_sees_who_rests_and_what_was_said(database: Database, desk: Desk) -> None:
    desk.many(7)
    desk.hear(SLOWER)
    desk.hear("421 slower", domain="")
    (one,), (receivers,) = standings(database, settings(relay("a", connections=3)), NOW)
    assert (one.name, one.place, one.given, one.allowance, one.connections, one.reason) == ("a", "a.example.net:25", 7, None, 0, "421 slower")
    assert (receivers.name, receivers.at_once, receivers.paused_until, receivers.reason) == ("gmail.com", 0, NOW + timedelta(minutes=10), SLOWER)
    later = NOW + timedelta(days=2)
    (one,), others = standings(database, settings(relay("a", warm_up=True)), later)
    assert (one.given, one.allowance, one.days, one.best, one.connections, one.paused_until) == (0, 1000, 1, 7, 4, None)
    assert others == []


def test_no_row_is_kept_for_those_who_asked_for_nothing(database: Database, desk: Desk) -> None:
    desk.hear("250 ok", state="accepted")
    desk.hear("450 4.2.0 Greylisted, try again in 300 seconds")
    with database.reading() as session:
        assert session.scalars(select(Pace)).all() == []
