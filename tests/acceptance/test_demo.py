"""The demo is what a newcomer sees first: it must end with mails, posts and a table, and a second run must tell nobody anything."""

from pathlib import Path

from tests.commands import NewsroomFolder


def test_the_demo_sends_an_issue_and_a_second_run_tells_nobody_anything_twice(tmp_path: Path) -> None:
    """Three readers, three mails, posts on both accounts; then nothing, and a sentence that says so."""
    folder = NewsroomFolder(tmp_path)
    first = folder.run("demo")
    assert first.code == 0, first.err
    mails = list((tmp_path / "demo" / "outbox" / "mail").glob("*.eml"))
    posts = list((tmp_path / "demo" / "outbox").glob("*-dry-run/*.txt"))
    assert len(mails) == 3
    assert len(posts) == 5
    assert "3 of 3 readers" in first.out
    assert (tmp_path / "demo" / "outbox" / "issue-1.html").exists()
    second = folder.run("demo")
    assert second.code == 0, second.err
    assert "Nothing was told twice" in second.out
    assert list((tmp_path / "demo" / "outbox" / "mail").glob("*.eml")) == mails
