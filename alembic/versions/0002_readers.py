"""readers"""

import sqlalchemy as sa
from alembic import op
import publisher.db

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('bounce_scores',
    sa.Column('subscriber_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('score', sa.Float(), nullable=False),
    sa.Column('last_day', sa.Date(), nullable=False),
    sa.Column('last_reason', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('subscriber_id', name=op.f('pk_bounce_scores'))
    )
    op.create_table('edition_groups',
    sa.Column('issue_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('sections_key', sa.String(length=64), nullable=False),
    sa.Column('had', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('edition_id', sa.Integer(), nullable=True),
    sa.PrimaryKeyConstraint('issue_id', 'sections_key', 'had', name=op.f('pk_edition_groups'))
    )
    op.create_table('events',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('evidence', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('strength', sa.String(length=8), nullable=False),
    sa.Column('source', sa.String(length=16), nullable=False),
    sa.Column('issue_id', sa.Integer(), nullable=True),
    sa.Column('notice_id', sa.Integer(), nullable=True),
    sa.Column('subscriber_id', sa.Integer(), nullable=True),
    sa.Column('at', publisher.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_events')),
    sa.UniqueConstraint('evidence', name=op.f('uq_events_evidence'))
    )
    with op.batch_alter_table('events', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_events_at'), ['at'], unique=False)
        batch_op.create_index('ix_events_issue', ['issue_id', 'kind'], unique=False)
        batch_op.create_index(batch_op.f('ix_events_subscriber_id'), ['subscriber_id'], unique=False)

    op.create_table('mailboxes',
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('uid_validity', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('last_uid', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_mailboxes'))
    )
    op.create_table('notices',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('subscriber_id', sa.Integer(), nullable=True),
    sa.Column('list_id', sa.Integer(), nullable=True),
    sa.Column('request_id', sa.Integer(), nullable=True),
    sa.Column('language', sa.String(length=8), nullable=False),
    sa.Column('data', sa.JSON(), nullable=False),
    sa.Column('in_reply_to', sa.Text(), nullable=True),
    sa.Column('state', sa.String(length=8), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('not_before', publisher.db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('created_at', publisher.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('first_tried_at', publisher.db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('settled_at', publisher.db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notices')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('notices', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_notices_subscriber_id'), ['subscriber_id'], unique=False)
        batch_op.create_index('ix_notices_work', ['state', 'not_before', 'id'], unique=False)

    op.create_table('pictures',
    sa.Column('key', sa.String(length=40), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('media_type', sa.String(length=32), nullable=False),
    sa.Column('width', sa.Integer(), nullable=False),
    sa.Column('height', sa.Integer(), nullable=False),
    sa.Column('data', sa.LargeBinary(), nullable=True),
    sa.Column('fetched_at', publisher.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('problem', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_pictures'))
    )
    op.create_table('received',
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('outcome', sa.String(length=32), nullable=False),
    sa.Column('at', publisher.db.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_received'))
    )
    with op.batch_alter_table('received', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_received_at'), ['at'], unique=False)

    op.create_table('redirects',
    sa.Column('path', sa.String(length=500), nullable=False),
    sa.Column('issue_id', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('path', name=op.f('pk_redirects'))
    )
    op.create_table('signup_requests',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('subscriber_id', sa.Integer(), nullable=False),
    sa.Column('list_ids', sa.JSON(), nullable=False),
    sa.Column('door', sa.String(length=16), nullable=False),
    sa.Column('language', sa.String(length=8), nullable=False),
    sa.Column('wording_id', sa.Integer(), nullable=True),
    sa.Column('origin', sa.Text(), nullable=True),
    sa.Column('client_hash', sa.String(length=40), nullable=True),
    sa.Column('domain_hash', sa.String(length=40), nullable=False),
    sa.Column('mailed', sa.Boolean(), nullable=False),
    sa.Column('created_at', publisher.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('expires_at', publisher.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('used_at', publisher.db.UtcDateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_signup_requests')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('signup_requests', schema=None) as batch_op:
        batch_op.create_index('ix_signup_requests_client', ['client_hash', 'created_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_signup_requests_created_at'), ['created_at'], unique=False)
        batch_op.create_index('ix_signup_requests_domain', ['domain_hash', 'created_at'], unique=False)
        batch_op.create_index('ix_signup_requests_person', ['subscriber_id', 'created_at'], unique=False)

    op.create_table('wordings',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('hash', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('language', sa.String(length=8), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('first_used_at', publisher.db.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_wordings')),
    sa.UniqueConstraint('hash', name=op.f('uq_wordings_hash'))
    )
    with op.batch_alter_table('consents', schema=None) as batch_op:
        batch_op.add_column(sa.Column('door', sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column('wording_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('origin', sa.Text(), nullable=True))
        batch_op.add_column(sa.Column('client_hash', sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column('request_id', sa.Integer(), nullable=True))
        batch_op.create_index(batch_op.f('ix_consents_at'), ['at'], unique=False)

    with op.batch_alter_table('issues', schema=None) as batch_op:
        batch_op.add_column(sa.Column('rhythm', sa.String(length=8), server_default=sa.text("'each'"), nullable=False))
        batch_op.drop_constraint(batch_op.f('uq_issues_newsletter_id_number'), type_='unique')
        batch_op.drop_index(batch_op.f('uq_issues_unfinished'), sqlite_where=sa.text("state in ('draft','approved','sending','paused')"))
        batch_op.create_index('uq_issues_unfinished', ['newsletter_id', 'rhythm'], unique=True, sqlite_where=sa.text("state in ('draft','approved','sending','paused')"), postgresql_where=sa.text("state in ('draft','approved','sending','paused')"))
        batch_op.create_unique_constraint(batch_op.f('uq_issues_newsletter_id_rhythm_number'), ['newsletter_id', 'rhythm', 'number'])

    with op.batch_alter_table('slots', schema=None) as batch_op:
        batch_op.add_column(sa.Column('rhythm', sa.String(length=8), server_default=sa.text("'each'"), nullable=False))
        batch_op.drop_constraint(batch_op.f('uq_slots_newsletter_id_at'), type_='unique')
        batch_op.create_unique_constraint(batch_op.f('uq_slots_newsletter_id_rhythm_at'), ['newsletter_id', 'rhythm', 'at'])

    # Numbers of erased people are not given again: links in old mails hold them.
    with op.batch_alter_table('subscribers', schema=None, recreate='auto' if op.get_bind().dialect.name != 'sqlite' else 'always',
                              table_kwargs={'sqlite_autoincrement': True}) as batch_op:
        batch_op.add_column(sa.Column('language', sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column('timezone', sa.String(length=64), nullable=True))

    with op.batch_alter_table('subscriptions', schema=None) as batch_op:
        batch_op.add_column(sa.Column('rhythm', sa.String(length=8), server_default=sa.text("'each'"), nullable=False))
        batch_op.add_column(sa.Column('rhythm_since', publisher.db.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('sections', sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column('sections_key', sa.String(length=64), server_default=sa.text("'all'"), nullable=False))
        batch_op.add_column(sa.Column('hour', sa.Integer(), nullable=True))

    _protect_consents()


def _protect_consents():
    """A consent is never changed. A later migration that copies the table on SQLite must make the trigger again."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE TRIGGER consents_append_only BEFORE UPDATE ON consents BEGIN SELECT RAISE(ABORT, 'consents are append-only'); END")
        return
    op.execute("CREATE FUNCTION consents_append_only() RETURNS trigger LANGUAGE plpgsql AS "
               "$$ BEGIN RAISE EXCEPTION 'consents are append-only'; END $$")
    op.execute("CREATE TRIGGER consents_append_only BEFORE UPDATE ON consents FOR EACH ROW EXECUTE FUNCTION consents_append_only()")


def downgrade():
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER consents_append_only")
    else:
        op.execute("DROP TRIGGER consents_append_only ON consents")
        op.execute("DROP FUNCTION consents_append_only()")
    with op.batch_alter_table('subscriptions', schema=None) as batch_op:
        batch_op.drop_column('hour')
        batch_op.drop_column('sections_key')
        batch_op.drop_column('sections')
        batch_op.drop_column('rhythm_since')
        batch_op.drop_column('rhythm')

    with op.batch_alter_table('subscribers', schema=None) as batch_op:
        batch_op.drop_column('timezone')
        batch_op.drop_column('language')

    with op.batch_alter_table('slots', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('uq_slots_newsletter_id_rhythm_at'), type_='unique')
        batch_op.create_unique_constraint(batch_op.f('uq_slots_newsletter_id_at'), ['newsletter_id', 'at'])
        batch_op.drop_column('rhythm')

    with op.batch_alter_table('issues', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('uq_issues_newsletter_id_rhythm_number'), type_='unique')
        batch_op.drop_index('uq_issues_unfinished', sqlite_where=sa.text("state in ('draft','approved','sending','paused')"), postgresql_where=sa.text("state in ('draft','approved','sending','paused')"))
        batch_op.create_index(batch_op.f('uq_issues_unfinished'), ['newsletter_id'], unique=True, sqlite_where=sa.text("state in ('draft','approved','sending','paused')"), postgresql_where=sa.text("state in ('draft','approved','sending','paused')"))
        batch_op.create_unique_constraint(batch_op.f('uq_issues_newsletter_id_number'), ['newsletter_id', 'number'])
        batch_op.drop_column('rhythm')

    with op.batch_alter_table('consents', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_consents_at'))
        batch_op.drop_column('request_id')
        batch_op.drop_column('client_hash')
        batch_op.drop_column('origin')
        batch_op.drop_column('wording_id')
        batch_op.drop_column('door')

    op.drop_table('wordings')
    with op.batch_alter_table('signup_requests', schema=None) as batch_op:
        batch_op.drop_index('ix_signup_requests_person')
        batch_op.drop_index('ix_signup_requests_domain')
        batch_op.drop_index(batch_op.f('ix_signup_requests_created_at'))
        batch_op.drop_index('ix_signup_requests_client')

    op.drop_table('signup_requests')
    op.drop_table('redirects')
    with op.batch_alter_table('received', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_received_at'))

    op.drop_table('received')
    op.drop_table('pictures')
    with op.batch_alter_table('notices', schema=None) as batch_op:
        batch_op.drop_index('ix_notices_work')
        batch_op.drop_index(batch_op.f('ix_notices_subscriber_id'))

    op.drop_table('notices')
    op.drop_table('mailboxes')
    with op.batch_alter_table('events', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_events_subscriber_id'))
        batch_op.drop_index('ix_events_issue')
        batch_op.drop_index(batch_op.f('ix_events_at'))

    op.drop_table('events')
    op.drop_table('edition_groups')
    op.drop_table('bounce_scores')
