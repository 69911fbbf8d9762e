"""Reasons to leave are counted by the edition before, too."""

import sqlalchemy as sa
from alembic import op


revision = '0043'
down_revision = '0042'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """Apply. What was counted until now is of no edition."""
    with op.batch_alter_table('leaving_reasons') as batch:
        batch.add_column(sa.Column('after', sa.Text(), server_default='', nullable=False))
    _key(['day', 'digest_id', 'reason', 'after'])


def downgrade() -> None:
    """Undo. The counts of several editions become one."""
    op.execute(
        'CREATE TABLE reasons_before AS SELECT day, digest_id, reason, SUM(count) AS count FROM leaving_reasons '
        'GROUP BY day, digest_id, reason'
    )
    op.execute('DELETE FROM leaving_reasons')
    _key(['day', 'digest_id', 'reason'])
    op.execute(
        'INSERT INTO leaving_reasons (day, digest_id, reason, count) '
        'SELECT day, digest_id, reason, count FROM reasons_before'
    )
    op.drop_table('reasons_before')
    with op.batch_alter_table('leaving_reasons') as batch:
        batch.drop_column('after')


def _key(columns: list[str]) -> None:
    name = op.f('pk_leaving_reasons')
    with op.batch_alter_table('leaving_reasons') as batch:
        batch.drop_constraint(name, type_='primary')
        batch.create_primary_key(name, columns)
