"""The readers' rights, typed as a person types them; in one process, because there are many of them."""

import json
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from publisher.cli.commands import publisher
from publisher.i18n import use_language
from tests.commands import Answer, NewsroomFolder
from tests.readers import HANAKO, TARO


@dataclass(frozen=True, slots=True)
class Typing:
    """A person at the keyboard of a newsroom."""

    path: Path

    def run(self, *arguments: str) -> Answer:
        """`publisher ARGUMENTS`, to its end."""
        done = CliRunner().invoke(publisher, ["--config", str(self.path / "publisher.toml"), *arguments], env={"COLUMNS": "200"})
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Answer(done.exit_code, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def newsroom(tmp_path_factory: pytest.TempPathFactory) -> Typing:
    """A newsroom with Hanako and Taro on its list."""
    typing = Typing(NewsroomFolder.make(tmp_path_factory.mktemp("newsroom"), relay_port=9).path)
    (typing.path / "readers.csv").write_text(f"email,name\n{HANAKO},山田 花子\n{TARO},鈴木 太郎\n", "utf-8")
    asked = ("--list", "daily", "--consent", "signed at the open day", "--yes")
    assert typing.run("subscribers", "import", str(typing.path / "readers.csv"), *asked).code == 0
    return typing


def test_a_readers_letter_can_be_answered_and_obeyed(newsroom: Typing) -> None:
    """Look, choose, hand over, never mail again, lift, forget: the whole noun in the order in which letters come."""
    shown = newsroom.run("subscribers", "show", "HANAKO@example.jp").out
    assert "山田 花子" in shown
    assert "signed at the open day" in shown
    prefer = ("subscribers", "prefer", HANAKO, "--list", "daily")
    assert newsroom.run(*prefer, "--rhythm", "weekly", "--hour", "7", "--zone", "Asia/Tokyo", "--json").json() == {
        "rhythm": "weekly", "sections": None, "hour": 7, "timezone": "Asia/Tokyo", "language": None, "changed": True}
    assert "no time zone" in newsroom.run(*prefer, "--zone", "Tokyo").err
    assert newsroom.run(*prefer, "--hour", "any", "--zone", "any", "--json").json()["hour"] is None
    assert newsroom.run("subscribers", "data", HANAKO, "--output", str(newsroom.path / "hanako.json")).code == 0
    written = newsroom.path / "hanako.json"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert json.loads(written.read_text("utf-8"))["lists"][0]["rhythm"] == "weekly"
    assert newsroom.run("subscribers", "data", HANAKO, "--output", str(newsroom.path / "hanako.json")).code == 3
    assert newsroom.run("subscribers", "rename", HANAKO, "佐藤 花子").code == 0
    assert newsroom.run("subscribers", "show", HANAKO, "--json").json()["name"] == "佐藤 花子"
    assert newsroom.run("subscribers", "suppress", HANAKO, "--reason", "x" * 33).code == 1
    assert newsroom.run("subscribers", "suppress", HANAKO, "--reason", "asked by telephone").code == 0
    assert newsroom.run("subscribers", "suppressed", "--json").json()[0]["reason"] == "asked by telephone"
    lifted = newsroom.run("subscribers", "lift", HANAKO, "--why", "wrote that it was a mistake")
    assert "nobody is put back" in lifted.out
    assert newsroom.run("subscribers", "show", HANAKO, "--json").json()["lists"][0]["state"] == "left"
    assert newsroom.run("subscribers", "erase", HANAKO).code == 1
    assert newsroom.run("subscribers", "erase", HANAKO, "--yes").out.startswith("✓ Erased")
    assert HANAKO not in newsroom.run("subscribers", "list").out
    written.unlink()
    (newsroom.path / "readers.csv").unlink()
    holding = [path for path in newsroom.path.rglob("*") if path.is_file() and HANAKO.encode() in path.read_bytes()]
    assert holding == []
    assert "Nothing is known" in newsroom.run("subscribers", "erase", HANAKO).out
    assert "erased" in newsroom.run("subscribers", "show", HANAKO).out
    assert newsroom.run("subscribers", "sweep", "--json").json()["people"] == 0


def test_they_speak_japanese(newsroom: Typing) -> None:
    use_language("ja")
    for arguments in (("show", TARO), ("suppressed",), ("sweep",), ("erase", "nobody@example.jp"), ("lift", "nobody@example.jp", "--why", "x")):
        said = newsroom.run("subscribers", *arguments)
        assert said.code == 0
        assert any(ord(letter) > 0x3000 for letter in said.out), arguments


def test_what_makes_no_sense_is_refused_in_a_line(newsroom: Typing) -> None:
    prefer = ("subscribers", "prefer", TARO, "--list", "daily")
    for arguments, said in ((prefer + ("--hour", "noon"), "no hour"), (prefer + ("--hour", "24"), "no hour"), (prefer + ("--sections", " , "), "no section"),
                            (("subscribers", "rename", "nobody@example.jp", "x"), "on no list"), (("subscribers", "show", "nobody"), "one @"),
                            (("subscribers", "lift", TARO, "--why", " "), "say why"),
                            (("subscribers", "prefer", "nobody@example.jp", "--list", "daily"), "not on this list")):
        answer = newsroom.run(*arguments)
        assert (answer.code, said in answer.err) == (3 if "one @" in said else 1, True), (arguments, answer)
        assert answer.err.count("\n") == 1
