"""`publisher send --digest` and hours by hand: what readers chose is honoured, and the commands say what waits."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from publisher.db import Database
from publisher.practice import PracticeRelay
from tests.commands import NewsroomFolder
from tests.preferring import prefer

HANAKO, TARO, ALICE = "hanako@example.jp", "taro@example.jp", "alice@example.com"


def wishes(newsroom: NewsroomFolder) -> None:
    """Taro takes the daily digest; Alice each issue at an hour that has just gone by."""
    database = Database(f"sqlite:///{newsroom.path / 'publisher.db'}")
    now = datetime.now(UTC)
    prefer(database, TARO, rhythm="daily", at=now)
    prefer(database, ALICE, hour=(now - timedelta(hours=1)).hour, timezone="UTC", at=now)
    database.close()


def test_a_digest_is_sent_by_hand_once_and_hours_are_waited_for(tmp_path: Path) -> None:
    """Without a service: the issue to who wants it now, the digest to who wants that, and the rest told of."""
    with PracticeRelay(tmp_path / "mail") as relay:
        newsroom = NewsroomFolder.make(tmp_path / "newsroom", relay_port=relay.port)
        newsroom.story_file()
        newsroom.readers(HANAKO, TARO, ALICE)
        wishes(newsroom)
        sent = newsroom.run("send", "morning", "--yes")
        assert (sent.code, relay.kept) == (4, 1)
        assert "1 mail waits for its moment" in sent.err
        shown = newsroom.run("issues", "show", "1", "--json").json()
        assert (shown["waiting_for_their_hour"]["mails"], shown["mails"]["total"], shown["rhythm"]) == (1, 2, "each")
        again = newsroom.run("issues", "resume", "--yes")
        assert (again.code, relay.kept) == (4, 1)
        dry = newsroom.run("send", "morning", "--digest", "daily", "--dry-run", "--json").json()
        assert (dry["issues"], len(dry["picks"])) == (1, 3)
        digest = newsroom.run("send", "morning", "--digest", "daily", "--yes", "--json")
        assert (digest.code, relay.kept) == (0, 2)
        assert digest.json()["mails"]["accepted"] == 1
        none = newsroom.run("send", "morning", "--digest", "daily", "--yes")
        assert "Nothing was sent: nothing was told since the last one" in none.out
        listed = newsroom.run("issues", "list")
        assert "Daily digest 1" in listed.out
        assert [entry["told"][0]["target"] for entry in newsroom.run("ledger", "--issue", "2", "--json").json()] == ["newsletter morning"] * 3
