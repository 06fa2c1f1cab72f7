"""What docs/scale.md says was tried works, and its figures are the model's."""

import re
from pathlib import Path

from sqlalchemy import text

from benchmarks.model import Assumed, Load, Measured, work_out
from benchmarks.sending.measure import send
from benchmarks.sending.newsroom import Shape, newsroom, words_of
from tests.relay import Relay

PAGE = (Path(__file__).parent.parent.parent / "docs" / "scale.md").read_text("utf-8")


def blocks() -> list[str]:
    """The SQL of the page: dividing the ledger, a partition for issue 7, and its end."""
    sql = re.search(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    assert sql is not None
    return sql[1].split("\n\n")


def test_issues_are_sent_whole_with_the_ledger_in_partitions(tmp_path, postgres_url):
    """The page's statements, run on a ledger with an issue in it: the next one goes into a partition of its own, which is then dropped."""
    divide, add, drop = blocks()
    with Relay() as relay, newsroom(tmp_path, postgres_url, relay.url, Shape(60, 12_000, 2)) as room:
        words = words_of(room.settings, Shape(60, 12_000, 2))

        def run(sql: str) -> None:
            with room.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text(sql.replace("deliveries_7", "deliveries_2").replace("(7)", "(2)")))

        def rows() -> dict[int, int]:
            with room.database.engine.connect() as connection:
                return {issue: number for issue, number in connection.execute(text("SELECT issue_id, count(*) FROM deliveries GROUP BY issue_id"))}

        send(room, words, None)
        run(divide)
        assert rows() == {1: 60}
        run(add)
        assert send(room, words, None)["counts"]["accepted"] == 60
        assert rows() == {1: 60, 2: 60}
        run(drop)
        assert rows() == {1: 60}
    assert len({mail.message_id for mail in relay.taken}) == 120


def test_the_figures_of_the_page_are_the_models():
    """A hundred million readers in four hours: who changes the model's figures changes the page."""
    found = work_out(Load(), Measured(), Assumed())
    for said in (f"{found['needed']['messages_per_second']:,.0f}, for four hours", f"{found['needed']['traffic_gb_a_day']:,.0f} GB a day",
                 f"{found['sending']['processes']} processes on {found['sending']['machines']} machines",
                 f"{found['sending']['connections']} connections", f"{found['relays']['machines']} machines of 2 cores, {found['relays']['addresses']} addresses",
                 f"{found['database']['wal_mb_per_second']:.1f} MB/s", f"{found['ledger']['gb_a_day']:.0f} GB a day",
                 f"{found['ledger']['gb_a_month'] / 1000:.1f} TB a month", f"{found['ledger']['gb_kept'] / 1000:.1f} TB with",
                 f"{found['cost_a_day']['with_own_relays']:.0f} US dollars"):
        assert said in PAGE, said
