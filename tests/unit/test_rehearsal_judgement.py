"""The judgement of a rehearsal finds each broken promise, and breaks none by itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from publisher.rehearsal.judgement import Evidence, Judgement, Row, judge
from publisher.rehearsal.record import Record, Take

HANAKO, TARO, ALICE, KEN = 1, 2, 3, 4
EVERYBODY = (HANAKO, TARO, ALICE, KEN)
CONNECTIONS = 2


def mail(reader: int, process: int = 1, *, answered: bool = True, message: int | None = None) -> Take:
    """A mail to a reader as the relay took it: the Message-ID is the reader's own."""
    return Take(process, answered, 1000 + reader if message is None else message)


def judged(takes: Mapping[int, Sequence[Take]] | None = None, states: Mapping[int, str] | None = None, *, record: Record | None = None,
           reasons: Mapping[int, str] | None = None, **more: Any) -> Judgement:
    """The judgement when everybody was mailed once, but for what a test says."""
    record = record or Record()
    for reader, mails in ({reader: [mail(reader)] for reader in EVERYBODY} | dict(takes or {})).items():
        for one in mails:
            record.take(reader, one)
    rows = [Row(reader, state, (reasons or {}).get(reader)) for reader, state in (dict.fromkeys(EVERYBODY, "accepted") | dict(states or {})).items()]
    return judge(Evidence(**({"rows": rows, "readers": EVERYBODY, "record": record, "allowed": {1: 0, 2: CONNECTIONS}} | more)))


def refusing(*readers: int) -> Record:
    """A relay that refused these readers."""
    return Record(refused=set(readers))


def test_a_rehearsal_in_which_all_went_well_breaks_nothing() -> None:
    """Everybody once, and a refusal that the relay did utter."""
    found = judged({KEN: []}, {KEN: "refused"}, record=refusing(KEN))
    assert found.kept
    assert (found.states["accepted"], found.states["refused"], found.lost, found.by_kills) == (3, 1, 0, 0)


def test_a_mail_that_the_relay_never_took_is_lost() -> None:
    """The ledger says accepted, and the reader got nothing."""
    found = judged({TARO: []})
    assert found.lost == 1
    assert list(found.broken) == [2]


def test_a_mail_whose_answer_was_lost_is_not_accepted_before_it_was_answered() -> None:
    """The reader has it, and the ledger cannot know: it guessed."""
    assert list(judged({TARO: [mail(TARO, answered=False)]}).broken) == [2]


def test_a_reader_without_a_row_is_lost() -> None:
    """Nobody is skipped: not even without a trace."""
    found = judged({KEN: []}, rows=[Row(reader, "accepted", None) for reader in EVERYBODY[:3]])
    assert found.lost == 1
    assert list(found.broken) == [2]


def test_two_rows_for_one_reader_tell_the_issue_twice() -> None:
    """One row each."""
    assert list(judged(rows=[Row(reader, "accepted", None) for reader in (*EVERYBODY, KEN)]).broken) == [1]


@pytest.mark.parametrize("state", ["queued", "sending", "deferred", "unknown"])
def test_a_row_that_has_not_ended_breaks_a_promise(state: str) -> None:
    """Every row ends in an outcome."""
    assert list(judged({KEN: []}, {KEN: state}).broken) == [2]


def test_an_unknown_outcome_may_wait_for_a_person_where_the_newsletter_says_so() -> None:
    """on_unknown = "hold"."""
    found = judged({KEN: [mail(KEN, answered=False)]}, {KEN: "unknown"}, holds=True)
    assert found.kept
    assert (found.unknown_left, found.unknown_settled) == (1, 0)


@pytest.mark.parametrize("state", ["refused", "skipped"])
def test_a_row_that_denies_a_mail_is_false(state: str) -> None:
    """The reader has it, and the ledger says that it was refused or left out."""
    assert 2 in judged(states={KEN: state}, record=refusing(KEN)).broken


def test_a_refusal_that_nobody_uttered_is_false() -> None:
    """A connection that broke is no reader's fault."""
    assert list(judged({KEN: []}, {KEN: "refused"}).broken) == [2]


