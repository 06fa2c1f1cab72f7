"""Whether a rehearsal kept the promises of DESIGN.md, section 4: pure, from what the relay saw and what the ledger says."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from publisher.i18n import _
from publisher.models import UNFINISHED
from publisher.rehearsal.record import Record

# The promises that a rehearsal can break, by their numbers in DESIGN.md.
PROMISES = (1, 2, 3, 4, 10, 11)
# What the processes that send may take (docs/performance.md), in megabytes.
MOST_MEMORY = 150
GAVE_UP = "gave up"


class Row(NamedTuple):
    """One delivery of the ledger."""

    reader: int
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known afterwards.

    `allowed` says for each process (by its number) how many repeats its end may have caused: its connections for each kill and each cut. `gone` says
    of a reader who left from which process on nothing may come. `holds`: mail with an unknown outcome waits for a person (on_unknown = "hold").
    """

    rows: Iterable[Row]
    readers: Collection[int]
    record: Record
    allowed: Mapping[int, int]
    gone: Mapping[int, int] = field(default_factory=dict)
    traces: Collection[str] = ()
    holds: bool = False
    memory: float = 0.0
    trouble: str | None = None


@dataclass(slots=True)
class Judgement:
    """What came of it: the figures, and what was broken by promise."""

    states: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    by_kills: int = 0
    by_lost_answers: int = 0
    lost_answers: int = 0
    unknown_settled: int = 0
    unknown_left: int = 0
    broken: dict[int, list[str]] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Whether every promise was."""
        return not self.broken

    def breaks(self, promise: int, number: int, sentence: str) -> None:
        """Note that a promise was broken `number` times; 0 is never."""
        if number:
            self.broken.setdefault(promise, []).append(f"{sentence}: {number}")


def judge(evidence: Evidence) -> Judgement:
    """Compare the ledger with what the relay saw."""
    made = Judgement()
    _judge_rows(made, evidence)
    _judge_repeats(made, evidence)
    _judge_reach(made, evidence)
    made.breaks(10, int(evidence.memory > MOST_MEMORY), _("the sending process took %(mb)s MB, and %(most)s are enough", mb=round(evidence.memory),
                                                          most=MOST_MEMORY))
    if evidence.trouble:
        made.broken.setdefault(2, []).append(_("the sender got no further: %(reason)s", reason=evidence.trouble))
    return made


def _judge_rows(made: Judgement, evidence: Evidence) -> None:
    """Promise 2: one row for each reader, each at its end, and each says what happened."""
    record, seen = evidence.record, Counter[int]()
    open_, false, unfounded, guessed = 0, 0, 0, 0
    for row in evidence.rows:
        seen[row.reader] += 1
        made.states[row.state] += 1
        takes = record.takes.get(row.reader, ())
        taken = bool(takes)
        ended = row.state not in UNFINISHED or (row.state == "unknown" and evidence.holds)
        open_ += not ended
        made.lost += row.state == "accepted" and not taken
        guessed += row.state == "accepted" and taken and not any(take.answered for take in takes)
        false += taken and row.state in ("refused", "skipped") and not _left_before_it_was_known(row, evidence)
        unfounded += row.state == "refused" and row.reader not in record.refused and not (row.reason or "").startswith(GAVE_UP)
        made.unknown_settled += row.reader in record.on_wire and ended and row.state != "unknown"
        made.unknown_left += row.state == "unknown"
    without = sum(reader not in seen for reader in evidence.readers)
    made.lost += without
    made.breaks(2, without, _("readers without a row"))
    made.breaks(1, sum(number > 1 for number in seen.values()), _("readers with more than one row"))
    made.breaks(2, open_, _("rows without an end"))
    made.breaks(2, made.lost - without, _("rows that say accepted of a mail the relay never took"))
    made.breaks(2, guessed, _("rows that say accepted although every answer was lost"))
    made.breaks(2, false, _("rows that say refused or skipped of a mail the relay took"))
    made.breaks(2, unfounded, _("rows that say refused of a reader whom the relay never refused"))


def _left_before_it_was_known(row: Row, evidence: Evidence) -> bool:
    """Whether all answers about a mail were lost, and it was not sent again because its reader had left or its time was over."""
    takes = evidence.record.takes[row.reader]
    if row.reader in evidence.gone and row.state == "skipped":
        return all(take.process < evidence.gone[row.reader] for take in takes)
    return (row.reason or "").startswith(GAVE_UP) and not any(take.answered for take in takes)


def _judge_repeats(made: Judgement, evidence: Evidence) -> None:
    """Promises 1 and 3: nothing is sent again without a reason, and what is sent again is the same mail."""
    repeats: Counter[int] = Counter()
    other = 0
    for _reader, before, again in evidence.record.repeats():
        other += before.message != again.message
        if before.answered:
            repeats[before.process] += 1
        else:
            made.by_lost_answers += 1
    made.by_kills = sum(repeats.values())
    made.lost_answers = sum(not take.answered for takes in evidence.record.takes.values() for take in takes)
    quiet = sum(number for process, number in repeats.items() if not evidence.allowed.get(process))
    many = sum(max(0, number - evidence.allowed[process]) for process, number in repeats.items() if evidence.allowed.get(process))
    made.breaks(1, quiet, _("mails sent again although nothing had happened to the sender or the answer"))
    made.breaks(3, many, _("repeats beyond one for each open connection and crash"))
    made.breaks(3, other, _("repeats with another Message-ID"))
    firsts = Counter(takes[0].message for takes in evidence.record.takes.values())
    made.breaks(3, sum(number - 1 for number in firsts.values() if number > 1), _("readers who share a Message-ID"))
    made.breaks(3, evidence.record.faults.get("message-id", 0), _("mails without one Message-ID"))


def _judge_reach(made: Judgement, evidence: Evidence) -> None:
    """Promises 4 and 11: only who asked, and no address where none belongs."""
    record, known = evidence.record, set(evidence.readers)
    late = sum(any(take.process >= since for take in record.takes.get(reader, ())) for reader, since in evidence.gone.items())
    made.breaks(4, late, _("readers mailed after they had left or were suppressed"))
    made.breaks(4, sum(reader not in known for reader in record.takes), _("people mailed for whom the issue is not"))
    made.breaks(4, record.faults.get("to", 0), _("mails addressed to somebody else"))
    made.breaks(4, record.faults.get("leave", 0), _("mails without a way to leave"))
    made.breaks(11, record.strangers, _("addresses at the relay that are no reader's of the rehearsal"))
    if evidence.traces:
        made.broken.setdefault(11, []).append(_("addresses stand in %(places)s", places=", ".join(sorted(evidence.traces))))
