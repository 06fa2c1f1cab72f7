"""Mail handed over by a real Postfix, as docs/mailbox.md configures it: by LMTP, by a pipe, and into a Dovecot that is polled."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from publisher.db import Database
from publisher.mailroom.imap import look
from publisher.mailroom.reception import Reception
from publisher.mailroom.server import MailServer
from tests.commands import ROOT, NewsroomFolder
from tests.dovecot import dovecot
from tests.inbound import DOMAIN, NOW, REQUEST, SUBSCRIBE, Inbox, inbound_settings, written
from tests.mail_servers import free_port, public_folder, until
from tests.postfix import Postfix, postfix
from tests.readers import HANAKO, KEYS, state_of

PAGE = (ROOT / "docs" / "mailbox.md").read_text("utf-8")


def written_down(after: str) -> str:
    """The first block of the page below a line that holds `after`: what a newsroom copies."""
    return re.findall(r"```\n(.*?)```", PAGE[PAGE.index(after):], re.DOTALL)[0]


def inline(block: str, maps: dict[str, str]) -> str:
    """The block with the tables that it names written into it, for there is no /etc/postfix of ours; nobody's network is trusted."""
    for name, content in maps.items():
        assert f":/etc/postfix/{name}" in block, f"the page names no /etc/postfix/{name}"
        block = re.sub(rf"\b\w+:/etc/postfix/{name}\b", f"inline:{{ {{ {content} }} }}", block)
    return block + "mynetworks = 192.0.2.1/32\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"


@contextmanager
def door(inbox: Inbox, port: int) -> Iterator[None]:
    """The publisher's own door for mail, open inside the block."""
    server = MailServer(Reception(inbox.database, inbox.settings, KEYS, {}, lambda: NOW), f"lmtp://127.0.0.1:{port}")
    server.start()
    try:
        yield
    finally:
        server.stop()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_postfix_as_the_page_has_it_hands_over_by_lmtp(database: Database, tmp_path: Path) -> None:
    """Unknown addresses are refused while their sender is on the line, two recipients have two outcomes, and nothing is lost while the database is away."""
    port = free_port()
    main = inline(written_down("In `main.cf`"), {"transport": f"{DOMAIN} = lmtp:[127.0.0.1]:{port}", "verify": f"{DOMAIN} = reject_unverified_recipient"})
    inbox = Inbox(database, inbound_settings(tmp_path))
    with postfix(main=main) as server, door(inbox, port):
        refused = server.submit(written(), HANAKO, [f"nobody@{DOMAIN}", SUBSCRIBE, f"u+{'a' * 40}@{DOMAIN}", "x@elsewhere.example"])
        assert [code for code, _answer in refused.values()] == [550, 550, 554]
        assert SUBSCRIBE not in refused
        until(lambda: inbox.kinds() == ["confirm"], what="the confirmation")
        token = inbox.confirm_address()
        assert server.submit(written(subject="Re: Please confirm"), HANAKO, [token, REQUEST]) == {}
        until(lambda: state_of(database, HANAKO) == "subscribed" and len(inbox.received()) == 3, what="both outcomes")
        assert sorted(inbox.kinds()) == ["confirm", "help", "welcome"]
        comes_back_after_the_database(server, inbox)
        assert server.queue() == []


def comes_back_after_the_database(server: Postfix, inbox: Inbox) -> None:
    """Taken by Postfix, put off by us, brought again by Postfix."""
    with inbox.database.writing() as session:
        session.execute(text("ALTER TABLE received RENAME TO away"))
    mail = written("taro@example.jp", message_id="<late@example.jp>")
    assert server.submit(mail, "taro@example.jp", [SUBSCRIBE]) == {}
    until(lambda: server.queue() and "451" in str(server.queue()), what="the mail in the queue")
    with inbox.database.writing() as session:
        session.execute(text("ALTER TABLE away RENAME TO received"))
    server.flush()
    until(lambda: inbox.kinds().count("confirm") == 2, what="the mail that waited")
    until(lambda: server.queue() == [], what="an empty queue")


