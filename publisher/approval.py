"""What was approved is what goes out: one hash over the picks, the editions, their groups of readers and the posts of an issue."""

import hashlib
import json

from sqlalchemy import select
from sqlalchemy.orm import Session

from publisher.models import Edition, EditionGroup, Pick, Post


def content_hash(session: Session, issue_id: int) -> str:
    """The hash of everything an issue says, as its rows stand now: 64 hexadecimal digits."""
    picks = session.execute(select(Pick.position, Pick.story_id, Pick.section, Pick.snapshot, Pick.also)
                            .where(Pick.issue_id == issue_id).order_by(Pick.position)).all()
    editions = session.execute(select(Edition.audience, Edition.language, Edition.subject, Edition.preheader, Edition.html, Edition.text,
                                      Edition.page, Edition.headers).where(Edition.issue_id == issue_id).order_by(Edition.audience)).all()
    posts = session.execute(select(Post.account_id, Post.about, Post.about_id, Post.repeat, Post.text, Post.link)
                            .where(Post.issue_id == issue_id).order_by(Post.account_id, Post.about, Post.about_id, Post.repeat)).all()
    groups = session.execute(select(EditionGroup.sections_key, EditionGroup.had, Edition.audience)
                             .outerjoin(Edition, Edition.id == EditionGroup.edition_id).where(EditionGroup.issue_id == issue_id)
                             .order_by(EditionGroup.sections_key, EditionGroup.had)).all()
    # Without groups the hash is what it was before there were any: an approval outlives the update.
    parts = (picks, editions, posts, groups) if groups else (picks, editions, posts)
    content = [[list(row) for row in rows] for rows in parts]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
