"""Corrections: who had a story as it was, who is told, and how many were.

Who had it stands in the ledger: the contents that showed it are noted when it is corrected, and each delivery says of
which content its mail was made. Who was told is known in the same way.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select, update

from articles import shelf
from articles.models import Article
from core import language as languages
from core import logs
from core.database import db, insert_for
from core.services import Services
from delivery import incoming, recall
from delivery.models import Delivery
from delivery.states import State
from digests import sources
from digests.histories import KEPT_DAYS
from digests.models import Correction, CorrectionContent, Edition
from digests.rendering import CorrectionView
from subscribers.models import Digest

log = logs.get(__name__)

TOLD_FOR = timedelta(days=KEPT_DAYS)
"""So long after a correction a reader's next edition may come, and so long before it a story may have been mailed."""
_COUNTED_EVERY = timedelta(minutes=1)
_SLOWER = 60
"""A correction is counted anew when it is older by a sixtieth, so that an old one costs next to nothing."""

_REACHED = (State.SENT, State.IN_DOUBT)
"""Who may have a mail is told what was wrong in it, rather than not."""
_COMES = (State.PLANNED, State.CLAIMED, State.SENDING, State.SENT, State.IN_DOUBT)


def begin(article: Article, *, tell: str, now: datetime) -> Correction:
    """Note that an article was just corrected, and who had it as it was. Raises nothing: `tell` was checked."""
    end(article, now=now)
    made = Correction(article_id=article.id, at=now, text=article.correction, tell=tell)
    db.session.add(made)
    db.session.flush()
    _add(made.id, recall.with_blocks(sources.of_article(article.id), _mailing_ids(article.language, now)), "had")
    log.info("correction begun", article=article.public_id, tell=tell)
    return made


def end(article: Article, *, now: datetime) -> None:
    """Tell nobody any more of what was corrected in an article before."""
    db.session.execute(
        update(Correction)
        .where(Correction.article_id == article.id, Correction.ended_at.is_(None))
        .values(ended_at=now)
    )


def _mailing_ids(language: str, now: datetime) -> list[int]:
    wanted = select(Edition.mailing_id).join(Digest, Digest.id == Edition.digest_id)
    return list(db.session.scalars(wanted.where(Digest.language == language, Edition.opened_at > now - TOLD_FOR)))


def _add(correction_id: int, contents: Mapping[int, int], role: str) -> None:
    rows = [
        {"correction_id": correction_id, "content_id": content_id, "mailing_id": mailing_id, "role": role}
        for content_id, mailing_id in sorted(contents.items())
    ]
    for start in range(0, len(rows), 500):
        insert = insert_for(db.engine)(CorrectionContent).values(rows[start : start + 500])
        db.session.execute(insert.on_conflict_do_nothing())


def note_told(correction_ids: Iterable[int], content_id: int, mailing_id: int) -> None:
    """Note that a content tells of corrections."""
    for correction_id in correction_ids:
        _add(correction_id, {content_id: mailing_id}, "told")


def follow(old: int, new: int, mailing_id: int, article_ids: Collection[int]) -> None:
    """Note of a content that took the place of another what is noted of that one.

    `article_ids` are those whose blocks it still has: of others, what it shows is not what was wrong.
    """
    noted = (
        select(CorrectionContent.correction_id, CorrectionContent.role)
        .join(Correction, Correction.id == CorrectionContent.correction_id)
        .where(
            CorrectionContent.content_id == old,
            (CorrectionContent.role == "told") | Correction.article_id.in_(article_ids),
        )
    )
    for correction_id, role in db.session.execute(noted).all():
        _add(correction_id, {new: mailing_id}, role)


def to_tell(digest: Digest, once_keys: Sequence[bytes], *, now: datetime) -> dict[bytes, tuple[int, ...]]:
    """Return of which corrections these readers of a digest are to be told in its next edition, the oldest first."""
    over = (Correction.tell == "next") | ((Correction.tell == "now") & Correction.composed_at.is_not(None))
    wanted = (
        select(Correction.id)
        .join(Article, Article.id == Correction.article_id)
        .where(Correction.at > now - TOLD_FOR, Correction.ended_at.is_(None), over, Article.language == digest.language)
        .order_by(Correction.at, Correction.id)
    )
    found: dict[bytes, tuple[int, ...]] = {}
    for correction_id in db.session.scalars(wanted).all():
        for key in untold(correction_id, once_keys):
            found[key] = (*found.get(key, ()), correction_id)
    return found