def test_postfix_hands_a_mail_to_the_command_by_a_pipe(tmp_path: Path) -> None:
    """What Postfix gives the command, the command takes: token, sender and null sender."""
    folder = NewsroomFolder.make(tmp_path / "newsroom", relay_port=9, extra=f'[inbound]\ndomain = "{DOMAIN}"\n')
    main = written_down("Instead of LMTP a pipe works too")
    entry = written_down("In `master.cf`:").replace("user=publisher", "user=nobody")
    with public_folder("pipe") as place:
        command = "/opt/publisher/bin/publisher --config /etc/publisher.toml"
        assert command in entry
        with postfix(main=main, master=entry.replace(command, str(recorder(place)))) as server:
            server.route(DOMAIN, transport="publisher:")
            assert server.submit(written(), HANAKO, [SUBSCRIBE]) == {}
            assert server.submit(written(message_id="<2@example.jp>"), "", [REQUEST]) == {}
            until(lambda: len(list(place.glob("taken/*.args"))) == 2, what="two mails in the pipe")
        given = [(path.read_text().splitlines(), path.with_suffix(".mail").read_text()) for path in place.glob("taken/*.args")]
    assert sorted(words[2] for words, _mail in given) == sorted([f"--recipient={SUBSCRIBE}", f"--recipient={REQUEST}"])
    for words, mail in given:
        assert folder.run(*words, typed=mail).code == 0
    assert [entry["kind"] for entry in folder.run("notices", "list", "--json").json()] == ["confirm"]


def recorder(place: Path) -> Path:
    """A command for the pipe that keeps what it is given: Postfix starts none as root, and others may not be able to read this checkout."""
    taken, script = place / "taken", place / "take"
    taken.mkdir()
    taken.chmod(0o777)
    script.write_text(f'#!/bin/sh\nname="{taken}/$$"\ncat > "$name.mail"\nfor word in "$@"; do printf "%s\\n" "$word"; done > "$name.part"\n'
                      'mv "$name.part" "$name.args"\n')
    script.chmod(0o755)
    return script


def test_the_command_answers_a_pipe_by_its_exit_code(tmp_path: Path) -> None:
    """0 taken, 67 no such address, 75 keep it and try again: sysexits.h, which Postfix understands."""
    folder = NewsroomFolder.make(tmp_path, relay_port=9, extra=f'[inbound]\ndomain = "{DOMAIN}"\n')
    mail = written().decode()
    arguments = ("mail", "receive", "--recipient", SUBSCRIBE, "--sender")
    assert folder.run(*arguments, HANAKO, typed=mail).code == 0
    assert folder.run("mail", "receive", "--recipient", f"nobody@{DOMAIN}", "--sender", HANAKO, typed=mail).code == 67
    (folder.path / "publisher.toml").write_text("[site\n", "utf-8")
    broken = folder.run(*arguments, HANAKO, typed=mail)
    assert broken.code == 75
    assert HANAKO not in broken.err


def test_the_addresses_are_listed_and_without_a_domain_there_are_none(tmp_path: Path) -> None:
    """The command says which setting is missing."""
    folder = NewsroomFolder.make(tmp_path, relay_port=9, extra=f'[inbound]\ndomain = "{DOMAIN}"\n')
    assert {"address": SUBSCRIBE, "kind": "subscribe", "list": "daily"} in folder.run("mail", "addresses", "--json").json()
    path = tmp_path / "publisher.toml"
    path.write_text(path.read_text("utf-8").replace("[inbound]", "").replace(f'domain = "{DOMAIN}"', ""), "utf-8")
    answer = folder.run("mail", "addresses")
    assert answer.code == 1
    assert "inbound.domain" in answer.err


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_postfix_gathers_a_domain_in_one_mailbox_that_is_polled(database: Database, tmp_path: Path) -> None:
    """As the page has it for one's own Dovecot: the recipient stands in X-Original-To, and the token in it survives."""
    block = written_down("one mailbox for the whole domain")
    assert "regexp:/etc/postfix/lists" in block
    table = re.findall(r"`/etc/postfix/lists`: `(.*?)`", PAGE)[0].replace("lists@example.jp", "lists@boxes.example").replace("$", "$$")
    main = block.replace("regexp:/etc/postfix/lists", f"regexp:{{ {{ {table} }} }}")
    flags = written_down("so that the mailbox learns").split("lmtp ", 2)[2].strip()
    with dovecot({"lists": "secret"}) as box, postfix(lmtp_flags=flags, main=main) as server:
        inbox = Inbox(database, inbound_settings(tmp_path, listen=None, imap=box.url("lists")))
        server.route("boxes.example", lmtp=box.lmtp_port)
        reception = Reception(database, inbox.settings, KEYS, {}, lambda: NOW)
        for recipient, sender in ((SUBSCRIBE, HANAKO), (None, "hanako@elsewhere.example")):
            address = recipient or inbox.confirm_address()
            assert server.submit(written(sender, "Re: Please confirm"), sender, [address]) == {}
            until(lambda: len(box.mails("lists")) == 1, what="the mail in the mailbox")
            assert look(reception, "secret", threading.Event()) == 1
        assert state_of(database, HANAKO) == "subscribed"
        assert (len(box.mails("lists")), len(box.mails("lists", "Publisher"))) == (0, 2)
