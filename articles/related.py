"""See also: older stories of the same language that a story's page leads to; an editor's picks, then what is alike.

It is worked out when a story is published, and once more a week later; until then it stays as it is.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from math import prod

from sqlalchemy import delete, exists, func, insert, select

from articles import bm25, ranking, search, shelf, words
from articles.bm25 import Scale
from articles.models import Article, ArticleTopic, Topic
from articles.ranking import Only, Question
from articles.searchtables import Document, Related, RelatedDue, SearchTerm, documents
from core import database, errors, logs
from core.database import db

log = logs.get(__name__)

MOST = 5
AGAIN = timedelta(days=7)
_TELLING = 25
"""Terms of a story by which others are looked for, those that tell most of it."""
_COMPARED = 1_000
"""Stories that are compared, the newest of all that have one of the rarest of these terms."""
_KINDS = {"theme": 1.5, "country": 1.3}
"""How much a shared topic adds, once for each kind."""
_MOST_TIMES = prod(_KINDS.values())
_HALF_LIFE_S = 365 * 86_400
_LEAST = 0.12
"""The share of what a story scores for its own terms that another one must score; it holds in archives of any size."""


def see_also(article: Article) -> list[Article]:
    """Return what the page of an article leads to, best first; what was taken back meanwhile is left out."""
    wanted = select(Article).join(Related, Related.related_id == Article.id)
    stored = wanted.where(Related.article_id == article.id, shelf.PUBLISHED).order_by(Related.position)
    return list(db.session.scalars(stored.limit(MOST)))


def anything_due(now: datetime) -> bool:
    """Return whether `compute_due` would find something; a look costs no writer's turn."""
    return bool(db.session.scalar(select(exists().where(RelatedDue.due_at <= now))))


def count_due(now: datetime) -> int:
    """Return for how many stories it is to be worked out."""
    return db.session.scalar(select(func.count()).select_from(RelatedDue).where(RelatedDue.due_at <= now)) or 0


def compute_due(now: datetime, most: int) -> int:
    """Work out what so many stories lead to, of those that are due the last first; return how many they were."""
    due = _due(now, most)
    there = documents([one.article_id for one in due])
    for one in due:
        document = there.get(one.article_id)
        again = document.published_at + AGAIN if document else now
        if document:
            _store(document.article_id, _picks(document.article_id), _alike(document))
        if again > now:
            one.due_at = again
        else:
            db.session.delete(one)
    db.session.flush()
    return len(due)


def pick(article: Article, picks: Sequence[Article]) -> None:
    """Let an article's page lead to these first, in their order, in place of what was picked before. Raises Invalid."""
    wanted = list(dict.fromkeys(one.id for one in picks))
    if len(wanted) > MOST:
        raise errors.Invalid("picks", "At most %(most)s stories can be picked.", most=MOST)
    for one in picks:
        if one.id == article.id or one.language != article.language:
            raise errors.Invalid("picks", "Please pick other stories, in the language of this one.")
    document = documents([article.id]).get(article.id)
    _store(article.id, wanted, _alike(document) if document else [])
    log.info("see also picked", article=article.public_id, picks=len(wanted))


def _due(now: datetime, most: int) -> Sequence[RelatedDue]:
    # What another process works out already is left to it.
    due = select(RelatedDue).where(RelatedDue.due_at <= now).with_for_update(skip_locked=True)
    return db.session.scalars(due.order_by(RelatedDue.due_at.desc(), RelatedDue.article_id.desc()).limit(most)).all()


def picks_of(article: Article) -> list[Article]:
    """Return what an editor picked for an article's page."""
    return shelf.by_ids(_picks(article.id))


def _picks(article_id: int) -> list[int]:
    return [related_id for related_id, by_hand in _stored(article_id) if by_hand]


def _stored(article_id: int) -> list[tuple[int, bool]]:
    stored = select(Related.related_id, Related.by_hand).where(Related.article_id == article_id)
    return [(row.related_id, row.by_hand) for row in db.session.execute(stored.order_by(Related.position))]


