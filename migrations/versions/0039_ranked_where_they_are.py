"""Search: counts in which a database finds a term by itself, and tags of weeks and quarters beside the terms."""

import sys
from array import array

import sqlalchemy as sa
from alembic import op

import core.database


revision = '0039'
down_revision = '0038'

KEPT = sa.table(
    'kept',
    sa.column('article_id', sa.BigInteger()),
    sa.column('published_at', core.database.UtcTime()),
    sa.column('counts', sa.LargeBinary()),
)
AT_ONCE = 1_000


def upgrade() -> None:
    """Apply. What is in the index is written anew: of 100,000 stories that takes about a minute."""
    is_sqlite = op.get_bind().dialect.name == 'sqlite'
    op.execute('CREATE TEMPORARY TABLE kept AS SELECT * FROM search_documents')
    op.execute('CREATE UNIQUE INDEX kept_by_article ON kept (article_id)')
    if is_sqlite:
        op.execute('DELETE FROM search_documents')
    else:
        op.execute('DROP INDEX search_words')
        op.execute('TRUNCATE search_documents')
        op.execute('ALTER TABLE search_documents RESET (toast_tuple_target)')
    _write(':tags' if is_sqlite else 'CAST(:tags AS tsvector)')
    op.execute('DROP TABLE kept')
    if not is_sqlite:
        op.execute('CREATE INDEX search_words ON search_documents USING gin (terms) WITH (fastupdate = off)')


def downgrade() -> None:
    """Undo. The index is empty then; `flask articles index` fills it."""
    for table in ('search_documents', 'search_terms', 'search_totals'):
        op.execute(f'DELETE FROM {table}')
    if op.get_bind().dialect.name != 'sqlite':
        op.execute('ALTER TABLE search_documents SET (toast_tuple_target = 128)')


def _write(tags: str) -> None:
    written = sa.text(f"""
        INSERT INTO search_documents (article_id, language, published_at, length, terms, counts)
        SELECT article_id, language, published_at, length, terms || {tags}, :counts FROM kept WHERE article_id = :article_id
    """)
    last = 0
    wanted = sa.select(KEPT).order_by(KEPT.c.article_id).limit(AT_ONCE)
    while rows := op.get_bind().execute(wanted.where(KEPT.c.article_id > last)).all():
        last = rows[-1].article_id
        changed = [
            {'article_id': row.article_id, 'counts': _packed(row.counts), 'tags': _tags(row.published_at.toordinal())}
            for row in rows
        ]
        op.get_bind().execute(written, changed)


def _tags(day: int) -> str:
    return f' w{day // 7} q{day // 91}'


def _packed(before: bytes) -> bytes:
    """Return counts as they are packed now: of each term its id in four octets above 127, and one below for the count.

    Before, all ids came first, four octets each, and then an octet for each count.
    """
    begin = len(before) // 5 * 4
    ids = array('I', before[:begin])
    if sys.byteorder == 'big':
        ids.byteswap()
    return b''.join(
        bytes((*(128 | one >> shift & 127 for shift in (0, 7, 14, 21)), min(count, 127)))
        for one, count in zip(ids, before[begin:], strict=True)
    )
