"""What every mail says of itself: headers, colours, required fields, dates."""

from datetime import date

import pytest

from publisher.compose.colours import DARK, LEAST_CONTRAST, LIGHT, PAIRS, contrast
from publisher.compose.footer import contact_url, missing_fields
from publisher.compose.headers import feedback_id, issue_headers, list_id, sender_id
from publisher.compose.issue import Number, accent_problems, issue_view, long_date, story_date
from publisher.i18n import in_language
from tests.composing import settings


def test_every_pair_of_text_and_ground_can_be_read() -> None:
    """4.5 : 1 in the light and in the dark."""
    for scheme in (LIGHT, DARK):
        assert min(contrast(scheme[text], scheme[ground]) for text, ground in PAIRS) >= LEAST_CONTRAST


def test_contrast_is_that_of_wcag() -> None:
    """Black on white is 21, a colour on itself 1."""
    assert round(contrast("#000000", "#FFFFFF"), 1) == 21.0
    assert contrast("#B5341A", "#B5341A") == 1.0


def test_a_pale_accent_is_reported_with_its_figure() -> None:
    """The newsroom hears of it before its readers do."""
    assert accent_problems(settings().site) == []
    problems = accent_problems(settings(site={"accent": "#FFB0A0", "accent_dark": "#552211"}).site)
    assert [problem.split()[0] for problem in problems] == ["site.accent", "site.accent_dark"]


def test_what_the_law_wants_is_missed_by_name() -> None:
    """Blank is as good as absent."""
    assert missing_fields(settings()) == []
    assert missing_fields(settings(site={"name": "", "postal_address": " ", "contact": ""})) == ["site.name", "site.postal_address", "site.contact"]


def test_a_contact_is_an_address_a_page_or_a_telephone_number() -> None:
    """Only the first two lead anywhere."""
    assert contact_url("desk@news.example.jp") == "mailto:desk@news.example.jp"
    assert contact_url("https://news.example.jp/ask") == "https://news.example.jp/ask"
    assert contact_url("03-0000-0000") is None
    assert contact_url("javascript:alert(1)") is None


def test_the_headers_are_those_of_a_newsletter() -> None:
    """In the order in which they stand, not encoded, the same for all readers."""
    made = settings(mail={"reply_to": "desk@news.example.jp", "sender_id": "morning1"})
    assert issue_headers(made, made.newsletters[0], 7, 12, "regular", "ja") == {
        "From": "AI モーニング <news@news.example.jp>", "Reply-To": "desk@news.example.jp", "List-Id": "AI モーニング <daily.news.example.jp>",
        "List-Help": "<mailto:desk@news.example.jp?subject=help>", "List-Owner": "<mailto:desk@news.example.jp>",
        "List-Archive": "<https://news.example.jp/>", "List-Post": "NO", "Archived-At": "<https://news.example.jp/issues/7>",
        "Feedback-ID": "issue-morning-12:list-daily:regular:morning1", "Precedence": "bulk", "X-Auto-Response-Suppress": "OOF, AutoReply",
        "Content-Language": "ja"}


def test_where_mail_comes_in_the_lists_own_addresses_answer() -> None:
    """RFC 2369: help, joining and the owner. A pipe opens no door of ours, so that the domain alone says that mail comes in; without one nothing does."""
    made = settings(inbound={"domain": "in.example.jp", "imap": "imaps://news@imap.example.jp/INBOX"})
    headers = issue_headers(made, made.newsletters[0], 7, 12, "regular", "ja")
    assert {name: headers[name] for name in ("List-Help", "List-Subscribe", "List-Owner")} == {
        "List-Help": "<mailto:daily-help@in.example.jp>", "List-Subscribe": "<mailto:daily-subscribe@in.example.jp>",
        "List-Owner": "<mailto:daily-owner@in.example.jp>"}
    closed = settings(inbound={"listen": "lmtp://127.0.0.1:8024"})
    assert issue_headers(closed, closed.newsletters[0], 7, 12, "regular", "ja")["List-Help"] == "<mailto:desk@news.example.jp?subject=help>"


