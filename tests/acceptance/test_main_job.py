"""The main job, run with the real commands from an empty folder to a ledger that tells the whole story."""

import email
from email import policy
from pathlib import Path

import pytest

from publisher.practice import PracticeRelay
from tests.commands import NewsroomFolder

HANAKO, TARO, ALICE = "hanako@example.jp", "taro@example.jp", "alice@example.com"


def test_a_newcomer_goes_from_an_empty_folder_to_a_sent_issue(tmp_path: Path, database_url: str) -> None:
    """Stories are read, picked, composed, mailed, posted and entered in the ledger; a second send tells nobody anything twice."""
    with PracticeRelay(tmp_path / "mail") as relay:
        newsroom = NewsroomFolder.make(tmp_path / "newsroom", relay_port=relay.port, database_url=database_url)
        newsroom.story_file()
        newsroom.readers(HANAKO, TARO, ALICE)
        sent = newsroom.run("send", "morning", "--yes", "--json")
        assert sent.code == 0, sent.err
        assert sent.json()["mails"]["accepted"] == 3
        assert sent.json()["posts"]["accepted"] == 3
        again = newsroom.run("send", "morning", "--yes")
        assert again.code == 0
        assert "Nothing was sent" in again.out
        assert relay.kept == 3
    _each_reader_has_a_mail_of_their_own(tmp_path / "mail")
    ledger = newsroom.run("ledger", "--json").json()
    assert len(ledger) == 3
    assert all({told["target"] for told in entry["told"]} == {"newsletter morning", "account dry"} for entry in ledger)
    assert all(told["told_at"] for entry in ledger for told in entry["told"])
    issues = newsroom.run("issues", "list", "--json").json()
    assert [(issue["number"], issue["state"], issue["accepted"]) for issue in issues] == [(1, "sent", 3)]
    resumed = newsroom.run("issues", "resume", "--yes")
    assert resumed.code == 0
    assert len(list((newsroom.path / "outbox" / "dry").glob("*.txt"))) == 3


def _each_reader_has_a_mail_of_their_own(folder: Path) -> None:
    mails = [email.message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(folder.glob("*.eml"))]
    assert {mail["To"] for mail in mails} == {HANAKO, TARO, ALICE}
    assert len({mail["Message-ID"] for mail in mails}) == 3
    assert len({mail["List-Unsubscribe"] for mail in mails}) == 3
    for mail in mails:
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        body = mail.get_body(("plain",))
        assert body is not None
        assert "Aoba Labs opens a model" in body.get_content()
        assert "1-1 Example, Chiyoda, Tokyo" in body.get_content()


def test_a_reader_who_left_gets_no_next_issue(tmp_path: Path) -> None:
    """Removed by hand between two issues; the others still get theirs."""
    with PracticeRelay(tmp_path / "mail") as relay:
        newsroom = NewsroomFolder.make(tmp_path / "newsroom", relay_port=relay.port)
        newsroom.story_file()
        newsroom.readers(HANAKO, TARO)
        assert newsroom.run("send", "morning", "--yes").code == 0
        assert newsroom.run("subscribers", "remove", HANAKO, "--list", "daily", "--yes").code == 0
        newsroom.story_file("second.md", _other_stories())
        assert newsroom.run("send", "morning", "--yes").code == 0
        assert relay.kept == 3
    assert sorted(path.name.partition("-")[2] for path in (tmp_path / "mail").iterdir()) == sorted([f"{HANAKO}.eml", f"{TARO}.eml", f"{TARO}.eml"])


def _other_stories() -> str:
    names = {"robots": "Kitayama Robotics ships 900 arms to a shipyard", "chips": "Sora Semiconductor tapes out a chip of 2 nanometres",
             "school": "Twelve schools in Niigata teach with a tutor of their own"}
    return "## News\n\n" + "\n".join(f"### {headline}\n- Date: 2026-03-06\n- URL: https://wire.example.com/{key}\n- Summary: {headline}, it was said on Friday.\n"
                                     for key, headline in names.items())


def test_no_at_the_question_sends_nothing_and_frees_the_stories(tmp_path: Path) -> None:
    """Without a terminal nobody can answer: nothing leaves, and the next send has the stories."""
    with PracticeRelay(tmp_path / "mail") as relay:
        newsroom = NewsroomFolder.make(tmp_path / "newsroom", relay_port=relay.port)
        newsroom.story_file()
        newsroom.readers(HANAKO)
        refused = newsroom.run("send", "morning")
        assert refused.code == 1
        assert "--yes" in refused.err
        assert relay.kept == 0
        assert newsroom.run("send", "morning", "--yes").code == 0
        assert relay.kept == 1


def test_an_issue_that_needs_approval_waits_for_it(tmp_path: Path) -> None:
    """Draft, look, approve, send: each step says what comes next."""
    with PracticeRelay(tmp_path / "mail") as relay:
        newsroom = NewsroomFolder.make(tmp_path / "newsroom", relay_port=relay.port)
        text = (newsroom.path / "publisher.toml").read_text("utf-8").replace("min_stories = 3", 'min_stories = 3\napproval = "required"')
        (newsroom.path / "publisher.toml").write_text(text, "utf-8")
        newsroom.story_file()
        newsroom.readers(HANAKO)
        waits = newsroom.run("send", "morning", "--yes")
        assert waits.code == 4
        assert relay.kept == 0
        early = newsroom.run("issues", "send", "1", "--yes")
        assert early.code == 1
        assert "publisher issues approve 1" in early.err
        assert newsroom.run("send", "morning", "--yes").code == 1
        assert newsroom.run("issues", "approve", "1").code == 0
        assert newsroom.run("issues", "send", "1", "--yes").code == 0
        assert relay.kept == 1


