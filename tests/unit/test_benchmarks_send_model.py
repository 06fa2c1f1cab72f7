"""The model draws straight lines through what was measured, and says of the rest that it is assumed."""

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.model import Assumed, Load, Measured, machines_table, main, rate_of_process, work_out

LOADS = st.builds(Load, readers=st.integers(1, 10**9), hours=st.floats(0.1, 24), body_bytes=st.integers(1000, 10**6))


@given(LOADS)
def test_twice_the_readers_take_twice_of_everything_that_grows_with_them(load: Load):
    """Rates, bytes and rows are proportional to the readers."""
    once, twice = (work_out(one, Measured(), Assumed()) for one in (load, replace(load, readers=2 * load.readers)))
    for subject, name in (("needed", "messages_per_second"), ("needed", "traffic_gb_a_day"), ("database", "wal_gb_a_day"),
                          ("database", "start_seconds"), ("ledger", "gb_kept"), ("cost_a_day", "provider")):
        assert twice[subject][name] == pytest.approx(2 * once[subject][name])


@given(LOADS)
def test_there_are_enough_processes_and_one_fewer_would_be_too_few(load: Load):
    """The number of processes is the smallest that reaches the rate."""
    found, each = work_out(load, Measured(), Assumed()), rate_of_process(Measured(), Assumed())
    rate, processes = found["needed"]["messages_per_second"], found["sending"]["processes"]
    assert (processes - 1) * each < rate + 1e-6
    assert processes * each >= rate - 1e-6


def test_a_hundred_million_readers_in_four_hours_are_worked_out_by_hand():
    """100,000,000 / 14,400 s; 30,000 bytes each; a process of 1,000 a second at 0.6."""
    measured = Measured(messages_per_second=1000, cpu_seconds_per_1000=0.5, wal_bytes_per_message=1000, ledger_bytes_per_message=500)
    found = work_out(Load(), measured, Assumed(kept_days=10))
    assert found["needed"]["messages_per_second"] == pytest.approx(6944.44, abs=0.01)
    assert found["needed"]["megabits_per_second"] == pytest.approx(1666.67, abs=0.01)
    assert found["sending"]["processes"] == 12
    assert found["sending"]["machines"] == 3
    assert found["database"]["wal_gb_a_day"] == pytest.approx(100)
    assert found["ledger"]["gb_kept"] == pytest.approx(500)


def test_the_cost_of_a_day_is_the_sum_of_its_parts():
    """With relays of one's own and with a provider the rest is the same."""
    cost = work_out(Load(), Measured(), Assumed())["cost_a_day"]
    rest = cost["sending"] + cost["database"] + cost["disk"] + cost["traffic"]
    assert cost["with_own_relays"] == pytest.approx(rest + cost["relays"] + cost["addresses"])
    assert cost["with_a_provider"] == pytest.approx(rest + cost["provider"])


def test_more_machines_do_not_send_faster_than_the_one_database_allows():
    """The table of machines grows straight, and then not at all."""
    rows = machines_table(Load(), Measured(), Assumed(database_changes_per_second=20_000))
    assert rows[1]["messages_per_second"] == min(2 * rows[0]["messages_per_second"], 10_000)
    assert rows[-1]["messages_per_second"] == 10_000


def test_far_relays_and_few_connections_bound_a_process():
    """A pipelined connection carries one mail a round trip."""
    assert rate_of_process(Measured(messages_per_second=9000), Assumed(connections_a_process=4, relay_milliseconds=40)) == 100


def test_figures_of_a_run_replace_the_ones_that_stand_in_the_model(tmp_path, capsys):
    """`--measured` takes what the benchmark printed, and the time of a start by row."""
    file = tmp_path / "run.json"
    file.write_text(json.dumps({"database": "postgresql", "messages_per_second": 1234.5, "start_seconds": 2.0, "readers": 1_000_000}))
    assert main(["--measured", str(file), "--readers", "5000000", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["measured"]["messages_per_second"] == 1234.5
    assert found["measured"]["start_microseconds_a_row"] == pytest.approx(2)
    assert found["load"]["readers"] == 5_000_000


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"database": "sqlite", "messages_per_second": 1}'])
def test_a_file_without_figures_is_refused_with_what_to_do(tmp_path, content):
    """A run on SQLite says nothing of a server."""
    file = tmp_path / "run.json"
    file.write_text(content)
    with pytest.raises(SystemExit, match="benchmarks.send --postgres --json"):
        main(["--measured", str(file)])


def test_every_assumption_is_printed_as_one(capsys):
    """Whoever reads the figures sees what nobody measured."""
    assert main([]) == 0
    out = capsys.readouterr().out
    assumed = out[out.index("assumed"):out.index("needed")]
    assert all(field.name.replace("_", " ") in assumed for field in fields(Assumed))
