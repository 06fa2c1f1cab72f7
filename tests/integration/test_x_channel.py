"""X through tweepy against a server of ours: each answer becomes a post, a refusal, or an honest "nobody knows"."""

import logging
import re
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from publisher.channels.base import ChannelError, OutcomeUnknown, Posted
from publisher.channels.registry import channel_for
from publisher.channels.x import X
from publisher.channels.x_tokens import TokenPair
from publisher.db import Database
from publisher.models import AccountSecret
from publisher.settings_secrets import Credentials, variable_of
from tests import composing
from tests.fake_x import FakeX, keys, tokens
from tests.mailing import START, Clock

TEXT = "あおばモデル、重みを公開 & カード1枚で動く <400億>\nhttps://wire.example.com/aoba?id=1&b=2#top"


@pytest.fixture
def fake() -> Iterator[FakeX]:
    """X with a clock that stands still."""
    with FakeX(Clock()) as running:
        yield running


def signed(fake: FakeX, **more: object) -> X:
    """The account with four keys."""
    return X.with_oauth1(Credentials(keys() | more), api=fake.url, timeout=(1, 1))


def renewed(fake: FakeX, database: Database, **more: str) -> X:
    """The account with a token pair."""
    return X.with_oauth2(TokenPair(database, "main", Credentials(tokens() | more), api=fake.url), api=fake.url, timeout=(1, 1))


def kept(database: Database) -> AccountSecret | None:
    """The pair that stands in the database."""
    with database.reading() as session:
        return session.scalar(select(AccountSecret))


@pytest.fixture
def room(database: Database) -> Database:
    """A database with the account `main`."""
    composing.Newsroom(database, composing.settings(accounts=[{"name": "main", "kind": "x"}]))
    return database


def test_a_signed_post_is_taken_and_has_an_address(fake: FakeX) -> None:
    """OAuth 1.0a: the fake computes the signature anew and compares; Japanese and a link go through unharmed."""
    made = signed(fake).post(1, TEXT, START)
    assert fake.texts() == [TEXT]
    assert made == Posted(fake.posts[0].id, f"https://x.com/i/status/{fake.posts[0].id}")


def test_a_wrong_secret_is_refused_for_good(fake: FakeX) -> None:
    """The fake does look at signatures; a new attempt with the same keys would change nothing."""
    with pytest.raises(ChannelError, match="new keys") as caught:
        signed(fake, ACCESS_TOKEN_SECRET="wrong").post(1, TEXT, START)
    assert caught.value.permanent
    assert fake.posts == []


@pytest.mark.parametrize(("word", "permanent", "says"), [
    ("400", True, "invalid"), ("401", True, "Unauthorized"), ("403", True, "not permitted"), ("402", False, "credits"), ("429", False, "wait")])
def test_a_refusal_says_whether_to_try_again(fake: FakeX, word: str, permanent: bool, says: str) -> None:
    """4xx is certain: the post is not there."""
    fake.plan = [word]
    with pytest.raises(ChannelError, match=says) as caught:
        signed(fake).post(1, TEXT, START)
    assert caught.value.permanent is permanent
    assert (fake.posts, fake.log) == ([], ["POST /2/tweets"])


def test_a_text_that_is_too_long_is_refused_for_good(fake: FakeX) -> None:
    """X counts 141 full-width letters as 282."""
    signed(fake).post(1, "あ" * 140, START)
    with pytest.raises(ChannelError, match="too long") as caught:
        signed(fake).post(2, "い" * 141, START)
    assert caught.value.permanent


def test_too_many_requests_wait_for_the_moment_that_x_named(fake: FakeX) -> None:
    """x-rate-limit-reset is a Unix second. Without it the window of 15 minutes is waited out, and half a minute is the least."""
    for reset, expected in [(START + timedelta(minutes=7), START + timedelta(minutes=7)), (None, START + timedelta(minutes=15)),
                            (START - timedelta(hours=1), START + timedelta(seconds=30))]:
        fake.plan, fake.reset = ["429"], reset
        with pytest.raises(ChannelError) as caught:
            signed(fake).post(1, TEXT, START)
        assert caught.value.retry_at == expected


def test_an_account_without_credits_waits_for_hours(fake: FakeX) -> None:
    """Somebody has to pay first."""
    fake.plan = ["402"]
    with pytest.raises(ChannelError) as caught:
        signed(fake).post(1, TEXT, START)
    assert caught.value.retry_at == START + timedelta(hours=6)


@pytest.mark.parametrize(("word", "there"), [("cut", 1), ("cut before", 0), ("503 taken", 1), ("503", 0), ("garbled", 1), ("empty", 1), ("odd", 1), ("408", 0)])
def test_an_answer_that_says_nothing_leaves_the_outcome_unknown(fake: FakeX, word: str, there: int) -> None:
    """One request only, and no guess: the post may be there or not."""
    fake.plan = [word]
    with pytest.raises(OutcomeUnknown):
        signed(fake).post(1, TEXT, START)
    assert (len(fake.posts), len(fake.log)) == (there, 1)