def test_a_mail_may_be_given_up_when_its_time_is_over() -> None:
    """mail.retry_for was short, and every answer was lost."""
    assert judged({KEN: [mail(KEN, answered=False)]}, {KEN: "refused"}, reasons={KEN: "gave up: no answer"}).kept


def test_a_lost_answer_may_repeat_its_mail_once() -> None:
    """Plain SMTP can be asked nothing; it is counted apart, and settled."""
    found = judged({KEN: [mail(KEN, answered=False), mail(KEN)]})
    assert found.kept
    assert (found.by_lost_answers, found.lost_answers, found.by_kills, found.unknown_settled) == (1, 1, 0, 1)


def test_a_repeat_without_a_reason_breaks_a_promise() -> None:
    """Nothing had happened to the first process, and the answer was given."""
    assert list(judged({KEN: [mail(KEN), mail(KEN)]}).broken) == [1]


def test_a_kill_may_repeat_one_mail_for_each_connection_and_no_more() -> None:
    """Two connections were open when process 2 was killed."""
    twice = {reader: [mail(reader, 2), mail(reader, 3)] for reader in (HANAKO, TARO)}
    found = judged(twice)
    assert found.kept
    assert found.by_kills == CONNECTIONS
    assert list(judged(twice | {ALICE: [mail(ALICE, 2), mail(ALICE, 3)]}).broken) == [3]


def test_a_repeat_with_another_message_id_breaks_a_promise() -> None:
    """It is another mail as far as the reader's mailbox can tell."""
    assert list(judged({KEN: [mail(KEN, 2), mail(KEN, 3, message=5)]}).broken) == [3]


def test_two_readers_with_one_message_id_break_a_promise() -> None:
    """A server in between would drop one of the two."""
    assert list(judged({KEN: [mail(KEN, message=1000 + TARO)]}).broken) == [3]


def test_a_mail_after_leaving_breaks_a_promise() -> None:
    """Hanako left before process 2 began, and may have been mailed by process 1 only."""
    assert judged(states={HANAKO: "accepted"}, gone={HANAKO: 2}).kept
    assert list(judged({HANAKO: [mail(HANAKO, 2)]}, gone={HANAKO: 2}).broken) == [4]


def test_who_left_while_the_outcome_was_unknown_is_not_asked_again() -> None:
    """The first process was killed with Ken's mail on the wire; then he left, and his row says so."""
    assert judged({KEN: [mail(KEN, 1)]}, {KEN: "skipped"}, gone={KEN: 2}).kept
    assert 2 in judged({KEN: [mail(KEN, 2)]}, {KEN: "skipped"}, gone={KEN: 2}).broken


def test_somebody_who_is_no_reader_of_the_issue_must_get_nothing() -> None:
    """Left, unconfirmed, or a reader of digests."""
    assert list(judged({99: [mail(99)]}).broken) == [4]


@pytest.mark.parametrize(("fault", "promise"), [("to", 4), ("leave", 4), ("message-id", 3)])
def test_a_faulty_mail_breaks_a_promise(fault: str, promise: int) -> None:
    """Addressed to somebody else, without a way to leave, or without its Message-ID."""
    assert list(judged(record=Record(faults={fault: 1})).broken) == [promise]


def test_an_address_where_none_belongs_breaks_a_promise() -> None:
    """In a journal or an outcome, or a real one at the relay."""
    assert list(judged(traces=["journal/issue-1.journal"]).broken) == [11]
    assert list(judged(record=Record(strangers=1)).broken) == [11]


def test_a_sender_that_grows_breaks_a_promise() -> None:
    """150 MB are enough for any list."""
    assert judged(memory=149).kept
    assert list(judged(memory=900).broken) == [10]


def test_a_sender_that_gets_no_further_breaks_a_promise_with_its_words() -> None:
    """What it said last is shown."""
    found = judged(trouble="no such table: slices")
    assert "no such table: slices" in found.broken[2][0]
