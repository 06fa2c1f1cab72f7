"""Posts are made once each: through lost answers, crashes, limits and refusals, and no account waits for another."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from publisher.channels.base import Posted
from publisher.channels.x import X
from publisher.db import Database
from publisher.deliver.posting import PostCounts, retry_post
from publisher.errors import PublisherError
from publisher.locks import hold
from publisher.settings_secrets import Credentials
from tests.fake_x import FakeX, keys
from tests.mailing import START, Clock
from tests.posting import Desk, opened

MINUTE = timedelta(minutes=1)
# Rules in Python over queries that the other tests run on PostgreSQL too.
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[Desk]:
    """A desk with one account on X."""
    clock = Clock()
    with FakeX(clock) as x:
        yield opened(database, tmp_path, x, clock)


def test_due_posts_are_made_once_and_in_their_order(desk: Desk) -> None:
    """A second round finds nothing to do. Where a post stands is kept, and its story counts as told."""
    assert desk.told() == [False] * 3
    assert desk.go() == PostCounts(accepted=6)
    assert desk.go() == PostCounts()
    posts = desk.posts()
    assert desk.x.texts() == [post.text for post in posts]
    assert [(post.state, post.attempts, post.external_id) for post in posts] == [("accepted", 1, made.id) for made in desk.x.posts]
    assert posts[0].permalink == f"https://x.com/i/status/{desk.x.posts[0].id}"
    assert desk.told() == desk.told("zz-dry") == [True] * 3
    assert len(list((desk.settings.root / "outbox").iterdir())) == 3


def test_nothing_is_made_before_the_issue_is_sent(desk: Desk) -> None:
    """No request leaves; once it is sent, everything is made."""
    for state in ("draft", "ready", "approved", "paused", "cancelled", "skipped"):
        desk.issue(state)
        assert desk.go() == PostCounts()
    assert desk.x.log == []
    desk.issue("sent")
    assert desk.go().accepted == 6


def test_only_the_posts_that_were_asked_for_are_made(desk: Desk) -> None:
    """By issue, by id, and not before their moment."""
    first, second, third = desk.posts()
    assert desk.go(issue_id=desk.issue_id + 1) == PostCounts()
    assert desk.go(post_ids=[second.id]) == PostCounts(accepted=1)
    assert desk.x.texts() == [second.text]
    assert desk.go(post_ids=[first.id, second.id]) == PostCounts(accepted=1)
    desk.set(third, not_before=START + MINUTE)
    assert desk.go(post_ids=[third.id]) == PostCounts()
    assert desk.later(MINUTE) == PostCounts(accepted=4)


def test_the_intent_is_written_down_before_the_request_leaves(desk: Desk) -> None:
    """At the moment the post arrives at X its row says `sending`: a crash from here on is seen."""
    seen: list[str] = []
    desk.x.on_post = lambda text: seen.extend(post.state for post in desk.posts() if post.text == text)
    desk.go()
    assert seen == ["sending"] * 3


def test_a_post_that_was_skipped_at_the_last_moment_is_not_made(desk: Desk) -> None:
    """Somebody cancels between the look at the row and the attempt: the first to write wins. The clock is the moment in between."""
    post, asked = desk.posts()[0], iter(range(1000))

    def clock() -> datetime:
        if next(asked) == 4:  # after the looks at what is due (of two accounts), whether this database may send, and what is still due
            desk.set(post, state="skipped")
        return START

    desk.clock = clock  # type: ignore[assignment]
    assert desk.go(post_ids=[post.id]) == PostCounts(skipped=1)
    assert (desk.states()[0], desk.x.posts) == ("skipped", [])


@pytest.mark.parametrize("lag", [timedelta(0), timedelta(seconds=20)])
def test_a_crash_after_the_request_is_settled_by_the_timeline(desk: Desk, lag: timedelta) -> None:
    """The row stayed in `sending` and the post is there, shown at once or a little later: it is found, and never made again."""
    post = desk.posts()[0]
    made = desk.x.take("main", post.text)
    desk.x.lag = lag
    desk.set(post, state="sending", attempts=1, started_at=START)
    desk.go()
    assert desk.states()[0] == ("unknown" if lag else "accepted")
    desk.later()
    found = desk.posts()[0]
    assert (found.state, found.external_id, found.attempts) == ("accepted", made and made.id, 1)
    assert desk.on_x()[post.text] == 1
    assert desk.x.log.count("POST /2/tweets") == 2
    assert desk.told() == [True] * 3


def test_a_crash_before_the_request_is_made_good_after_a_minute(desk: Desk) -> None:
    """Before 60 seconds absence from the timeline is no fact."""
    post = desk.posts()[0]
    desk.set(post, state="sending", attempts=1, started_at=START)
    desk.clock.pass_by(timedelta(seconds=59))
    assert desk.go(post_ids=[post.id]) == PostCounts(unknown=1)
    assert desk.x.posts == []
    assert desk.go(post_ids=[post.id]) == PostCounts()
    desk.clock.pass_by(timedelta(seconds=1))
    assert desk.go(post_ids=[post.id]) == PostCounts(accepted=1)
    assert desk.on_x() == {post.text: 1}


@pytest.mark.parametrize("words", [("cut", "cut before", "stall"), ("503 taken", "503", "empty")])
def test_an_unknown_outcome_ends_with_one_post(desk: Desk, words: tuple[str, ...]) -> None:
    """Taken or not, the next round finds it or makes it. Nothing counts as told before."""
    desk.x.plan = list(words)
    assert desk.go() == PostCounts(accepted=3, unknown=3)
    assert desk.told() == [False] * 3
    assert desk.go() == PostCounts()
    assert desk.later() == PostCounts(accepted=3)
    assert desk.on_x() == {post.text: 1 for post in desk.posts()}
    assert all(post.external_id for post in desk.posts())


@on_sqlite
def test_an_unknown_outcome_waits_for_a_timeline_that_can_be_read(desk: Desk) -> None:
    """Without a look nothing is made again, however long that takes."""
    desk.x.plan, desk.x.looking = ["503 taken"], ["503", "cut", "403", "empty"]
    desk.go()
    for minutes in (2, 3, 5, 8):
        assert desk.later(MINUTE * minutes) == PostCounts(unknown=1)
    assert desk.later(MINUTE * 13) == PostCounts(accepted=1)
    assert desk.on_x()[desk.posts()[0].text] == 1


def test_too_many_requests_put_the_account_off(desk: Desk) -> None:
    """After the 429 no request leaves until the moment X named, not even for the account's other posts; then all are made."""
    desk.x.plan, desk.x.reset = ["", "429"], START + timedelta(minutes=10)
    assert desk.go() == PostCounts(accepted=4, deferred=1)
    assert (desk.states(), desk.wait_until()) == (["accepted", "deferred", "queued"], desk.x.reset)
    asked = len(desk.x.log)
    assert desk.later(timedelta(minutes=9)) == PostCounts()
    assert len(desk.x.log) == asked
    assert desk.later(MINUTE) == PostCounts(accepted=2)


