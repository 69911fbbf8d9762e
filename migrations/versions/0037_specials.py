"""Special editions: stories by hand, for the readers of one digest and of others."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0037'
down_revision = '0036'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
OF_A_SPECIAL = "kind <> 'special' OR (special_id IS NOT NULL AND via_id IS NOT NULL)"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        'specials',
        sa.Column('id', BIG, nullable=False),
        sa.Column('key', sa.Text(), nullable=False),
        sa.Column('digest_id', BIG, nullable=False),
        sa.Column('also', sa.JSON(), nullable=False),
        sa.Column('topics', sa.JSON(), nullable=False),
        sa.Column('article_ids', sa.JSON(), nullable=False),
        sa.Column('subject', sa.Text(), nullable=False),
        sa.Column('note', sa.Text(), nullable=False),
        sa.Column('repeat', sa.Text(), nullable=False),
        sa.Column('opened_at', core.database.UtcTime(), nullable=True),
        sa.CheckConstraint("repeat IN ('never', 'headline', 'updated', 'recap')", name=op.f('ck_specials_repeat')),
        sa.ForeignKeyConstraint(['digest_id'], ['digests.id'], name=op.f('fk_specials_digest_id_digests')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_specials')),
        sa.UniqueConstraint('key', name=op.f('uq_specials_key')),
    )
    with op.batch_alter_table('editions') as batch:
        batch.add_column(sa.Column('special_id', BIG, nullable=True))
        batch.add_column(sa.Column('via_id', BIG, nullable=True))
        batch.create_foreign_key(op.f('fk_editions_special_id_specials'), 'specials', ['special_id'], ['id'])
        batch.create_foreign_key(op.f('fk_editions_via_id_digests'), 'digests', ['via_id'], ['id'])
        batch.create_unique_constraint(op.f('uq_editions_special_id_via_id'), ['special_id', 'via_id'])
        batch.create_check_constraint(op.f('ck_editions_special'), OF_A_SPECIAL)
    _kinds("'regular', 'first', 'breaking', 'special'")
    op.create_index(op.f('ix_editions_special_id'), 'editions', ['special_id'])


def downgrade() -> None:
    """Undo. Specials that went out stay in the ledger as mailings."""
    op.drop_index(op.f('ix_editions_special_id'), 'editions')
    gone = "(SELECT id FROM editions WHERE kind = 'special')"
    op.execute(f'DELETE FROM cohorts WHERE edition_id IN {gone}')
    op.execute(f'DELETE FROM waves WHERE edition_id IN {gone}')
    op.execute("DELETE FROM editions WHERE kind = 'special'")
    _kinds("'regular', 'first', 'breaking'")
    with op.batch_alter_table('editions') as batch:
        batch.drop_constraint(op.f('ck_editions_special'), type_='check')
        batch.drop_constraint(op.f('uq_editions_special_id_via_id'), type_='unique')
        batch.drop_constraint(op.f('fk_editions_via_id_digests'), type_='foreignkey')
        batch.drop_constraint(op.f('fk_editions_special_id_specials'), type_='foreignkey')
        batch.drop_column('via_id')
        batch.drop_column('special_id')
    op.drop_table('specials')


def _kinds(kinds: str) -> None:
    with op.batch_alter_table('editions') as batch:
        batch.drop_constraint(op.f('ck_editions_kind'), type_='check')
        batch.create_check_constraint(op.f('ck_editions_kind'), f'kind IN ({kinds})')
