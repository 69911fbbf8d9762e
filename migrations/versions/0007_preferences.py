"""Preferences: breaking mail, what holds for all of a reader's digests, and the log of changes."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0007'
down_revision = '0006'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """Apply. Readers that are there get what they had: no breaking mail, no catch-up, no order of languages."""
    op.add_column('digests', sa.Column('offers_breaking', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column('subscribers', sa.Column('paused_at', core.database.UtcTime(), nullable=True))
    op.add_column('subscribers', sa.Column('catch_up', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column('subscribers', sa.Column('languages', sa.JSON(), server_default='[]', nullable=False))
    op.add_column('subscribers', sa.Column('version', sa.Integer(), server_default='1', nullable=False))
    with op.batch_alter_table('subscriptions') as batch:
        batch.add_column(sa.Column('breaking', sa.SmallInteger(), server_default='0', nullable=False))
        batch.create_check_constraint(op.f('ck_subscriptions_breaking'), 'breaking IN (0, 1, 3, 255)')
    op.create_table(
        'preference_changes',
        sa.Column('id', BIG, autoincrement=True, nullable=False),
        sa.Column('subscriber_id', BIG, nullable=False),
        sa.Column('digest_id', BIG, nullable=True),
        sa.Column('at', core.database.UtcTime(), nullable=False),
        sa.Column('field', sa.Text(), nullable=False),
        sa.Column('old', sa.Text(), nullable=False),
        sa.Column('new', sa.Text(), nullable=False),
        sa.Column('source', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ['subscriber_id'], ['subscribers.id'], name=op.f('fk_preference_changes_subscriber_id')
        ),
        sa.ForeignKeyConstraint(['digest_id'], ['digests.id'], name=op.f('fk_preference_changes_digest_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_preference_changes')),
    )
    op.create_index('ix_preference_changes_subscriber_id_id', 'preference_changes', ['subscriber_id', 'id'])
    op.create_index('ix_preference_changes_digest_id', 'preference_changes', ['digest_id'])


def downgrade() -> None:
    """Undo."""
    op.drop_table('preference_changes')
    with op.batch_alter_table('subscriptions') as batch:
        batch.drop_constraint(op.f('ck_subscriptions_breaking'), type_='check')
        batch.drop_column('breaking')
    for column in ('version', 'languages', 'catch_up', 'paused_at'):
        op.drop_column('subscribers', column)
    op.drop_column('digests', 'offers_breaking')
