"""What mails went without, to be given back to their readers when it is there again."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0040'
down_revision = '0019'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
TO_DO = sa.text('done_at IS NULL')


def upgrade() -> None:
    """Apply."""
    op.create_table(
        'taken_out',
        sa.Column('content_id', BIG, nullable=False),
        sa.Column('article_id', BIG, nullable=False),
        sa.Column('mailing_id', BIG, nullable=False),
        sa.Column('revision', sa.Integer(), nullable=False),
        sa.Column('in_full', sa.Boolean(), nullable=False),
        sa.Column('at', core.database.UtcTime(), nullable=False),
        sa.Column('cursor', BIG, nullable=False),
        sa.Column('done_at', core.database.UtcTime(), nullable=True),
        sa.CheckConstraint('cursor >= 0', name=op.f('ck_taken_out_cursor')),
        sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name=op.f('fk_taken_out_article_id_articles')),
        sa.ForeignKeyConstraint(['content_id'], ['contents.id'], name=op.f('fk_taken_out_content_id_contents')),
        sa.ForeignKeyConstraint(['mailing_id'], ['mailings.id'], name=op.f('fk_taken_out_mailing_id_mailings')),
        sa.PrimaryKeyConstraint('content_id', 'article_id', name=op.f('pk_taken_out')),
    )
    columns = ['article_id', 'mailing_id']
    op.create_index('ix_taken_out_to_do', 'taken_out', columns, postgresql_where=TO_DO, sqlite_where=TO_DO)


def downgrade() -> None:
    """Undo."""
    op.drop_table('taken_out')
