"""A digest gathers what its readers missed: each story once, nothing twice, nothing lost, whoever changes their rhythm in between."""

import random
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from publisher.compose.drafting import compose_draft
from publisher.curate.digest import look_at_digest
from publisher.db import Database
from publisher.deliver.control import cancel
from publisher.deliver.start import NOTHING
from publisher.errors import PublisherError
from publisher.models import Delivery, Edition, Issue, Pick, Post, Telling
from tests.papers import DAY, HOUR, MONDAY, NAMES, Paper
from tests.preferring import joined, prefer
from tests.readers import ALICE, HANAKO, TARO

LONG_AGO = MONDAY - 30 * DAY


def test_a_daily_digest_gathers_the_day_and_is_for_its_readers_only(database: Database, tmp_path: Path) -> None:
    """Hanako has each issue, Taro the digest: both know the same in the evening."""
    paper = Paper(database, tmp_path)
    joined(database, HANAKO, LONG_AGO)
    joined(database, TARO, LONG_AGO, rhythm="daily")
    paper.tell(MONDAY + 7 * HOUR, "ai", "law")
    paper.tell(MONDAY + 12 * HOUR, "ai")
    assert paper.got(TARO) == {}
    digest = paper.digest("daily", MONDAY + 18 * HOUR)
    assert paper.got(HANAKO) == paper.got(TARO) == {"S1": 1, "S2": 1, "S3": 1}
    with database.reading() as session:
        issue = session.get_one(Issue, digest)
        assert (issue.kind, issue.rhythm, issue.number) == ("digest", "daily", 1)
        assert issue.subject.endswith("Example Morning Daily digest 2 Dec")
        assert session.scalars(select(Pick.section).where(Pick.issue_id == digest).order_by(Pick.position)).all() == ["ai", "ai", "law"]
        headlines = [pick.snapshot["headline"] for pick in session.scalars(select(Pick).where(Pick.issue_id == digest).order_by(Pick.position))]
        assert headlines == ["S3", "S1", "S2"]


def test_a_digest_tells_nothing_and_posts_nothing(database: Database, tmp_path: Path) -> None:
    """Only regular issues make tellings; numbers are by rhythm, and picking goes on where the last regular issue was."""
    paper = Paper(database, tmp_path)
    joined(database, TARO, LONG_AGO, rhythm="weekly")
    paper.tell(MONDAY, "ai")
    digest = paper.digest("weekly", MONDAY + 6 * DAY)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Telling)) == 1
        assert session.scalar(select(func.count()).select_from(Post)) == 0
        assert session.get_one(Issue, digest).subject.endswith("Weekly digest 1 – 7 Dec")
    assert paper.tell(MONDAY + 7 * DAY, "ai")
    with database.reading() as session:
        assert session.scalars(select(Issue.number).where(Issue.rhythm == "each").order_by(Issue.id)).all() == [1, 2]


def test_a_story_that_was_told_again_stands_in_the_digest_once(database: Database, tmp_path: Path) -> None:
    """As its later issue told it."""
    paper = Paper(database, tmp_path)
    joined(database, TARO, LONG_AGO, rhythm="daily")
    paper.tell(MONDAY + HOUR, "ai")
    paper.tell(MONDAY + 2 * HOUR, "ai", again=1)
    paper.digest("daily", MONDAY + 18 * HOUR)
    assert paper.got(TARO) == {"S2": 1}


@pytest.mark.parametrize(("rhythm", "reason"), [("daily", "digest_no_readers"), ("weekly", "digest_nothing_new")])
def test_without_readers_or_news_there_is_no_digest(database: Database, tmp_path: Path, rhythm: str, reason: str) -> None:
    """And it says why."""
    paper = Paper(database, tmp_path)
    joined(database, TARO, LONG_AGO, rhythm="weekly")
    if rhythm == "daily":
        paper.tell(MONDAY, "ai")
    made = paper.gather(rhythm, MONDAY + DAY)
    assert (made.issue_id, made.reason) == (None, {"code": reason})
    assert look_at_digest(database, paper.settings.newsletters[0], rhythm, MONDAY + DAY) == (made, [])


def test_a_newsletter_makes_the_digests_that_it_offers(database: Database, tmp_path: Path) -> None:
    """Readers of another rhythm get each issue rather than none."""
    paper = Paper(database, tmp_path, rhythms=["each", "weekly"])
    joined(database, TARO, LONG_AGO, rhythm="daily")
    paper.tell(MONDAY, "ai")
    assert paper.got(TARO) == {"S1": 1}
    with pytest.raises(PublisherError, match="makes no digest"):
        paper.gather("daily", MONDAY + DAY)


