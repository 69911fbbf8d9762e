"""A large wave goes in parts, each with a row of its own."""

import sqlalchemy as sa
from alembic import op


revision = '0049'
down_revision = '0048'


def upgrade() -> None:
    """Apply. Waves of before are whole."""
    with op.batch_alter_table('waves') as batch:
        batch.add_column(sa.Column('part', sa.SmallInteger(), server_default='0', nullable=False))
        batch.add_column(sa.Column('parts', sa.SmallInteger(), server_default='1', nullable=False))
        batch.drop_constraint('uq_waves_edition_id_due_at', type_='unique')
        batch.create_unique_constraint('uq_waves_edition_id_due_at_part', ['edition_id', 'due_at', 'part'])
    with op.batch_alter_table('subscriptions') as batch:
        batch.add_column(sa.Column('taste_since', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Undo. Of a wave in parts the first one stays."""
    with op.batch_alter_table('subscriptions') as batch:
        batch.drop_column('taste_since')
    op.execute('DELETE FROM wave_counts WHERE wave_id IN (SELECT id FROM waves WHERE part > 0)')
    op.execute('DELETE FROM waves WHERE part > 0')
    with op.batch_alter_table('waves') as batch:
        batch.drop_constraint('uq_waves_edition_id_due_at_part', type_='unique')
        batch.create_unique_constraint('uq_waves_edition_id_due_at', ['edition_id', 'due_at'])
        batch.drop_column('parts')
        batch.drop_column('part')
