"""publisher.toml is read as it is written, and each fault is named with its line, its key, the reason and the remedy."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from publisher.errors import Problem, SettingsError
from publisher.settings import Settings
from publisher.settings_file import load_settings
from publisher.settings_sending import Relay
from publisher.settings_values import Fault

# The form that the newsroom was promised.
PROMISED = """\
[site]
name = "AI モーニング"
url = "https://news.example.jp"
language = "ja"
timezone = "Asia/Tokyo"
postal_address = "…"
contact = "desk@news.example.jp"

[database]
url = "sqlite:///publisher.db"          # or postgresql+psycopg://…

[web]
listen = "127.0.0.1:8000"               # default: site.url's own host and port when that is loopback

[mail]
relay = "smtp://127.0.0.1:2525"         # smtp+starttls://user@host:587, smtps://user@host:465
sender = "AI モーニング <news@news.example.jp>"
connections = 4

[[sources]]
name = "desk"
kind = "folder"                         # folder | feed | page
path = "stories"
curated = true

[[lists]]
name = "daily"

[[newsletters]]
name = "morning"
list = "daily"
timetable = "0 7 * * mon-fri"
window = "since-last"                   # or a span: "24h"
max_stories = 12
min_stories = 3
grace = "2h"
approval = "auto"                       # or "required"

