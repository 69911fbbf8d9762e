"""Who asks not to be asked again does so with their inbox, and a friend's opt-out finds all addresses of theirs."""

import sqlalchemy as sa
from alembic import op


revision = '0047'
down_revision = '0043'


def upgrade() -> None:
    """Apply. Of shares from before only the address itself is known."""
    with op.batch_alter_table('shares') as batch:
        batch.add_column(sa.Column('sender_inbox_hash', sa.LargeBinary(length=16), nullable=True))
    with op.batch_alter_table('friends') as batch:
        batch.create_index(batch.f('ix_friends_inbox_hash'), ['inbox_hash'], unique=False)


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table('friends') as batch:
        batch.drop_index(batch.f('ix_friends_inbox_hash'))
    with op.batch_alter_table('shares') as batch:
        batch.drop_column('sender_inbox_hash')
