"""story search"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
import publisher.db

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade():
    """What `publisher.search` fills. No model speaks of these tables: each database has its own kind of index."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    # Three vectors, each with what the one before it holds: the small ones say how well a story fits without a look at its body.
    words = [] if sqlite else [sa.Column(name, postgresql.TSVECTOR(), nullable=False) for name in ('headline', 'summary', 'body')]
    op.create_table('story_search_tellings',
    sa.Column('pick_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('story_id', sa.Integer(), nullable=False),
    sa.Column('issue_id', sa.Integer(), nullable=False),
    sa.Column('told_at', publisher.db.UtcDateTime(timezone=True), nullable=False),
    *words,
    sa.PrimaryKeyConstraint('pick_id', name=op.f('pk_story_search_tellings'))
    )
    op.create_index(op.f('ix_story_search_tellings_issue_id'), 'story_search_tellings', ['issue_id'])
    if sqlite:
        # Contentless: the terms are nobody's text. The tokenizer `ascii` takes every character beyond ASCII for a letter, so that the terms,
        # which hold letters and digits only, stay whole (https://sqlite.org/fts5.html section 4.3.2).
        op.execute("CREATE VIRTUAL TABLE story_search USING fts5(headline, summary, body, content='', tokenize='ascii')")
        return
    # Phrases are looked up in the vector itself; unpacking it would take longer than reading it.
    op.execute("ALTER TABLE story_search_tellings ALTER COLUMN body SET STORAGE EXTERNAL")
    op.create_index('ix_story_search_tellings_body', 'story_search_tellings', ['body'], postgresql_using='gin')


def downgrade():
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE story_search")
    op.drop_table('story_search_tellings')