[[accounts]]
name = "x-main"
kind = "x"
newsletter = "morning"                  # which picks it tells
max_posts = 3                           # a slot
"""
SMALLEST = '[site]\nurl = "http://127.0.0.1:8000"\n[mail]\nsender = "news@news.example.jp"\n'


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "publisher.toml"
    path.write_text(text, "utf-8")
    return load_settings(path)


def problems(folder: Path, text: str) -> list[Problem]:
    with pytest.raises(SettingsError) as refused:
        loaded(folder, text)
    return refused.value.problems


def changed(old: str, new: str) -> str:
    assert old in PROMISED
    return PROMISED.replace(old, new)


def test_the_promised_form_loads_as_it_stands(tmp_path: Path) -> None:
    settings = loaded(tmp_path, PROMISED)
    morning = settings.newsletters[0]
    assert settings.site.name == "AI モーニング"
    assert settings.listen() == ("127.0.0.1", 8000)
    assert settings.database_url == f"sqlite:///{tmp_path / 'publisher.db'}"
    assert (morning.window, morning.max_stories, morning.grace, morning.approval) == ("since-last", 12, timedelta(hours=2), "auto")
    assert settings.sources[0].effective_rights == "own"
    assert settings.accounts[0].max_posts == 3


def test_the_shipped_examples_load() -> None:
    for path in Path().glob("publisher.example*.toml"):
        assert load_settings(path).newsletters


def test_what_is_not_said_has_a_sensible_value(tmp_path: Path) -> None:
    settings = loaded(tmp_path, SMALLEST)
    assert settings.site.timezone == "Asia/Tokyo"
    assert settings.mail.connections == 4
    assert settings.fetch.allow == ()


def test_a_file_with_a_byte_order_mark_is_read_with_true_lines(tmp_path: Path) -> None:
    (tmp_path / "publisher.toml").write_bytes(b"\xef\xbb\xbf" + changed('"auto" ', '"perhaps" ').encode())
    with pytest.raises(SettingsError) as refused:
        load_settings(tmp_path / "publisher.toml")
    assert refused.value.problems[0].line == PROMISED.splitlines().index('approval = "auto"                       # or "required"') + 1


def test_the_database_password_of_a_path_is_no_path(tmp_path: Path) -> None:
    text = changed("sqlite:///publisher.db", "postgresql+psycopg://publisher@db.example.jp/publisher")
    assert loaded(tmp_path, text).database_url == "postgresql+psycopg://publisher@db.example.jp/publisher"


def test_a_misspelt_key_is_refused_with_its_line_and_a_suggestion(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, changed("max_stories = 12", "max_storys = 12"))
    assert problem.line == PROMISED.splitlines().index("max_stories = 12") + 1
    assert problem.reason == "newsletters.#1.max_storys is not a key of this program"
    assert problem.remedy == "did you mean max_stories?"


def test_a_misspelt_table_is_refused_with_its_line_and_a_suggestion(tmp_path: Path) -> None:
    found = problems(tmp_path, changed("[[newsletters]]", "[[newsletter]]"))
    assert (found[0].line, found[0].remedy) == (PROMISED.splitlines().index("[[newsletters]]") + 1, "did you mean newsletters?")


def test_a_key_unlike_any_other_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "xyzzy = 1\n" + PROMISED)
    assert problem.line == 1
    assert "newsletters" in problem.remedy


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    found = problems(tmp_path, '[site]\nname = "AI モーニング"\n')
    assert [(one.reason, one.line) for one in found] == [("site.url is missing", 1), ("mail is missing", None)]
    assert all(one.remedy for one in found)


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    text = changed('timezone = "Asia/Tokyo"', 'timezone = "Asia/Tokio"').replace('grace = "2h"', "grace = 2")
    assert len(problems(tmp_path, text.replace("connections = 4", "connections = 0"))) == 3


BAD = [
    ('timezone = "Asia/Tokyo"', 'timezone = "Tokyo"', "site.timezone is not a time zone"),
    ('language = "ja"', 'language = "jp"', "site.language cannot be"),
    ('url = "https://news.example.jp"', 'url = "news.example.jp"', "site.url is not a web address"),
    ('url = "https://news.example.jp"', 'url = "https://news.example.jp:99999"', "site.url is not a web address"),
    ('url = "https://news.example.jp"', 'url = "http://[::1"', "site.url is not a web address"),
    ('url = "https://news.example.jp"', 'url = "https://news.example.jp/?a=1"', "site.url has a ? or # part"),
    ('name = "AI モーニング"', 'name = "AI\\r\\nBcc: x@example.jp"', "site.name holds a line break"),
    ('listen = "127.0.0.1:8000" ', 'listen = "localhost" ', "web.listen is not an address to listen at"),
    ('listen = "127.0.0.1:8000" ', 'listen = "127.0.0.1:99999" ', "web.listen is not an address to listen at"),
    ('"smtp://127.0.0.1:2525"', '"127.0.0.1:2525"', "mail.relay is not a relay"),
    ('"smtp://127.0.0.1:2525"', '"smtp://u:geheim@127.0.0.1:2525"', "mail.relay holds a password: put it into PUBLISHER_RELAY_PASSWORD"),
    ('sender = "AI モーニング <news@news.example.jp>"', 'sender = "AI モーニング"', "mail.sender is not a mail address"),
    ('sender = "AI モーニング <news@news.example.jp>"', 'sender = "A <a@example.jp>, B <b@example.jp>"', "mail.sender is not a mail address"),
    ("connections = 4", "connections = 0", "mail.connections is out of range: 0"),
    ("connections = 4", 'connections = "four"', "mail.connections has a value of the wrong kind"),
    ("curated = true", 'curated = "perhaps"', "sources.#1.curated has a value of the wrong kind"),
    ('kind = "folder" ', 'kind = "ftp" ', "sources.#1.kind cannot be"),
    ('path = "stories"', "", "sources.#1 needs path, because it is a folder"),
    ('name = "daily"', 'name = "täglich"', "lists.#1.name is not a name"),
    ('"0 7 * * mon-fri"', '"0 7 * * funday"', "newsletters.#1.timetable is not a timetable"),
    ('window = "since-last"', 'window = "since last"', "newsletters.#1.window is neither"),
    ("min_stories = 3", "min_stories = 13", "newsletters.#1 has a min_stories over its max_stories"),
    ('grace = "2h"', "grace = 2", "newsletters.#1.grace is not a span"),
    ('grace = "2h"', 'first_window = "0d"', "newsletters.#1.first_window is out of range"),
    ('approval = "auto"', 'approval = "perhaps"', "newsletters.#1.approval cannot be"),
    ("max_posts = 3", "max_posts = -1", "accounts.#1.max_posts is out of range: -1"),
]


@pytest.mark.parametrize(("old", "new", "reason"), BAD)
def test_a_bad_value_is_named_with_line_key_reason_and_remedy(tmp_path: Path, old: str, new: str, reason: str) -> None:
    text = changed(old, new)
    (problem,) = problems(tmp_path, text)
    assert problem.reason.startswith(reason)
    assert problem.line is not None
    table = reason.partition(".")[0]
    assert (new.split(" = ")[0] or table) in text.splitlines()[problem.line - 1] or table in text.splitlines()[problem.line - 1]
    assert problem.remedy
    assert "geheim" not in str(problem)
    assert "Value error" not in str(problem)


def test_a_password_in_any_address_is_refused_and_not_repeated(tmp_path: Path) -> None:
    text = changed('kind = "folder"                         # folder | feed | page\npath = "stories"', 'kind = "feed"\nurl = "https://u:geheim@example.jp/feed"')
    (problem,) = problems(tmp_path, text)
    assert problem.reason == "sources.#1.url holds a password, and this file is no place for one"
    assert "geheim" not in str(problem)


def test_the_address_of_a_feed_is_kept_to_the_last_slash(tmp_path: Path) -> None:
    """example.jp/feed and example.jp/feed/ can be two things; addresses of our own pages are made by adding to site.url."""
    text = changed('kind = "folder"                         # folder | feed | page\npath = "stories"', 'kind = "feed"\nurl = "https://example.jp/feed/"')
    settings = loaded(tmp_path, text.replace('"https://news.example.jp"', '"https://news.example.jp/"'))
    assert settings.sources[0].url == "https://example.jp/feed/"
    assert settings.site.url == "https://news.example.jp"


def test_a_name_given_twice_is_refused_at_the_second_place(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, PROMISED + '\n[[lists]]\nname = "daily"\n')
    assert problem.reason == "lists: the name daily is given twice"
    assert problem.line == len(PROMISED.splitlines()) + 3


def test_names_must_exist_where_they_are_named(tmp_path: Path) -> None:
    found = problems(tmp_path, changed('list = "daily"', 'list = "dayly"').replace('newsletter = "morning" ', 'newsletter = "evening" '))
    assert [one.reason for one in found] == ["newsletters.#1.list names dayly, which is not in lists",
                                             "accounts.#1.newsletter names evening, which is not in newsletters"]
    assert [one.remedy for one in found] == ["known: daily", "known: morning"]


def test_what_is_no_toml_is_named_with_its_line(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, changed('name = "desk"', 'name = "desk'))
    assert problem.line == PROMISED.splitlines().index('name = "desk"') + 1
    (unfinished,) = problems(tmp_path, '[site]\nname = """AI')
    assert unfinished.line == 2