def test_the_next_digest_begins_where_the_last_one_ended(database: Database, tmp_path: Path) -> None:
    """Late or early; one that was cancelled before anything had left was none, and nor is an issue that was called off."""
    paper = Paper(database, tmp_path)
    joined(database, TARO, LONG_AGO, rhythm="daily")
    paper.tell(MONDAY, "ai")
    paper.digest("daily", MONDAY + 18 * HOUR)
    paper.tell(MONDAY + 20 * HOUR, "law")
    called_off = paper.tell(MONDAY + 21 * HOUR, "law", state="cancelled")
    assert called_off
    dropped = paper.gather("daily", MONDAY + 22 * HOUR).issue_id or 0
    cancel(database, dropped, MONDAY + 22 * HOUR)
    digest = paper.digest("daily", MONDAY + 5 * DAY)
    assert paper.got(TARO, of=digest) == {"S2": 1}


def test_an_issue_whose_start_was_not_seen_yet_comes_in_the_next_digest(database: Database, tmp_path: Path) -> None:
    """Both at six o'clock: the start of the issue was being written while the digest was gathered."""
    paper = Paper(database, tmp_path)
    joined(database, TARO, LONG_AGO, rhythm="daily")
    paper.tell(MONDAY, "ai")
    evening = MONDAY + 18 * HOUR
    paper.digest("daily", evening)
    paper.tell(evening - timedelta(seconds=1), "law")
    paper.digest("daily", evening + DAY)
    assert paper.got(TARO) == {"S1": 1, "S2": 1}


def test_one_digest_of_a_rhythm_is_unfinished_at_a_time(database: Database, tmp_path: Path) -> None:
    """A regular issue and a digest of the other rhythm go on beside it."""
    paper = Paper(database, tmp_path)
    joined(database, TARO, LONG_AGO, rhythm="daily")
    joined(database, ALICE, LONG_AGO, rhythm="weekly")
    paper.tell(MONDAY, "ai")
    first = paper.gather("daily", MONDAY + HOUR).issue_id
    with pytest.raises(PublisherError, match=f"issue {first} of morning is not finished"):
        paper.gather("daily", MONDAY + 2 * HOUR)
    assert paper.gather("weekly", MONDAY + 2 * HOUR).issue_id
    assert paper.tell(MONDAY + 3 * HOUR, "ai")


def test_sections_shape_a_digest_too(database: Database, tmp_path: Path) -> None:
    """And who chose a section without news is skipped with the reason."""
    paper = Paper(database, tmp_path)
    joined(database, HANAKO, LONG_AGO, rhythm="daily")
    joined(database, TARO, LONG_AGO, rhythm="daily", sections=["law"])
    joined(database, ALICE, LONG_AGO, rhythm="daily", sections=["chips"])
    paper.tell(MONDAY + HOUR, "ai", "law")
    digest = paper.digest("daily", MONDAY + DAY)
    assert (paper.got(HANAKO), paper.got(TARO), paper.got(ALICE)) == ({"S1": 1, "S2": 1}, {"S2": 1}, {})
    with database.reading() as session:
        assert session.scalars(select(Delivery.reason).where(Delivery.issue_id == digest, Delivery.state == "skipped")).all() == [NOTHING]
        assert session.scalar(select(func.count()).select_from(Edition).where(Edition.issue_id == digest)) == 2


def test_who_takes_the_digest_in_between_is_told_nothing_twice(database: Database, tmp_path: Path) -> None:
    """Hanako had the first issue by itself; Alice joined after it."""
    paper = Paper(database, tmp_path)
    joined(database, TARO, LONG_AGO, rhythm="daily")
    joined(database, HANAKO, LONG_AGO)
    paper.tell(MONDAY + HOUR, "ai")
    prefer(database, HANAKO, rhythm="daily", at=MONDAY + 2 * HOUR)
    joined(database, ALICE, MONDAY + 3 * HOUR, rhythm="daily")
    paper.tell(MONDAY + 4 * HOUR, "law")
    digest = paper.digest("daily", MONDAY + 18 * HOUR)
    assert paper.got(TARO, of=digest) == {"S1": 1, "S2": 1}
    assert paper.got(HANAKO, of=digest) == paper.got(ALICE, of=digest) == {"S2": 1}
    assert paper.got(HANAKO) == {"S1": 1, "S2": 1}