def untold(correction_id: int, once_keys: Sequence[bytes]) -> set[bytes]:
    """Return those of the readers who had the story as it was, and have not been told."""
    had = _keys(correction_id, "had", once_keys, _REACHED)
    return had - _keys(correction_id, "told", sorted(had), _COMES) if had else had


def _keys(correction_id: int, role: str, once_keys: Sequence[bytes], states: Sequence[State]) -> set[bytes]:
    noted = (CorrectionContent.correction_id == correction_id, CorrectionContent.role == role)
    mailings = db.session.scalars(select(CorrectionContent.mailing_id).where(*noted).distinct()).all()
    if not mailings:
        return set()
    # An edition's once key is the hash of the address; by mailing and key, each delivery is found in the unique index.
    rows = (
        select(Delivery.once_key)
        .join(CorrectionContent, CorrectionContent.content_id == Delivery.content_id)
        .where(
            *noted,
            Delivery.mailing_id.in_(mailings),
            Delivery.once_key.in_(once_keys),
            Delivery.state.in_([state.value for state in states]),
        )
    )
    return set(db.session.scalars(rows))


def views(correction_ids: Collection[int], services: Services, *, whole: bool = False) -> dict[int, CorrectionView]:
    """Return corrections as a mail shows them, the oldest first."""
    if not correction_ids:
        return {}
    rows = {one.id: one for one in db.session.scalars(select(Correction).where(Correction.id.in_(correction_ids)))}
    articles = {one.id: one for one in shelf.by_ids(sorted({row.article_id for row in rows.values()}))}
    return {key: _view(rows[key], articles[rows[key].article_id], services, whole) for key in sorted(rows)}


def _view(row: Correction, article: Article, services: Services, whole: bool) -> CorrectionView:
    return CorrectionView(
        correction_id=row.id,
        language=article.language,
        headline=article.headline,
        url=article.url if article.is_read_elsewhere else services.links.to("story", **_path(article)),
        text=row.text,
        at=languages.instant_text(row.at, article.language, services.publication.zone),
        whole=whole,
    )


def _path(article: Article) -> dict[str, str]:
    return {"language": article.language, "story": article.ref}


def told_of(article_ids: Collection[int]) -> dict[int, int]:
    """Return how many readers were told of the correction that stands on each of these articles' pages."""
    wanted = select(Correction.article_id, Correction.told).where(
        Correction.article_id.in_(article_ids), Correction.ended_at.is_(None)
    )
    return {row.article_id: row.told for row in db.session.execute(wanted)}


def to_count(now: datetime) -> list[int]:
    """Return the corrections whose readers are to be counted anew."""
    wanted = select(Correction).where(
        Correction.at > now - TOLD_FOR, Correction.ended_at.is_(None), Correction.tell != "nobody"
    )
    return [one.id for one in db.session.scalars(wanted) if _is_due(one, now)]


def _is_due(one: Correction, now: datetime) -> bool:
    return one.counted_at is None or now - one.counted_at >= max(_COUNTED_EVERY, (now - one.at) / _SLOWER)


def count(correction_id: int) -> int:
    """Return to how many readers a correction was handed over."""
    noted = (CorrectionContent.correction_id == correction_id, CorrectionContent.role == "told")
    mailings = db.session.scalars(select(CorrectionContent.mailing_id).where(*noted).distinct()).all()
    handed_over: ColumnElement[bool] = incoming.is_in(State.SENT)
    told = (
        select(func.count())
        .select_from(Delivery)
        .join(CorrectionContent, CorrectionContent.content_id == Delivery.content_id)
        .where(*noted, Delivery.mailing_id.in_(mailings), handed_over)
    )
    return db.session.scalar(told) or 0


def keep_count(counts: Mapping[int, int], *, now: datetime) -> None:
    """Write what was counted. Pages change only when a number does."""
    # Past the session, which would take any change of this table for one that pages show.
    db.session.connection().execute(update(Correction).where(Correction.id.in_(counts)).values(counted_at=now))
    for row in db.session.scalars(select(Correction).where(Correction.id.in_(counts))):
        if row.told != counts[row.id]:
            row.told = counts[row.id]
