"""Files of readers, in and out: states and dates come along, nobody comes back who left, and what goes out comes in the same elsewhere."""

import io
import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select, update

from publisher.db import Database
from publisher.errors import BadInput
from publisher.text.clean import clean_line
from publisher.tokens import Keys
from subscribers.addresses import parse_address
from subscribers.consent import Evidence
from subscribers.models import Consent, Subscriber, Subscription, Suppression
from subscribers.registry.arrivals import file_arrivals
from subscribers.registry.lists import list_id
from subscribers.registry.preferences import Preferences, set_preferences
from subscribers.registry.readers import find, leave
from subscribers.registry.staging import Arrival
from subscribers.registry.suppressions import suppress
from subscribers.transfer.csv_export import exported, write_rows
from subscribers.transfer.csv_import import ImportReport, import_csv
from subscribers.transfer.refused import RefusedFile
from tests.readers import ALICE, HANAKO, KEYS, NOW, TARO, consents, ids_of, join, lists, state_of

JIRO = "jiro@example.jp"
BATCH = 1000


def bring(database: Database, content: str | bytes, *, keys: Keys = KEYS, list_name: str = "daily", now: datetime = NOW, dry_run: bool = False,
          refused: RefusedFile | None = None) -> ImportReport:
    """Import `content`."""
    file = io.BytesIO(content.encode() if isinstance(content, str) else content)
    return import_csv(database, keys, file, list_name=list_name, wording="signed at the open day", now=now, zone="Asia/Tokyo", dry_run=dry_run,
                      refused=refused, batch=BATCH)


def numbers(report: ImportReport) -> dict[str, int]:
    """What a report counts, without noughts."""
    return {name: value for name in ("added", "unchanged", "left", "suppressed", "pending", "gone", "closed", "refused")
            if (value := getattr(report, name))}


def everything(database: Database, *, with_times: bool = True) -> tuple[object, ...]:
    """All rows about readers."""
    with database.reading() as session:
        tables = (Subscriber, Subscription, Consent, Suppression)
        return tuple(tuple(map(tuple, session.execute(select(*table.__table__.columns).order_by(*table.__table__.primary_key)))) for table in tables)


def out(database: Database, form: str = "csv", states: tuple[str, ...] = (), list_name: str = "daily") -> str:
    """The exported file."""
    made = io.StringIO()
    with database.reading() as session:
        for _done in write_rows(exported(session, list_name, states), made, form):
            continue
    return made.getvalue()


FILE = """email,name,status,created_at,unsubscribed_at
hanako@example.jp,山田 花子,subscribed,2024-05-01 09:00,
taro@example.jp,,unsubscribed,2023-01-01,2024-02-03 04:05:06
jiro@example.jp,,bounced,2023-01-01,
saburo@example.jp,,complained,2023-01-01,
shiro@example.jp,,unconfirmed,2023-01-01,
goro@example.jp,,sleeping,2023-01-01,
"""


def test_states_and_dates_of_the_old_tool_come_along(database: Database) -> None:
    lists(database)
    assert numbers(bring(database, FILE)) == {"added": 1, "gone": 1, "closed": 2, "pending": 1, "refused": 1}
    with database.reading() as session:
        hanako, taro = find(session, parse_address(HANAKO))[0], find(session, parse_address(TARO))[0]
        assert (hanako.state, hanako.confirmed_at, hanako.created_at) == ("subscribed", datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 1, tzinfo=UTC))
        assert (taro.state, taro.left_at) == ("left", datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC).replace(hour=19, day=2))
        assert sorted(session.scalars(select(Suppression.reason))) == ["complaint", "hard-bounce"]
        assert session.scalar(select(func.count()).select_from(Subscriber)) == 2
        assert session.scalars(select(Consent.at).where(Consent.action == "imported")).all() == [datetime(2024, 5, 1, tzinfo=UTC)]
    assert consents(database) == [("imported", "signed at the open day (2024-05-01)"), ("left", "signed at the open day (2023-01-01)")]


def test_the_same_file_again_changes_nothing_and_no_other_file_brings_them_back(database: Database) -> None:
    lists(database, "daily", "weekly")
    bring(database, FILE)
    before = everything(database)
    assert numbers(bring(database, FILE)) == {"unchanged": 4, "pending": 1, "refused": 1}
    assert everything(database) == before
    assert numbers(bring(database, f"email\n{TARO}\n{JIRO}\nsaburo@example.jp\n")) == {"left": 1, "suppressed": 2}
    assert numbers(bring(database, f"email\n{JIRO}\n", list_name="weekly")) == {"suppressed": 1}


