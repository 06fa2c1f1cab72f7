"""The benchmark of sending measures what it says: real mails, one for each reader, against a yardstick of the same size."""

import json
import smtplib
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from benchmarks.send import main
from benchmarks.sending.link import link
from benchmarks.sending.yardstick import found, source
from tests.relay import Relay

KEYS = {"messages_per_second", "smtp_source_messages_per_second", "ratio", "cpu_seconds_per_1000", "smtp_source_cpu_seconds_per_1000", "peak_rss_mb",
        "first_mail_seconds", "start_seconds", "body_bytes", "connections", "processes", "database", "dkim", "ledger_bytes_per_message"}


def need_smtp_tools() -> None:
    if found("smtp-sink") is None or found("smtp-source") is None:
        pytest.skip("not run: smtp-sink and smtp-source (Debian's package postfix) are absent")


def measured(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    """What the command prints."""
    assert main(["--readers", "200", "--body-bytes", "12000", "--connections", "2", "--runs", "1", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_benchmark_of_sending_prints_every_figure_that_is_promised(capsys):
    """200 readers are sent to smtp-sink and compared with smtp-source and smtplib in the same run."""
    need_smtp_tools()
    figures = measured(capsys, "--smtplib")
    assert figures.keys() >= KEYS | {"smtplib_messages_per_second", "smtplib_ratio"}
    assert figures["ratio"] == pytest.approx(figures["messages_per_second"] / figures["smtp_source_messages_per_second"])
    assert abs(figures["body_bytes"] - 12000) <= 240
    assert 20 < figures["peak_rss_mb"] < 150


def test_every_reader_of_the_benchmark_gets_one_realistic_mail_of_the_size_that_was_asked_for(capsys):
    """A relay of ours sees a Message-ID, a bounce address and one-click of their own in each mail, and that smtp-source sends as many bytes."""
    need_smtp_tools()
    with Relay() as relay:
        figures = measured(capsys, "--relay", relay.url)
    ours = [mail for mail in relay.taken if b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in mail.data]
    theirs = [mail for mail in relay.taken if mail not in ours]
    assert len(ours) == len(theirs) == 200
    for own in (lambda mail: mail.message_id, lambda mail: mail.sender, lambda mail: mail.recipient, lambda mail: mail.data):
        assert len({own(mail) for mail in ours}) == 200
    sizes = [len(mail.data) for mail in ours]
    assert max(abs(size - figures["body_bytes"]) for size in sizes) < 240
    assert all(abs(len(mail.data) - figures["body_bytes"]) < 240 for mail in theirs)


def test_the_yardstick_sends_mails_of_the_bytes_it_was_told():
    """What smtp-source calls its length leaves out its headers; what arrives has them."""
    need_smtp_tools()
    with Relay() as relay:
        timed = source("127.0.0.1", relay.port, connections=1, wire_bytes=30_000, messages=3)
    assert [abs(len(mail.data) - 30_000) < 100 for mail in relay.taken] == [True] * 3
    assert timed.seconds > 0


def test_the_benchmark_on_postgresql_leaves_no_database_behind(capsys, postgres):
    """Its database is made for the run, measured with the log it writes ahead, and dropped."""
    with Relay() as relay:
        figures = measured(capsys, "--relay", relay.url, "--database", postgres)
    assert figures["database"] == "postgresql"
    assert figures["wal_bytes_per_message"] > 100
    engine = create_engine(postgres)
    with engine.connect() as connection:
        assert not connection.scalar(text("SELECT count(*) FROM pg_database WHERE datname LIKE 'publisher_benchmark_%'"))
    engine.dispose()


def test_with_dkim_every_mail_of_the_benchmark_is_signed(capsys):
    """A figure for signed mails is one of signed mails."""
    with Relay() as relay:
        figures = measured(capsys, "--relay", relay.url, "--dkim")
    assert figures["dkim"] is True
    ours = [mail for mail in relay.taken if b"List-Unsubscribe-Post" in mail.data]
    assert len(ours) == sum(mail.data.startswith(b"DKIM-Signature: ") for mail in ours) == 200


def test_only_the_first_mail_is_waited_for_when_that_is_asked(capsys):
    """`--only-first` stops when the relay has taken a mail, and says how long that took."""
    with Relay() as relay:
        figures = measured(capsys, "--relay", relay.url, "--only-first", "--readers", "3000")
    assert 0 < figures["start_seconds"] <= figures["first_mail_seconds"]
    assert 1 <= len(relay.taken) < 3000


def test_figures_are_refused_when_not_every_mail_was_taken(capsys):
    """A relay that turns readers away sends faster than one that takes them: that is no figure."""
    with Relay(plan=lambda verb, argument: "550 5.1.1 no" if verb == "RCPT" and "reader.7@" in argument else None) as relay, \
            pytest.raises(SystemExit, match="not every mail was accepted"):
        measured(capsys, "--relay", relay.url)


def test_the_link_is_as_long_as_it_says():
    """A question and its answer take the whole round trip, however near the relay is."""
    with Relay() as relay, link("127.0.0.1", relay.port, 60) as port, smtplib.SMTP("127.0.0.1", port, "localhost") as connection:
        began = time.perf_counter()
        connection.noop()
        assert 0.06 <= time.perf_counter() - began < 1


def test_a_database_that_is_no_server_is_refused_with_what_to_do(tmp_path: Path, capsys):
    """`--database` makes and drops databases; a file is not what it is for."""
    with Relay() as relay, pytest.raises(SystemExit, match="PostgreSQL"):
        main(["--relay", relay.url, "--database", f"sqlite:///{tmp_path}/x.db"])
