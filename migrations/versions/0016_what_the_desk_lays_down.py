"""What editors lay down for a digest and a date, and when the desk closes."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0016'
down_revision = '0015'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """Apply. No digest has an hour at which its desk closes."""
    with op.batch_alter_table('digests') as batch:
        batch.add_column(sa.Column('desk_closes', sa.SmallInteger(), nullable=True))
        batch.add_column(sa.Column('unapproved', sa.Text(), server_default='send', nullable=False))
        batch.create_check_constraint(op.f('ck_digests_desk_closes'), 'desk_closes BETWEEN 0 AND 1439')
        batch.create_check_constraint(op.f('ck_digests_unapproved'), "unapproved IN ('send', 'skip')")
    _states("'open', 'composing', 'composed', 'missed', 'skipped'")
    op.create_table(
        'desk_sheets',
        sa.Column('id', BIG, nullable=False),
        sa.Column('digest_id', BIG, nullable=False),
        sa.Column('slot', sa.Date(), nullable=False),
        sa.Column('note', sa.Text(), server_default='', nullable=False),
        sa.Column('subject', sa.Text(), server_default='', nullable=False),
        sa.Column('held_from', core.database.UtcTime(), nullable=True),
        sa.Column('hold_until', core.database.UtcTime(), nullable=True),
        sa.Column('approved_at', core.database.UtcTime(), nullable=True),
        sa.Column('approved_by', sa.Text(), nullable=True),
        sa.CheckConstraint('(approved_at IS NULL) = (approved_by IS NULL)', name=op.f('ck_desk_sheets_approval')),
        sa.CheckConstraint('(held_from IS NULL) = (hold_until IS NULL)', name=op.f('ck_desk_sheets_hold')),
        sa.ForeignKeyConstraint(['digest_id'], ['digests.id'], name=op.f('fk_desk_sheets_digest_id_digests')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_desk_sheets')),
        sa.UniqueConstraint('digest_id', 'slot', name=op.f('uq_desk_sheets_digest_id_slot')),
    )
    op.create_table(
        'desk_picks',
        sa.Column('sheet_id', BIG, nullable=False),
        sa.Column('article_id', BIG, nullable=False),
        sa.Column('role', sa.Text(), nullable=False),
        sa.Column('place', sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("role IN ('front', 'pin', 'drop')", name=op.f('ck_desk_picks_role')),
        sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name=op.f('fk_desk_picks_article_id_articles')),
        sa.ForeignKeyConstraint(['sheet_id'], ['desk_sheets.id'], name=op.f('fk_desk_picks_sheet_id_desk_sheets')),
        sa.PrimaryKeyConstraint('sheet_id', 'article_id', name=op.f('pk_desk_picks')),
    )
    op.create_index(
        'ix_desk_picks_front',
        'desk_picks',
        ['sheet_id'],
        unique=True,
        postgresql_where=sa.text("role = 'front'"),
        sqlite_where=sa.text("role = 'front'"),
    )


def downgrade() -> None:
    """Undo. What was skipped was missed."""
    op.drop_index('ix_desk_picks_front', table_name='desk_picks')
    op.drop_table('desk_picks')
    op.drop_table('desk_sheets')
    op.execute("UPDATE waves SET state = 'missed' WHERE state = 'skipped'")
    _states("'open', 'composing', 'composed', 'missed'")
    with op.batch_alter_table('digests') as batch:
        batch.drop_constraint(op.f('ck_digests_unapproved'), type_='check')
        batch.drop_constraint(op.f('ck_digests_desk_closes'), type_='check')
        batch.drop_column('unapproved')
        batch.drop_column('desk_closes')


def _states(states: str) -> None:
    with op.batch_alter_table('waves') as batch:
        batch.drop_constraint(op.f('ck_waves_state'), type_='check')
        batch.create_check_constraint(op.f('ck_waves_state'), f'state IN ({states})')
