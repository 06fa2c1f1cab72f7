"""`publisher subscribers`, typed as a person types it."""

import json
from pathlib import Path

from tests.commands import NewsroomFolder
from tests.readers import ALICE, HANAKO, TARO

FILE = "email,name\nhanako@example.jp,山田 花子\ntaro@example.jp,鈴木 太郎\nalice@example.com,Alice Smith\n"


def test_the_commands_import_list_add_and_remove(tmp_path: Path) -> None:
    """The whole noun as a person types it: exit code 3 for a bad row, 1 without consent, and a reader who left comes back by hand only."""
    newsroom = NewsroomFolder.make(tmp_path, relay_port=9)
    (tmp_path / "readers.csv").write_bytes((FILE + "nobody,x\n").encode("cp932"))
    answer = newsroom.run("subscribers", "import", "readers.csv", "--list", "daily", "--consent", "signed at the open day", "--yes", "--json")
    assert answer.code == 3
    assert {key: answer.json()[key] for key in ("read", "added", "refused")} == {"read": 4, "added": 3, "refused": 1}
    assert "readers.csv:5:" in answer.err
    assert newsroom.run("subscribers", "import", "readers.csv", "--list", "daily", "--consent", " ", "--yes").code == 1
    assert newsroom.run("subscribers", "remove", HANAKO, "--list", "daily", "--yes").code == 0
    listed = newsroom.run("subscribers", "list", "--json").json()
    assert {entry["address"]: entry["state"] for entry in listed} == {HANAKO: "left", TARO: "subscribed", ALICE: "subscribed"}
    assert HANAKO in newsroom.run("subscribers", "list", "--state", "left").out
    add = ("subscribers", "add", "Hanako@Example.JP", "--list", "daily", "--consent", "asked by telephone")
    assert newsroom.run(*add).code == 1
    assert "Back on the list" in newsroom.run(*add, "--yes").out
    assert newsroom.run("subscribers", "add", "nobody", "--list", "daily", "--consent", "x").code == 3
    assert json.loads(newsroom.run("subscribers", "list", "--state", "left", "--json").out) == []
