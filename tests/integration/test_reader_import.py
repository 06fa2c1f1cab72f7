"""Readers from a file: every encoding a spreadsheet writes, a bad row costs one row, the same file again changes nothing."""

import io
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from publisher.db import Database
from publisher.errors import BadInput, PublisherError
from subscribers.addresses import parse_address
from subscribers.consent import Evidence
from subscribers.models import Consent, Subscriber
from subscribers.registry.readers import find, leave
from subscribers.registry.staging import Arrival
from subscribers.registry.suppressions import suppress
from subscribers.transfer.csv_import import ImportReport, import_csv
from subscribers.transfer.csv_rows import Sheet, look
from subscribers.transfer.entries import Reading, Rules
from tests.readers import ALICE, HANAKO, KEYS, NOW, TARO, consents, ids_of, join, lists, state_of

FILE = "email,name\nhanako@example.jp,山田 花子\ntaro@example.jp,鈴木 太郎\nalice@example.com,Alice Smith\n"


def bring(database: Database, content: str | bytes, wording: str = "signed at the open day") -> ImportReport:
    """Import `content` into the list `daily`."""
    file = io.BytesIO(content.encode() if isinstance(content, str) else content)
    return import_csv(database, KEYS, file, list_name="daily", wording=wording, now=NOW, batch=1000)


def names(database: Database) -> dict[str, str | None]:
    """Each address with its name."""
    with database.reading() as session:
        return {address: name for address, name in session.execute(select(Subscriber.address, Subscriber.name))}


def numbers(report: ImportReport) -> tuple[int, int, int, int, int]:
    """Added, unchanged, left, suppressed, refused."""
    return report.added, report.unchanged, report.left, report.suppressed, report.refused


def test_everybody_is_subscribed_with_the_consent_and_the_same_file_again_changes_nothing(database: Database) -> None:
    lists(database)
    assert numbers(bring(database, FILE)) == (3, 0, 0, 0, 0)
    assert names(database) == {HANAKO: "山田 花子", TARO: "鈴木 太郎", ALICE: "Alice Smith"}
    assert consents(database) == [("imported", "signed at the open day")] * 3
    before = names(database)
    assert numbers(bring(database, FILE, "another wording")) == (0, 3, 0, 0, 0)
    assert names(database) == before
    assert len(consents(database)) == 3


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "utf-16"])
@pytest.mark.parametrize("change", [
    lambda text: text, lambda text: text.replace("\n", "\r\n"), lambda text: text.replace(",", ";"), lambda text: text.replace(",", "\t"),
    lambda text: text.replace("email,name", " E-Mail , NAME "), lambda text: text.replace("email,name", "メールアドレス,氏名"),
    lambda text: text.replace("email,name", "ｅｍａｉｌ,名前"),
], ids=["plain", "windows", "semicolons", "tabs", "capitals", "japanese", "full width"])
def test_what_spreadsheets_write_is_read(encoding: str, change: Callable[[str], str]) -> None:
    file = io.BytesIO(change(FILE).encode(encoding))
    rules = Rules(lambda said, day: "agreed", "UTC", NOW)
    sheet = Sheet(file, look(file), "readers.csv")
    reading = Reading(sheet.head.columns, rules)
    found = [(record.line, entry.address.typed, entry.name) for record in sheet
             if record.cells is not None and isinstance(entry := reading.entry(record.cells), Arrival)]
    assert found == [(2, HANAKO, "山田 花子"), (3, TARO, "鈴木 太郎"), (4, ALICE, "Alice Smith")]


def test_other_columns_and_quoted_lines_are_no_hindrance(database: Database) -> None:
    """Exports carry notes over several lines; the line that is reported is that on which a row begins."""
    lists(database)
    lines = ['id,note,name,email', '1,"first', 'second, ""quoted""",山田 花子,hanako@example.jp', '', '2,,,', '3,x,Nobody,nobody',
             '4,"y",,taro@example.jp']
    report = bring(database, "\n".join(lines))
    assert numbers(report) == (2, 0, 0, 0, 2)
    assert [problem.line for problem in report.problems] == [5, 6]
    assert names(database) == {HANAKO: "山田 花子", TARO: None}


def test_a_bad_row_costs_one_row_and_says_line_and_reason(database: Database) -> None:
    lists(database)
    lines = ["email,name", HANAKO, "nobody,x", '"never closed,x', f"{TARO},ok", "a@b@c.jp,x", ",no address", f"{ALICE},x"]
    report = bring(database, "\n".join(lines))
    assert numbers(report) == (3, 0, 0, 0, 4)
    assert [problem.line for problem in report.problems] == [3, 4, 6, 7]
    assert "quote" in report.problems[1].reason
    assert "missing" in report.problems[3].reason