def test_a_look_before_says_what_an_import_does_and_changes_nothing(database: Database) -> None:
    lists(database)
    join(database, TARO)
    suppress(database, KEYS, parse_address("old@example.jp"), "complaint", NOW)
    content = FILE + "old@example.jp,,subscribed,,\nHANAKO@example.jp,,subscribed,,\n" + "".join(
        f"reader{number % BATCH}@example.jp,,subscribed,,\n" for number in range(BATCH + 10))
    before = everything(database)
    foreseen = bring(database, content, dry_run=True)
    assert everything(database) == before
    done = bring(database, content)
    assert foreseen.foreseen
    assert numbers(foreseen) == numbers(done)
    assert done.added == BATCH + 1


def test_a_leaving_without_a_day_ends_what_a_file_began_and_not_what_was_confirmed_here(database: Database) -> None:
    """The old tool goes on for a while, and its next export knows who left there meanwhile; who joined here themselves stays."""
    lists(database)
    bring(database, f"email\n{HANAKO}\n")
    join(database, TARO)
    left = f"email,subscribed_to_emails\n{HANAKO},false\n{TARO},false\n{ALICE},false\n"
    assert numbers(bring(database, left)) == {"gone": 2, "unchanged": 1}
    assert [state_of(database, who) for who in (HANAKO, TARO, ALICE)] == ["left", "subscribed", "left"]
    assert numbers(bring(database, left)) == {"unchanged": 3}


def test_of_a_confirmation_and_a_leaving_the_later_one_counts(database: Database) -> None:
    lists(database)
    join(database, HANAKO)
    join(database, TARO)
    content = f"email,status,unsubscribed_at\n{HANAKO},unsubscribed,2020-01-01\n{TARO},unsubscribed,2025-12-05T06:59:59Z\n"
    bring(database, content)
    assert (state_of(database, HANAKO), state_of(database, TARO)) == ("subscribed", "subscribed")
    bring(database, content.replace("06:59:59", "07:00:01"), now=datetime(2025, 12, 6, tzinfo=UTC))
    assert (state_of(database, HANAKO), state_of(database, TARO)) == ("subscribed", "left")


def test_who_bounced_elsewhere_leaves_every_list_here(database: Database) -> None:
    lists(database, "daily", "weekly")
    join(database, HANAKO)
    join(database, HANAKO, "weekly")
    assert numbers(bring(database, f"email,status\n{HANAKO},cleaned\n")) == {"closed": 1}
    assert (state_of(database, HANAKO), state_of(database, HANAKO, "weekly")) == ("left", "left")
    assert ("bounced", "signed at the open day") in consents(database)


def test_a_suppression_holds_under_every_key_that_ever_was(database: Database) -> None:
    lists(database)
    suppress(database, Keys(["old"]), parse_address(JIRO), "complaint", NOW)
    join(database, HANAKO, keys=Keys(["old"]))
    suppress(database, Keys(["old"]), parse_address(HANAKO), "complaint", NOW)
    assert numbers(bring(database, f"email\n{JIRO}\n{HANAKO}\n{TARO}\n", keys=Keys(["new", "old"]))) == {"suppressed": 2, "added": 1}
    assert numbers(bring(database, f"email\n{HANAKO}\n", keys=Keys(["newest"]))) == {"suppressed": 1}


def test_a_file_that_contradicts_itself_is_taken_row_by_row(database: Database) -> None:
    """Whatever the size of a batch: who joined and left stays away, who left does not come back."""
    lists(database)
    content = f"email,status\n{HANAKO},active\n{TARO},unsubscribed\n{HANAKO},unsubscribed\n{TARO},active\n{TARO},active\n"
    assert numbers(bring(database, content)) == {"added": 1, "gone": 2, "left": 1, "unchanged": 1}
    assert (state_of(database, HANAKO), state_of(database, TARO)) == ("left", "left")
    before = everything(database)
    bring(database, content)
    assert everything(database) == before