def unreachable() -> X:
    """The account, at a port where nobody listens."""
    return X.with_oauth1(Credentials(keys()), api="http://127.0.0.1:9", timeout=(0.2, 0.2))


@on_sqlite
def test_waiting_because_x_said_so_uses_up_no_attempt(desk: Desk) -> None:
    """A day of 429 is followed by one plain failure: the post is deferred, not given up."""
    desk.x.plan = ["429"] * 12
    for _ in range(12):
        assert desk.later(timedelta(minutes=16)).deferred == 1
    well, desk.channels["main"] = desk.channels["main"], unreachable()
    assert desk.later(timedelta(minutes=16)).refused == 0
    desk.channels["main"] = well
    assert desk.later(timedelta(days=1)).accepted == 3


@on_sqlite
def test_an_account_that_cannot_be_reached_is_given_up_after_about_a_day(desk: Desk) -> None:
    """Nine attempts in growing pauses; then a person sees it as refused, with the reason."""
    desk.channels, post = {"main": unreachable()}, desk.posts()[0]
    while desk.go(post_ids=[post.id]).refused == 0:
        desk.clock.now = desk.posts()[0].not_before or START
    found = desk.posts()[0]
    assert (found.state, found.attempts, found.reason) == ("refused", 9, "X cannot be reached")
    assert timedelta(hours=18) < desk.clock() - START < timedelta(hours=30)


def test_a_permanent_refusal_concerns_one_post_until_a_person_retries_it(desk: Desk) -> None:
    """The others are made or wait (402); the refused one stays with its reason. A retry ends the account's waiting: the bill may be paid."""
    desk.x.plan = ["403", "402"]
    assert desk.go() == PostCounts(accepted=3, refused=1, deferred=1)
    post = desk.posts()[0]
    assert (post.state, desk.told()[0]) == ("refused", False)
    assert "not permitted" in (post.reason or "")
    retry_post(desk.database, post.id, desk.clock())
    assert (desk.wait_until(), desk.go()) == (None, PostCounts(accepted=2))
    assert (desk.posts()[0].reason, desk.told()[0]) == (None, True)


@on_sqlite
def test_what_is_made_or_waiting_cannot_be_retried(desk: Desk) -> None:
    """One sentence says why: a post that is there would be there twice."""
    post = desk.posts()[0]
    for said in ("queued", "sending", "accepted"):
        desk.set(post, state=said)
        with pytest.raises(PublisherError, match="cannot be tried again"):
            retry_post(desk.database, post.id, START)
    with pytest.raises(PublisherError, match="no post 999"):
        retry_post(desk.database, 999, START)


