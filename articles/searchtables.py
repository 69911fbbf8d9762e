"""The index of the stories: the terms of each language, how often each story has which, and who has some terms.

Both databases keep an index of their own over the same terms, by their numbers: PostgreSQL a GIN index over a tsvector,
SQLite an FTS5 table. Nothing that somebody typed reaches either.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Connection,
    ForeignKey,
    Text,
    UniqueConstraint,
    cast,
    column,
    event,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from core import changes, database
from core.database import Base, BigId, RowId, db


class SearchTerm(Base):
    """A term of a language, and how many of its stories have it."""

    __tablename__ = "search_terms"
    __table_args__ = (UniqueConstraint("language", "term"), changes.NOT_SHOWN)
    id: Mapped[RowId]
    language: Mapped[str]
    term: Mapped[str]
    stories: Mapped[int]


class SearchTotal(Base):
    """How many stories of a language can be found, and how long they are together."""

    __tablename__ = "search_totals"
    __table_args__ = (changes.NOT_SHOWN,)
    language: Mapped[str] = mapped_column(primary_key=True)
    stories: Mapped[int] = mapped_column(BigId)
    length: Mapped[int] = mapped_column(BigId)


class SearchDocument(Base):
    """A published story as it is found: `terms` has the ids of its terms, and the tags of its time (articles.periods).

    `counts` has how often each term is there (articles.bm25.pack). `length` counts its terms as they are weighted.
    A row is never changed: it goes, and another one comes.
    """

    __tablename__ = "search_documents"
    __table_args__ = (changes.NOT_SHOWN,)
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"), primary_key=True, autoincrement=False)
    language: Mapped[str]
    published_at: Mapped[datetime]
    length: Mapped[int]
    terms: Mapped[str] = mapped_column(Text().with_variant(TSVECTOR(), "postgresql"))
    counts: Mapped[bytes]


@dataclass(frozen=True, slots=True)
class Document:
    """What is read of a search document: what scores are made of, and not the terms themselves."""

    article_id: int
    language: str
    published_at: datetime
    length: int
    counts: bytes


COLUMNS = (
    SearchDocument.article_id,
    SearchDocument.language,
    SearchDocument.published_at,
    SearchDocument.length,
    SearchDocument.counts,
)
"""Those of a `Document`."""


class RelatedDue(Base):
    """A story for which it is to be worked out, from `due_at` on, what its page leads to."""

    __tablename__ = "related_due"
    __table_args__ = (changes.NOT_SHOWN,)
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"), primary_key=True, autoincrement=False)
    due_at: Mapped[datetime] = mapped_column(index=True)


class Related(Base):
    """A story that another one's page leads to, by an editor's hand or because it is alike."""

    __tablename__ = "related"
    __table_args__ = (CheckConstraint("related_id <> article_id", name="another"), changes.SHOWN)
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    related_id: Mapped[int] = mapped_column(ForeignKey("articles.id"))
    by_hand: Mapped[bool]


SQLITE = (
    "CREATE VIRTUAL TABLE search_words USING fts5(terms, content='search_documents', content_rowid='article_id',"
    " detail='none', tokenize='ascii')",
    "CREATE TRIGGER search_words_kept AFTER INSERT ON search_documents BEGIN"
    " INSERT INTO search_words (rowid, terms) VALUES (new.article_id, new.terms); END",
    "CREATE TRIGGER search_words_dropped AFTER DELETE ON search_documents BEGIN"
    " INSERT INTO search_words (search_words, rowid, terms) VALUES ('delete', old.article_id, old.terms); END",
)
POSTGRESQL = (
    # Counts are looked through as they are. The terms are longer, so they stand beside the row: no search reads them.
    "ALTER TABLE search_documents ALTER COLUMN terms SET STORAGE EXTERNAL",
    "ALTER TABLE search_documents ALTER COLUMN counts SET STORAGE EXTERNAL",
    # Without a list of what is pending, which every search would read through.
    "CREATE INDEX search_words ON search_documents USING gin (terms) WITH (fastupdate = off)",
)


@event.listens_for(SearchDocument.__table__, "after_create")
def _make_index(_table: object, connection: Connection, **_more: object) -> None:
    for statement in SQLITE if connection.dialect.name == "sqlite" else POSTGRESQL:
        connection.exec_driver_sql(statement)


@event.listens_for(SearchDocument.__table__, "before_drop")
def _drop_index(_table: object, connection: Connection, **_more: object) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("DROP TABLE search_words")


def having(ids: Iterable[int], *, every: bool, tags: Iterable[str] = ()) -> ColumnElement[bool]:
    """Return the condition for documents that have every one of these terms, or any; and any of the tags, if given."""
    is_sqlite = db.engine.dialect.name == "sqlite"
    both, either = (" AND ", " OR ") if is_sqlite else (" & ", " | ")
    wanted = f"({(both if every else either).join(map(_quoted, ids))})"
    if one_of := either.join(map(_quoted, tags)):
        wanted = f"{wanted}{both}({one_of})"
    if is_sqlite:
        matching = text("SELECT rowid FROM search_words WHERE search_words MATCH :wanted").bindparams(wanted=wanted)
        return SearchDocument.article_id.in_(matching.columns(column("rowid")))
    return SearchDocument.terms.op("@@")(cast(literal(wanted.replace('"', ""), Text), TSQUERY))


def _quoted(token: object) -> str:
    return f'"{token}"'


def known(language: str, terms: Iterable[str]) -> Mapping[str, tuple[int, int]]:
    """Return the ids of terms, and how many stories have each; a term that no story ever had is left out."""
    wanted = select(SearchTerm.term, SearchTerm.id, SearchTerm.stories)
    among = wanted.where(SearchTerm.language == language, database.one_of_texts(SearchTerm.term, terms))
    return {term: (term_id, stories) for term, term_id, stories in db.session.execute(among)}


def documents(article_ids: Collection[int]) -> Mapping[int, Document]:
    """Return the documents of articles; one that is not in the index is left out."""
    rows = db.session.execute(select(*COLUMNS).where(SearchDocument.article_id.in_(article_ids)))
    return {row[0]: Document(*row) for row in rows}
