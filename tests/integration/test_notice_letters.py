"""Notices as their readers see them: every kind in both languages, whatever a newsroom calls itself, and no word of a stranger."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from lxml import html as lxml_html
from pydantic import ValidationError

from publisher.compose.colours import DARK, LEAST_CONTRAST, LIGHT, contrast
from publisher.compose.notice import Letters, letter
from publisher.db import Database
from publisher.deliver.notice_claim import Taken
from publisher.deliver.notice_message import notice_mail
from publisher.letters import Letter
from publisher.models import Issue, NewsletterRow
from publisher.models_mail import Notice
from publisher.text.slots import split_slots
from publisher.text.wrap import WIDTH, columns
from tests.notices import INBOUND, KINDS, NoticeRoom, parsed, parts, settings
from tests.readers import HANAKO, KEYS

SLOTS = {"confirm": {"confirm_url"}, "already": {"leave_url", "preferences_url"}, "welcome": {"leave_url", "preferences_url"}, "leave": {"leave_url"}}


@pytest.fixture(scope="module")
def desk() -> Iterator[NoticeRoom]:
    """Hanako on the list `daily`, with a notice of each kind in each language: Japanese ones first."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/p.db")
        database.migrate()
        room = NoticeRoom(database, settings(inbound=INBOUND, mail={"bounce_domain": "bounces.example.jp"}))
        hanako = room.reader(HANAKO)
        for language in ("ja", "en"):
            for kind in KINDS:
                room.write(kind, hanako, language)
        yield room
        database.close()


def number(kind: str, language: str) -> int:
    """The row of a kind."""
    return 1 + KINDS.index(kind) + (0 if language == "ja" else len(KINDS))


def slots_of(text: str) -> set[str]:
    return {name for _fixed, name in split_slots(text) if name}


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_whole_in_both_languages(desk: NoticeRoom, kind: str, language: str) -> None:
    """Both parts carry the same links of the reader's and the sender block; the languages do not mix; no mark of a template is left."""
    made = desk.letter(number(kind, language))
    assert slots_of(made.html) == slots_of(made.text) == SLOTS.get(kind, set())
    tree = lxml_html.fromstring(made.html)
    assert tree.get("lang") == language
    assert tree.findtext(".//title") == made.subject
    assert len(list(tree.iter("h1"))) == 1
    for part in (made.html, made.text):
        assert not re.search(r"\{\{|\{%|placeholder|\ue002|None|Undefined", part)
        for words in ("AI モーニング", "東京都千代田区見本町1-1", "desk@news.example.jp"):
            assert words in part
    ours = re.sub("朝の\\s*AI|毎朝五分で読める。|AI モーニング|〒100-0000 東京都千代田区見本町1-1", "", made.text + made.subject)
    assert bool(re.search("[ぁ-ん]", ours)) == (language == "ja")
    assert made.headers["Content-Language"] == language
    assert made.headers["Auto-Submitted"] == ("auto-generated" if kind in ("welcome", "alert") else "auto-replied")


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_text_part_fits_70_columns_with_addresses_on_lines_of_their_own(desk: NoticeRoom, kind: str, language: str) -> None:
    """It reads well in a terminal."""
    for line in desk.letter(number(kind, language)).text.splitlines():
        assert columns(line) <= WIDTH or "://" in line, line
        assert "://" not in line or re.fullmatch(r"https?://\S+", line), line
        assert line == line.rstrip()


def test_a_confirmation_says_who_what_and_until_when(desk: NoticeRoom) -> None:
    """The newsroom, the list with its days and its description, the time, and that a stranger's request is nothing to worry about."""
    text = desk.letter(number("confirm", "ja")).text.replace("\n", "")
    for words in ("AI モーニング", "朝のAI", "月曜から金曜、7:00ごろ", "毎朝五分で読める。", "3日", "2025年12月8日（月）07:00", "お心当たりがなければ", "返信しても"):
        assert words in text
    text = desk.letter(number("confirm", "en")).text.replace("\n", " ")
    for words in ("Monday to Friday, around 7:00 (JST)", "for 3 days: until Monday, 8 December 2025, 07:00 (JST)", "If it was not you, do nothing"):
        assert words in text


