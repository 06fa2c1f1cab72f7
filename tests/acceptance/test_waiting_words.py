"""What an editor is told of mails that wait, and of an issue that was paused by itself: the reason, and the way out."""

from pathlib import Path

from tests.commands import NewsroomFolder
from tests.relay import Relay


def _newsroom(folder: Path, relay: Relay, readers: int, start: int) -> NewsroomFolder:
    newsroom = NewsroomFolder.make(folder, relay_port=relay.port)
    _warm_up(newsroom, 100000, start)
    newsroom.story_file()
    newsroom.readers(*(f"r{number}@example.jp" for number in range(readers)))
    return newsroom


def _warm_up(newsroom: NewsroomFolder, before: int, start: int) -> None:
    path = newsroom.path / "publisher.toml"
    text = path.read_text("utf-8")
    assert f"start = {before}\n" in text
    path.write_text(text.replace(f"start = {before}\n", f"start = {start}\n"), "utf-8")


def test_mails_above_the_plan_of_a_new_relay_say_so_and_leave_when_the_plan_is_changed(tmp_path: Path) -> None:
    """Not a word of the readers' hours; and what publisher.toml lets go by now leaves when a person asks, not tomorrow."""
    with Relay() as relay:
        newsroom = _newsroom(tmp_path / "newsroom", relay, 12, 5)
        sent = newsroom.run("send", "morning", "--yes")
        assert (sent.code, len(relay.taken)) == (4, 5)
        assert "7 mails wait until" in sent.err
        assert "warming up the relay mail" in sent.err
        assert "readers' hours" not in sent.err
        assert "中継サーバー mail の慣らし運転中" in newsroom.run("--lang", "ja", "issues", "show", "1").out
        (wait,) = newsroom.run("issues", "show", "1", "--json").json()["waits"]
        assert (wait["mails"], wait["reason"]) == (7, "warming up the relay mail")
        assert newsroom.run("issues", "resume", "1", "--yes").code == 4
        _warm_up(newsroom, 5, 50000)
        assert newsroom.run("issues", "resume", "1", "--yes").code == 0
    assert set(relay.recipients().values()) == {1}
    assert len(relay.taken) == 12


def test_an_issue_that_its_relay_refuses_says_why_it_is_paused(tmp_path: Path) -> None:
    """Whoever comes later sees the relay's words as well."""
    with Relay(lambda verb, _argument: "550 5.7.1 no such sender here" if verb == "." else None) as relay:
        newsroom = _newsroom(tmp_path / "newsroom", relay, 15, 100)
        sent = newsroom.run("send", "morning", "--yes")
        assert (sent.code, relay.taken) == (1, [])
        assert "the issue is paused" in sent.err
        shown = newsroom.run("issues", "show", "1")
    assert "took none of its last mails: 550 5.7.1 no such sender here" in shown.out
