"""A newsroom brings a backup back, and moves to another machine: nothing leaves until an operator claims it, by the real commands."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from publisher.practice import PracticeRelay
from tests.commands import NewsroomFolder


@pytest.fixture
def newsroom(tmp_path: Path) -> NewsroomFolder:
    """A newsroom with three readers and three stories."""
    made = NewsroomFolder.make(tmp_path / "room", relay_port=2525)
    made.readers("hanako@example.jp", "taro@example.jp", "alice@example.com")
    made.story_file()
    return made


def with_relay(newsroom: NewsroomFolder, relay: PracticeRelay) -> None:
    """The newsletter goes to this relay."""
    path = newsroom.path / "publisher.toml"
    path.write_text(path.read_text("utf-8").replace("127.0.0.1:2525", f"127.0.0.1:{relay.port}"), "utf-8")


def set_rows(newsroom: NewsroomFolder, *statements: str) -> None:
    """What a process that died, or the world, would have left."""
    engine = create_engine(f"sqlite:///{newsroom.path / 'publisher.db'}")
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_a_restored_backup_sends_nothing_until_it_is_claimed(newsroom: NewsroomFolder, tmp_path: Path) -> None:
    """The issue went out after the backup was made: the backup would send it again."""
    shutil.copy(newsroom.path / "publisher.db", tmp_path / "backup.db")
    with PracticeRelay(tmp_path / "mails") as relay:
        with_relay(newsroom, relay)
        assert newsroom.run("send", "morning", "--yes").code == 0
        for rest in ("", "-wal", "-shm"):
            (newsroom.path / f"publisher.db{rest}").unlink(missing_ok=True)
        shutil.copy(tmp_path / "backup.db", newsroom.path / "publisher.db")
        for command in (("send", "morning", "--yes"), ("check",), ("primary", "show")):
            answer = newsroom.run(*command)
            assert answer.code == 1, command
            assert "publisher primary claim" in answer.out + answer.err
        assert "add --yes" in newsroom.run("primary", "claim").err
        claimed = newsroom.run("primary", "claim", "--yes")
        assert (claimed.code, "Claimed" in claimed.out) == (0, True)
        assert newsroom.run("primary", "show", "--json").json()["primary"] is True
        assert relay.kept == 3


def test_a_copied_folder_is_fenced_until_a_claim_says_what_is_left_to_do(newsroom: NewsroomFolder, tmp_path: Path) -> None:
    """`cp -a` of everything in mid-send, keys and state folder with it. The original goes on; in the copy the issue is paused, one mail unknown."""
    with PracticeRelay(tmp_path / "mails") as relay:
        with_relay(newsroom, relay)
        assert newsroom.run("send", "morning", "--yes").code == 0
        set_rows(newsroom, "UPDATE issues SET state = 'sending', finished_at = NULL",
                 "UPDATE deliveries SET state = 'sending' WHERE id = 1", "UPDATE deliveries SET state = 'queued' WHERE id = 2")
        shutil.copytree(newsroom.path, tmp_path / "copy")
        copy = NewsroomFolder(tmp_path / "copy")
        told = copy.run("primary", "show", "--json")
        assert (told.code, told.json()["sends"], told.json()["found"]) == (1, False, "handle" if "handle" in told.json()["place_now"] else "file")
        assert "was restored, copied or moved" in copy.run("issues", "resume", "1", "--yes").err
        assert newsroom.run("primary", "show").code == 0
        claimed = copy.run("primary", "claim", "--yes")
        for words in ("Issue 1 was being sent and is paused", "publisher issues resume 1", "1 mail was on the wire", "publisher issues unknown ID"):
            assert words in claimed.err
        assert copy.run("issues", "show", "1", "--json").json()["state"] == "paused"
    assert relay.kept == 3


def test_unknown_mails_are_listed_masked_and_settled_by_a_person(newsroom: NewsroomFolder, tmp_path: Path) -> None:
    """With on_unknown = "hold" the issue waits for a word: `show` and the end of a send say which, and the exit code that something is left."""
    path = newsroom.path / "publisher.toml"
    path.write_text(path.read_text("utf-8").replace("min_stories = 3", 'min_stories = 3\non_unknown = "hold"'), "utf-8")
    with PracticeRelay(tmp_path / "mails") as relay:
        with_relay(newsroom, relay)
        assert newsroom.run("send", "morning", "--yes").code == 0
        set_rows(newsroom, "UPDATE issues SET state = 'sending', finished_at = NULL",
                 "UPDATE deliveries SET state = 'unknown', reason = 'the answer was lost'")
        assert "3 mails are unknown and wait for your word" in newsroom.run("issues", "show", "1").out
        listed = newsroom.run("issues", "unknown", "1")
        assert ("•••@example.jp" in listed.out, "hanako@" in listed.out, "the answer was lost" in listed.out) == (True, False, True)
        assert [one["subscriber"] for one in newsroom.run("issues", "unknown", "1", "--json").json()] == [1, 2, 3]
        assert "nobody has the address" in newsroom.run("issues", "unknown", "1", "--accept", "--reader", "nobody@example.jp", "--yes").err
        one = newsroom.run("issues", "unknown", "1", "--accept", "--reader", "hanako@example.jp", "--yes")
        assert (one.code, "1 mail counts as sent" in one.out) == (0, True)
        again = newsroom.run("issues", "unknown", "1", "--resend", "--reader", "taro@example.jp", "--yes", "--json")
        assert again.json() == {"issue": 1, "resend": 1}
        resumed = newsroom.run("issues", "resume", "1", "--yes")
        assert (resumed.code, relay.kept) == (4, 4)
        assert "1 mail is unknown and waits for your word: publisher issues unknown 1" in resumed.err
        assert "not sent yet" not in resumed.err
        assert newsroom.run("issues", "unknown", "1", "--accept", "--yes").code == 0
        assert newsroom.run("issues", "show", "1", "--json").json()["state"] == "sent"