def test_a_file_in_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "publisher.toml"
    path.write_bytes("[site]\nname = 'モーニング'\n".encode("cp932"))
    with pytest.raises(SettingsError) as refused:
        load_settings(path)
    assert str(refused.value.problems[0]) == f"{path}:2: is not UTF-8 — save the file as UTF-8"


def test_an_absent_file_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="publisher init"):
        load_settings(tmp_path / "publisher.toml")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path)


@pytest.mark.parametrize(("address", "relay"), [
    ("smtp://127.0.0.1:2525", ("127.0.0.1", 2525, "none", None)), ("smtp://relay.example.jp", ("relay.example.jp", 25, "none", None)),
    ("smtp+starttls://news@relay.example.jp:587", ("relay.example.jp", 587, "starttls", "news")),
    ("smtp+starttls://news%40example.jp@relay.example.jp", ("relay.example.jp", 587, "starttls", "news@example.jp")),
    ("smtps://news@relay.example.jp", ("relay.example.jp", 465, "tls", "news")), ("smtp://[::1]:2525", ("::1", 2525, "none", None))])
def test_the_forms_of_a_relay(address: str, relay: tuple[str, int, str, str | None]) -> None:
    parsed = Relay.parse(address)
    assert (parsed.host, parsed.port, parsed.security, parsed.user) == relay
    assert parsed.is_loopback == (parsed.host in ("127.0.0.1", "::1"))


@pytest.mark.parametrize("address", ["", "relay.example.jp", "http://relay.example.jp", "smtp://", "smtp://host:x", "smtp://host/path", "smtps://u:p@host"])
def test_what_is_no_relay_is_refused(address: str) -> None:
    with pytest.raises(Fault):
        Relay.parse(address)


@pytest.mark.parametrize(("site", "listen"), [
    ("http://127.0.0.1:8123", ("127.0.0.1", 8123)), ("http://localhost:8000/paper", ("localhost", 8000)), ("http://[::1]:8000", ("::1", 8000)),
    ("http://news.localhost:8000", ("127.0.0.1", 8000)), ("http://127.0.0.1", ("127.0.0.1", 80)), ("https://news.example.jp", None)])
def test_the_service_listens_where_a_loopback_site_is(tmp_path: Path, site: str, listen: tuple[str, int] | None) -> None:
    assert loaded(tmp_path, SMALLEST.replace("http://127.0.0.1:8000", site)).listen() == listen


def test_a_section_is_a_name_or_a_name_with_a_quota(tmp_path: Path) -> None:
    sections = 'sections = [\n  "研究",\n  { name = "市場", max = 2 },\n]'
    text = changed('grace = "2h"', f'{sections}\nwindow = "24h"').replace('window = "since-last"  ', "#")
    morning = loaded(tmp_path, text).newsletters[0]
    assert [(section.name, section.max) for section in morning.sections] == [("研究", None), ("市場", 2)]
    assert morning.window == timedelta(hours=24)


def test_the_second_table_of_a_kind_has_lines_of_its_own(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, PROMISED + '\n[[newsletters]]\nname = "evening"\nlist = "daily"\nmax_stories = 0\n')
    assert problem.line == len(PROMISED.splitlines()) + 5
    assert problem.remedy == "1 at least"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "publisher.toml"
    path.write_text(PROMISED, "utf-8")
    path.chmod(0)
    with pytest.raises(SettingsError, match="Permission denied"):
        load_settings(path)
