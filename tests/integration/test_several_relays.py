"""Several relays: which one takes a mail, and who takes over when one is gone; each reader has one mail, and nobody is lost."""

import socket
import threading
from collections import Counter
from pathlib import Path

import pytest

from publisher.db import Database
from publisher.deliver.control import has_work, resume
from publisher.deliver.smtp import RelayTrouble
from publisher.errors import PublisherError
from tests.mailing import START
from tests.relay import HANG_UP, Plan, Relay
from tests.several import by_relay, each_once, entry, office


def crowd_of(number: int, domain: str = "example.jp") -> list[str]:
    """Addresses at one domain."""
    return [f"p{index}@{domain}" for index in range(number)]


def nobody_listens() -> str:
    """The address of a relay that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"smtp://127.0.0.1:{free.getsockname()[1]}"


def always(verb: str, answer: str) -> Plan:
    """A relay that says this to that."""
    return lambda said, _argument: answer if said == verb else None


def test_a_mail_takes_the_relay_of_its_domain_else_of_its_newsletter(database: Database, tmp_path: Path) -> None:
    """The carriers' readers by the carriers' way, all others by that of the paper, and none by that of another paper."""
    with Relay() as usual, Relay() as carriers, Relay() as paper, Relay() as other:
        room = office(database, tmp_path, [entry("usual", usual), entry("carriers", carriers, domains=["docomo.ne.jp"]),
                                           entry("paper", paper, newsletters=["morning"]), entry("other", other, newsletters=["evening"])],
                      crowd_of(5, "docomo.ne.jp") + crowd_of(7))
        assert room.send().accepted == 12
    assert (set(carriers.recipients()), set(paper.recipients())) == (set(crowd_of(5, "docomo.ne.jp")), set(crowd_of(7)))
    assert usual.taken == other.taken == []
    assert by_relay(room) == {"carriers": 5, "paper": 7}
    assert room.state() == "sent"


def test_relays_share_an_issue_by_their_weights_each_over_its_own_connections(database: Database, tmp_path: Path) -> None:
    """Three to one, five connections and one; the small one is opened anew after ten mails."""
    with Relay() as big, Relay() as small:
        room = office(database, tmp_path, [entry("big", big, weight=3, connections=5), entry("small", small, connections=1, per_connection=10)], 400)
        assert room.send().accepted == 400
    assert len(each_once(big, small)) == 400
    assert by_relay(room) == {"big": len(big.taken), "small": len(small.taken)}
    assert 70 <= len(small.taken) <= 130
    # The old connection is closed and the new one opened at the same moment.
    assert (big.most_open <= 5, small.most_open <= 2) == (True, True)
    assert small.log.count("ehlo localhost") == -(-len(small.taken) // 10)


@pytest.mark.parametrize("wrong", ["absent", "login", "turned away", "sender"])
def test_the_others_carry_the_mails_of_a_relay_that_refuses(database: Database, tmp_path: Path, wrong: str) -> None:
    """No connection, no login, no service, no sender: each reader once, and the rows say who took it."""
    plan = {"turned away": always("CONNECT", "554 5.7.1 no service for you"), "sender": always("MAIL", "550 5.7.1 sender not allowed")}.get(wrong)
    with Relay(**({"plan": plan} if plan else {}), credentials=("news", "right") if wrong == "login" else None) as bad, Relay() as good:
        url = nobody_listens() if wrong == "absent" else bad.url.replace("//", "//news@") if wrong == "login" else bad.url
        room = office(database, tmp_path, [entry("bad", url), entry("good", good)], 60)
        assert room.send(secrets={"bad": "wrong"}).accepted == 60
    assert len(each_once(bad, good)) == 60
    assert by_relay(room) == {"good": 60}
    assert room.state() == "sent"


@pytest.mark.parametrize(("greeting", "takes"), [("220 ESMTP", "usual"), ("554 5.7.1 no service", "spare")])
def test_one_of_weight_0_is_used_only_when_the_others_fail(database: Database, tmp_path: Path, greeting: str, takes: str) -> None:
    with Relay(always("CONNECT", greeting)) as usual, Relay() as spare:
        room = office(database, tmp_path, [entry("usual", usual), entry("spare", spare, weight=0)], 30)
        assert room.send().accepted == 30
    assert by_relay(room) == {takes: 30}


def test_a_relay_that_goes_away_in_the_middle_loses_nobody(database: Database, tmp_path: Path) -> None:
    """It hangs up and takes no connection any more: what it had taken stays taken, all else goes over the other."""
    gone = threading.Event()

    def plan(verb: str, _argument: str) -> str | None:
        if verb == "CONNECT":
            return "554 5.3.2 no service" if gone.is_set() else None
        if verb in ("MAIL", "RCPT") and len(leaving.taken) >= 20:
            gone.set()
            return HANG_UP
        return None

    with Relay(plan) as leaving, Relay() as staying:
        room = office(database, tmp_path, [entry("leaving", leaving, weight=4, connections=2), entry("staying", staying, connections=2)], 200)
        counts = room.send()
        assert (counts.accepted + counts.deferred, counts.unfinished) == (200, counts.deferred)
        room.clock.now = max((row.not_before for row in room.rows().values() if row.not_before), default=START)
        assert room.send().accepted == 200
    assert len(each_once(leaving, staying)) == 200
    assert by_relay(room)["leaving"] == len(leaving.taken) >= 20


def test_a_relay_that_asks_for_a_rest_for_ever_hands_its_mails_to_the_other(database: Database, tmp_path: Path) -> None:
    """421 about our pace from the twentieth mail on: the other takes what waits at once, and the few that were told 421 a while later."""
    def plan(verb: str, _argument: str) -> str | None:
        return "421 4.7.0 too many mails, slow down" if verb == "MAIL" and len(tired.taken) >= 20 else None

    with Relay(plan) as tired, Relay() as fresh:
        room = office(database, tmp_path, [entry("tired", tired, weight=3, connections=2), entry("fresh", fresh, connections=2)], 150)
        counts = room.send()
        assert 1 <= counts.deferred <= 4
        assert counts.accepted == 150 - counts.deferred
        room.clock.now = max(row.not_before for row in room.rows().values() if row.not_before)
        assert room.send().accepted == 150
    assert len(each_once(tired, fresh)) == 150
    assert by_relay(room) == {"tired": len(tired.taken), "fresh": len(fresh.taken)}


def test_when_all_are_gone_the_issue_waits_with_one_sentence_and_nobody_is_marked(database: Database, tmp_path: Path) -> None:
    """Both reasons stand in it; mended, everybody has the mail."""
    with Relay(always("CONNECT", "554 5.7.1 no service")) as one, Relay(credentials=("news", "right")) as other:
        login = other.url.replace("//", "//news@")
        room = office(database, tmp_path, [entry("one", one), entry("other", login)], 40)
        with pytest.raises(RelayTrouble) as trouble:
            room.send(secrets={"other": "wrong"})
        assert "turns us away" in trouble.value.reason
        assert "refuses the login" in trouble.value.reason
        assert room.counts().queued == 40
        assert {(row.attempts, row.first_tried_at, row.not_before) for row in room.rows().values()} == {(0, None, None)}
        with database.reading() as session:
            assert has_work(session, room.issue_id, START)
        assert room.send(secrets={"other": "right"}).accepted == 40
    assert by_relay(room) == {"other": 40}


def test_the_mails_of_a_domain_whose_only_relay_is_gone_are_asked_about_again(database: Database, tmp_path: Path) -> None:
    """Everybody else is sent; these wait five minutes as listed rows, and then leave."""
    well = threading.Event()
    with Relay(lambda verb, _argument: "554 5.7.1 no" if verb == "CONNECT" and not well.is_set() else None) as carriers, Relay() as usual:
        room = office(database, tmp_path, [entry("carriers", carriers, domains=["docomo.ne.jp"]), entry("usual", usual)],
                      crowd_of(5, "docomo.ne.jp") + crowd_of(7))
        counts = room.send()
        assert (counts.accepted, counts.queued) == (7, 5)
        waiting = [row for row in room.rows().values() if row.state == "queued"]
        assert Counter(row.reason for row in waiting) == {"the relay carriers takes no mail now": 5}
        well.set()
        room.clock.now = max(row.not_before for row in waiting if row.not_before)
        assert room.send().accepted == 12
    assert by_relay(room) == {"carriers": 5, "usual": 7}


@pytest.mark.parametrize("verb", ["RCPT", "."])
def test_a_relay_that_takes_nothing_of_the_issue_gives_no_reader_up_while_another_takes_it(database: Database, tmp_path: Path, verb: str) -> None:
    """It refuses every mail for what it is, the other takes every one: the refused ones go over the other, and nobody's row says refused."""
    with Relay(always(verb, "554 5.7.1 we do not relay for you")) as picky, Relay() as good:
        room = office(database, tmp_path, [entry("picky", picky), entry("good", good)], 80)
        counts = room.send()
        assert (counts.accepted, counts.refused) == (80, 0)
    assert len(each_once(picky, good)) == 80
    assert by_relay(room) == {"good": 80}


