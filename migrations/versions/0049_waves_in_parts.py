"""A large wave goes in parts, each with a row of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op


revision = '0049'
down_revision = '0048'


@contextmanager
def _waves_alone() -> Iterator[None]:
    """Put aside what refers to waves: SQLite makes the table anew, and would take the old one out from under it."""
    if op.get_bind().dialect.name != 'sqlite':
        yield
        return
    op.execute('CREATE TEMPORARY TABLE counts_aside AS SELECT * FROM wave_counts')
    op.execute('DELETE FROM wave_counts')
    yield
    op.execute('INSERT INTO wave_counts SELECT * FROM counts_aside')
    op.execute('DROP TABLE counts_aside')


def upgrade() -> None:
    """Apply. Waves of before are whole."""
    with _waves_alone(), op.batch_alter_table('waves') as batch:
        batch.add_column(sa.Column('part', sa.SmallInteger(), server_default='0', nullable=False))
        batch.add_column(sa.Column('parts', sa.SmallInteger(), server_default='1', nullable=False))
        batch.drop_constraint('uq_waves_edition_id_due_at', type_='unique')
        batch.create_unique_constraint('uq_waves_edition_id_due_at_part', ['edition_id', 'due_at', 'part'])
    op.add_column('subscriptions', sa.Column('taste_since', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Undo. Of a wave in parts the first one stays."""
    op.execute('ALTER TABLE subscriptions DROP COLUMN taste_since')
    op.execute('DELETE FROM wave_counts WHERE wave_id IN (SELECT id FROM waves WHERE part > 0)')
    op.execute('DELETE FROM waves WHERE part > 0')
    with _waves_alone(), op.batch_alter_table('waves') as batch:
        batch.drop_constraint('uq_waves_edition_id_due_at_part', type_='unique')
        batch.create_unique_constraint('uq_waves_edition_id_due_at', ['edition_id', 'due_at'])
        batch.drop_column('parts')
        batch.drop_column('part')