@pytest.mark.parametrize("word", ["cut", "503", "garbled", "empty", "odd", "429", "403"])
@pytest.mark.parametrize("second", [False, True])
def test_a_timeline_that_cannot_be_read_is_no_absence(fake: FakeX, word: str, second: bool) -> None:
    """Neither when the account's name nor when the posts themselves are asked for: otherwise the post would be made twice."""
    channel = signed(fake)
    channel.post(1, TEXT, START)
    fake.looking = ["", word] if second else [word]
    with pytest.raises(ChannelError):
        channel.find(TEXT, START, START)
    assert channel.find(TEXT, START, START) is not None


def test_a_stall_ends_by_the_time_limit(fake: FakeX) -> None:
    """tweepy passes none of its own, and a thread would hang for ever."""
    fake.plan, began = ["stall"], time.monotonic()
    with pytest.raises(OutcomeUnknown, match="in time"):
        signed(fake).post(1, TEXT, START)
    assert time.monotonic() - began < 4


def test_a_host_that_is_not_there_made_no_post() -> None:
    """A connection that was refused carried nothing: the attempt may be repeated without a look."""
    with FakeX() as gone:
        pass
    with pytest.raises(ChannelError, match="cannot be reached") as caught:
        signed(gone).post(1, TEXT, START)
    assert not caught.value.permanent


def test_a_post_is_found_through_short_links_and_escapes(fake: FakeX) -> None:
    """X shows links as t.co and < > & escaped; the entities name what a link stands for."""
    channel = signed(fake)
    made = channel.post(1, TEXT, START)
    channel.post(2, "two https://a.example/x?y=1 https://b.example/あ", START)
    assert "t.co" in fake.posts[0].shown()["text"]
    assert "&lt;400" in fake.posts[0].shown()["text"]
    assert channel.find(TEXT, START, START) == made
    assert channel.find("two https://a.example/x?y=1 https://b.example/あ", START, START) is not None
    assert channel.find(TEXT.replace("aoba", "minato"), START, START) is None
    assert channel.find("two", START, START) is None


@pytest.mark.parametrize("text", [
    "GitHub.com が更新 https://wire.example.com", "か\u3099の字を組み合わせた見出し", "本文に &amp; と書く方法 https://wire.example.com/?a=1&copy=2"])
def test_a_post_is_found_however_x_shows_it(fake: FakeX, text: str) -> None:
    """A bare domain becomes a link with a scheme, letters are composed (NFC), and what looks escaped already is escaped once more."""
    channel = signed(fake)
    made = channel.post(1, text, START)
    fake.posts[0] = replace(fake.posts[0], text=unicodedata.normalize("NFC", text))
    assert channel.find(text, START, START) == made


@pytest.mark.parametrize("pause", [timedelta(seconds=20), timedelta(minutes=5)])
def test_a_post_is_found_behind_hundreds_of_later_ones(fake: FakeX, pause: timedelta) -> None:
    """On a busy account it is out of the newest hundred within the hour, or before the service runs again."""
    channel, clock = signed(fake), Clock()
    fake.clock = clock
    made = channel.post(1, TEXT, START)
    for number in range(600):
        clock.pass_by(pause)
        fake.take("main", f"later {number}")
    assert channel.find(TEXT, START, clock()) == made
    assert channel.find("never made", START, clock()) is None


def test_a_timeline_too_long_to_look_through_is_no_absence(fake: FakeX) -> None:
    """After five hundred posts within the hour nobody knows: a person looks."""
    channel = signed(fake)
    for number in range(501):
        fake.take("main", f"at once {number}")
    with pytest.raises(ChannelError, match="too long"):
        channel.find("never made", START, START)


def test_a_post_is_looked_for_since_its_attempt_with_some_slack(fake: FakeX) -> None:
    """Clocks differ by minutes; yesterday's post with the same text is another one."""
    channel = signed(fake)
    channel.post(1, TEXT, START)
    assert channel.find(TEXT, START + timedelta(minutes=4), START) is not None
    assert channel.find(TEXT, START + timedelta(days=1), START) is None
    assert fake.log.count("GET /2/users/me") == 1


def test_a_duplicate_is_there_already_and_is_found(fake: FakeX) -> None:
    """A 403 with "duplicate content" after a lost answer is a success, with the address of the first."""
    fake.plan = ["cut"]
    channel = signed(fake)
    with pytest.raises(OutcomeUnknown):
        channel.post(1, TEXT, START)
    assert channel.post(1, TEXT, START).external_id == fake.posts[0].id
    assert len(fake.posts) == 1


