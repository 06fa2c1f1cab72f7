"""The search over stories that were told: each telling is indexed once, as it was frozen, on SQLite (FTS5) and PostgreSQL (tsvector) alike.

Headline before summary before body, newest first among equals. Of a story of which we may only summarise, headline and summary are all there is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Integer, MetaData, Table, delete, exists, func, select, text
from sqlalchemy.orm import Session

from publisher.db import Database, UtcDateTime
from publisher.models import Issue, Pick
from publisher.published import LISTED
from publisher.text.clean import clean_line
from publisher.text.lead import plain
from publisher.text.terms import Wanted, terms

# A tsvector knows positions up to 16,383 (PostgreSQL documentation, section 8.11.1); what stands further back in a story is not searched.
_MOST_TERMS = {"headline": 300, "summary": 1500, "body": 14_000}
# Between the parts of a story nothing follows on anything.
_GAP = 10
_tellings = Table("story_search_tellings", MetaData(), Column("pick_id", Integer, primary_key=True), Column("story_id", Integer),
                  Column("issue_id", Integer), Column("told_at", UtcDateTime(timezone=True)))


@dataclass(frozen=True, slots=True)
class Hit:
    """A story that was found; `tier` is 3 where its headline holds all that was asked for, 2 with its summary, 1 with its body."""

    story_id: int
    tier: int
    told_at: datetime


@dataclass(frozen=True, slots=True)
class Hits:
    """One page of what was found, and how much there is in all."""

    hits: Sequence[Hit]
    total: int


def bring_up_to_date(database: Database, most: int | None = None) -> int:
    """Index the issues that came out since, newest first, at most so many; returns how many there were. Two at once do no harm."""
    with database.reading() as session:
        missing = select(Issue.id).where(LISTED, ~exists().where(_tellings.c.issue_id == Issue.id), exists().where(Pick.issue_id == Issue.id))
        issues = list(session.scalars(missing.order_by(Issue.started_at.desc(), Issue.id.desc()).limit(most)))
    for issue_id in issues:
        _index(database, issue_id)
    return len(issues)


def rebuild(database: Database) -> int:
    """Forget the index and make it anew; returns the number of issues in it."""
    with database.writing() as session:
        session.execute(delete(_tellings))
        if database.is_sqlite:
            session.execute(text("INSERT INTO story_search(story_search) VALUES ('delete-all')"))
    return bring_up_to_date(database)


def find(database: Database, query: Sequence[Wanted], *, first: int = 0, most: int = 20) -> Hits:
    """The stories that hold everything of `query`, from place `first` on; none for an empty one."""
    if not query:
        return Hits((), 0)
    statement, values = _sqlite_query(query) if database.is_sqlite else _postgres_query(query)
    found = text(statement).bindparams(**values).columns(pick_id=Integer, tier=Integer).cte("found")
    tier, told_at = func.max(found.c.tier).label("tier"), func.max(_tellings.c.told_at).label("told_at")
    rows = (select(_tellings.c.story_id, tier, told_at, func.count().over())
            .join_from(found, _tellings, _tellings.c.pick_id == found.c.pick_id).join(Issue, Issue.id == _tellings.c.issue_id).where(LISTED)
            .group_by(_tellings.c.story_id).order_by(tier.desc(), told_at.desc(), _tellings.c.story_id.desc()).offset(first).limit(most))
    with database.reading() as session:
        if not database.is_sqlite:
            # The planner does not know what unpacking a large vector costs, and would rather read them all than use their index.
            session.execute(text("SET LOCAL enable_seqscan = off"))
        seen = session.execute(rows).all()
    return Hits([Hit(story_id, best, told) for story_id, best, told, _total in seen], seen[0][3] if seen else 0)


def _sqlite_query(query: Sequence[Wanted]) -> tuple[str, dict[str, str]]:
    """The terms hold letters and digits only: nothing of a query can end its quotation marks."""
    match = " AND ".join('"' + " ".join(one.terms) + '"' + ("*" if one.begins else "") for one in query)
    one = "SELECT rowid AS pick_id, {tier} AS tier FROM story_search WHERE story_search MATCH :{name}"
    parts = (("headline", 3), ("summary", 2), ("body", 1))
    return (" UNION ALL ".join(one.format(tier=tier, name=name) for name, tier in parts),
            {"headline": f"{{headline}} : ({match})", "summary": f"{{headline summary}} : ({match})", "body": match})


def _postgres_query(query: Sequence[Wanted]) -> tuple[str, dict[str, str]]:
    match = " & ".join("(" + " <-> ".join(
        f"'{term}'" + (":*" if one.begins and place == len(one.terms) - 1 else "") for place, term in enumerate(one.terms)) + ")" for one in query)
    return ("SELECT pick_id, CASE WHEN headline @@ CAST(:asked AS tsquery) THEN 3 WHEN summary @@ CAST(:asked AS tsquery) THEN 2 ELSE 1 END AS tier"
            " FROM story_search_tellings WHERE body @@ CAST(:asked AS tsquery)", {"asked": match})


def _index(database: Database, issue_id: int) -> None:
    with database.reading() as session:
        issue = session.get_one(Issue, issue_id)
        picks = session.scalars(select(Pick).where(Pick.issue_id == issue_id)).all()
    # Cutting into terms takes longer than writing them: it waits for no lock and holds none.
    made = [(pick, _parts(pick.snapshot)) for pick in picks]
    with database.writing() as session:
        for pick, parts in made:
            row: dict[str, object] = {"pick_id": pick.id, "story_id": pick.story_id, "issue_id": issue_id, "told_at": issue.started_at}
            if database.is_sqlite:
                _write_sqlite(session, row, parts)
            else:
                _write_postgres(session, row, parts)


def _parts(snapshot: dict[str, object]) -> dict[str, list[str]]:
    """The terms of what may be shown of a story."""
    body = str(snapshot.get("body") or "") if snapshot.get("rights") == "own" else ""
    said = {"headline": clean_line(str(snapshot.get("headline") or "")), "summary": _summary(snapshot), "body": plain(body)}
    return {name: terms(words)[:_MOST_TERMS[name]] for name, words in said.items()}


def _summary(snapshot: dict[str, object]) -> str:
    """The summary with the key facts, whose labels and values stand beside it on the page."""
    facts = snapshot.get("facts") or []
    told = [f"{fact.get('label') or ''} {fact.get('value') or ''}" for fact in facts if isinstance(fact, dict)] if isinstance(facts, list) else []
    return " \n ".join([str(snapshot.get("summary") or ""), *told])


def _write_sqlite(session: Session, row: dict[str, object], parts: dict[str, list[str]]) -> None:
    written = session.execute(_tellings.insert().prefix_with("OR IGNORE"), row)
    if written.rowcount == 1:  # type: ignore[attr-defined]
        session.execute(text("INSERT INTO story_search(rowid, headline, summary, body) VALUES (:pick_id, :headline, :summary, :body)"),
                        {"pick_id": row["pick_id"], **{name: " ".join(found) for name, found in parts.items()}})


def _write_postgres(session: Session, row: dict[str, object], parts: dict[str, list[str]]) -> None:
    place, words, vectors = 0, [], {}
    for name, found in parts.items():
        words += [f"'{term}':{place + number}" for number, term in enumerate(found, 1)]
        place += len(found) + _GAP
        vectors[name] = " ".join(words)
    session.execute(text("INSERT INTO story_search_tellings (pick_id, story_id, issue_id, told_at, headline, summary, body)"
                         " VALUES (:pick_id, :story_id, :issue_id, :told_at, CAST(:headline AS tsvector), CAST(:summary AS tsvector),"
                         " CAST(:body AS tsvector)) ON CONFLICT DO NOTHING"), row | vectors)