@pytest.mark.parametrize("trouble", ["401", "429", "cut", "busy"])
def test_one_accounts_trouble_never_stops_another(database: Database, tmp_path: Path, trouble: str) -> None:
    """Refused, put off, unknown, or in another process's hands: the other accounts' posts are made in the same round."""
    clock = Clock()
    with FakeX(clock) as x:
        desk = opened(database, tmp_path, x, clock, ("main", "other"))
        x.plan = {"429": ["429"], "401": ["401"] * 3, "cut": ["cut"] * 3}.get(trouble, [])
        with hold(database.engine, "account-main") if trouble == "busy" else nullcontext():
            desk.go()
        assert desk.states("other") == desk.states("zz-dry") == ["accepted"] * 3
        assert "accepted" not in desk.states()


class Faulty:
    """A channel with a fault of its own: it falls over in mid-post."""

    repeatable = False

    def post(self, post_id: int, text: str, now: datetime) -> Posted:
        """Never comes to an end of any known kind."""
        raise ZeroDivisionError("a fault of ours")

    def find(self, text: str, since: datetime, now: datetime) -> Posted | None:
        """Nothing is there."""
        return None


def test_a_fault_of_ours_is_raised_after_the_other_accounts_had_their_turn(desk: Desk) -> None:
    """It is seen, its post is settled by the next round as after a crash, and nobody behind it waits."""
    well, desk.channels["main"] = desk.channels["main"], Faulty()
    with pytest.raises(ZeroDivisionError):
        desk.go()
    assert desk.states() == ["sending", "queued", "queued"]
    assert desk.states("zz-dry") == ["accepted"] * 3
    desk.channels["main"] = well
    assert desk.later() == PostCounts(accepted=3)


@pytest.mark.parametrize("taken", [True, False])
def test_a_cancelled_issues_post_that_was_on_the_wire_is_only_settled(desk: Desk, taken: bool) -> None:
    """It is found and kept as made, or skipped; none is started."""
    desk.x.plan = ["cut" if taken else "cut before"]
    desk.go(post_ids=[desk.posts()[0].id])
    desk.issue("cancelled")
    desk.later()
    assert desk.states() == ["accepted" if taken else "skipped", "queued", "queued"]
    assert len(desk.x.posts) == int(taken)
    assert desk.later(timedelta(days=1)) == PostCounts()


@on_sqlite
def test_a_paused_issues_post_is_made_when_it_goes_on(desk: Desk) -> None:
    """An outcome that was settled as absent during the pause waits with the others."""
    desk.x.plan = ["cut before"]
    desk.go(post_ids=[desk.posts()[0].id])
    desk.issue("paused")
    desk.later()
    assert desk.states() == ["queued"] * 3
    desk.issue("sending")
    assert desk.go().accepted == 6


@on_sqlite
def test_a_stop_ends_the_round_between_two_posts(desk: Desk) -> None:
    """The post on the wire is finished and written down; the rest is for the next round."""
    stop = threading.Event()
    desk.x.on_post = lambda _text: stop.set()
    assert desk.go(stop=stop) == PostCounts(accepted=1)
    assert desk.states() == ["accepted", "queued", "queued"]


def test_two_rounds_at_once_make_each_post_once(desk: Desk) -> None:
    """The account's lock lets one of them work."""
    with ThreadPoolExecutor(4) as pool:
        made = sum(counts.accepted for counts in pool.map(lambda _: desk.go(), range(4)))
    assert made + desk.go().accepted == 6
    assert desk.on_x() == {post.text: 1 for post in desk.posts()}
    assert desk.states() == ["accepted"] * 3


WORDS = ("", "cut", "cut before", "503", "503 taken", "429", "402", "garbled", "empty")


def test_whatever_fails_each_text_stands_there_once_in_the_end(desk: Desk) -> None:
    """Failures of posts and looks, crashes and slow timelines in any order: at most once at every moment, and none lost when X is well again."""
    for seed in range(6):
        for post in desk.posts():
            desk.set(post, state="queued", attempts=0, text=f"{seed} {post.text}")
        chance = random.Random(seed)
        desk.x.plan = chance.choices(WORDS, k=12)
        desk.x.looking = chance.choices(("", "", "503", "cut", "429", "empty", "garbled"), k=12)
        desk.x.lag = timedelta(seconds=chance.choice((0, 5, 45)))
        for _ in range(16):
            desk.go()
            accepted = [post for post in desk.posts() if post.state == "accepted"]
            assert all(count == 1 for count in desk.on_x().values()), seed
            assert all(desk.on_x()[post.text] == 1 for post in accepted), seed
            if accepted and chance.random() < 0.2:
                desk.set(accepted[-1], state="sending", external_id=None)  # a process that died before it wrote the outcome down
            desk.clock.pass_by(timedelta(seconds=chance.choice((1, 30, 61, 600, 7 * 3600))))
        desk.x.plan, desk.x.looking = [], []
        for _ in range(4):
            desk.later(timedelta(hours=7))
        assert desk.states() == ["accepted"] * 3, seed
        assert all(desk.on_x()[post.text] == 1 for post in desk.posts()), seed
    assert len(desk.x.texts("main")) == 3 * 6
    assert desk.told() == [True] * 3
