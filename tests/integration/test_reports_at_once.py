"""Reports that arrive at the same moment, from several processes: each counts once, and none is lost."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from publisher.db import Database
from publisher.track.report import evidence_of
from tests.afterwards import afterwards
from tests.readers import consents


def test_the_same_bounce_from_eight_sides_counts_once(database: Database, tmp_path: Path) -> None:
    """One is applied, the others see it; the ledger holds it once."""
    room = afterwards(database, tmp_path)
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _n: room.told(room.reader()), range(8)))
    assert sorted(outcomes) == ["applied", *["seen"] * 7]
    assert room.events() == [("bounce", "hard")]
    assert [action for action, _wording in consents(database)].count("bounced") == 1


def test_different_bounces_of_one_day_move_the_score_once(database: Database, tmp_path: Path) -> None:
    """Two transactions that both read the score before either writes would add up to one, or fail."""
    room = afterwards(database, tmp_path)
    with ThreadPoolExecutor(8) as pool:
        outcomes = set(pool.map(lambda n: room.told(room.reader(), strength="soft", evidence=evidence_of(n)), range(16)))
    assert outcomes == {"applied"}
    assert (len(room.events()), room.score()) == (16, 1.0)
