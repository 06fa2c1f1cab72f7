"""Readers who chose sections get their stories and no others, from an edition of their group; everybody is accounted for."""

import random
from email import message_from_bytes, policy
from pathlib import Path

from sqlalchemy import delete, event, func, select, update

from publisher.approval import content_hash
from publisher.compose.drafting import compose_draft
from publisher.curate.desk import approve_issue
from publisher.db import Database
from publisher.deliver.message import preview
from publisher.deliver.start import NOTHING, start_issue
from publisher.models import Delivery, Edition, EditionGroup, Issue
from publisher.models_sending import Slice
from publisher.web.archive import EVERYBODY
from subscribers.models import Subscriber, Subscription
from tests import composing
from tests.mailing import START, Clock, Newsroom, crowd
from tests.preferring import prefer
from tests.readers import ALICE, HANAKO, KEYS, TARO, ids_of, join, lists
from tests.relay import Relay

SECTIONS = {"sections": ["モデル", "産業", "制度", "社会"]}
# By section, the last without one.
HEADLINES = {"モデル": "あおばモデル", "産業": "みなとクラウド", "制度": "学習データの記録", None: "新潟の12校"}


def newsroom(database: Database, folder: Path, relay: str, readers: dict[str, list[str] | None], *, stories: int = 5) -> Newsroom:
    """A composed and approved issue for readers who chose these sections."""
    lists(database)
    for address, sections in readers.items():
        join(database, address)
        prefer(database, address, sections=sections)
    made = composing.settings(root=folder, site={"url": "http://127.0.0.1:8000"}, mail={"relay": relay, "timeout": "3s"}, newsletter=SECTIONS)
    issue_id = composing.Newsroom(database, made).draft(composing.morning()[:stories])
    compose_draft(database, made, issue_id, START)
    approve_issue(database, issue_id, "Hanako", START)
    return Newsroom(database, made, issue_id, Clock())


def text_of(relay: Relay, address: str) -> str:
    data = next(mail.data for mail in relay.taken if mail.recipient == address)
    body = message_from_bytes(data, policy=policy.default).get_body(("plain",))
    return body.get_content() if body else ""


def told(text: str) -> set[str | None]:
    return {section for section, headline in HEADLINES.items() if headline in text}


def test_each_reader_gets_the_stories_of_their_sections(database: Database, tmp_path: Path) -> None:
    """Subject, contents and counts fit them; a story without a section goes to everybody."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, {HANAKO: None, TARO: ["制度"], ALICE: ["産業", "社会"]})
        room.start()
        assert room.send().accepted == 3
        texts = {address: text_of(relay, address) for address in (HANAKO, TARO, ALICE)}
        subjects = {mail.recipient: message_from_bytes(mail.data, policy=policy.default)["Subject"] for mail in relay.taken}
    assert {address: told(text) for address, text in texts.items()} == {
        HANAKO: set(HEADLINES), TARO: {"制度", None}, ALICE: {"産業", None}}
    assert subjects[TARO].startswith("学習データの記録")
    assert " 1. 学習データの記録" in texts[TARO]
    assert "Sora" in texts[ALICE]
    assert "Sora" not in texts[TARO]


def test_only_the_edition_for_everybody_has_a_page(database: Database, tmp_path: Path) -> None:
    """The page of an issue is whole, whoever looks."""
    room = newsroom(database, tmp_path, "smtp://127.0.0.1:9", {HANAKO: None, TARO: ["制度"]})
    with database.reading() as session:
        editions = {edition.audience: edition for edition in session.scalars(select(Edition).where(Edition.issue_id == room.issue_id))}
    assert len(editions) == 2
    assert "みなとクラウド" in editions.pop(EVERYBODY).page
    assert [edition.page for edition in editions.values()] == [""]


def test_readers_of_whose_sections_nothing_is_told_are_skipped_with_the_reason(database: Database, tmp_path: Path) -> None:
    """A row each, all the same."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, {HANAKO: None, TARO: ["社会"]}, stories=4)
        assert room.start() == 2
        room.send()
        assert relay.recipients() == {HANAKO: 1}
    row = room.rows()[TARO]
    assert (row.state, row.reason, row.settled_at) == ("skipped", NOTHING, START)
    assert room.state() == "sent"


