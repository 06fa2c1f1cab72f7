"""Files of readers and a whole newsroom, in and out, typed as a person types it; and an import that is killed in the middle."""

import signal
import stat
import time
from pathlib import Path

from tests.commands import NewsroomFolder
from tests.moving import exports
from tests.readers import ALICE, HANAKO, TARO

CONSENT = ("--list", "daily", "--consent", "signed at the open day")


def test_readers_go_in_with_a_look_before_and_out_again(tmp_path: Path) -> None:
    newsroom = NewsroomFolder.make(tmp_path / "one", relay_port=9)
    (newsroom.path / "readers.csv").write_bytes(
        f"Email Address,First Name,Last Name,Status,CONFIRM_TIME\n{HANAKO},花子,山田,subscribed,2024-05-01 09:00:00\n{TARO},Taro,Suzuki,unsubscribed,\n"
        f"{ALICE},Alice,Smith,subscribed,\nnobody,x,y,subscribed,\n".encode("cp932"))
    look = newsroom.run("subscribers", "import", "readers.csv", *CONSENT, "--dry-run", "--json")
    assert {key: look.json()[key] for key in ("read", "added", "gone", "refused", "dry_run")} == {"read": 4, "added": 2, "gone": 1, "refused": 1, "dry_run": True}
    answer = newsroom.run("subscribers", "import", "readers.csv", *CONSENT, "--yes", "--refused", "refused.csv")
    assert answer.code == 3
    assert "1 left elsewhere" in answer.out
    assert "refused.csv" in answer.err
    assert (newsroom.path / "refused.csv").read_bytes().decode("cp932").startswith("Email Address,First Name,Last Name,Status,CONFIRM_TIME,reason\nnobody,x,y,")
    assert newsroom.run("subscribers", "export", "out.csv", "--list", "daily", "--excel").out == "✓ 3 readers written to out.csv\n"
    made = newsroom.path / "out.csv"
    assert made.read_bytes().startswith(b"\xef\xbb\xbfemail,name,")
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert [path.name for path in newsroom.path.iterdir() if path.name.startswith(".out")] == []
    other = NewsroomFolder.make(tmp_path / "other", relay_port=9)
    assert other.run("subscribers", "import", str(made), *CONSENT, "--yes").code == 0
    both = [[line.rpartition(",")[0] for line in room.run("subscribers", "export", "--list", "daily").out.splitlines()] for room in (newsroom, other)]
    assert both[0] == both[1]
    assert [line.partition(",")[0] for line in both[1][1:]] == [ALICE, HANAKO, TARO]


def test_a_newsroom_moves_in_by_one_command(tmp_path: Path) -> None:
    newsroom = NewsroomFolder.make(tmp_path, relay_port=9)
    exports.zipped(tmp_path / "export.zip", exports.substack())
    assert newsroom.run("import", "substack", "export.zip").code == 1
    answer = newsroom.run("import", "substack", "export.zip", "--newsletter", "morning", "--yes")
    assert answer.code == 3
    assert "2 past issues (No. 1 to 2)" in answer.out
    assert "“For payers”" in answer.err
    again = newsroom.run("import", "substack", "export.zip", "--yes", "--json").json()
    assert (again["issues"]["added"], again["issues"]["unchanged"], again["readers"]["added"]) == (0, 2, 0)
    assert newsroom.run("import", "substack", "export.zip", "--newsletter", "evening").code == 1
    assert newsroom.run("import", "ghost", "export.zip").code == 3
    assert [entry["state"] for entry in newsroom.run("issues", "list", "--json").json()] == ["sent", "sent"]


def test_an_import_killed_in_the_middle_ends_the_same_when_it_is_run_again(tmp_path: Path) -> None:
    newsroom = NewsroomFolder.make(tmp_path, relay_port=9)
    total = 60_000
    (tmp_path / "readers.csv").write_text("email,name\n" + "".join(f"reader{number}@example.jp,R\n" for number in range(total)), "utf-8")
    assert newsroom.run("subscribers", "list").code == 0
    running = newsroom.start("subscribers", "import", "readers.csv", *CONSENT, "--yes")
    deadline = time.monotonic() + 30
    wal = tmp_path / "publisher.db-wal"
    while (not wal.exists() or wal.stat().st_size < 3_000_000) and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    answer = newsroom.run("subscribers", "import", "readers.csv", *CONSENT, "--yes", "--json").json()
    assert answer["added"] + answer["unchanged"] == total
    out = newsroom.run("subscribers", "export", "--list", "daily").out.splitlines()
    assert len(out) == len(set(out)) == total + 1
