"""What is taken back or corrected after it was composed: of what blocks were made, and who is told what was wrong."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0018'
down_revision = '0012'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """Apply. Mails that were composed before know nothing of their stories, and go out as they are."""
    with op.batch_alter_table('contents') as batch:
        batch.add_column(sa.Column('recall', sa.Text(), nullable=True))
        batch.add_column(sa.Column('replaced_by', BIG, nullable=True))
        batch.create_foreign_key(op.f('fk_contents_replaced_by'), 'contents', ['replaced_by'], ['id'])
        batch.create_check_constraint(op.f('ck_contents_recall'), "recall IN ('held', 'replaced', 'ended')")
        batch.create_check_constraint(
            op.f('ck_contents_replaced_by'), "(replaced_by IS NULL) = (recall IS NULL OR recall <> 'replaced')"
        )
    held = sa.text("recall = 'held'")
    op.create_index('ix_contents_held', 'contents', ['id'], sqlite_where=held, postgresql_where=held)
    op.create_table(
        'block_sources',
        sa.Column('block_id', BIG, nullable=False),
        sa.Column('article_id', BIG, nullable=False),
        sa.Column('revision', sa.Integer(), nullable=False),
        sa.Column('role', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name=op.f('fk_block_sources_article_id')),
        sa.ForeignKeyConstraint(['block_id'], ['blocks.id'], name=op.f('fk_block_sources_block_id')),
        sa.PrimaryKeyConstraint('block_id', 'article_id', name=op.f('pk_block_sources')),
    )
    op.create_index(op.f('ix_block_sources_article_id'), 'block_sources', ['article_id'])
    op.create_table(
        'block_views',
        sa.Column('block_id', BIG, nullable=False),
        sa.Column('role', sa.Text(), nullable=False),
        sa.Column('shown', sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(['block_id'], ['blocks.id'], name=op.f('fk_block_views_block_id')),
        sa.PrimaryKeyConstraint('block_id', name=op.f('pk_block_views')),
    )
    op.add_column('cohorts', sa.Column('headline_ids', sa.LargeBinary(), nullable=True))
    op.add_column('cohorts', sa.Column('view_key', sa.LargeBinary(length=16), nullable=True))
    op.create_index(op.f('ix_cohorts_edition_id_view_key'), 'cohorts', ['edition_id', 'view_key'])
    op.add_column('waves', sa.Column('found', sa.JSON(), nullable=True))
    op.create_table(
        'wave_counts',
        sa.Column('wave_id', BIG, nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('readers', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(['wave_id'], ['waves.id'], name=op.f('fk_wave_counts_wave_id')),
        sa.PrimaryKeyConstraint('wave_id', 'reason', name=op.f('pk_wave_counts')),
    )
    _corrections()


def _corrections() -> None:
    op.create_table(
        'corrections',
        sa.Column('id', BIG, nullable=False),
        sa.Column('article_id', BIG, nullable=False),
        sa.Column('at', core.database.UtcTime(), nullable=False),
        sa.Column('text', sa.Text(), nullable=False),
        sa.Column('tell', sa.Text(), nullable=False),
        sa.Column('composed_at', core.database.UtcTime(), nullable=True),
        sa.Column('ended_at', core.database.UtcTime(), nullable=True),
        sa.Column('told', sa.Integer(), nullable=False),
        sa.Column('counted_at', core.database.UtcTime(), nullable=True),
        sa.CheckConstraint("tell IN ('now', 'next', 'nobody')", name=op.f('ck_corrections_tell')),
        sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name=op.f('fk_corrections_article_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_corrections')),
    )
    op.create_index(op.f('ix_corrections_article_id'), 'corrections', ['article_id'])
    op.create_index(op.f('ix_corrections_at'), 'corrections', ['at'])
    op.create_table(
        'correction_contents',
        sa.Column('correction_id', BIG, nullable=False),
        sa.Column('content_id', BIG, nullable=False),
        sa.Column('mailing_id', BIG, nullable=False),
        sa.Column('role', sa.Text(), nullable=False),
        sa.CheckConstraint("role IN ('had', 'told')", name=op.f('ck_correction_contents_role')),
        sa.ForeignKeyConstraint(['content_id'], ['contents.id'], name=op.f('fk_correction_contents_content_id')),
        sa.ForeignKeyConstraint(
            ['correction_id'], ['corrections.id'], name=op.f('fk_correction_contents_correction_id')
        ),
        sa.ForeignKeyConstraint(['mailing_id'], ['mailings.id'], name=op.f('fk_correction_contents_mailing_id')),
        sa.PrimaryKeyConstraint('correction_id', 'content_id', name=op.f('pk_correction_contents')),
    )
    op.create_index(op.f('ix_correction_contents_content_id'), 'correction_contents', ['content_id'])
    op.create_table(
        'correction_waves',
        sa.Column('id', BIG, nullable=False),
        sa.Column('correction_id', BIG, nullable=False),
        sa.Column('digest_id', BIG, nullable=False),
        sa.Column('mailing_id', BIG, nullable=False),
        sa.Column('cursor', BIG, nullable=False),
        sa.Column('lease_until', core.database.UtcTime(), nullable=True),
        sa.Column('composed_at', core.database.UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(['correction_id'], ['corrections.id'], name=op.f('fk_correction_waves_correction_id')),
        sa.ForeignKeyConstraint(['digest_id'], ['digests.id'], name=op.f('fk_correction_waves_digest_id')),
        sa.ForeignKeyConstraint(['mailing_id'], ['mailings.id'], name=op.f('fk_correction_waves_mailing_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_correction_waves')),
        sa.UniqueConstraint('correction_id', 'digest_id', name=op.f('uq_correction_waves_correction_id_digest_id')),
    )


def downgrade() -> None:
    """Undo."""
    for table in ('wave_counts', 'correction_waves', 'correction_contents', 'corrections'):
        op.drop_table(table)
    op.drop_column('waves', 'found')
    op.drop_index(op.f('ix_cohorts_edition_id_view_key'), 'cohorts')
    op.drop_column('cohorts', 'view_key')
    op.drop_column('cohorts', 'headline_ids')
    op.drop_table('block_views')
    op.drop_table('block_sources')
    op.drop_index('ix_contents_held', 'contents')
    with op.batch_alter_table('contents') as batch:
        batch.drop_constraint(op.f('ck_contents_replaced_by'), type_='check')
        batch.drop_constraint(op.f('ck_contents_recall'), type_='check')
        batch.drop_constraint(op.f('fk_contents_replaced_by'), type_='foreignkey')
        batch.drop_column('replaced_by')
        batch.drop_column('recall')
