"""Readers may have each story once over all their digests, and catch up after a pause that they ended early."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0008'
down_revision = '0007'


def upgrade() -> None:
    """Apply. For readers that are there each digest goes on for itself."""
    once = sa.Column('once_over_digests', sa.Boolean(), server_default=sa.false(), nullable=False)
    op.add_column('subscribers', once)
    op.add_column('subscribers', sa.Column('resumed_at', core.database.UtcTime(), nullable=True))


def downgrade() -> None:
    """Undo."""
    for column in ('resumed_at', 'once_over_digests'):
        op.drop_column('subscribers', column)