def test_a_duplicate_that_is_not_shown_is_still_there(fake: FakeX) -> None:
    """X says so itself; only its address stays unknown."""
    channel = signed(fake)
    channel.post(1, TEXT, START)
    fake.lag = timedelta(minutes=1)
    assert channel.post(1, TEXT, START) == Posted(None, None)
    fake.looking = ["503"]
    assert channel.post(1, TEXT, START) == Posted(None, None)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_token_that_is_good_posts_without_renewal(fake: FakeX, room: Database) -> None:
    """OAuth 2.0: the environment's token is the first."""
    made = renewed(fake, room).post(1, TEXT, START)
    assert fake.texts() == [TEXT]
    assert (made.external_id, fake.renewals, kept(room)) == (fake.posts[0].id, 0, None)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("scope", ["tweet.read tweet.write users.read offline.access", "tweet.write", ""])
def test_an_expired_token_is_renewed_and_kept_before_use(fake: FakeX, room: Database, scope: str) -> None:
    """At the moment the post arrives the new pair is in the database already. A scope that differs loses nothing."""
    fake.bearers.clear()
    fake.scope = scope
    seen: list[AccountSecret | None] = []
    fake.on_post = lambda _text: seen.append(kept(room))
    renewed(fake, room).post(1, TEXT, START)
    assert [pair.access_token for pair in seen if pair] == ["secret-bearer-main-1"]
    found = kept(room)
    assert found is not None
    assert (found.refresh_token, found.expires_at) == ("secret-refresh-main-1", START + timedelta(seconds=7200))


def test_the_kept_pair_is_used_until_shortly_before_its_end(fake: FakeX, room: Database) -> None:
    """A refresh token serves once; another process reads the kept pair and asks for nothing."""
    fake.bearers.clear()
    renewed(fake, room).post(1, "one", START)
    renewed(fake, room).post(2, "two", START + timedelta(minutes=100))
    assert fake.renewals == 1
    renewed(fake, room).post(3, "three", START + timedelta(minutes=118))
    assert (fake.renewals, fake.texts()) == (2, ["one", "two", "three"])


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_kept_token_that_is_refused_is_renewed_once(fake: FakeX, room: Database) -> None:
    """A 401 made no post, so that it may be repeated with a new token; a second 401 is for good."""
    fake.bearers.clear()
    channel = renewed(fake, room)
    channel.post(1, "one", START)
    fake.bearers.clear()
    channel.post(2, "two", START)
    assert fake.renewals == 2
    fake.plan = ["401", "401"]
    with pytest.raises(ChannelError, match="new keys") as caught:
        channel.post(3, "three", START)
    assert caught.value.permanent
    assert fake.texts() == ["one", "two"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("word", "permanent"), [("503", False), ("429", False), ("cut before", False), ("garbled", False), ("400", True)])
def test_a_renewal_that_fails_made_no_post(fake: FakeX, room: Database, word: str, permanent: bool) -> None:
    """Only X's own refusal of the token is for good."""
    fake.bearers.clear()
    fake.renewing = [word]
    with pytest.raises(ChannelError, match="renew") as caught:
        renewed(fake, room).post(1, TEXT, START)
    assert (caught.value.permanent, fake.posts) == (permanent, [])


def test_new_tokens_in_the_environment_mend_a_dead_pair(fake: FakeX, room: Database) -> None:
    """The remedy that the refusal names must work: the pair in the database is older than what a person has just set."""
    fake.bearers.clear()
    renewed(fake, room).post(1, "one", START)
    fake.bearers.clear()
    fake.refreshes = {"secret-new-refresh": "main"}
    with pytest.raises(ChannelError, match="new tokens"):
        renewed(fake, room).post(2, "two", START)
    renewed(fake, room, ACCESS_TOKEN="secret-new-bearer", REFRESH_TOKEN="secret-new-refresh").post(2, "two", START)
    assert fake.texts() == ["one", "two"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_registry_makes_the_channel_that_the_settings_name(fake: FakeX, room: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of speaking to X, with secrets from the environment."""
    for name, value in (keys() | {key: worth for key, worth in tokens().items() if key != "ACCESS_TOKEN"}).items():
        monkeypatch.setenv(variable_of("main", name), value)
    for oauth in ("1.0a", "2.0"):
        made = composing.settings(accounts=[{"name": "main", "kind": "x", "api": fake.url, "oauth": oauth}])
        channel_for(made.accounts[0], made, room).post(1, f"by {oauth}", START)
    assert fake.texts() == ["by 1.0a", "by 2.0"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_secret_reaches_the_log(fake: FakeX, room: Database, caplog: pytest.LogCaptureFixture) -> None:
    """Everything logs at DEBUG: posts, looks, a renewal, failures. Every secret of the fake begins with "secret-"."""
    caplog.set_level(logging.DEBUG)
    fake.bearers.clear()
    fake.plan, fake.looking = ["401", "", "503", "cut"], ["503"]
    for channel in (signed(fake), renewed(fake, room)):
        for number in range(3):
            try:
                channel.post(number, f"text {number}", datetime.now(UTC))
                channel.find("text", START, START)
            except (ChannelError, OutcomeUnknown) as error:
                logging.getLogger("publisher").exception("failed: %r", error, exc_info=error)
    assert "failed" in caplog.text
    assert re.findall("secret-[a-z-]+", caplog.text) == []
