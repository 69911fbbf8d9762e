"""Of what the blocks of mails were made: so that a story is found in them, taken out, and a mail made anew."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Row, Select, select

from articles.models import Article
from core.database import Base, db, insert_for
from digests import rendering
from digests.models import BlockSource, BlockView
from digests.rendering import HeadlineView, StoryView

ASKED_AT_ONCE = 500
ALERT = "alert"
"""As what a story stands in a breaking mail."""


def note(blocks: Mapping[rendering.View, int]) -> None:
    """Remember what blocks were made of; those that are known stay as they are."""
    ids = list(blocks.values())
    known = {*_rows(select(BlockSource.block_id, BlockSource.article_id), BlockSource, ids)}
    framing = {*_rows(select(BlockView.block_id), BlockView, ids)}
    of_stories: dict[tuple[int, int], dict[str, object]] = {}
    others: dict[int, dict[str, object]] = {}
    for view, block_id in blocks.items():
        row: dict[str, object] = {"block_id": block_id, "role": rendering.role(view)}
        if not isinstance(view, StoryView | HeadlineView):
            if (block_id,) not in framing:
                others[block_id] = {**row, "shown": {one.name: getattr(view, one.name) for one in fields(view)}}
        elif (block_id, view.article_id) not in known:
            of_stories[block_id, view.article_id] = {**row, "article_id": view.article_id, "revision": view.revision}
    _write(BlockSource, [of_stories[key] for key in sorted(of_stories)])
    _write(BlockView, [others[key] for key in sorted(others)])


def note_alert(block_id: int, article: Article) -> None:
    """Remember that a block is the whole of a breaking mail about an article."""
    row = {"block_id": block_id, "article_id": article.id, "revision": article.revision, "role": ALERT}
    _write(BlockSource, [row])


def _write(model: type[Base], rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        db.session.connection().execute(insert_for(db.engine)(model).on_conflict_do_nothing(), rows)


def of_article(article_id: int) -> set[int]:
    """Return the blocks that show an article, in whatever revision."""
    return set(db.session.scalars(select(BlockSource.block_id).where(BlockSource.article_id == article_id)))


def of_blocks(block_ids: Collection[int]) -> dict[int, BlockSource]:
    """Return of which story each of these blocks was made, if it was of one."""
    return {row[0].block_id: row[0] for row in _rows(select(BlockSource), BlockSource, block_ids)}


def views(block_ids: Collection[int]) -> dict[int, BlockView]:
    """Return what those of these blocks show that are of no story."""
    return {row[0].block_id: row[0] for row in _rows(select(BlockView), BlockView, block_ids)}


def _rows(
    wanted: Select[*tuple[Any, ...]], model: type[BlockSource] | type[BlockView], block_ids: Collection[int]
) -> Iterator[Row[*tuple[Any, ...]]]:
    ids = sorted(block_ids)
    for start in range(0, len(ids), ASKED_AT_ONCE):
        yield from db.session.execute(wanted.where(model.block_id.in_(ids[start : start + ASKED_AT_ONCE])))
