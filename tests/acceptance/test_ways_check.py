"""`publisher check` before the first issue: relays that are for nobody or have no key, and a signature without one, each with its line and remedy."""

import json
from pathlib import Path
from typing import Any

from publisher.deliver.dkim import make_key
from tests.commands import NewsroomFolder
from tests.relay import Relay


def checked(folder: Path, extra: str, **environ: str) -> list[tuple[str, str]]:
    """What `publisher check` finds wrong: the line it points at, and the reason."""
    room = NewsroomFolder.make(folder, relay_port=25, site_url="https://news.example.jp", extra=extra)
    answer = room.run("check", "--json", **environ)
    found: list[dict[str, Any]] = json.loads(answer.out)
    assert (answer.code == 0) is not found
    lines = (folder / "publisher.toml").read_text("utf-8").splitlines()
    assert all(one["remedy"] for one in found)
    return [(lines[one["line"] - 1], one["reason"]) for one in found]


def test_a_newsletter_without_a_relay_for_all_its_readers_is_named(tmp_path: Path) -> None:
    """All entries are for one domain: its other readers would wait for ever."""
    extra = '[[relays]]\nname = "carriers"\nurl = "smtp://127.0.0.1:25"\ndomains = ["docomo.ne.jp"]\n'
    assert checked(tmp_path, extra) == [('name = "morning"', "no entry of relays is for all readers of morning")]
    assert checked(tmp_path, extra + '[[relays]]\nname = "usual"\nurl = "smtp://127.0.0.1:26"\n') == []


def test_a_relay_that_is_named_twice_is_said_with_its_line(tmp_path: Path) -> None:
    extra = '[[relays]]\nname = "one"\nurl = "smtp://127.0.0.1:25"\n[[relays]]\nname = "one"\nurl = "smtp://127.0.0.1:26"\n'
    assert checked(tmp_path, extra) == [('name = "one"', "relays: the name one is given twice")]


def test_a_missing_secret_points_at_the_entry_of_its_relay(tmp_path: Path) -> None:
    """Not at mail.relay, which is not used; with the secret in the environment there is nothing to say."""
    extra = '[[relays]]\nname = "usual"\nurl = "smtp://127.0.0.1:25"\n[[relays]]\nname = "pm"\nurl = "postmark://broadcast"\nweight = 2\n'
    assert checked(tmp_path, extra) == [('name = "pm"', "relays.pm has no credentials")]
    assert checked(tmp_path, extra, PUBLISHER_RELAY_PM_PASSWORD="token") == []


def test_a_signature_without_a_key_is_said_where_it_stands(tmp_path: Path) -> None:
    ((line, reason),) = checked(tmp_path, '[dkim]\nselector = "p1"\nkey_file = "state/other.pem"\n')
    assert line == 'key_file = "state/other.pem"'
    assert "is not there" in reason
    make_key(tmp_path / "state" / "other.pem")
    assert checked(tmp_path, '[dkim]\nselector = "p1"\nkey_file = "state/other.pem"\n') == []


def test_an_issue_that_could_not_be_signed_or_sent_is_not_begun(tmp_path: Path) -> None:
    """One sentence, and no reader has a row: once it is mended the same command sends it."""
    with Relay() as relay:
        room = NewsroomFolder.make(tmp_path, relay_port=relay.port, extra='[dkim]\nselector = "p1"\n')
        room.readers("hanako@example.jp")
        room.story_file()
        issue = str(room.run("issues", "draft", "morning", "--json").json()["issue"])
        unsigned = room.run("issues", "resume", issue, "--yes")
        assert (unsigned.code, len(unsigned.err.strip().splitlines())) == (1, 1), unsigned.err
        assert "the DKIM key" in unsigned.err
        NewsroomFolder.make(tmp_path, relay_port=relay.port,
                            extra=f'[[relays]]\nname = "carriers"\nurl = "{relay.url}"\ndomains = ["docomo.ne.jp"]\n')
        unsent = room.run("issues", "resume", issue, "--yes")
        assert (unsent.code, "no entry of relays is for all readers of morning" in unsent.err) == (1, True), unsent.err
        assert room.run("issues", "show", issue, "--json").json()["state"] in ("draft", "approved")
        NewsroomFolder.make(tmp_path, relay_port=relay.port)
        assert room.run("issues", "resume", issue, "--yes").code == 0
    assert relay.recipients() == {"hanako@example.jp": 1}
