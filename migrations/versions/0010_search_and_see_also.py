"""Search and See also: the index of the stories, and what each story's page leads to. `flask articles index` fills it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import core.database


revision = '0010'
down_revision = '0013'

BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
SQLITE = (
    "CREATE VIRTUAL TABLE search_words USING fts5(terms, content='search_documents', content_rowid='article_id',"
    " detail='none', tokenize='ascii')",
    "CREATE TRIGGER search_words_kept AFTER INSERT ON search_documents BEGIN"
    " INSERT INTO search_words (rowid, terms) VALUES (new.article_id, new.terms); END",
    "CREATE TRIGGER search_words_dropped AFTER DELETE ON search_documents BEGIN"
    " INSERT INTO search_words (search_words, rowid, terms) VALUES ('delete', old.article_id, old.terms); END",
)
POSTGRESQL = (
    'ALTER TABLE search_documents ALTER COLUMN terms SET STORAGE EXTERNAL',
    'ALTER TABLE search_documents ALTER COLUMN counts SET STORAGE EXTERNAL',
    'ALTER TABLE search_documents SET (toast_tuple_target = 128)',
    'CREATE INDEX search_words ON search_documents USING gin (terms) WITH (fastupdate = off)',
)


def upgrade() -> None:
    """Apply. The index is empty: it takes its time to fill, and the service runs meanwhile."""
    op.create_table(
        'search_terms',
        sa.Column('id', BIG, nullable=False),
        sa.Column('language', sa.Text(), nullable=False),
        sa.Column('term', sa.Text(), nullable=False),
        sa.Column('stories', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_search_terms')),
        sa.UniqueConstraint('language', 'term', name=op.f('uq_search_terms_language_term')),
    )
    op.create_table(
        'search_totals',
        sa.Column('language', sa.Text(), nullable=False),
        sa.Column('stories', BIG, nullable=False),
        sa.Column('length', BIG, nullable=False),
        sa.PrimaryKeyConstraint('language', name=op.f('pk_search_totals')),
    )
    op.create_table(
        'search_documents',
        sa.Column('article_id', BIG, autoincrement=False, nullable=False),
        sa.Column('language', sa.Text(), nullable=False),
        sa.Column('published_at', core.database.UtcTime(), nullable=False),
        sa.Column('length', sa.Integer(), nullable=False),
        sa.Column('terms', sa.Text().with_variant(postgresql.TSVECTOR(), 'postgresql'), nullable=False),
        sa.Column('counts', sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name=op.f('fk_search_documents_article_id')),
        sa.PrimaryKeyConstraint('article_id', name=op.f('pk_search_documents')),
    )
    for statement in SQLITE if op.get_bind().dialect.name == 'sqlite' else POSTGRESQL:
        op.execute(statement)
    op.create_table(
        'related_due',
        sa.Column('article_id', BIG, autoincrement=False, nullable=False),
        sa.Column('due_at', core.database.UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name=op.f('fk_related_due_article_id')),
        sa.PrimaryKeyConstraint('article_id', name=op.f('pk_related_due')),
    )
    op.create_index(op.f('ix_related_due_due_at'), 'related_due', ['due_at'])
    op.create_table(
        'related',
        sa.Column('article_id', BIG, nullable=False),
        sa.Column('position', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('related_id', BIG, nullable=False),
        sa.Column('by_hand', sa.Boolean(), nullable=False),
        sa.CheckConstraint('related_id <> article_id', name=op.f('ck_related_another')),
        sa.ForeignKeyConstraint(['article_id'], ['articles.id'], name=op.f('fk_related_article_id')),
        sa.ForeignKeyConstraint(['related_id'], ['articles.id'], name=op.f('fk_related_related_id')),
        sa.PrimaryKeyConstraint('article_id', 'position', name=op.f('pk_related')),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table('related')
    op.drop_table('related_due')
    if op.get_bind().dialect.name == 'sqlite':
        op.execute('DROP TABLE search_words')
    op.drop_table('search_documents')
    op.drop_table('search_totals')
    op.drop_table('search_terms')
