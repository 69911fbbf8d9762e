"""The rules of topics are compiled once: also where topics were applied before that was so."""

import secrets

import sqlalchemy as sa
from alembic import op


revision = '0038'
down_revision = '0041'

MARKS = sa.table('marks', sa.column('name', sa.Text()), sa.column('value', sa.Text()))
CHANGED = 'topics changed'


def upgrade() -> None:
    """Apply: the topics have a version, as if they had been applied now."""
    known = op.get_bind().scalar(sa.select(sa.func.count()).select_from(MARKS).where(MARKS.c.name == CHANGED))
    if not known:
        op.execute(sa.insert(MARKS).values(name=CHANGED, value=secrets.token_hex(16)))


def downgrade() -> None:
    """Nothing to undo: a version is never wrong."""