def test_a_broken_character_costs_its_row_and_no_other_name(database: Database) -> None:
    lists(database)
    broken = FILE.replace("鈴木 太郎", "鈴木 @").encode().replace(b"@\n", b"\xe5\xa4\n") + "jiro@example.jp,高橋 次郎\n".encode()
    report = bring(database, broken)
    assert [problem.line for problem in report.problems] == [3]
    assert names(database) == {HANAKO: "山田 花子", ALICE: "Alice Smith", "jiro@example.jp": "高橋 次郎"}


def test_a_row_without_end_is_refused_and_the_rest_is_read(database: Database) -> None:
    lists(database)
    report = bring(database, f"email,name\n{HANAKO},{'x' * 300_000}\n{TARO},鈴木 太郎\n")
    assert numbers(report) == (1, 0, 0, 0, 1)
    assert names(database) == {TARO: "鈴木 太郎"}


def test_somebody_who_stands_in_the_file_twice_is_one_reader(database: Database) -> None:
    """In one batch and over two; the first row wins."""
    lists(database)
    many = "".join(f"reader{number}@example.jp,\n" for number in range(1100))
    report = bring(database, f"email,name\n{HANAKO},山田 花子\nHANAKO@EXAMPLE.JP,Other\n{many}{HANAKO},Third\n")
    assert numbers(report) == (1101, 2, 0, 0, 0)
    assert names(database)[HANAKO] == "山田 花子"
    assert len(consents(database)) == 1101


def test_a_name_is_filled_in_and_never_overwritten(database: Database) -> None:
    lists(database)
    bring(database, f"email,name\n{HANAKO},\n{TARO},鈴木 太郎\n")
    bring(database, f"email,name\n{HANAKO},山田\u202e 花子\n{TARO},Somebody\n")
    assert names(database) == {HANAKO: "山田 花子", TARO: "鈴木 太郎"}


def test_who_left_or_is_suppressed_stays_away(database: Database) -> None:
    lists(database)
    bring(database, FILE)
    leave(database, *ids_of(database, HANAKO), Evidence("web", "button"), NOW)
    suppress(database, KEYS, parse_address("jiro@example.jp"), "complaint", NOW)
    assert numbers(bring(database, FILE + "Jiro@Example.jp,高橋 次郎\n")) == (0, 2, 1, 1, 0)
    assert state_of(database, HANAKO) == "left"
    assert "Jiro@Example.jp" not in names(database)


def test_without_consent_list_or_column_nothing_is_read(database: Database) -> None:
    lists(database)
    with pytest.raises(PublisherError, match="say how they agreed"):
        bring(database, FILE, " \n")
    with pytest.raises(PublisherError, match="known: daily"):
        import_csv(database, KEYS, io.BytesIO(FILE.encode()), list_name="nobody", wording="x", now=NOW)
    for content in (b"", b"\n", b"hanako@example.jp\n", b"name\nhanako@example.jp\n", b"\x89PNG\r\n\x1a\n\0\0\0" * 50, b"PK\x03\x04" + bytes(2000)):
        with pytest.raises(BadInput, match="email,name"):
            bring(database, content)
    assert names(database) == {}


def test_two_imports_at_once_make_each_person_one_reader(database: Database) -> None:
    """Neither fails, and each agreement is written once."""
    lists(database)
    forward = [f"reader{number}@example.jp," for number in range(1500)]
    files = ["\n".join(["email,name", *forward]), "\n".join(["email,name", *reversed(forward)])]
    reports: list[ImportReport] = []
    threads = [threading.Thread(target=lambda content=content: reports.append(bring(database, content))) for content in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(report.added for report in reports) == 1500
    assert sum(report.unchanged for report in reports) == 1500
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Consent)) == 1500


def test_progress_counts_rows_against_the_lines_of_the_file(database: Database) -> None:
    lists(database)
    seen: list[tuple[int, int]] = []
    content = "email,name\n" + "".join(f"reader{number}@example.jp,\n" for number in range(2500))
    import_csv(database, KEYS, io.BytesIO(content.encode()), list_name="daily", wording="x", now=NOW,
               progress=lambda done, of: seen.append((done, of)), batch=1000)
    assert seen == [(1000, 2500), (2000, 2500), (2500, 2500)]


def test_a_reader_added_by_hand_is_found_by_another_spelling(database: Database) -> None:
    lists(database)
    join(database, "Hanako@日本語.jp")
    with database.reading() as session:
        assert [reader.address for reader in find(session, parse_address("hanako@xn--wgv71a119e.jp"))] == ["Hanako@日本語.jp"]