def _store(article_id: int, picks: Sequence[int], alike: Sequence[int]) -> None:
    # An editor's picks may come in between: one writes at a time.
    db.session.execute(select(Article.id).where(Article.id == article_id).with_for_update())
    found = [(one, True) for one in picks] + [(one, False) for one in alike if one not in picks]
    if found[:MOST] == _stored(article_id):
        return  # All pages are made anew when any row changes.
    gone = delete(Related).where(Related.article_id == article_id)
    db.session.execute(gone, execution_options={"synchronize_session": False})
    rows = [
        {"article_id": article_id, "position": position, "related_id": one, "by_hand": by_hand}
        for position, (one, by_hand) in enumerate(found[:MOST])
    ]
    if rows:
        db.session.execute(insert(Related), rows)


def _alike(document: Document) -> list[int]:
    """Return the ids of the older stories most like one, best first; fewer, or none, when nothing is like it."""
    scale = search.scale_of(document.language)
    own = bm25.unpack(document.counts)
    having = _telling(own, scale)
    if not having:
        return []
    weights = {term: scale.weight(stories) for term, stories in having.items()}
    least = _LEAST * scale.score(own, document.length, weights)
    question = Question(document.language, search.rarest(having), every=False)
    older = Only(older_than=(document.published_at, document.article_id))
    found = ranking.scores(question, weights, scale, older, most=_COMPARED, least=least / _MOST_TIMES)
    scores = {one.article_id: one.score * _decay(document.published_at - one.published_at) for one in found}
    return _best(document.article_id, scores, least)


def _decay(age: timedelta) -> float:
    decayed: float = 0.5 ** (age.total_seconds() / _HALF_LIFE_S)
    return decayed


def _telling(counts: Mapping[int, int], scale: Scale) -> dict[int, int]:
    """Return the terms that tell most of a story, with how many stories have each; another one has to, too."""
    wanted = select(SearchTerm.id, SearchTerm.term, SearchTerm.stories).where(SearchTerm.stories > 1)
    rows = db.session.execute(wanted.where(database.one_of(SearchTerm.id, counts)))
    weighed = ((counts[term_id] * scale.weight(stories), term_id, term, stories) for term_id, term, stories in rows)
    telling = (one for one in sorted(weighed, reverse=True) if words.tells(one[2]))
    return {term_id: stories for _weight, term_id, _term, stories in itertools.islice(telling, _TELLING)}


def _best(article_id: int, scores: Mapping[int, float], least: float) -> list[int]:
    """Return the best of all, once shared topics count."""
    order = sorted(scores, key=lambda one: -scores[one])
    enough = scores[order[MOST - 1]] if len(order) >= MOST else 0.0
    # Whatever its topics, none of the others can come among the best.
    reached = [one for one in order if scores[one] * _MOST_TIMES >= max(least, enough)]
    shared = _shared_kinds(article_id, reached)
    final = {one: scores[one] * _times(shared.get(one, ())) for one in reached}
    return sorted((one for one in final if final[one] >= least), key=lambda one: -final[one])[:MOST]


def _times(kinds: Collection[str]) -> float:
    return prod((_KINDS[kind] for kind in kinds), start=1.0)


def _shared_kinds(article_id: int, others: Sequence[int]) -> Mapping[int, set[str]]:
    """Return of which kinds each of the others has a topic of the article's."""
    own = select(ArticleTopic.topic_id).where(ArticleTopic.article_id == article_id)
    rows = (
        select(ArticleTopic.article_id, Topic.kind)
        .join(Topic, Topic.id == ArticleTopic.topic_id)
        .where(ArticleTopic.article_id.in_(others), ArticleTopic.topic_id.in_(own))
    )
    found: dict[int, set[str]] = {}
    for other, kind in db.session.execute(rows):
        found.setdefault(other, set()).add(kind)
    return found