def test_an_answer_is_offered_only_where_mail_is_taken_in(desk: NoticeRoom) -> None:
    """Nor where the list's name leaves no room for a token before the @."""
    with desk.database.reading() as session:
        notice = session.get_one(Notice, number("confirm", "en"))
        for made in (settings(mail={"reply_to": "desk@news.example.jp"}), settings(mail={"bounce_domain": "lists.example.jp"})):
            silent = letter(session, made, notice)
            assert "answer this mail" not in silent.text + silent.html
            assert "confirm_address" not in silent.headers.get("Reply-To", "")
        assert letter(session, settings(mail={"reply_to": "desk@news.example.jp"}), notice).headers["Reply-To"] == "desk@news.example.jp"


def test_help_tells_the_addresses_as_they_are_configured(desk: NoticeRoom) -> None:
    """One line each, and the page for those who prefer it."""
    made = desk.letter(number("help", "ja"))
    for act in ("subscribe", "unsubscribe", "help", "owner"):
        assert f"daily-{act}@lists.example.jp" in made.text
        assert f'href="mailto:daily-{act}@lists.example.jp"' in made.html
    assert "https://news.example.jp/subscribe/daily" in made.text


def test_a_welcome_leads_to_the_latest_issue_where_there_is_one(desk: NoticeRoom) -> None:
    """Only to one that was sent to this list."""
    assert "/issues/" not in desk.letter(number("welcome", "en")).html
    with desk.database.writing() as session:
        newsletters = [NewsletterRow(name="morning"), NewsletterRow(name="other")]
        session.add_all(newsletters)
        session.flush()
        for row, state, place in ((newsletters[0], "sent", 1), (newsletters[0], "approved", 2), (newsletters[1], "sent", 3)):
            session.add(Issue(newsletter_id=row.id, number=place, state=state, created_at=desk.clock(), started_at=desk.clock()))
    assert re.findall(r"/issues/(\d+)", desk.letter(number("welcome", "en")).html) == ["1"]
    with desk.database.writing() as session:
        for row in session.query(Issue):
            session.delete(row)


def test_nothing_is_fetched_runs_or_is_too_small(desk: NoticeRoom) -> None:
    """As in an issue; and only colours whose contrast was computed."""
    known = {colour.upper() for scheme in (LIGHT, DARK) for colour in scheme.values()}
    for row in range(1, 1 + 2 * len(KINDS)):
        html = desk.letter(row).html
        assert not re.search(r"<(?:link|script|form|iframe|object|base|img)\b|@import|url\(", html)
        assert min(int(size) for size in re.findall(r"font-size:\s*(\d+)px", html) if size != "0") >= 14
        assert {colour.upper() for colour in re.findall(r"#[0-9A-Fa-f]{6}\b", html)} <= known
        assert "prefers-color-scheme: dark" in html
    assert contrast(LIGHT["card"], LIGHT["accent"]) >= LEAST_CONTRAST
    assert contrast(DARK["paper"], DARK["accent"]) >= LEAST_CONTRAST


def test_headlines_break_between_phrases(desk: NoticeRoom) -> None:
    """Also those that hold a name."""
    assert "登録の<wbr>確定を<wbr>お願いします" in desk.letter(number("confirm", "ja")).html


def _mail(desk: NoticeRoom, made: Letter, notice: Notice, chosen) -> bytes:  # type: ignore[no-untyped-def]
    return notice_mail(chosen, KEYS, made, Taken(notice, HANAKO if notice.subscriber_id else "", 1, desk.clock())).data