def test_the_preview_is_the_mail_that_goes_out(tmp_path: Path) -> None:
    """`issues preview --eml --reader` and the mail that the relay was given are the same, byte for byte but for the day it left."""
    with PracticeRelay(tmp_path / "mail") as relay:
        newsroom = NewsroomFolder.make(tmp_path / "newsroom", relay_port=relay.port)
        newsroom.story_file()
        newsroom.readers(HANAKO)
        assert newsroom.run("issues", "draft", "morning").code == 0
        before = newsroom.run("issues", "preview", "1", "--eml", "--reader", HANAKO).out
        assert newsroom.run("issues", "send", "1", "--yes").code == 0
    kept = next((tmp_path / "mail").glob("*.eml")).read_text("utf-8")
    assert _without_date(before) == _without_date(kept)


def _without_date(mail: str) -> list[str]:
    lines = mail.replace("\r\n", "\n").strip().split("\n")
    return [line for line in lines if not line.startswith("Date:")]


@pytest.mark.parametrize(("arguments", "code", "says"), [
    (("send", "evening"), 1, "known: morning"),
    (("issues", "show", "99"), 1, "publisher issues list"),
    (("posts", "retry", "99"), 1, "publisher posts list"),
    (("stories", "ingest", "nowhere.md"), 3, "nowhere.md"),
    (("stories", "ingest", "readers.csv"), 3, "publisher subscribers import"),
    (("stories", "show", "99"), 1, "publisher stories list"),
    (("ledger", "--story", "99"), 1, "there is no story 99"),
    (("ledger", "--account", "nobody"), 1, "known: dry"),
    (("posts", "preview", "--issue", "99"), 1, "publisher issues list"),
    (("demo", "--folder", "/proc/x"), 1, "/proc/x"),
    (("--config", "elsewhere.toml", "issues", "list"), 2, "publisher init"),
    (("frobnicate",), 2, "No such command"),
    (("init",), 1, "is there already"),
])
def test_a_mistake_is_answered_with_one_line_and_what_to_do(tmp_path: Path, arguments: tuple[str, ...], code: int, says: str) -> None:
    """No traceback reaches a person."""
    newsroom = NewsroomFolder.make(tmp_path, relay_port=9)
    answer = newsroom.run(*arguments)
    assert answer.code == code, answer
    assert says in answer.err


def test_a_relay_that_is_not_there_loses_nothing(tmp_path: Path) -> None:
    """The issue waits, nobody is marked refused, and the same command finishes it when the relay is back."""
    newsroom = NewsroomFolder.make(tmp_path / "newsroom", relay_port=9)
    newsroom.story_file()
    newsroom.readers(HANAKO, TARO)
    failed = newsroom.run("send", "morning", "--yes")
    assert failed.code in (1, 4)
    assert "127.0.0.1" in failed.err
    again = newsroom.run("send", "morning", "--yes")
    assert again.code == 1
    assert "publisher issues resume" in again.err
    with PracticeRelay(tmp_path / "mail") as relay:
        text = (newsroom.path / "publisher.toml").read_text("utf-8").replace("127.0.0.1:9\"", f"127.0.0.1:{relay.port}\"")
        (newsroom.path / "publisher.toml").write_text(text, "utf-8")
        assert newsroom.run("issues", "resume", "--yes").code == 0
        assert relay.kept == 2


def test_commands_speak_japanese_where_the_locale_is_japanese(tmp_path: Path) -> None:
    """Help, tables and errors, by locale and by --lang."""
    newsroom = NewsroomFolder.make(tmp_path, relay_port=9)
    assert "使い方" in newsroom.run("--help", LANG="ja_JP.UTF-8").out
    assert "情報源を読み" in newsroom.run("--lang", "ja", "send", "--help").out
    newsroom.story_file()
    newsroom.readers(HANAKO)
    refused = newsroom.run("send", "morning", "--yes", LANG="ja_JP.UTF-8")
    assert "応答がありません" in refused.err
    error = newsroom.run("send", "evening", LANG="ja_JP.UTF-8").err
    assert "evening" in error
    assert "there is no" not in error


def test_an_account_without_credentials_keeps_its_posts_and_stops_no_mail(tmp_path: Path) -> None:
    """What is missing is named; the readers get their issue, and the posts wait for the keys."""
    with PracticeRelay(tmp_path / "mail") as relay:
        account = '[[accounts]]\nname = "x-main"\nkind = "x"\nnewsletter = "morning"\n'
        newsroom = NewsroomFolder.make(tmp_path / "newsroom", relay_port=relay.port, extra=account)
        newsroom.story_file()
        newsroom.readers(HANAKO)
        sent = newsroom.run("send", "morning", "--yes", "--json")
        assert sent.code == 0, sent.err
        assert "PUBLISHER_X_MAIN_CONSUMER_KEY" in sent.err
        assert relay.kept == 1
        waiting = newsroom.run("posts", "list", "--account", "x-main", "--json").json()
    assert {post["state"] for post in waiting} == {"queued"}
