"""Readers may have each story once, over all their digests."""

import sqlalchemy as sa
from alembic import op


revision = '0008'
down_revision = '0007'


def upgrade() -> None:
    """Apply. For readers that are there each digest goes on for itself."""
    once = sa.Column('once_over_digests', sa.Boolean(), server_default=sa.false(), nullable=False)
    op.add_column('subscribers', once)


def downgrade() -> None:
    """Undo."""
    op.drop_column('subscribers', 'once_over_digests')
