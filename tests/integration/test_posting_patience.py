"""A network that is down, or that shows no timeline, is asked in growing pauses, and the asking has an end."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from publisher.channels.outbox import Outbox
from publisher.db import Database
from publisher.deliver.posting import PostCounts, retry_post
from publisher.errors import PublisherError
from tests.fake_x import FakeX
from tests.mailing import START, Clock
from tests.posting import Desk, opened

HOUR = timedelta(hours=1)
# Rules in Python over queries that the tests of posting run on PostgreSQL too.
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[Desk]:
    """A desk with one account on X."""
    clock = Clock()
    with FakeX(clock) as x:
        yield opened(database, tmp_path, x, clock)


def minutes_of(desk: Desk, span: timedelta, post_id: int) -> None:
    """A round each minute, as the service makes them, with this one post."""
    end = desk.clock() + span
    while desk.clock() < end:
        desk.go(post_ids=[post_id])
        desk.clock.pass_by(timedelta(seconds=61))


@on_sqlite
def test_a_network_that_is_down_is_not_asked_each_minute(desk: Desk) -> None:
    """Every attempt may cost money and may have been taken: two hours of 503 see five of them, each after a look, and then the post is made."""
    post = desk.posts()[0]
    desk.x.plan = ["503"] * 100
    minutes_of(desk, 2 * HOUR, post.id)
    assert desk.x.log.count("POST /2/tweets") == 5
    assert (desk.states()[0], desk.x.posts) == ("unknown", [])
    desk.x.plan = []
    desk.clock.pass_by(5 * HOUR)
    assert desk.go(post_ids=[post.id]) == PostCounts(accepted=1)


def test_unknown_outcomes_are_given_up_after_about_a_day(desk: Desk) -> None:
    """After nine attempts and a last look that finds nothing a person sees the post as refused, with what X answered; a retry begins anew."""
    post = desk.posts()[0]
    desk.x.plan = ["503"] * 9
    while desk.go(post_ids=[post.id]).refused == 0:
        desk.clock.now = desk.posts()[0].not_before or START
    found = desk.posts()[0]
    assert (found.state, found.attempts, found.reason) == ("refused", 9, "X answered 503")
    assert timedelta(hours=18) < desk.clock() - START < timedelta(hours=30)
    assert desk.x.log.count("POST /2/tweets") == 9
    retry_post(desk.database, post.id, desk.clock())
    assert desk.go(post_ids=[post.id]) == PostCounts(accepted=1)


@on_sqlite
def test_the_last_attempt_that_was_taken_is_found_and_not_given_up(desk: Desk) -> None:
    """The look comes before the giving up."""
    post = desk.posts()[0]
    desk.x.plan = ["503"] * 8 + ["503 taken"]
    for _ in range(10):
        desk.go(post_ids=[post.id])
        desk.clock.now = desk.posts()[0].not_before or START
    assert (desk.states()[0], desk.on_x()) == ("accepted", {post.text: 1})


@on_sqlite
def test_a_timeline_that_cannot_be_read_is_not_asked_each_minute(desk: Desk) -> None:
    """X charges for looks. However long it takes, nothing is made without one: two days see fewer than thirty looks, and no second post."""
    post = desk.posts()[0]
    desk.x.plan, desk.x.looking = ["503 taken"], ["403"] * 1000
    minutes_of(desk, 48 * HOUR, post.id)
    assert sum(line.startswith("GET") for line in desk.x.log) < 30
    assert (desk.states()[0], desk.x.log.count("POST /2/tweets")) == ("unknown", 1)
    desk.x.looking = []
    desk.clock.pass_by(6 * HOUR)
    assert desk.go(post_ids=[post.id]) == PostCounts(accepted=1)
    assert desk.on_x() == {post.text: 1}


def test_a_post_of_a_cancelled_issue_cannot_be_retried(desk: Desk) -> None:
    """It would be queued and wait for ever."""
    post = desk.posts()[0]
    desk.set(post, state="refused")
    desk.issue("cancelled")
    with pytest.raises(PublisherError, match="cancelled and cannot be tried again"):
        retry_post(desk.database, post.id, START)
    assert desk.states()[0] == "refused"


@on_sqlite
@pytest.mark.parametrize("written", [True, False])
def test_a_file_of_a_cancelled_issue_is_told_as_it_is(desk: Desk, written: bool) -> None:
    """A dry run that died in mid-post: the file is there and counts, or is not and the post is skipped."""
    post = desk.posts("zz-dry")[0]
    if written:
        Outbox(desk.settings.root / "outbox").post(post.id, post.text, START)
    desk.set(post, state="sending", attempts=1, started_at=START)
    desk.issue("cancelled")
    desk.later()
    assert desk.states("zz-dry")[0] == ("accepted" if written else "skipped")