def test_a_digest_is_a_campaign_of_its_own() -> None:
    """Its numbers are those of its rhythm."""
    made = settings()
    assert feedback_id(made, made.newsletters[0], 3, "digest", rhythm="weekly").startswith("weekly-morning-3:list-daily:digest:")


@pytest.mark.parametrize(("rhythm", "since", "language", "dated", "in_subject"), [
    ("each", None, "ja", "2025年12月7日（日）", "第3号"),
    ("daily", "2025-12-06", "ja", "2025年12月7日（日）", "日刊まとめ 12月7日"),
    ("weekly", "2025-12-01", "ja", "2025年12月1日〜7日", "週刊まとめ 12月1日〜7日"),
    ("weekly", "2025-11-30", "ja", "2025年11月30日〜12月7日", "週刊まとめ 11月30日〜12月7日"),
    ("weekly", "2024-12-30", "ja", "2024年12月30日〜2025年12月7日", "週刊まとめ 12月30日〜12月7日"),
    ("weekly", "2025-12-07", "ja", "2025年12月7日（日）", "週刊まとめ 12月7日"),
    ("daily", "2025-12-06", "en", "Sunday, 7 December 2025", "Daily digest 7 Dec"),
    ("weekly", "2025-12-01", "en", "1 – 7 December 2025", "Weekly digest 1 – 7 Dec"),
    ("weekly", "2025-11-30", "en", "30 November – 7 December 2025", "Weekly digest 30 Nov – 7 Dec"),
    ("weekly", "2024-12-30", "en", "30 December 2024 – 7 December 2025", "Weekly digest 30 Dec – 7 Dec")])
def test_a_digest_says_what_it_is_and_of_which_days(rhythm: str, since: str | None, language: str, dated: str, in_subject: str) -> None:
    """At its head with the year, in the subject as short as can be."""
    made = settings(language=language)
    number = Number(7, 3, made.newsletters[0], date.fromisoformat("2025-12-07"), rhythm, date.fromisoformat(since) if since else None)
    with in_language(language):
        view = issue_view(made, number, [], language)
    assert (view.date, view.in_subject) == (dated, in_subject)


def test_a_sender_without_a_name_speaks_as_the_site() -> None:
    """The law wants a name."""
    made = settings(mail={"sender": "news@news.example.jp"}, site={"contact": "03-0000-0000"})
    headers = issue_headers(made, made.newsletters[0], 7, 12, "regular", "ja")
    assert headers["From"] == "AI モーニング <news@news.example.jp>"
    assert headers["List-Owner"] == "<mailto:news@news.example.jp>"


def test_feedback_ids_are_stable_and_tell_their_parts_apart() -> None:
    """Google wants 5 to 15 characters of sender, the same every time, and no value in two places."""
    made = settings(newsletter={"name": "daily"})
    parts = feedback_id(made, made.newsletters[0], 12, "regular").split(":")
    assert len(set(parts)) == 4
    assert 5 <= len(sender_id(made)) <= 15
    assert sender_id(made) == sender_id(settings(mail={"sender": "Other <other@NEWS.example.jp>"}))


@pytest.mark.parametrize(("url", "expected"), [
    ("https://news.example.jp", "<daily.news.example.jp>"),
    ("http://127.0.0.1:8000", "<daily.localhost>"), ("http://localhost:8000", "<daily.localhost>")])
def test_a_list_has_a_name_that_stays(url: str, expected: str) -> None:
    """RFC 2919: the list's name at the site's host; a machine of digits is localhost."""
    made = settings(site={"url": url})
    assert list_id(made, made.newsletters[0]).endswith(expected)


def test_dates_are_written_as_the_paper_writes_them() -> None:
    """With the weekday in the masthead; a moment belongs to the newsletter's day."""
    assert long_date(date(2025, 12, 5), "ja") == "2025年12月5日（金）"
    assert long_date(date(2025, 12, 5), "en") == "Friday, 5 December 2025"
    with in_language("ja"):
        assert story_date("2025-12-04T23:30:00+00:00", "ja", "Asia/Tokyo") == "2025年12月5日"
    assert story_date("2025-12-04", "en", "Asia/Tokyo") == "4 December 2025"
    assert story_date(None, "en", "Asia/Tokyo") == ""
    assert story_date("soon", "en", "Asia/Tokyo") == ""
