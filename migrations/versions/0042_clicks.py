"""How often links of digests are followed, where a publisher wants to know."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0042'
down_revision = '0039'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """Apply."""
    op.create_table(
        'click_counts',
        sa.Column('edition_id', BIG, nullable=False),
        sa.Column('article_id', BIG, nullable=False),
        sa.Column('hour', core.database.UtcTime(), nullable=False),
        sa.Column('clicks', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name=op.f('fk_click_counts_article_id_articles')),
        sa.ForeignKeyConstraint(['edition_id'], ['editions.id'], name=op.f('fk_click_counts_edition_id_editions')),
        sa.PrimaryKeyConstraint('edition_id', 'article_id', 'hour', name=op.f('pk_click_counts')),
    )


def downgrade() -> None:
    """Undo. Links of mails that were sent lead nowhere in a version that does not know them."""
    op.drop_table('click_counts')
    op.execute("DELETE FROM marks WHERE name = 'clicks'")
