"""Notices: one labelled block of support or advertisement in a digest's editions."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0019'
down_revision = '0037'


def upgrade() -> None:
    """Apply."""
    op.create_table(
        'notices',
        sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
        sa.Column('digest_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
        sa.Column('language', sa.Text(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('text', sa.Text(), nullable=False),
        sa.Column('begins_on', sa.Date(), nullable=False),
        sa.Column('ends_on', sa.Date(), nullable=False),
        sa.Column('added_at', core.database.UtcTime(), nullable=False),
        sa.CheckConstraint("kind IN ('support', 'advertisement')", name=op.f('ck_notices_kind')),
        sa.CheckConstraint('ends_on >= begins_on', name=op.f('ck_notices_dates')),
        sa.ForeignKeyConstraint(['digest_id'], ['digests.id'], name=op.f('fk_notices_digest_id_digests')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_notices')),
        sa.UniqueConstraint('digest_id', 'language', 'begins_on', name=op.f('uq_notices_digest_id_language_begins_on')),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table('notices')
