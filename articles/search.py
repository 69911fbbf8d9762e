"""Search: the stories of a language that have these words, the best first (BM25) or the newest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from articles import ranking, searchtables, shelf, words
from articles.bm25 import Scale
from articles.models import Article
from articles.ranking import Only, Question
from articles.searchtables import SearchTotal
from core.database import db

MOST_CHARACTERS = 200
"""Of a query. What is longer is no question, and is not looked for."""
MOST_TERMS = 32
"""Terms of a query that are looked for, the rarest of them."""
MOST = 2_000
"""Stories that are ranked, the newest of all that have the words."""
MOST_HAVING = 5_000
"""Stories that are looked at when any of the words is enough: the words are taken from the rarest on."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of what was found. `total` is `MOST` at most; `loosely` means that no story has all of the words."""

    articles: Sequence[Article]
    total: int
    loosely: bool


NOTHING = Found((), 0, loosely=False)
ANY = Only()


def find(query: str, language: str, *, only: Only = ANY, newest: bool = False, page: int = 1, size: int = 20) -> Found:
    """Return a page of the stories with all words of a query, or else with any: the best first, or the newest.

    Nothing that stands in a query is an operator.
    """
    terms = dict.fromkeys(words.terms(query[:MOST_CHARACTERS]))
    there = {term: found for term, found in searchtables.known(language, terms).items() if found[1]}
    wanted = dict(sorted(there.values(), key=lambda found: found[1])[:MOST_TERMS])
    if not wanted:
        return NOTHING
    loosely = len(there) < len(terms)
    ids = [] if loosely else _ranked(wanted, language, only, newest=newest, every=True)
    if not ids and len(terms) > 1:
        loosely, ids = True, _ranked(wanted, language, only, newest=newest, every=False)
    shown = ids[(page - 1) * size : page * size]
    return Found(shelf.by_ids(shown), len(ids), loosely and bool(ids))


def scale_of(language: str) -> Scale:
    """Return what scores in a language are measured by."""
    total = db.session.get(SearchTotal, language)
    if total is None or not total.stories:
        return Scale(0, 1.0)
    return Scale(total.stories, max(total.length / total.stories, 1.0))


def rarest(having: Mapping[int, int]) -> dict[int, int]:
    """Return the terms by which to look for stories with any of them, of terms with their numbers of stories.

    Those are the rarest, as many as together have no more than `MOST_HAVING` stories; one at least.
    """
    chosen: dict[int, int] = {}
    total = 0
    for term, stories in sorted(having.items(), key=lambda one: one[1]):
        total += stories
        if chosen and total > MOST_HAVING:
            break
        chosen[term] = stories
    return chosen


def _ranked(having: Mapping[int, int], language: str, only: Only, *, newest: bool, every: bool) -> list[int]:
    """Return the ids of the stories found, in their order."""
    question = Question(language, having if every else rarest(having), every)
    scale = scale_of(language)
    if newest:
        return ranking.newest(question, scale, only, most=MOST)
    weights = {term: scale.weight(stories) for term, stories in having.items()}
    return ranking.best(question, weights, scale, only, most=MOST)
