"""The channel of dry runs: one file a post, however often it is made."""

from datetime import timedelta
from pathlib import Path

import pytest

from publisher.channels.base import ChannelError, Posted
from publisher.channels.outbox import Outbox
from tests.mailing import START

TEXT = "あおばモデル、重みを公開\nhttps://wire.example.com/aoba?id=1#top"


def test_a_post_is_a_file_named_by_its_id(tmp_path: Path) -> None:
    """The folder is made with it, the text stands in it as it is, and the address leads to it."""
    made = Outbox(tmp_path / "outbox" / "dry").post(7, TEXT, START)
    path = tmp_path / "outbox" / "dry" / "0007.txt"
    assert path.read_text("utf-8") == TEXT + "\n"
    assert made == Posted("0007.txt", path.as_uri())


def test_the_same_post_made_again_changes_nothing(tmp_path: Path) -> None:
    """Which is why an unknown outcome may simply be tried again here."""
    outbox = Outbox(tmp_path)
    assert outbox.repeatable
    first = outbox.post(7, TEXT, START)
    assert Outbox(tmp_path).post(7, TEXT, START + timedelta(hours=1)) == first
    assert [path.name for path in tmp_path.iterdir()] == ["0007.txt"]


def test_two_posts_with_one_text_are_two_files(tmp_path: Path) -> None:
    """The id tells them apart, not the text."""
    for number in (1, 2):
        Outbox(tmp_path).post(number, TEXT, START)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0001.txt", "0002.txt"]


def test_what_a_crash_left_half_written_is_written_over(tmp_path: Path) -> None:
    """A draft is no post, and is not found as one."""
    (tmp_path / "0007.part").write_text("あお", "utf-8")
    outbox = Outbox(tmp_path)
    assert outbox.find("あお", START, START) is None
    outbox.post(7, TEXT, START)
    assert [path.name for path in tmp_path.iterdir()] == ["0007.txt"]


def test_a_post_is_found_by_its_text(tmp_path: Path) -> None:
    """The whole text, and nothing in a folder that is not there."""
    outbox = Outbox(tmp_path / "later")
    assert outbox.find(TEXT, START, START) is None
    made = outbox.post(7, TEXT, START)
    assert outbox.find(TEXT, START, START) == made
    assert outbox.find(TEXT[:5], START, START) is None


def test_a_folder_that_cannot_be_written_is_tried_again_later(tmp_path: Path) -> None:
    """A full disk or a lost mount is somebody's to mend; the sentence names the file."""
    (tmp_path / "outbox").write_text("a file, not a folder", "utf-8")
    with pytest.raises(ChannelError, match=r"0007\.txt") as caught:
        Outbox(tmp_path / "outbox").post(7, TEXT, START)
    assert not caught.value.permanent
