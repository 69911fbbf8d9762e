"""Rules for topics, terms that mean nothing yet; where a story is read, teasers, breaking news."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0013'
down_revision = '0009'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
READ_AT = "read_at IN ('postrider', 'publisher')"


def upgrade() -> None:
    """Apply. Stories that are there are read here, in full, and what their feeds called them is not known."""
    with op.batch_alter_table('articles') as batch:
        batch.add_column(sa.Column('url', sa.Text(), server_default='', nullable=False))
        batch.add_column(sa.Column('read_at', sa.Text(), server_default='postrider', nullable=False))
        batch.add_column(sa.Column('teaser_only', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch.add_column(sa.Column('breaking_at', core.database.UtcTime(), nullable=True))
        batch.add_column(sa.Column('terms', sa.JSON(), nullable=True))
        batch.create_check_constraint(op.f('ck_articles_read_at'), READ_AT)
    breaking = sa.text('breaking_at IS NOT NULL')
    op.create_index(
        'ix_articles_breaking', 'articles', ['breaking_at'], sqlite_where=breaking, postgresql_where=breaking
    )
    with op.batch_alter_table('feeds') as batch:
        batch.add_column(sa.Column('read_at', sa.Text(), server_default='postrider', nullable=False))
        batch.add_column(sa.Column('teaser_only', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch.create_check_constraint(op.f('ck_feeds_read_at'), READ_AT)
    op.add_column('topics', sa.Column('find_in', sa.JSON(), server_default='[]', nullable=False))
    op.create_table(
        'topic_rules',
        sa.Column('id', BIG, nullable=False),
        sa.Column('feed_id', BIG, nullable=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ('language', 'place', 'key', 'term')),
        sa.Column('topic_id', BIG, nullable=True),
        sa.CheckConstraint("place IN ('terms', 'headline', 'dateline')", name=op.f('ck_topic_rules_place')),
        sa.ForeignKeyConstraint(['feed_id'], ['feeds.id'], name=op.f('fk_topic_rules_feed_id')),
        sa.ForeignKeyConstraint(['topic_id'], ['topics.id'], name=op.f('fk_topic_rules_topic_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_topic_rules')),
    )
    op.create_index(op.f('ix_topic_rules_feed_id_language'), 'topic_rules', ['feed_id', 'language'])
    op.create_table(
        'unmapped_terms',
        sa.Column('feed_id', BIG, nullable=False),
        sa.Column('key', sa.Text(), nullable=False),
        sa.Column('term', sa.Text(), nullable=False),
        sa.Column('count', sa.Integer(), nullable=False),
        sa.Column('last_seen_at', core.database.UtcTime(), nullable=False),
        sa.Column('article_id', BIG, nullable=False),
        sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name=op.f('fk_unmapped_terms_article_id')),
        sa.ForeignKeyConstraint(['feed_id'], ['feeds.id'], name=op.f('fk_unmapped_terms_feed_id')),
        sa.PrimaryKeyConstraint('feed_id', 'key', name=op.f('pk_unmapped_terms')),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table('unmapped_terms')
    op.drop_table('topic_rules')
    op.drop_column('topics', 'find_in')
    with op.batch_alter_table('feeds') as batch:
        batch.drop_constraint(op.f('ck_feeds_read_at'), type_='check')
        batch.drop_column('teaser_only')
        batch.drop_column('read_at')
    op.drop_index('ix_articles_breaking', 'articles')
    with op.batch_alter_table('articles') as batch:
        batch.drop_constraint(op.f('ck_articles_read_at'), type_='check')
        for column in ('terms', 'breaking_at', 'teaser_only', 'read_at', 'url'):
            batch.drop_column(column)