def test_refused_rows_stand_in_a_file_of_their_own_as_they_stood(database: Database, tmp_path: Path) -> None:
    lists(database)
    source = tmp_path / "readers.csv"
    lines = ["メールアドレス;氏名;メモ", "nobody;山田 花子;x", f"{HANAKO};山田 花子;", '"never closed;鈴木;', f"{TARO};\"鈴木; 太郎\";", ";no address;\"a\"\"b\""]
    source.write_bytes("\r\n".join(lines).encode("cp932"))
    with source.open("rb") as file, RefusedFile(tmp_path / "refused.csv", source) as refused:
        report = import_csv(database, KEYS, file, list_name="daily", wording="x", now=NOW, refused=refused)
    assert (report.added, report.refused, refused.rows) == (2, 3, 3)
    made = (tmp_path / "refused.csv").read_bytes().decode("cp932").split("\n")
    assert made[0] == "メールアドレス;氏名;メモ;reason"
    assert made[1].startswith("nobody;山田 花子;x;an address has")
    assert made[2].startswith('"""never closed;鈴木;";;;')
    assert made[3].startswith(";no address;\"a\"\"b\";the address is missing")
    assert stat.S_IMODE((tmp_path / "refused.csv").stat().st_mode) == 0o600
    mended = (tmp_path / "refused.csv").read_bytes().replace(b"nobody;", b"saburo@example.jp;")
    assert numbers(bring(database, mended)) == {"added": 1, "refused": 2}


def test_bytes_that_nobody_can_read_are_given_back_as_they_were(database: Database, tmp_path: Path) -> None:
    lists(database)
    source = tmp_path / "readers.csv"
    source.write_bytes(f"email,name\n{HANAKO},山田\n{TARO},".encode() + b"\xe5\xa4\n" + f"{ALICE},鈴木\n".encode())
    with source.open("rb") as file, RefusedFile(tmp_path / "refused.csv", source) as refused:
        import_csv(database, KEYS, file, list_name="daily", wording="x", now=NOW, refused=refused)
    assert f"{TARO},".encode() + b"\xe5\xa4," in (tmp_path / "refused.csv").read_bytes()
    with pytest.raises(BadInput):
        RefusedFile(source, source)


def test_nothing_is_written_where_nothing_was_refused(database: Database, tmp_path: Path) -> None:
    lists(database)
    source = tmp_path / "readers.csv"
    source.write_text(f"email\n{HANAKO}\n", "utf-8")
    (tmp_path / "refused.csv").write_text("of last time", "utf-8")
    with source.open("rb") as file, RefusedFile(tmp_path / "refused.csv", source) as refused:
        import_csv(database, KEYS, file, list_name="daily", wording="x", now=NOW, refused=refused)
    assert not (tmp_path / "refused.csv").exists()


def test_an_import_that_breaks_off_and_starts_again_ends_the_same(database: Database) -> None:
    lists(database)
    content = "email,name,created_at\n" + "".join(f"reader{number}@example.jp,R {number},2024-05-01\n" for number in range(2 * BATCH + 100))

    def stop(done: int, _of: int) -> None:
        if done >= BATCH:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_csv(database, KEYS, io.BytesIO(content.encode()), list_name="daily", wording="signed at the open day", now=NOW, progress=stop,
                   batch=BATCH)
    assert numbers(bring(database, content)) == {"added": BATCH + 100, "unchanged": BATCH}
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Subscription).where(Subscription.state == "subscribed")) == 2 * BATCH + 100
        assert session.scalar(select(func.count()).select_from(Consent)) == 2 * BATCH + 100


def test_no_address_stays_in_a_temporary_table(database: Database) -> None:
    lists(database)
    with database.writing() as session:
        wanted = list_id(session, "daily")
    file_arrivals(database, KEYS, wanted, [Arrival(parse_address(HANAKO))], NOW)
    bring(database, f"email\n{TARO}\n", dry_run=True)
    with database.engine.connect() as connection:
        for name in ("arriving", "arriving_old", "arriving_seen"):
            tables = "SELECT name FROM sqlite_temp_master" if database.is_sqlite else "SELECT tablename FROM pg_tables WHERE schemaname LIKE 'pg_temp%%'"
            if name in set(connection.exec_driver_sql(tables).scalars()):
                assert connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar() == 0


