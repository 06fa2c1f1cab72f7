"""`publisher lists` as a newsroom runs it: who is on them, and the form for its own site."""

from pathlib import Path

from tests.commands import NewsroomFolder
from tests.readers import HANAKO, TARO


def test_the_command_prints_it_and_lists_say_who_is_on_them(tmp_path: Path) -> None:
    """The real command, as a newsroom runs it."""
    newsroom = NewsroomFolder.make(tmp_path, relay_port=2525, extra="""
[[lists]]
name = "inside"
public = false
[inbound]
domain = "lists.example.jp"
listen = "lmtp://127.0.0.1:8024"
""")
    newsroom.readers(HANAKO, TARO)
    listed = newsroom.run("lists", "list", "--json").json()
    assert [(entry["name"], entry["opt_in"], entry["readers"]["subscribed"], entry["page"]) for entry in listed] == [
        ("daily", "double", 2, "http://127.0.0.1:8000/subscribe/daily"), ("inside", "double", 0, None)]
    assert listed[0]["addresses"]["subscribe"] == "daily-subscribe@lists.example.jp"
    shown = newsroom.run("lists")
    assert shown.code == 0
    assert "daily-subscribe@lists.example.jp" in shown.out
    assert HANAKO not in shown.out
    snippet = newsroom.run("lists", "embed", "daily", "--language", "ja")
    assert snippet.out.startswith('<form action="http://127.0.0.1:8000/subscribe/daily?lang=ja"')
    assert "登録する" in snippet.out
    frame = newsroom.run("lists", "embed", "daily", "--iframe")
    assert frame.out.startswith("<iframe ")
    assert "web.embed_origins" in frame.err
    for name in ("inside", "nowhere"):
        refused = newsroom.run("lists", "embed", name)
        assert (refused.code, refused.out) == (1, "")
