"""`publisher relays` as an operator runs it: what each relay was given, who asked for a rest, and its end."""

from datetime import timedelta
from pathlib import Path

from publisher.clock import utc_now
from publisher.db import Database
from publisher.deliver.dispatch.dispatch import Dispatch
from publisher.deliver.dispatch.overview import standings
from publisher.deliver.verdict import Verdict
from publisher.settings_file import load_settings
from tests.commands import NewsroomFolder
from tests.dispatching import SLOWER

RELAYS = """
[[relays]]
name = "own"
url = "smtp://127.0.0.1:2525"
[[relays]]
name = "cloud"
url = "ses://eu-west-1"
warm_up = false
weight = 0
[[limits]]
name = "carriers"
domains = ["docomo.ne.jp"]
per_second = 5
"""


def test_an_operator_sees_the_relays_and_ends_a_rest(tmp_path: Path) -> None:
    """The real command, beside a process that sends."""
    newsroom = NewsroomFolder.make(tmp_path, relay_port=2525, extra=RELAYS)
    made = load_settings(tmp_path / "publisher.toml")
    database, now = Database(made.database_url), utc_now()
    database.migrate()
    sender = Dispatch(made, "morning")
    with database.writing() as session:
        sender.decide(session, [(number, "example.jp") for number in range(7)], now)
        sender.heard(session, [("own", "gmail.com", Verdict("deferred", SLOWER)), ("own", "", Verdict("deferred", "421 slower"))], now)
    found = newsroom.run("relays", "list", "--json").json()
    own, cloud = found["relays"]
    assert (own["name"], own["kind"], own["place"], own["given"], own["allowance"], own["connections"]) == ("own", "smtp", "127.0.0.1:2525", 7, 50000, 0)
    assert (cloud["name"], cloud["kind"], cloud["place"], cloud["given"], cloud["allowance"], cloud["connections"]) == ("cloud", "ses", "eu-west-1", 0, None, 4)
    assert own["paused_until"] == (now + timedelta(minutes=10)).isoformat()
    assert [(one["name"], one["at_once"], one["reason"]) for one in found["receivers"]] == [("gmail.com", 0, SLOWER)]
    shown = newsroom.run("--lang", "ja", "relays").out
    assert "421 slower" in shown
    assert "gmail.com の休止は" in shown
    assert "ses eu-west-1" in shown

    assert newsroom.run("relays", "resume", "own").code == 0
    resumed = newsroom.run("relays", "resume", "googlemail.com")
    assert (resumed.code, resumed.out) == (0, "✓ gmail.com: the rest is over.\n")
    refused = newsroom.run("relays", "resume", "own")
    assert (refused.code, refused.out) == (1, "")
    assert "publisher relays list" in refused.err
    (first, _cloud), receivers = standings(database, made, now)
    assert (first.connections, receivers) == (4, [])
    database.close()
