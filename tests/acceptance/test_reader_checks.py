"""What `publisher check` says of settings about readers that would not do what they seem to, and who may read the database."""

import stat
from pathlib import Path

import pytest

from tests.commands import NewsroomFolder

WRONG = {
    "mail comes in, and there is no domain for it": ('[inbound]\nlisten = "lmtp://127.0.0.1:8024"\n', None),
    "the list daily-subscribe has the name of a mail address": ('[[lists]]\nname = "daily-subscribe"\n', None),
    "the file nofile.txt is not there": ('[signup]\nrefused_domains = "nofile.txt"\n', None),
    "is no SNS topic": ('[hooks]\nses_topics = ["arn:bad"]\n', None),
    "leaving by one click works over https:// only": ("", "http://news.example.jp")}


@pytest.mark.parametrize("said", WRONG)
def test_check_names_what_would_not_work(tmp_path: Path, said: str) -> None:
    """With the line it stands on."""
    extra, site = WRONG[said]
    newsroom = NewsroomFolder.make(tmp_path, relay_port=9, extra=extra, **({"site_url": site} if site else {}))
    answer = newsroom.run("check")
    assert answer.code == 1
    assert said in answer.err
    assert "publisher.toml:" in answer.err


def test_the_database_is_its_owners_alone(tmp_path: Path) -> None:
    """It holds every address; so do the files beside it."""
    newsroom = NewsroomFolder.make(tmp_path, relay_port=9)
    newsroom.readers("hanako@example.jp")
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("publisher.db*")} == {0o600}


def test_refused_rows_are_mended_without_taking_the_reason_for_a_name(tmp_path: Path) -> None:
    """Rows that are too short, and days on which nobody agreed."""
    newsroom = NewsroomFolder.make(tmp_path, relay_port=9)
    (tmp_path / "s.csv").write_text("email,name,confirmed_at\nshort\nlate@example.jp,Late,2024-13-45\nfar@example.jp,Far,2099-01-01\n", "utf-8")
    first = newsroom.run("subscribers", "import", "s.csv", "--list", "daily", "--consent", "c", "--yes", "--json", "--refused", "r.csv")
    assert first.json()["refused"] == 3
    text = (tmp_path / "r.csv").read_text("utf-8").replace("short,", "short@example.jp,").replace("2024-13-45", "2024-12-05").replace("2099", "2019")
    (tmp_path / "r.csv").write_text(text, "utf-8")
    again = newsroom.run("subscribers", "import", "r.csv", "--list", "daily", "--consent", "c", "--yes", "--json")
    assert again.json()["added"] == 3
    readers = {entry["address"]: entry for entry in newsroom.run("subscribers", "list", "--json").json()}
    assert readers["short@example.jp"]["name"] is None
    assert readers["late@example.jp"]["confirmed_at"].startswith("2024-12-0")
    piped = newsroom.run("subscribers", "export", "-", "--list", "daily")
    assert "short@example.jp" in piped.out
    assert not (tmp_path / "-").exists()
