"""the sending engine"""

import sqlalchemy as sa
from alembic import op
import publisher.db

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade():
    big = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    op.create_table('slices',
    sa.Column('issue_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('first_id', big, nullable=False),
    sa.Column('last_id', big, nullable=False),
    sa.Column('holder', sa.String(length=32), nullable=True),
    sa.Column('taken_at', publisher.db.UtcDateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('issue_id', 'number', name=op.f('pk_slices'))
    )
    op.create_table('relay_days',
    sa.Column('relay', sa.String(length=63), nullable=False),
    sa.Column('day', sa.String(length=10), nullable=False),
    sa.Column('given', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('relay', 'day', name=op.f('pk_relay_days'))
    )
    op.create_table('paces',
    sa.Column('key', sa.String(length=160), nullable=False),
    sa.Column('free_at', publisher.db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('booked_to', publisher.db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('paused_until', publisher.db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('passed_at', publisher.db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_paces'))
    )
    op.create_table('mail_hosts',
    sa.Column('domain', sa.String(length=255), nullable=False),
    sa.Column('host', sa.String(length=255), nullable=False),
    sa.Column('asked_at', publisher.db.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('domain', name=op.f('pk_mail_hosts'))
    )
    # A column without a default is added without a look at the rows, on both databases.
    op.add_column('deliveries', sa.Column('relay', sa.String(length=63), nullable=True))


def downgrade():
    op.drop_column('deliveries', 'relay')
    for table in ('mail_hosts', 'paces', 'relay_days', 'slices'):
        op.drop_table(table)
