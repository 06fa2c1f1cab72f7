"""`publisher dkim` as a newsroom runs it: a key, its record, and mails that the record verifies."""

import re
import tomllib
from pathlib import Path

from publisher.deliver.dkim import load_key, signer_of
from publisher.settings_file import load_settings
from tests.commands import NewsroomFolder
from tests.signatures import BODY, headers, perl_says, signed, verifies

RECORD = "p202512._domainkey.news.example.jp"


def newsroom(folder: Path, dkim: str = "") -> NewsroomFolder:
    """A newsroom; `dkim` are lines of that section."""
    return NewsroomFolder.make(folder, relay_port=2525, extra=f"[dkim]\n{dkim}\n" if dkim else "")


def lines_for_the_file(out: str) -> str:
    """What the command says to add to publisher.toml."""
    return out[out.index("[dkim]"):]


def test_what_the_command_prints_is_all_that_is_needed_to_sign(tmp_path: Path) -> None:
    """The record goes into a zone file as it stands, the lines into publisher.toml; then a mail verifies by that record alone."""
    room = newsroom(tmp_path)
    made = room.run("dkim", "new", "--selector", "p202512")
    assert (made.code, made.err) == (0, "")
    assert (tmp_path / "state" / "dkim.pem").stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in made.out
    record = re.search(rf"^{re.escape(RECORD)}\. 3600 IN TXT \([^)]*\)$", made.out, re.MULTILINE)
    assert record is not None
    strings = re.findall(r'"([^"]*)"', record[0])
    assert all(len(string) <= 255 for string in strings)
    newsroom(tmp_path, lines_for_the_file(made.out).removeprefix("[dkim]\n"))
    by = signer_of(load_settings(tmp_path / "publisher.toml"), "news.example.jp")
    mail = signed(headers(), BODY, by)
    assert verifies(mail, "".join(strings), RECORD)
    (tmp_path / "mails").mkdir()
    assert perl_says(tmp_path / "mails", record[0], [mail]) == ["pass"]


def test_the_record_can_be_seen_again_for_people_and_machines(tmp_path: Path) -> None:
    """The same record, and no private key."""
    room = newsroom(tmp_path, 'selector = "p202512"')
    made = room.run("dkim", "new")
    shown = room.run("dkim", "show")
    assert shown.code == 0
    assert shown.out in made.out
    found = room.run("dkim", "show", "--json").json()
    assert (found["name"], found["type"], found["bits"], found["domain"], found["selector"]) == (RECORD, "TXT", 2048, "news.example.jp", "p202512")
    assert "".join(found["strings"]) == found["value"]
    assert found["value"] in shown.out
    assert "PRIVATE" not in shown.out + str(found)


def test_a_second_key_is_made_beside_the_first(tmp_path: Path) -> None:
    """For a change of keys: the old one goes on signing until publisher.toml names the new one, and is never overwritten."""
    room = newsroom(tmp_path, 'selector = "p202512"')
    assert room.run("dkim", "new").code == 0
    first = (tmp_path / "state" / "dkim.pem").read_bytes()
    refused = room.run("dkim", "new", "--selector", "p202606")
    assert (refused.code, refused.out) == (1, "")
    assert "state/dkim.pem is there already — for a second key: publisher dkim new --selector NEW --key-file state/dkim-NEW.pem" in refused.err
    refused = room.run("dkim", "new", "--selector", "p202512", "--key-file", "state/second.pem")
    assert refused.code == 1
    assert "the selector p202512 belongs to the key state/dkim.pem" in refused.err
    second = room.run("dkim", "new", "--selector", "p202606", "--key-file", "state/second.pem")
    assert second.code == 0
    assert "p202606._domainkey.news.example.jp" in second.out
    assert tomllib.loads(lines_for_the_file(second.out)) == {"dkim": {"selector": "p202606", "key_file": "state/second.pem"}}
    assert (tmp_path / "state" / "dkim.pem").read_bytes() == first
    assert load_key(tmp_path / "state" / "second.pem").key_size == 2048


def test_a_key_without_a_name_is_named_after_the_month(tmp_path: Path) -> None:
    """So that the next one has another name."""
    made = newsroom(tmp_path).run("dkim", "new")
    assert re.fullmatch(r"p20\d\d(0[1-9]|1[0-2])", tomllib.loads(lines_for_the_file(made.out))["dkim"]["selector"])


def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path) -> None:
    """No key, no selector, a selector that is none."""
    room = newsroom(tmp_path)
    for arguments, code, says in ((("show",), 1, "✗ dkim.selector is not set — set it in publisher.toml, or name one with --selector"),
                                  (("show", "--selector", "p202512"), 1, "is not there — make one with: publisher dkim new"),
                                  (("new", "--selector", "two words"), 2, "a selector has letters, digits, dots and hyphens only")):
        refused = room.run("dkim", *arguments)
        assert (refused.code, refused.out) == (code, "")
        assert says in refused.err
    assert not (tmp_path / "state" / "dkim.pem").exists()


def test_it_speaks_japanese(tmp_path: Path) -> None:
    """The sentences, not the record."""
    made = newsroom(tmp_path).run("--lang", "ja", "dkim", "new", "--selector", "p202512")
    assert "news.example.jp のDNSに公開するレコード" in made.out
    assert f"{RECORD}. 3600 IN TXT (" in made.out
