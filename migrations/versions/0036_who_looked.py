"""That somebody looked at what one reader would get."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0036'
down_revision = '0017'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """Apply."""
    op.create_table(
        'edition_looks',
        sa.Column('id', BIG, nullable=False),
        sa.Column('at', core.database.UtcTime(), nullable=False),
        sa.Column('by', sa.Text(), nullable=False),
        sa.Column('subscription_id', BIG, nullable=False),
        sa.Column('slot', sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ['subscription_id'], ['subscriptions.id'], name=op.f('fk_edition_looks_subscription_id_subscriptions')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_edition_looks')),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table('edition_looks')
