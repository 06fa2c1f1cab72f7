"""Files stories under their origin: new, changed, gone or back. What was told stays as it was told, and its change is noted once."""

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from publisher.errors import Problem
from publisher.ingest.draft import Draft
from publisher.ingest.matching import Known, match
from publisher.models import Story, StoryChange, Telling
from publisher.text.fingerprint import flat, text_fingerprint
from publisher.text.language import language_tag
from publisher.text.urls import canonical_url

# An index entry of PostgreSQL holds 2,700 bytes.
_LONGEST_INDEXED = 1000
_CHUNK = 500


@dataclass(slots=True)
class IngestReport:
    """What a reading brought, counted in stories, and every refusal. `archived` are of the new ones, `noted` changed after they were told."""

    read: int = 0
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    archived: int = 0
    noted: int = 0
    withdrawn: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, other: "IngestReport") -> None:
        """Count `other` in."""
        for name in ("read", "new", "updated", "unchanged", "archived", "noted", "withdrawn"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.problems += other.problems


@dataclass(frozen=True, slots=True)
class Rules:
    """How the stories of one source are filed. At its first reading, what is dated before `horizon` goes to the archive, and with
    `undated_is_old` what has no date."""

    source_id: int
    approved_by: str | None
    rights: str
    zone: str
    section: str | None = None
    language: str | None = None
    weight: float = 0.0
    horizon: datetime | None = None
    undated_is_old: bool = False

    def status(self, draft: Draft) -> str:
        """`approved` or `inbox`, or `archive` for what was old at the first reading."""
        if self.horizon and (moment(draft.date, self.zone) < self.horizon if draft.date else self.undated_is_old):
            return "archive"
        return "approved" if self.approved_by else "inbox"


def moment(iso: str, zone: str) -> datetime:
    """The moment of an ISO date; a day counts to its end in `zone`."""
    if "T" in iso:
        return datetime.fromisoformat(iso)
    following = date.fromisoformat(iso) + timedelta(days=1)
    return datetime.combine(following, time(), ZoneInfo(zone)).astimezone(UTC)


def content_hash(draft: Draft) -> str:
    """Of everything that a draft says."""
    return hashlib.sha256(json.dumps(asdict(draft), ensure_ascii=True, sort_keys=True).encode()).hexdigest()


def file_document(session: Session, rules: Rules, container: str, drafts: Sequence[Draft], now: datetime) -> IngestReport:
    """File all stories of one file or page: those that are not among `drafts` any more are withdrawn."""
    rows = list(session.scalars(select(Story).where(Story.container == container).order_by(Story.position, Story.id)))
    told = told_among(session, [row.id for row in rows])
    hashes = [content_hash(draft) for draft in drafts]
    found = match(drafts, hashes, [_known(row, told) for row in rows])
    by_id = {row.id: row for row in rows}
    report = IngestReport(read=len(drafts))
    kept = {entry.known.id for entry in found if entry}
    for row in rows:
        if row.id not in kept and row.withdrawn_at is None:
            _withdraw(session, row, told=row.id in told, now=now)
            report.withdrawn += 1
    _renumber(session, container, [(by_id[entry.known.id], index + 1) for index, entry in enumerate(found) if entry], rows, kept)
    for index, (draft, entry) in enumerate(zip(drafts, found, strict=True)):
        if entry is None:
            session.add(_new(rules, draft, hashes[index], container, index + 1, f"{container}#{index + 1}", now))
            _count_new(report, rules, draft)
            continue
        row = by_id[entry.known.id]
        _file_known(session, row, rules, draft, hashes[index], report, told=row.id in told, now=now)
        if entry.by_place:
            _judge_anew(row, rules, draft, now)
    session.flush()
    return report


def file_entries(session: Session, rules: Rules, container: str, drafts: Sequence[Draft], now: datetime) -> IngestReport:
    """File the entries of a feed by their ids. A feed shows its latest entries only: one that is not there any more is not withdrawn."""
    origins = [f"{container}#{draft.key}" for draft in drafts]
    rows: dict[str, Story] = {}
    for start in range(0, len(origins), _CHUNK):
        rows.update({row.origin: row for row in session.scalars(select(Story).where(Story.origin.in_(origins[start:start + _CHUNK])))})
    told = told_among(session, [row.id for row in rows.values()])
    report = IngestReport(read=len(drafts))
    for index, (draft, origin) in enumerate(zip(drafts, origins, strict=True)):
        row, hashed = rows.get(origin), content_hash(draft)
        if row is None:
            session.add(_new(rules, draft, hashed, container, index + 1, origin, now))
            _count_new(report, rules, draft)
        else:
            _file_known(session, row, rules, draft, hashed, report, told=row.id in told, now=now)
    session.flush()
    return report


def withdraw_container(session: Session, container: str, now: datetime) -> int:
    """The file is gone: its stories are withdrawn. Returns how many."""
    rows = list(session.scalars(select(Story).where(Story.container == container, Story.withdrawn_at.is_(None))))
    told = told_among(session, [row.id for row in rows])
    for row in rows:
        _withdraw(session, row, told=row.id in told, now=now)
    _renumber(session, container, [], rows, set())
    return len(rows)


def rename_container(session: Session, old: str, new: str) -> None:
    """The file has another name now: its stories go with it, and keep their ids."""
    for row in session.scalars(select(Story).where(Story.container == old)):
        row.container, row.origin = new, new + row.origin.removeprefix(old)


def told_among(session: Session, ids: Sequence[int]) -> frozenset[int]:
    """Which of the stories were told somewhere, or are reserved for an issue that is being made."""
    found: set[int] = set()
    for start in range(0, len(ids), _CHUNK):
        found.update(session.scalars(select(Telling.story_id).where(Telling.story_id.in_(ids[start:start + _CHUNK]))))
    return frozenset(found)


def keep_rights(session: Session, source_id: int, rights: str) -> None:
    """What we may show of a source follows publisher.toml at once, also for stories that came before."""
    session.execute(update(Story).where(Story.source_id == source_id, Story.rights != rights).values(rights=rights))


def adopt(session: Session, rules: Rules, container: str) -> None:
    """What came from `container` under another source (renamed in publisher.toml, or read by hand before) has this one's rights from now on."""
    other = (Story.container == container, Story.source_id != rules.source_id)
    session.execute(update(Story).where(*other).values(source_id=rules.source_id, rights=rules.rights))


def excerpt_hash(excerpt: str | None) -> str | None:
    """Of a post's own excerpt, blind to width, spaces and punctuation."""
    words = flat(excerpt or "")
    return hashlib.sha256(words.encode()).hexdigest() if words else None


def says_excerpt(draft: Draft) -> bool:
    """Whether the summary was taken from the excerpt."""
    return bool(draft.excerpt) and flat(draft.summary.rstrip("…")) in flat(draft.excerpt or "")


def untold() -> Any:
    """The condition that a story was told nowhere and is not reserved."""
    return ~exists().where(Telling.story_id == Story.id)


def _known(row: Story, told: Collection[int]) -> Known:
    return Known(row.id, row.position, row.headline, row.body, row.content_hash, told=row.id in told, withdrawn=row.withdrawn_at is not None)


def _renumber(session: Session, container: str, placed: Iterable[tuple[Story, int]], rows: Sequence[Story], kept: Collection[int]) -> None:
    """Give each story the origin of its new place. Origins are unique at every moment, so that who moves steps aside first."""
    moving = [(row, position) for row, position in placed if row.origin != f"{container}#{position}"]
    gone = [row for row in rows if row.id not in kept and row.origin != f"{container}#withdrawn-{row.id}"]
    for row in gone:
        row.origin = f"{container}#withdrawn-{row.id}"
    for row, _position in moving:
        row.origin = f"{container}#moving-{row.id}"
    if gone or moving:
        session.flush()
    for row, position in moving:
        row.origin, row.position = f"{container}#{position}", position
    if moving:
        session.flush()


def _withdraw(session: Session, row: Story, *, told: bool, now: datetime) -> None:
    row.withdrawn_at = now
    if told:
        session.add(StoryChange(story_id=row.id, noted_at=now, kind="withdrawn", content={}))


def _new(rules: Rules, draft: Draft, hashed: str, container: str, position: int, origin: str, now: datetime) -> Story:
    row = Story(source_id=rules.source_id, container=container, position=position, origin=origin, created_at=now, updated_at=now,
                status="inbox", pinned=0)
    _write(row, rules, draft, hashed)
    _judge_anew(row, rules, draft, now)
    return row


def _judge_anew(row: Story, rules: Rules, draft: Draft, now: datetime) -> None:
    row.status = rules.status(draft)
    row.approved_at, row.approved_by = (now, rules.approved_by) if row.status == "approved" else (None, None)


def _count_new(report: IngestReport, rules: Rules, draft: Draft) -> None:
    report.new += 1
    report.archived += rules.status(draft) == "archive"


def _file_known(session: Session, row: Story, rules: Rules, draft: Draft, hashed: str, report: IngestReport, *, told: bool, now: datetime) -> None:
    back = row.withdrawn_at is not None
    row.withdrawn_at = None
    if row.content_hash == hashed:
        report.updated += back
        report.unchanged += not back
    elif not told:
        row.source_id, row.updated_at = rules.source_id, now
        _write(row, rules, draft, hashed)
        report.updated += 1
    elif _noted(session, row.id) == hashed:
        report.unchanged += 1
    else:
        content = asdict(draft) | {"content_hash": hashed}
        session.add(StoryChange(story_id=row.id, noted_at=now, kind="edited", content=content))
        report.noted += 1


def _noted(session: Session, story_id: int) -> str | None:
    """The content that was noted last."""
    last = session.scalars(select(StoryChange.content).where(StoryChange.story_id == story_id, StoryChange.kind == "edited")
                           .order_by(StoryChange.id.desc()).limit(1)).first()
    return last.get("content_hash") if last else None


def _write(row: Story, rules: Rules, draft: Draft, hashed: str) -> None:
    """What the draft says, with the source's defaults where it says nothing."""
    for name in ("headline", "summary", "body", "author", "source_name", "source_url", "image_url", "image_alt", "date", "reading_minutes"):
        setattr(row, name, getattr(draft, name))
    row.facts = [{"label": fact.label, "value": fact.value} for fact in draft.facts]
    row.tags = list(draft.tags)
    row.section = draft.section or rules.section
    row.language = _language(draft, rules)
    row.rights, row.weight = rules.rights, rules.weight
    canonical = canonical_url(draft.source_url) if draft.source_url else None
    row.canonical_url = canonical if canonical and len(canonical) <= _LONGEST_INDEXED else None
    row.fingerprint = text_fingerprint(draft.headline, draft.body)
    row.content_hash = hashed
    row.excerpt_hash = excerpt_hash(draft.excerpt)


def _language(draft: Draft, rules: Rules) -> str:
    """Script tells Japanese from the rest; of the rest, the source knows more than a guess of English."""
    named = language_tag(rules.language or "")
    return named if named and named != "ja" and draft.language == "en" else draft.language