def test_the_number_of_statements_does_not_grow_with_the_file(database: Database) -> None:
    lists(database)
    seen: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda _c, _cursor, statement, *_rest: seen.append(statement))
    bring(database, "email\n" + "".join(f"a{number}@example.jp\n" for number in range(10)))
    few = len(seen)
    seen.clear()
    bring(database, "email\n" + "".join(f"b{number}@example.jp\n" for number in range(900)))
    assert len(seen) == few


def _elsewhere(tmp_path: Path, template: Path) -> Iterator[Database]:
    (tmp_path / "other.db").write_bytes(template.read_bytes())
    opened = Database(f"sqlite:///{tmp_path / 'other.db'}")
    yield opened
    opened.close()


@pytest.fixture
def elsewhere(tmp_path: Path, sqlite_template: Path) -> Iterator[Database]:
    """Another installation."""
    yield from _elsewhere(tmp_path, sqlite_template)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_exported_file_gives_the_same_readers_elsewhere(database: Database, elsewhere: Database, form: str) -> None:
    lists(database)
    lists(elsewhere)
    bring(database, FILE)
    join(database, "+plus=tag@example.jp", name="=cmd|'/c calc'!A0")
    join(database, ALICE, name="Alice \"The Card\", Smith 🎴")
    set_preferences(database, *ids_of(database, HANAKO), Preferences("weekly", ("モデル", "産業, 市場"), 7, "Asia/Tokyo", "ja"), Evidence("web"), NOW)
    leave(database, *ids_of(database, ALICE), Evidence("one-click"), NOW)
    suppress(database, KEYS, parse_address(TARO), "complaint", NOW)
    content = out(database, form)
    assert not [line for line in content.splitlines() if line.startswith(("=", "+", "-", "@"))]
    report = import_csv(elsewhere, Keys(["another key"]), io.BytesIO(content.encode()), list_name="daily", wording="moved", now=NOW)
    assert numbers(report) == {"added": 2, "gone": 1, "closed": 1}
    ours, theirs = (_rows(one) for one in (database, elsewhere))
    assert theirs == {address: row for address, row in ours.items() if address != TARO}
    with elsewhere.reading() as session:
        assert session.scalars(select(Suppression.reason)).all() == ["complaint"]
        wordings = session.scalars(select(Consent.wording).where(Consent.action == "imported").order_by(Consent.id)).all()
    assert "moved: signed at the open day (2024-05-01) (2024-05-01)" in wordings


def _rows(database: Database) -> dict[str, dict[str, object]]:
    """Each reader as exported, without the words of consent."""
    with database.reading() as session:
        return {row["address" if "address" in row else "email"]: {key: value for key, value in row.items() if key != "consent"}
                for row in exported(session, "daily")}


def test_only_the_states_that_were_asked_for_go_out(database: Database) -> None:
    lists(database, "daily", "weekly")
    join(database, HANAKO)
    join(database, TARO)
    join(database, ALICE, "weekly")
    leave(database, *ids_of(database, TARO), Evidence("one-click"), NOW)
    assert [json.loads(line)["email"] for line in out(database, "jsonl", ("left",)).splitlines()] == [TARO]
    assert out(database, states=("unconfirmed",)).splitlines() == [out(database).splitlines()[0]]
    assert ALICE not in out(database)


_NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_NAMES, min_size=1, max_size=8))
@example(['"', '"'])
def test_any_name_survives_the_way_out_and_in(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    """Quotes, new lines, commas, emoji, signs of formulas: what is kept of a name goes out and comes back as it is."""
    kept = [clean_line(name)[:200].strip() or None for name in names]
    folder = tmp_path_factory.mktemp("names")
    both = []
    for place in range(2):
        (folder / f"{place}.db").write_bytes(sqlite_template.read_bytes())
        both.append(Database(f"sqlite:///{folder / f'{place}.db'}"))
        lists(both[-1])
    with both[0].reading() as session:
        wanted = list_id(session, "daily")
    file_arrivals(both[0], KEYS, wanted, [Arrival(parse_address(f"a{place}@example.jp"), name=name) for place, name in enumerate(kept)], NOW)
    for form in ("csv", "jsonl"):
        with both[1].writing() as session:
            session.execute(update(Subscriber).values(name=None))
        bring(both[1], out(both[0], form))
        with both[1].reading() as session:
            assert session.scalars(select(Subscriber.name).order_by(Subscriber.address_key)).all() == kept
    for opened in both:
        opened.close()
