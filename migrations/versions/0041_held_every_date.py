"""An hour until which every date of a digest waits for approval."""

import sqlalchemy as sa
from alembic import op


revision = '0041'
down_revision = '0045'


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table('digests') as batch:
        batch.add_column(sa.Column('hold_until', sa.SmallInteger(), nullable=True))
        batch.create_check_constraint(op.f('ck_digests_hold_until'), 'hold_until BETWEEN 0 AND 1439')


def downgrade() -> None:
    """Undo. Dates are held one by one, then."""
    with op.batch_alter_table('digests') as batch:
        batch.drop_constraint(op.f('ck_digests_hold_until'), type_='check')
        batch.drop_column('hold_until')
