"""Pictures of stories: by reference, each address once, with the rendition that we serve of it."""

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0012'
down_revision = '0014'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    """Apply. Stories that are there get their pictures when their feeds are read again."""
    op.add_column('articles', sa.Column('pictures_changed_at', core.database.UtcTime(), nullable=True))
    op.create_table(
        'renditions',
        sa.Column('id', BIG, nullable=False),
        sa.Column('public_id', sa.Text(), nullable=False),
        sa.Column('width', sa.Integer(), nullable=False),
        sa.Column('height', sa.Integer(), nullable=False),
        sa.Column('content', sa.LargeBinary(), nullable=False),
        sa.Column('made_at', core.database.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_renditions')),
        sa.UniqueConstraint('public_id', name=op.f('uq_renditions_public_id')),
    )
    op.create_table(
        'picture_sources',
        sa.Column('id', BIG, nullable=False),
        sa.Column('url', sa.Text(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('next_try_at', core.database.UtcTime(), nullable=True),
        sa.Column('fails', sa.Integer(), nullable=False),
        sa.Column('why', sa.Text(), nullable=False),
        sa.Column('rendition_id', BIG, nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'ready', 'refused')", name=op.f('ck_picture_sources_state')),
        sa.CheckConstraint(
            "(state = 'ready') = (rendition_id IS NOT NULL)", name=op.f('ck_picture_sources_rendition')
        ),
        sa.CheckConstraint("(state = 'waiting') = (next_try_at IS NOT NULL)", name=op.f('ck_picture_sources_next_try')),
        sa.ForeignKeyConstraint(['rendition_id'], ['renditions.id'], name=op.f('fk_picture_sources_rendition_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_picture_sources')),
        sa.UniqueConstraint('url', name=op.f('uq_picture_sources_url')),
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        'ix_picture_sources_waiting', 'picture_sources', ['next_try_at'],
        sqlite_where=waiting, postgresql_where=waiting,
    )
    op.create_index(op.f('ix_picture_sources_rendition_id'), 'picture_sources', ['rendition_id'])
    op.create_table(
        'pictures',
        sa.Column('article_id', BIG, nullable=False),
        sa.Column('position', sa.Integer(), nullable=False),
        sa.Column('source_id', BIG, nullable=False),
        sa.Column('width', sa.Integer(), nullable=True),
        sa.Column('height', sa.Integer(), nullable=True),
        sa.Column('alt', sa.Text(), nullable=True),
        sa.Column('caption', sa.Text(), nullable=False),
        sa.Column('credit', sa.Text(), nullable=False),
        sa.Column('is_decorative', sa.Boolean(), nullable=False),
        sa.Column('by_hand', sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name=op.f('fk_pictures_article_id')),
        sa.ForeignKeyConstraint(['source_id'], ['picture_sources.id'], name=op.f('fk_pictures_source_id')),
        sa.PrimaryKeyConstraint('article_id', 'position', name=op.f('pk_pictures')),
    )
    op.create_index(op.f('ix_pictures_source_id'), 'pictures', ['source_id'])


def downgrade() -> None:
    """Undo."""
    op.drop_table('pictures')
    op.drop_table('picture_sources')
    op.drop_table('renditions')
    op.drop_column('articles', 'pictures_changed_at')
