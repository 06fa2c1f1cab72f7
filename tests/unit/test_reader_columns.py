"""Files of readers by any tool: its columns, its words for states, its dates and its names are understood, each as that tool writes them."""

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from subscribers.addresses import NotAnAddress, check_local, checked_domain, parse_address
from subscribers.registry.staging import Arrival
from subscribers.transfer.columns import find_columns
from subscribers.transfer.entries import Pending, Reading, Refused, Rules, name_line
from subscribers.transfer.formulas import guarded, unguarded
from subscribers.transfer.moments import moment
from subscribers.transfer.states import meaning

NOW = datetime(2026, 3, 5, tzinfo=UTC)
MAILCHIMP = ("Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,"
             "REGION,{},LEID,EUID,NOTES,TAGS")


def read(header: str, row: str, zone: str = "Asia/Tokyo") -> Arrival | Pending | Refused:
    """What one row of a file says."""
    columns = find_columns(next(csv.reader([header])))
    assert columns is not None
    rules = Rules(lambda said, day: f"{said}|{day.date() if day else ''}", zone, NOW)
    return Reading(columns, rules).entry(next(csv.reader([row])))


def person(header: str, row: str, zone: str = "Asia/Tokyo") -> Arrival:
    """The same, of somebody who arrives."""
    found = read(header, row, zone)
    assert isinstance(found, Arrival), found
    return found


def test_mailchimps_three_files() -> None:
    """They have no column of states: what dates they have tells them apart."""
    row = "hanako@example.jp,Hanako,Yamada,2,2018-02-12 10:54:27,,2018-02-12 10:55:00,,,,,,Asia/Tokyo,,,{},1,2,,\"\"\"Editors\"\"\""
    found = person(MAILCHIMP.format("LAST_CHANGED"), row.format("2020-01-01 00:00:00"))
    assert (found.aim, found.name, found.timezone) == ("join", "Hanako Yamada", "Asia/Tokyo")
    assert found.agreed_at == datetime(2018, 2, 12, 1, 55, tzinfo=UTC)
    gone = person(MAILCHIMP.format("UNSUB_TIME,UNSUB_REASON"), row.format("2020-05-13 10:18:25,N/A"))
    assert (gone.aim, gone.left_at) == ("leave", datetime(2020, 5, 13, 1, 18, 25, tzinfo=UTC))
    cleaned = person(MAILCHIMP.format("CLEAN_TIME,CLEAN_CAMPAIGN_ID"), row.format("2020-05-13 10:18:25,1"))
    assert (cleaned.aim, cleaned.reason) == ("suppress", "hard-bounce")