@pytest.mark.parametrize("kind", KINDS)
def test_the_mail_is_read_as_it_was_written(desk: NoticeRoom, kind: str) -> None:
    """Both parts through a mail program's eyes; no line is longer than 76 characters or holds a raw byte."""
    for language in ("ja", "en"):
        made = desk.letter(number(kind, language))
        with desk.database.reading() as session:
            data = _mail(desk, made, session.get_one(Notice, number(kind, language)), desk.settings)
        text, html = parts(data)
        assert split_slots(made.text)[0][0][:200] in text.replace("\r\n", "\n")
        assert not slots_of(text + html)
        assert html.count("<h1") == 1
        body = data.partition(b"\r\n\r\n")[2]
        assert body.isascii()
        assert max(len(line) for line in body.split(b"\r\n")) <= 76
        assert b"\n" not in data.replace(b"\r\n", b"")


def test_latin_text_can_be_read_as_it_travels(desk: NoticeRoom) -> None:
    """Quoted-printable for an English newsroom, base64 for the text of a Japanese one: whichever is shorter."""
    english = settings(language="en", daily={"title": "Morning", "description": "Five minutes a day."}, mail={"sender": "Morning <news@news.example.jp>"})
    for kind in KINDS:
        for chosen, row, encoding in ((english, number(kind, "en"), "quoted-printable"), (desk.settings, number(kind, "ja"), "base64")):
            with desk.database.reading() as session:
                notice = session.get_one(Notice, row)
                data = _mail(desk, letter(session, chosen, notice), notice, chosen)
            assert next(parsed(data).iter_parts())["Content-Transfer-Encoding"] == encoding
            assert encoding == "base64" or data.isascii()


HOSTILE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60) | st.sampled_from([
    "<script>alert(1)</script>", "\" onload=\"x", "A & B <b>", "{{ 7 * 7 }}", "x\r\nBcc: evil@example.com", "=?utf-8?q?hi=0ABcc:_evil@x?=", "\ue000leave_url\ue001",
    "https://placeholder.invalid/leave_url", "\u202eevil", "'; DROP TABLE", "%(title)s 100%", "&lt;b&gt;", "a\x00b", "\u2028x"])


@hypothesis_settings(max_examples=60, deadline=None)
@given(name=HOSTILE, title=HOSTILE, description=HOSTILE, address=HOSTILE, kind=st.sampled_from(KINDS), language=st.sampled_from(["ja", "en"]))
def test_no_name_breaks_a_header_or_becomes_markup(desk: NoticeRoom, name: str, title: str, description: str, address: str, kind: str, language: str) -> None:
    """What the settings refuse never comes here; everything else stands in the mail as words."""
    try:
        chosen = settings(site={"name": name, "postal_address": address, "contact": description}, daily={"title": title, "description": description},
                          mail={"sender": "news@news.example.jp"})
    except ValidationError:
        return
    with desk.database.reading() as session:
        notice = session.get_one(Notice, number(kind, language))
        made = Letters(chosen)(session, notice)
        data = _mail(desk, made, notice, chosen)
    mail = parsed(data)
    assert not {"bcc", "cc"} & {header.lower() for header in mail}
    assert (str(mail["To"]) == HANAKO) == (kind != "alert")
    assert str(mail["Precedence"]) == "bulk"
    assert slots_of(made.html) == SLOTS.get(kind, set())
    tree = lxml_html.fromstring(made.html)
    assert not list(tree.iter("script", "b", "i", "form"))
    assert not [attribute for element in tree.iter() for attribute in element.attrib if attribute.startswith("on")]
    assert not [link for link in tree.iter("a") if not re.match("https?:|mailto:|\ue000", link.get("href"))]
    assert "&amp;amp;" not in made.html.replace(name, "").replace(title, "")
    assert "49" not in made.subject or "49" in name + title


def test_a_newsrooms_own_template_wins(desk: NoticeRoom, tmp_path: Path) -> None:
    """File by file, as for issues."""
    folder = tmp_path / "ours" / "email" / "notice" / "goodbye"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("So long, {{ notice.title }}")
    with desk.database.reading() as session:
        made = letter(session, settings(root=tmp_path, templates="ours"), session.get_one(Notice, number("goodbye", "en")))
    assert made.subject == "So long, 朝のAI"
    assert "You have left" in made.text
