"""Rows of `had` have room beside them, so that a reader's next history needs no new entry in the index."""

from alembic import op


revision = '0048'
down_revision = '0047'


def upgrade() -> None:
    """Apply. Pages that are full already stay so until they are written anew."""
    if op.get_bind().dialect.name == 'postgresql':
        op.execute('ALTER TABLE had SET (fillfactor = 50)')


def downgrade() -> None:
    """Undo."""
    if op.get_bind().dialect.name == 'postgresql':
        op.execute('ALTER TABLE had RESET (fillfactor)')