def test_an_issue_that_no_relay_takes_is_paused_and_nobody_is_given_up(database: Database, tmp_path: Path) -> None:
    """Both refuse every mail: a person looks, and when the issue goes on every reader has it once."""
    well = threading.Event()

    def plan(verb: str, _argument: str) -> str | None:
        return "554 5.7.1 spam" if verb == "." and not well.is_set() else None

    with Relay(plan) as one, Relay(plan) as other:
        room = office(database, tmp_path, [entry("one", one), entry("other", other)], 80)
        with pytest.raises(RelayTrouble, match="takes none of these mails"):
            room.send()
        assert (room.state(), room.counts().refused) == ("paused", 0)
        well.set()
        resume(database, room.issue_id, START)
        room.clock.now = max((row.not_before for row in room.rows().values() if row.not_before), default=START)
        assert room.send().accepted == 80
    assert len(each_once(one, other)) == 80


def test_a_reader_whom_one_relay_refuses_for_good_is_refused_though_it_took_others(database: Database, tmp_path: Path) -> None:
    """Two relays take mails; what one of them says of a reader is that reader's own."""
    def plan(verb: str, argument: str) -> str | None:
        return "554 5.7.1 not this one" if verb == "RCPT" and "p0@" in argument else None

    with Relay(plan) as one, Relay(plan) as other:
        room = office(database, tmp_path, [entry("one", one), entry("other", other)], crowd_of(40))
        counts = room.send()
        assert (counts.accepted, counts.refused) == (39, 1)
    assert room.rows()["p0@example.jp"].state == "refused"


def test_a_relay_for_other_newsletters_that_is_gone_concerns_nobody(database: Database, tmp_path: Path) -> None:
    """The issue's own relay is gone: the sentence is about that one, though another newsletter's would be there."""
    with Relay() as evening, Relay(always("CONNECT", "554 5.7.1 no service")) as ours:
        room = office(database, tmp_path, [entry("evening", evening, newsletters=["evening"]), entry("ours", ours)], 3)
        with pytest.raises(RelayTrouble, match="turns us away"):
            room.send()
    assert room.counts().queued == 3
    assert evening.log == []


def test_a_newsletter_without_a_relay_of_its_own_sends_nothing_and_says_why(database: Database, tmp_path: Path) -> None:
    """All entries are for others, or for some domains only."""
    with Relay() as relay:
        room = office(database, tmp_path, [entry("evening", relay, newsletters=["evening"]), entry("carriers", relay, domains=["docomo.ne.jp"])],
                      ["taro@docomo.ne.jp", "hanako@example.jp"])
        with pytest.raises(PublisherError, match="no entry of relays is for all readers of morning"):
            room.send()
        assert relay.log == []
    assert room.counts().queued == 2