def test_who_changes_their_sections_after_composing_gets_the_whole_issue(database: Database, tmp_path: Path) -> None:
    """Too much rather than too little; a group that was composed is honoured."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, {HANAKO: None, TARO: ["制度"]})
        prefer(database, HANAKO, sections=["モデル"])
        join(database, ALICE)
        prefer(database, ALICE, sections=["制度"])
        room.start()
        room.send()
        assert told(text_of(relay, HANAKO)) == set(HEADLINES)
        assert told(text_of(relay, ALICE)) == {"制度", None}


def test_sections_that_no_newsletter_has_any_more_choose_nothing(database: Database, tmp_path: Path) -> None:
    """A section was renamed: its readers get everything until they choose anew."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, {TARO: ["昔の欄"]})
        room.start()
        room.send()
        assert told(text_of(relay, TARO)) == set(HEADLINES)


def test_a_preview_is_what_the_reader_gets(database: Database, tmp_path: Path) -> None:
    """Before the start by what they chose, afterwards by their row, byte for byte."""
    with Relay() as relay:
        room = newsroom(database, tmp_path, relay.url, {HANAKO: None, TARO: ["制度"]})
        before = preview(database, room.settings, KEYS, room.issue_id, TARO)
        room.start()
        room.send()
        assert preview(database, room.settings, KEYS, room.issue_id, TARO).eml == next(
            mail.data for mail in relay.taken if mail.recipient == TARO)
    assert before.edition_id == room.rows()[TARO].edition_id != room.rows()[HANAKO].edition_id


def test_the_approval_binds_groups_too(database: Database, tmp_path: Path) -> None:
    """Whom an edition is for is part of what was approved; without groups the hash is what it always was."""
    room = newsroom(database, tmp_path, "smtp://127.0.0.1:9", {HANAKO: None, TARO: ["制度"]})
    with database.writing() as session:
        before = content_hash(session, room.issue_id)
        session.execute(update(EditionGroup).values(edition_id=None))
        assert content_hash(session, room.issue_id) != before


def test_composing_anew_leaves_no_group_behind(database: Database, tmp_path: Path) -> None:
    """Taro takes everything since."""
    room = newsroom(database, tmp_path, "smtp://127.0.0.1:9", {HANAKO: None, TARO: ["制度"]})
    prefer(database, TARO)
    with database.writing() as session:
        session.execute(update(Issue).values(state="draft"))
    compose_draft(database, room.settings, room.issue_id, START)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(EditionGroup)) == 0
        assert session.scalars(select(Edition.audience)).all() == [EVERYBODY]


def test_any_choices_of_many_readers_are_honoured(database: Database, tmp_path: Path) -> None:
    """Two hundred readers: each has the row that their sections say, and there are no more editions than sets of stories."""
    chance = random.Random(3)
    names = SECTIONS["sections"]
    chosen = {f"r{number}@example.jp": chance.choice([None, chance.sample(names, chance.randint(1, 4))]) for number in range(40)}
    room = newsroom(database, tmp_path, "smtp://127.0.0.1:9", chosen, stories=4)
    assert room.start() == len(chosen)
    wanted = {address: frozenset(name for name in HEADLINES if name and (sections is None or name in sections)) for address, sections in chosen.items()}
    with database.reading() as session:
        texts = {edition.id: edition.text for edition in session.scalars(select(Edition).where(Edition.issue_id == room.issue_id))}
    rows = room.rows()
    got = {address: frozenset(told(texts[row.edition_id])) if row.state == "queued" else frozenset() for address, row in rows.items()}
    assert got == wanted
    assert len(texts) <= len(set(wanted.values()) | {frozenset(names)})


def test_the_start_takes_as_many_statements_for_many_readers_as_for_few(database: Database, tmp_path: Path) -> None:
    """One INSERT for all of them, with sections, hours and all."""
    room = newsroom(database, tmp_path, "smtp://127.0.0.1:9", {HANAKO: None, TARO: ["制度"]})
    prefer(database, HANAKO, hour=9)
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement.split(maxsplit=1)[0])

    counted = []
    for number in (0, 20_000):
        if number:
            crowd(database, number)
            with database.writing() as session:
                session.execute(update(Delivery).values(issue_id=0, subscriber_id=-Delivery.id))
                session.execute(update(Issue).values(state="approved"))
                session.execute(delete(Slice))
                list_id, _hanako = ids_of(database, HANAKO)
                thirds = select(Subscriber.id).where(Subscriber.id % 3 == 0)
                session.execute(update(Subscription).where(Subscription.subscriber_id.in_(thirds)).values(hour=Subscription.subscriber_id % 24))
        event.listen(database.engine, "before_cursor_execute", note)
        assert start_issue(database, room.settings, room.issue_id, START) == number + 2
        event.remove(database.engine, "before_cursor_execute", note)
        counted.append(len(statements))
        statements.clear()
    assert counted[0] == counted[1] < 20
