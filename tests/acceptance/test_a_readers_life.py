"""A reader's whole life through real servers: Postfix carries every mail, Dovecot holds the mailbox, the real service answers."""

import email
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email import policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.commands import NewsroomFolder
from tests.dovecot import Dovecot, dovecot
from tests.mail_servers import free_port, listens, until
from tests.postfix import Postfix, postfix

HANAKO, TARO = "hanako@readers.example", "taro@gone.example"
LISTS = "lists.test.example"
PATIENCE = 40.0


SECOND = ("Aoba Labs gives its translator away", "The northern bureau trusts a model with its weather", "Sakura Works checks proofs by machine")
THIRD = ("A ship steers itself through the strait", "Hospitals share one reading room for X-rays", "Farmers count apples from the air")


def more_stories(headlines: tuple[str, ...]) -> str:
    """A file of stories that no other file has."""
    return "# Daily report\n\n## Models\n" + "".join(
        f"\n### {number}. {headline}\n- Date: 2026-03-05\n- Source: Example Wire\n- URL: https://wire.example.com/{headline.replace(' ', '-')}\n"
        f"- Summary: {headline}, and says how it is done.\n" for number, headline in enumerate(headlines, 1))


@contextmanager
def refusing() -> Iterator[int]:
    """Postfix's own sink, which knows none of its recipients; its port."""
    path = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin")
    if path is None:
        pytest.skip("not run: smtp-sink is absent (tools/servers installs it)")
    port = free_port()
    sink = subprocess.Popen([path, "-u", "nobody", "-f", "RCPT", "-B", "550 5.1.1 Recipient address rejected: User unknown", f"127.0.0.1:{port}", "20"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listens(port), what="smtp-sink")
        yield port
    finally:
        sink.terminate()
        sink.wait(timeout=10)


class Newsroom:
    """The newsroom's folder and its service; mail to its lists comes in by LMTP."""

    def __init__(self, folder: Path, server: Postfix, database_url: str) -> None:
        self.web_port, self.door = free_port(), free_port()
        self.folder = NewsroomFolder.make(folder, relay_port=server.port, database_url=database_url, site_url=f"http://127.0.0.1:{self.web_port}",
                                          timetable="0 0 1 1 *", extra=f'[inbound]\nlisten = "lmtp://127.0.0.1:{self.door}"\n')
        path = folder / "publisher.toml"
        path.write_text(path.read_text("utf-8").replace('timeout = "5s"', f'timeout = "5s"\nbounce_domain = "{LISTS}"'), "utf-8")
        self.service = self.folder.start("run", log=folder / "service.log")
        until(lambda: listens(self.web_port) and listens(self.door), within=PATIENCE, what="the service")

    def reader(self, address: str) -> dict[str, object] | None:
        """What `publisher subscribers list` tells of one address."""
        found = self.folder.run("subscribers", "list", "--json").json()
        return next((entry for entry in found if entry["address"] == address), None)

    def send(self) -> dict[str, int]:
        """`publisher send`: what became of the mails."""
        answer = self.folder.run("send", "morning", "--yes", "--json")
        assert answer.code == 0, answer.err
        return dict(answer.json()["mails"])

    def stop(self) -> None:
        """Stop the service as an operator does."""
        self.service.terminate()
        self.service.wait(timeout=20)


def mail(sender: str, recipient: str, subject: str, body: str = "", **headers: str) -> bytes:
    """A mail as a reader's program writes it."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"], message["Message-ID"] = sender, recipient, subject, f"<{abs(hash(subject))}@readers.example>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(body)
    return message.as_bytes(policy=policy.SMTP)


def inbox(box: Dovecot) -> list[EmailMessage]:
    """The reader's mails, oldest first."""
    found = [email.message_from_bytes(data, policy=policy.default) for data in box.mails("hanako")]
    return [one for one in found if isinstance(one, EmailMessage)]


def wait_for(box: Dovecot, count: int, what: str) -> EmailMessage:
    """The newest of `count` mails."""
    until(lambda: len(box.mails("hanako")) >= count, within=PATIENCE, what=what)
    mails = inbox(box)
    assert len(mails) == count, [one["Subject"] for one in mails]
    return mails[-1]


def one_click(issue: EmailMessage) -> int:
    """What a mail program sends when its reader presses Unsubscribe (RFC 8058)."""
    assert issue["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    url = issue["List-Unsubscribe"].partition("<")[2].partition(">")[0]
    with urllib.request.urlopen(urllib.request.Request(url, b"List-Unsubscribe=One-Click", method="POST"), timeout=10) as answer:
        return int(answer.status)


def test_a_reader_joins_by_mail_reads_leaves_and_another_one_bounces(tmp_path: Path, database_url: str) -> None:
    """Subscribe address, confirmation answered, issue read, one-click, no next issue; then a 550, its DSN, and never again."""
    with postfix() as server, dovecot({"hanako": "secret"}) as box, refusing() as sink:
        newsroom = Newsroom(tmp_path, server, database_url)
        try:
            server.route(LISTS, lmtp=newsroom.door)
            server.route("readers.example", lmtp=box.lmtp_port)
            server.route("gone.example", smtp=sink)
            joins(server, box, newsroom)
            reads_and_leaves(box, newsroom)
            bounces(box, newsroom)
        finally:
            newsroom.stop()
    log = (tmp_path / "service.log").read_text("utf-8")
    assert "Traceback" not in log
    assert "hanako" not in log
    assert "taro" not in log


def joins(server: Postfix, box: Dovecot, newsroom: Newsroom) -> None:
    """A mail to the subscribe address, and an answer to the confirmation."""
    refused = server.submit(mail(HANAKO, f"nobody-knows@{LISTS}", "hello"), HANAKO, [f"nobody-knows@{LISTS}"])
    assert list(refused) == [f"nobody-knows@{LISTS}"]
    assert not server.submit(mail(HANAKO, f"daily-subscribe@{LISTS}", "購読します"), HANAKO, [f"daily-subscribe@{LISTS}"])
    asks = wait_for(box, 1, "the confirmation")
    assert newsroom.reader(HANAKO) is not None
    assert newsroom.reader(HANAKO)["state"] == "unconfirmed"  # type: ignore[index]
    token_address = str(asks["Reply-To"])
    absent = mail(HANAKO, token_address, "不在のお知らせ", "ただいま不在です。", Auto_Submitted="auto-replied", In_Reply_To=str(asks["Message-ID"]))
    assert not server.submit(absent, "", [token_address])
    assert not server.submit(mail(HANAKO, token_address, f"Re: {asks['Subject']}", "はい", In_Reply_To=str(asks["Message-ID"])), HANAKO, [token_address])
    welcome = wait_for(box, 2, "the welcome")
    assert welcome["List-Unsubscribe"]
    assert newsroom.reader(HANAKO)["state"] == "subscribed"  # type: ignore[index]


def reads_and_leaves(box: Dovecot, newsroom: Newsroom) -> None:
    """The first issue comes; one click; what is asked twice is answered alike."""
    newsroom.folder.story_file()
    assert newsroom.send()["accepted"] == 1
    issue = wait_for(box, 3, "the issue")
    assert issue["List-Id"]
    assert [one_click(issue), one_click(issue)] == [200, 200]
    assert newsroom.reader(HANAKO)["state"] == "left"  # type: ignore[index]


def bounces(box: Dovecot, newsroom: Newsroom) -> None:
    """The next issue goes to the other one only; Postfix reports that there is no such reader; the third issue goes to nobody."""
    newsroom.folder.readers(TARO)
    newsroom.folder.story_file("second.md", more_stories(SECOND))
    assert newsroom.send()["accepted"] == 1
    until(lambda: (newsroom.reader(TARO) or {}).get("suppressed"), within=PATIENCE, what="the suppression")
    assert newsroom.reader(TARO)["state"] == "left"  # type: ignore[index]
    assert len(box.mails("hanako")) == 3
    again = newsroom.folder.run("subscribers", "import", "readers.csv", "--list", "daily", "--consent", "signed at the open day", "--yes", "--json")
    assert again.json()["suppressed"] == 1
    newsroom.folder.story_file("third.md", more_stories(THIRD))
    last = newsroom.folder.run("send", "morning", "--yes", "--json")
    assert last.code == 0
    assert last.json()["mails"]["accepted"] == 0
