"""Any bytes at any address of ours: nothing breaks, and nobody is on a list who did not confirm."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from publisher.db import Database
from publisher.links import BOUNCE, CONFIRM, NOTICE
from subscribers.models import Subscription
from tests.inbound import DOMAIN, HELP, REQUEST, SUBSCRIBE, UNSUBSCRIBE, Inbox
from tests.readers import HANAKO, KEYS, TARO, state_of
from tests.unit.test_any_mail import MAILS

# Tokens that were signed for nobody who is here: even these confirm nothing.
ADDRESSES = [SUBSCRIBE, UNSUBSCRIBE, HELP, REQUEST, f"daily@{DOMAIN}", f"complaints@{DOMAIN}", f"daily-confirm+{KEYS.sign(CONFIRM, 900, 900)}@{DOMAIN}",
             f"b+{KEYS.sign(BOUNCE, 900, 900)}@{DOMAIN}", f"b+{KEYS.sign(NOTICE, 900, 900)}@{DOMAIN}", f"nobody@{DOMAIN}", "", "@", "\udcff@x"]
SENDERS = ["", None, HANAKO, TARO, "MAILER-DAEMON", "\udcff", "prvs=0123456789=hanako@example.jp", '"a b"@example.jp']


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inbox]:
    """One newsroom for all of it, with Taro as its reader."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('any') / 'publisher.db'}")
    database.migrate()
    made = Inbox(database)
    made.reader(TARO)
    yield made
    database.close()


@given(st.one_of(MAILS, st.binary(max_size=300)), st.sampled_from(ADDRESSES), st.sampled_from(SENDERS))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_mail_breaks_us_and_none_puts_anybody_on_a_list(inbox: Inbox, data: bytes, recipient: str, sender: str | None) -> None:
    outcome = inbox.bring(recipient, data, sender)
    assert outcome
    assert len(outcome) <= 32
    assert outcome not in ("confirmed", "left")
    assert state_of(inbox.database, TARO) == "subscribed"
    with inbox.database.reading() as session:
        assert session.scalars(select(Subscription.subscriber_id).where(Subscription.state == "subscribed")).all() == [inbox.person_id(TARO)]