def test_who_leaves_a_digest_gets_it_once_more_with_what_came_before(database: Database, tmp_path: Path) -> None:
    """From the daily digest to each issue: the morning's issue in the last digest, the noon's by itself, and then no digest any more."""
    paper = Paper(database, tmp_path)
    joined(database, TARO, LONG_AGO, rhythm="daily")
    paper.tell(MONDAY + HOUR, "ai")
    paper.digest("daily", MONDAY + 18 * HOUR)
    paper.tell(MONDAY + DAY + HOUR, "ai")
    prefer(database, TARO, at=MONDAY + DAY + 2 * HOUR)
    paper.tell(MONDAY + DAY + 3 * HOUR, "ai")
    digest = paper.digest("daily", MONDAY + DAY + 18 * HOUR)
    assert paper.got(TARO, of=digest) == {"S2": 1}
    assert paper.got(TARO) == {"S1": 1, "S2": 1, "S3": 1}
    paper.tell(MONDAY + 2 * DAY, "ai")
    assert paper.gather("daily", MONDAY + 2 * DAY + 18 * HOUR).reason == {"code": "digest_no_readers"}


def test_a_change_while_the_digest_waits_for_approval_counts(database: Database, tmp_path: Path) -> None:
    """Gathered in the evening, approved in the morning: Hanako took the digest at night and has had everything, Taro left it and has had nothing."""
    paper = Paper(database, tmp_path)
    joined(database, HANAKO, LONG_AGO)
    joined(database, TARO, LONG_AGO, rhythm="daily", sections=["law"])
    joined(database, ALICE, LONG_AGO, rhythm="daily")
    paper.tell(MONDAY - DAY, "law")
    paper.digest("daily", MONDAY - DAY + 18 * HOUR)
    paper.tell(MONDAY, "ai", "law")
    digest = paper.digest("daily", MONDAY + 18 * HOUR, started=DAY) or 0
    prefer(database, HANAKO, rhythm="daily", sections=["ai"], at=MONDAY + 20 * HOUR)
    prefer(database, TARO, sections=["law"], at=MONDAY + 20 * HOUR)
    paper.start(digest, MONDAY + DAY)
    assert (paper.got(HANAKO, of=digest), paper.got(TARO, of=digest), paper.got(ALICE, of=digest)) == ({}, {"S3": 1}, {"S2": 1, "S3": 1})


def test_composing_a_digest_anew_gives_the_same_hash(database: Database, tmp_path: Path) -> None:
    """Nothing in it depends on when it is looked at."""
    paper = Paper(database, tmp_path)
    joined(database, TARO, LONG_AGO, rhythm="daily", sections=["law"])
    joined(database, ALICE, MONDAY + HOUR, rhythm="daily")
    paper.tell(MONDAY, "ai", "law")
    paper.tell(MONDAY + 2 * HOUR, "ai", "law")
    digest = paper.gather("daily", MONDAY + 18 * HOUR).issue_id or 0
    hashes = set()
    for _again in range(2):
        compose_draft(database, paper.settings, digest, MONDAY + 18 * HOUR)
        with database.reading() as session:
            hashes.add(session.get_one(Issue, digest).content_hash)
    assert len(hashes) == 1


@pytest.mark.parametrize("seed", range(2))
def test_whatever_readers_change_nothing_is_told_twice_and_nothing_lost(database: Database, tmp_path: Path, seed: int) -> None:
    """A week of issues, digests, joinings and changes of rhythm, some of them there and back before any digest has come."""
    chance, paper = random.Random(seed), Paper(database, tmp_path)
    readers = [f"r{number}@example.jp" for number in range(10)]
    wishes = {address: chance.choice([None, None, chance.sample(NAMES, 2)]) for address in readers}
    rhythm: dict[str, str] = {}
    wanted = {address: set[str]() for address in readers}
    for step in range(7 * 8):
        now, address = MONDAY + step * 3 * HOUR, chance.choice(readers)
        if address not in rhythm:
            rhythm[address] = chance.choice(["each", "daily", "weekly"])
            joined(database, address, now, rhythm=rhythm[address], sections=wishes[address])
        elif chance.random() < 0.5:
            rhythm[address] = chance.choice(["each", "daily", "weekly"])
            prefer(database, address, rhythm=rhythm[address], sections=wishes[address], at=now)
        if step % 2 == 0:
            sections = [chance.choice([*NAMES, None]) for _story in range(chance.randint(1, 2))]
            told = {f"S{paper.told + place}": section for place, section in enumerate(sections, 1)}
            paper.tell(now + HOUR, *sections)
            for one in rhythm:
                wanted[one] |= {story for story, section in told.items() if section is None or not wishes[one] or section in wishes[one]}
        for kind, last in (("daily", step % 8 == 7), ("weekly", step in (27, 55))):
            if last:
                paper.digest(kind, now + 2 * HOUR)
    got = {address: paper.got(address) for address in readers}
    assert {address: [story for story, number in stories.items() if number > 1] for address, stories in got.items()} == {one: [] for one in readers}
    assert {address: set(stories) for address, stories in got.items()} == wanted