def test_of_substacks_two_flags_only_the_one_about_mail_counts() -> None:
    """`active_subscription` is about money: most readers have false."""
    header = "email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at"
    free = person(header, "hanako@example.jp,false,,other,false,2023-01-02T03:04:05.000Z,")
    assert (free.aim, free.agreed_at) == ("join", datetime(2023, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert person(header, "hanako@example.jp,true,,yearly,true,2023-01-02T03:04:05.000Z,").aim == "leave"


def test_ghost_listmonk_and_buttondown() -> None:
    ghost = "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers"
    assert person(ghost, "1,a@example.jp,山田 花子,,true,false,,2023-01-02T03:04:05.000Z,,,").name == "山田 花子"
    assert person(ghost, "1,a@example.jp,,,false,false,,2023-01-02T03:04:05.000Z,,,").aim == "leave"
    listmonk = "uuid,email,name,attributes,status,created_at,updated_at"
    enabled = person(listmonk, 'u,a@example.jp,Taro,"{""city"": ""Naha""}",enabled,2020-03-14 17:36:41.29451 +0100 CET,')
    assert (enabled.aim, enabled.created_at) == ("join", datetime(2020, 3, 14, 16, 36, 41, tzinfo=UTC))
    blocked = person(listmonk, "u,a@example.jp,,{},blocklisted,2020-03-14 17:36:41 +0000 UTC,")
    assert (blocked.aim, blocked.reason) == ("suppress", "blocklist")
    buttondown = "email,notes,tags,subscriber_type,creation_date,unsubscription_date"
    assert person(buttondown, "a@example.jp,,,past_due,2023-01-02 03:04:05+00:00,").aim == "join"
    assert person(buttondown, "a@example.jp,,,unsubscribed,2023-01-02 03:04:05+00:00,2024-01-02 00:00:00+00:00").left_at == datetime(2024, 1, 2, tzinfo=UTC)
    assert isinstance(read("email_address,type,creation_date", "a@example.jp,unactivated,2023-01-02"), Pending)
    assert person("email,type", "a@example.jp,customer").aim == "join"


def test_japanese_columns() -> None:
    found = person("メールアドレス（必須）,姓,名,登録日,状態", "hanako@example.jp,山田,花子,2024年5月1日,配信中")
    assert (found.name, found.agreed_at) == ("山田 花子", datetime(2024, 4, 30, 15, tzinfo=UTC))
    assert person("メールアドレス,氏名,状態", "hanako@example.jp,山田 花子,退会済み").aim == "leave"
    assert person("メールアドレス,姓,名", "alice@example.com,Smith,Alice").name == "Alice Smith"
    assert isinstance(read("メールアドレス,状態", "a@example.jp,仮登録"), Pending)


def test_a_state_may_be_a_part_of_a_country() -> None:
    assert person("email,city,state,zip", "a@example.com,Austin,TX,73301").aim == "join"
    assert person("email,state,status", "a@example.com,TX,unsubscribed").aim == "leave"


def test_a_word_that_nobody_taught_us_makes_no_reader() -> None:
    found = read("email,status", "a@example.jp,perhaps")
    assert isinstance(found, Refused)
    assert "perhaps" in found.reason
    assert meaning(" Hard-Bounced ") == meaning("hard bounced")


def test_of_two_columns_that_contradict_each_other_the_one_that_keeps_away_wins() -> None:
    assert person("email,status,unsubscribed", "a@example.jp,active,true").aim == "leave"
    assert person("email,state,suppressed", "a@example.jp,subscribed,complaint").reason == "complaint"
    assert person("email,state,left_at", "a@example.jp,subscribed,2020-01-01").aim == "join"


@pytest.mark.parametrize(("text", "expected"), [
    ("2024-05-01", "2024-04-30T15:00:00"), ("2024-05-01 10:20", "2024-05-01T01:20:00"), ("2024-05-01T10:20:30Z", "2024-05-01T10:20:30"),
    ("2024/05/01 10:20:30", "2024-05-01T01:20:30"), ("2024年5月1日", "2024-04-30T15:00:00"), ("May 1, 2024", "2024-04-30T15:00:00"),
    ("2020-03-14 17:36:41.29451 +0100 CET", "2020-03-14T16:36:41"), ("0001-01-01 00:00:00 +0000 UTC", None), ("05/06/2024", None), ("soon", None), ("", None),
    ("2024-05-01 99:99", "2024-04-30T15:00:00")])
def test_dates(text: str, expected: str | None) -> None:
    found = moment(text, "Asia/Tokyo")
    assert (found.replace(microsecond=0, tzinfo=None).isoformat() if found else None) == expected


@given(st.text(max_size=60))
def test_any_text_is_a_moment_or_none(text: str) -> None:
    found = moment(text, "Asia/Tokyo")
    assert found is None or found.utcoffset() is not None


def test_nobody_agreed_in_the_future() -> None:
    """A file's own day of consent that cannot be is refused; a day of another kind is left out, and the import's own counts."""
    assert person("email,created_at", "a@example.jp,2999-01-01").agreed_at is None
    assert isinstance(read("email,confirmed_at", "a@example.jp,2999-01-01"), Refused)


@given(st.text(max_size=60))
@example("=1+1")
@example("''=x")
def test_a_guarded_cell_runs_nothing_and_comes_back_as_it_was(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell
    assert not guarded(cell).startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))


@given(st.text(max_size=40))
@example("a\u00a0b")
@example("e\u0301")
@example("\u202edoc")
def test_the_short_way_to_clean_a_name_gives_what_the_long_one_does(name: str) -> None:
    """Line ends are the business of the CSV reader; a name is one line."""
    from publisher.text.clean import clean_line

    assert name_line(name) == clean_line(unguarded(name.strip())).strip()[:200].strip()


_PART = st.text(st.sampled_from("abzAZ019_+-.'!=\u3042é "), max_size=24)
_DOMAIN = st.text(st.sampled_from("abxn-.jJP019\u65e5_"), max_size=24)


@given(_PART, st.one_of(_DOMAIN, st.sampled_from(["example.jp", "xn--wgv71a119e.jp", "a.test", "b.local", "docomo.ne.jp", "a.b.co", "example.invalid"])))
@example("a" * 64, "example.com")
@example("a" * 65, "example.com")
@example("a", "a" * 64 + ".com")
@example("a", ".".join(["abc"] * 9) + ".com")
@example("a", "ab--c.com")
@example("a", "example.1com")
def test_the_short_way_to_an_address_gives_what_the_library_does(local: str, domain: str) -> None:
    """Most addresses are never shown to email-validator; it would have said the same of them."""
    try:
        short: str | None = parse_address(f"{local}@{domain}").key
    except NotAnAddress:
        short = None
    assert short == _long_way(local, domain)


def _long_way(local: str, domain: str) -> str | None:
    local, domain = local.lstrip(" "), domain.rstrip(" ")
    try:
        _kept, folded = checked_domain(domain)
        if "ne.jp" not in folded:
            check_local(local)
        elif not local or " " in local or set(local) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+/?-"):
            return None
    except NotAnAddress:
        return None
    return f"{local.lower()}@{folded}" if local else None


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=1, max_size=4))
def test_what_csv_writes_the_rows_read(cells: list[str]) -> None:
    """Quotes, commas, emoji and new lines within a cell."""
    from subscribers.transfer.csv_rows import Sheet, look

    cells = [cell.replace("\r", " ").replace("\0", "").replace("\ufffd", "") for cell in cells]
    out = io.StringIO()
    made = csv.writer(out)
    made.writerow(["email", *(f"c{place}" for place in range(len(cells)))])
    made.writerow(["a@example.jp", *cells])
    file = io.BytesIO(out.getvalue().encode())
    records = list(Sheet(file, look(file), "x"))
    assert [record.cells for record in records] == [["a@example.jp", *cells]]
