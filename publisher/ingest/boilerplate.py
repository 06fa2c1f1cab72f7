"""An excerpt that two posts share says nothing about either: their lead becomes the summary, also of the one that was filed first."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from publisher.ingest.draft import Draft, Fact
from publisher.ingest.filing import excerpt_hash, says_excerpt, untold
from publisher.ingest.report_story import summary_of
from publisher.models import Story
from publisher.text.lead import lead


def replace_shared_excerpts(session: Session, drafts: Iterable[Draft], now: datetime) -> None:
    """Look at the excerpts of `drafts`, which are filed; once for a batch, because two thousand posts may share one."""
    summaries: dict[str, set[str]] = defaultdict(set)
    for draft in drafts:
        hashed = excerpt_hash(draft.excerpt)
        if hashed and says_excerpt(draft):
            summaries[hashed].add(draft.summary)
    if not summaries:
        return
    # Two texts, that is: a copy of the same post proves nothing.
    posts = func.count(Story.fingerprint.distinct())
    shared = select(Story.excerpt_hash).where(Story.excerpt_hash.in_(summaries)).group_by(Story.excerpt_hash).having(posts > 1)
    for hashed in session.scalars(shared).all():
        for row in session.scalars(select(Story).where(Story.excerpt_hash == hashed, Story.summary.in_(summaries[hashed or ""]), untold())):
            facts = [Fact(fact["label"], fact["value"]) for fact in row.facts]
            row.summary = summary_of(row.body, facts, row.language) or lead(row.body, row.language) or row.summary
            row.updated_at = now
