"""A story's life: held, withdrawn, corrected, marked; its earlier texts; feeds that are paused, move, or fall silent."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0009'
down_revision = '0008'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
COLUMNS = (
    'state', 'reason', 'embargo_until', 'correction', 'corrected_at', 'marked_updated_at', 'shareable', 'printable',
    'topics_by_hand',
)


def upgrade() -> None:
    """Apply. Stories that are there are published, can be shared and printed, and follow their feed."""
    with op.batch_alter_table('articles') as batch:
        batch.add_column(sa.Column('state', sa.Text(), server_default='published', nullable=False))
        batch.add_column(sa.Column('reason', sa.Text(), server_default='', nullable=False))
        batch.add_column(sa.Column('embargo_until', core.database.UtcTime(), nullable=True))
        batch.add_column(sa.Column('correction', sa.Text(), server_default='', nullable=False))
        batch.add_column(sa.Column('corrected_at', core.database.UtcTime(), nullable=True))
        batch.add_column(sa.Column('marked_updated_at', core.database.UtcTime(), nullable=True))
        batch.add_column(sa.Column('shareable', sa.Boolean(), server_default=sa.true(), nullable=False))
        batch.add_column(sa.Column('printable', sa.Boolean(), server_default=sa.true(), nullable=False))
        batch.add_column(sa.Column('topics_by_hand', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch.create_check_constraint(op.f('ck_articles_state'), "state IN ('published', 'held', 'withdrawn')")
    embargoed = sa.text('embargo_until IS NOT NULL')
    op.create_index(
        'ix_articles_embargoed', 'articles', ['embargo_until'], sqlite_where=embargoed, postgresql_where=embargoed
    )
    held = sa.text("state = 'held'")
    op.create_index('ix_articles_held', 'articles', ['feed_id'], sqlite_where=held, postgresql_where=held)
    op.create_table(
        'article_revisions',
        sa.Column('article_id', BIG, nullable=False),
        sa.Column('revision', sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ('headline', 'standfirst', 'dateline_place', 'dateline_agency', 'body')
        ),
        sa.Column('replaced_at', core.database.UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name=op.f('fk_article_revisions_article_id')),
        sa.PrimaryKeyConstraint('article_id', 'revision', name=op.f('pk_article_revisions')),
    )
    op.create_table(
        'shingles',
        sa.Column('article_id', BIG, nullable=False, autoincrement=False),
        sa.Column('hash', BIG, nullable=False, autoincrement=False),
        sa.Column('language', sa.Text(), nullable=False),
        sa.Column('seen_at', core.database.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint('article_id', 'hash', name=op.f('pk_shingles')),
    )
    op.create_index(op.f('ix_shingles_language_hash'), 'shingles', ['language', 'hash'])
    op.create_index(op.f('ix_shingles_seen_at'), 'shingles', ['seen_at'])
    op.add_column('feeds', sa.Column('moved_to', sa.Text(), nullable=True))
    op.add_column('feeds', sa.Column('last_new_at', core.database.UtcTime(), nullable=True))
    op.add_column('feeds', sa.Column('usual_gap_s', sa.Integer(), server_default='0', nullable=False))
    _feed_states("'on', 'paused', 'gone'")


def downgrade() -> None:
    """Undo."""
    op.execute("UPDATE feeds SET state = 'gone' WHERE state = 'paused'")
    _feed_states("'on', 'gone'")
    for column in ('usual_gap_s', 'last_new_at', 'moved_to'):
        op.drop_column('feeds', column)
    op.drop_table('shingles')
    op.drop_table('article_revisions')
    op.drop_index('ix_articles_held', 'articles')
    op.drop_index('ix_articles_embargoed', 'articles')
    with op.batch_alter_table('articles') as batch:
        batch.drop_constraint(op.f('ck_articles_state'), type_='check')
        for column in COLUMNS:
            batch.drop_column(column)


def _feed_states(states: str) -> None:
    with op.batch_alter_table('feeds') as batch:
        batch.drop_constraint(op.f('ck_feeds_state'), type_='check')
        batch.create_check_constraint(op.f('ck_feeds_state'), f'state IN ({states})')
