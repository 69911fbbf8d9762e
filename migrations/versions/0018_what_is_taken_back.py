"""What is taken back after it was composed: contents that are held and made anew, and of what blocks were made."""

import sqlalchemy as sa
from alembic import op


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


def downgrade() -> None:
    """Undo."""
    op.drop_table('block_views')
    op.drop_table('block_sources')
    op.drop_index('ix_contents_held', 'contents')
    with op.batch_alter_table('contents') as batch:
        batch.drop_constraint(op.f('ck_contents_replaced_by'), type_='check')
        batch.drop_constraint(op.f('ck_contents_recall'), type_='check')
        batch.drop_constraint(op.f('fk_contents_replaced_by'), type_='foreignkey')
        batch.drop_column('replaced_by')
        batch.drop_column('recall')
