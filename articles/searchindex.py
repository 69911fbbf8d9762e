"""Keep the index of the stories: each published one stands in it as it reads now, and no other."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, exists, func, insert, select, update

from articles import bm25, cleaning, periods, shelf, words
from articles.models import Article
from articles.searchtables import RelatedDue, SearchDocument, SearchTerm, SearchTotal, documents, known
from core import database
from core.database import db

HEADLINE, STANDFIRST, BODY = 3, 2, 1
"""How much a term counts where it stands."""
_TURN = 0x706F7374
"""The key of PostgreSQL's lock that one writer of the index has at a time: the numbers of stories are shared rows."""
_SILENT = {"synchronize_session": False}


@dataclass(frozen=True, slots=True)
class _Text:
    """The terms of a story with their weights, and how long it is, so weighted."""

    counts: Mapping[str, int]
    length: int


def refresh(articles: Collection[Article]) -> None:
    """Let the index know what these articles say now, and forget those that are not published.

    It comes last in a transaction: PostgreSQL lets one writer of the index in at a time, until that one commits.
    """
    if not articles:
        return
    db.session.flush()
    _take_turn()
    shifts: Counter[int] = Counter()
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    before = documents([article.id for article in articles])
    for document in before.values():
        shifts.subtract(bm25.unpack(document.counts).keys())
        _shift(totals, document.language, -1, -document.length)
    rows = []
    for language, told in _by_language(articles).items():
        for row in _rows(language, told, shifts):
            _shift(totals, language, 1, row["length"])
            rows.append(row)
    if before:
        gone = delete(SearchDocument).where(SearchDocument.article_id.in_(before))
        db.session.execute(gone, execution_options=_SILENT)
    if rows:
        db.session.execute(insert(SearchDocument), rows)
        _make_due([article for article in articles if article.state == "published" and article.id not in before])
    _write_shifts(shifts, totals)


def missing() -> int:
    """Return how many published articles are not in the index."""
    return db.session.scalar(select(func.count()).select_from(Article).where(*_IS_MISSING)) or 0


def catch_up(most: int) -> int:
    """Take the newest articles that are missing into the index, and return how many; 0 when none is."""
    wanted = select(Article).where(*_IS_MISSING).order_by(Article.published_at.desc(), Article.id.desc()).limit(most)
    found = db.session.scalars(wanted).all()
    refresh(found)
    return len(found)


def clear() -> None:
    """Empty the index, to make it anew."""
    _take_turn()
    for table in (SearchDocument, SearchTerm, SearchTotal):
        db.session.execute(delete(table), execution_options=_SILENT)


_IS_MISSING = (shelf.PUBLISHED, ~exists().where(SearchDocument.article_id == Article.id))


def _take_turn() -> None:
    if db.engine.dialect.name == "postgresql":
        db.session.execute(select(func.pg_advisory_xact_lock(_TURN)))


def _by_language(articles: Iterable[Article]) -> Mapping[str, Mapping[Article, _Text]]:
    found: dict[str, dict[Article, _Text]] = defaultdict(dict)
    for article in articles:
        if article.state == "published":
            found[article.language][article] = _weighed(article)
    return found


def _weighed(article: Article) -> _Text:
    counts: Counter[str] = Counter()
    length = 0
    parts = ((article.headline, HEADLINE), (article.standfirst, STANDFIRST), (cleaning.text_of(article.body), BODY))
    for text, weight in parts:
        found = words.terms(text)
        length += weight * len(found)
        for term, count in Counter(found + words.signs(text)).items():
            counts[term] += weight * count
    return _Text(counts, length)


def _rows(language: str, told: Mapping[Article, _Text], shifts: Counter[int]) -> list[dict[str, Any]]:
    """Return the documents of articles, and count their terms into `shifts`."""
    numbers = _numbered(language, set().union(*(text.counts for text in told.values())))
    rows: list[dict[str, Any]] = []
    for article, text in told.items():
        counts = {numbers[term]: count for term, count in text.counts.items()}
        shifts.update(counts.keys())
        rows.append(
            {
                "article_id": article.id,
                "language": language,
                "published_at": article.published_at,
                "length": text.length,
                "terms": " ".join([*map(str, counts), *periods.tags(article.published_at)]),
                "counts": bm25.pack(counts),
            }
        )
    return rows


def _numbered(language: str, terms: Collection[str]) -> Mapping[str, int]:
    """Return the id of each term; those that are new are written."""
    inorder = sorted(terms)
    numbers = {term: number for term, (number, _stories) in known(language, inorder).items()}
    new = [{"language": language, "term": term, "stories": 0} for term in inorder if term not in numbers]
    if new:
        made = db.session.execute(insert(SearchTerm).returning(SearchTerm.term, SearchTerm.id), new)
        numbers |= {row.term: row.id for row in made}
    return numbers


def _make_due(articles: Sequence[Article]) -> None:
    """Have it worked out what these lead to; those that came in last are the first."""
    rows = [{"article_id": article.id, "due_at": article.first_seen_at} for article in articles]
    if rows:
        db.session.execute(database.insert_for(db.engine)(RelatedDue).on_conflict_do_nothing(), rows)


def _shift(totals: dict[str, list[int]], language: str, stories: int, length: int) -> None:
    totals[language][0] += stories
    totals[language][1] += length


def _write_shifts(shifts: Mapping[int, int], totals: Mapping[str, Sequence[int]]) -> None:
    by_shift: dict[int, list[int]] = defaultdict(list)
    for term, shift in shifts.items():
        by_shift[shift].append(term)
    for shift in sorted(by_shift.keys() - {0}):
        theirs = update(SearchTerm).where(database.one_of(SearchTerm.id, by_shift[shift]))
        db.session.execute(theirs.values(stories=SearchTerm.stories + shift), execution_options=_SILENT)
    for language, (stories, length) in sorted(totals.items()):
        row = database.insert_for(db.engine)(SearchTotal).values(language=language, stories=stories, length=length)
        more = {"stories": SearchTotal.stories + stories, "length": SearchTotal.length + length}
        db.session.execute(row.on_conflict_do_update(index_elements=["language"], set_=more))
