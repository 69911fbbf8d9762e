"""Flood defence: budgets, and by what the person who filled in a form is known again."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0005'
down_revision = '0004'


def upgrade() -> None:
    """Apply. A site of before can go on beside it: it neither reads nor writes what is new."""
    op.create_table(
        'budgets',
        sa.Column('key_hash', sa.LargeBinary(), nullable=False),
        sa.Column('window_s', sa.Integer(), nullable=False),
        sa.Column('spent', sa.Text(), nullable=False),
        sa.Column('idle_at', core.database.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint('key_hash', 'window_s', name=op.f('pk_budgets')),
    )
    op.create_index('ix_budgets_idle_at', 'budgets', ['idle_at'])
    op.add_column('signup_requests', sa.Column('rhythm', sa.Text(), nullable=True))
    op.add_column('signup_requests', sa.Column('browser_hash', sa.LargeBinary(), nullable=True))
    op.add_column('signup_requests', sa.Column('form_hash', sa.LargeBinary(), nullable=True))
    op.create_index('ix_signup_requests_answered_at', 'signup_requests', ['answered_at'])


def downgrade() -> None:
    """Undo."""
    op.drop_index('ix_signup_requests_answered_at', 'signup_requests')
    for column in ('form_hash', 'browser_hash', 'rhythm'):
        op.drop_column('signup_requests', column)
    op.drop_table('budgets')
