"""A story is taken out of all that has not left yet, and may come back into it; the rest of each mail goes on.

A door takes the turn (digests.turn), changes the story, and holds the mails that have it, in one transaction; then the
contents of these mails are made anew, some at a time: read, make, write.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, select

from articles import pictures, shelf
from articles.models import Article
from core import byus, logs
from core.database import db
from core.services import Services
from delivery import content, outbox, recall
from delivery.models import Mailing
from delivery.recall import Held
from digests import clicks, corrections, giveback, outlook, rendering, sources, turn
from digests.models import BlockSource, BlockView, DeskSheet, Edition
from digests.rendering import Opening, StoryView, View
from subscribers.models import Digest

log = logs.get(__name__)

AT_ONCE = 100
"""Contents that are made anew in one transaction."""


class StoryGone(Exception):
    """A story was taken back since the chunk was read: read it again."""


def stand_still(article_ids: set[int]) -> None:
    """Let nobody take a story back before this transaction has ended. Raises StoryGone where somebody just did."""
    turn.share()
    if shelf.not_published(article_ids):
        raise StoryGone


def hold(article: Article) -> int:
    """Hold all mails that have not left and show this article, until they are made anew; return how many they are."""
    count = recall.hold(recall.with_blocks(sources.of_article(article.id), _mailing_ids()))
    log.info("mails held", article=article.public_id, state=article.state, mails=count)
    return count


def _mailing_ids() -> list[int]:
    """Return the mailings of editions of which mails may still leave."""
    wanted = select(Edition.mailing_id).join(Mailing, Mailing.id == Edition.mailing_id)
    return list(db.session.scalars(wanted.where(Mailing.state.in_(["running", "paused"]))))


@dataclass(frozen=True, slots=True)
class Remade:
    """A held content, and of what its mails are made from now on: a subject, known blocks and new parts.

    None: nothing worth a mail is left of it. `article_ids` are all its stories, and `gone` those that are taken out.
    """

    held: Held
    subject: str
    article_ids: frozenset[int]
    gone: frozenset[int]
    blocks: tuple[int | tuple[View, content.Part], ...] | None


def remake(services: Services) -> list[Remade]:
    """Read some of the held contents, and make their mails anew of the stories as they are now. Writes nothing."""
    waiting = recall.held(AT_ONCE)
    if not waiting:
        return []
    block_ids = {block for one in waiting for block in one.block_ids}
    told, framing = sources.of_blocks(block_ids), sources.views(block_ids)
    articles = {one.id: one for one in shelf.by_ids(sorted({source.article_id for source in told.values()}))}
    of = _editions({one.mailing_id for one in waiting})
    return [_Anew(one, *of[one.mailing_id], told, framing, articles, services).made() for one in waiting]


def write(made: Sequence[Remade], *, now: datetime) -> None:
    """Have mails made of what was made anew; the sender finds it at each mail's intent."""
    turn.take()
    still = {one.id for one in recall.held(AT_ONCE)}
    gone = shelf.not_published({article_id for one in made for article_id in one.article_ids})
    for one in made:
        if one.held.id not in still or one.gone != gone & one.article_ids:
            # Another task was quicker, or an editor did something else meanwhile: it is made anew once more.
            continue
        if one.blocks is None:
            recall.end([one.held.id])
        else:
            _replace(one, one.blocks, now=now)
    log.info("contents made anew", contents=len(made), ended=sum(one.blocks is None for one in made))


def _replace(made: Remade, blocks: Sequence[int | tuple[View, content.Part]], *, now: datetime) -> None:
    held = made.held
    new = dict(one for one in blocks if not isinstance(one, int))
    ids = outbox.add_blocks(new.values())
    sources.note({view: ids[part] for view, part in new.items()})
    block_ids = [one if isinstance(one, int) else ids[one[1]] for one in blocks]
    content_id = outbox.add_content(held.mailing_id, shell_id=held.shell_id, subject=made.subject, block_ids=block_ids)
    recall.replace(held.id, content_id)
    if content_id != held.id:
        same = sources.of_blocks(set(block_ids) & set(held.block_ids)).values()
        corrections.follow(held.id, content_id, held.mailing_id, {one.article_id for one in same})
        was = sources.of_blocks(held.block_ids).values()
        gone = [one for one in was if one.article_id in made.gone]
        giveback.note_taken_out(content_id, held.mailing_id, gone, now=now)


def _editions(mailing_ids: set[int]) -> dict[int, tuple[Digest, str, clicks.Counting | None]]:
    """Return of which digest the editions with these mailings are, the subject that editors gave them, if any, and how
    their clicks are counted.
    """
    of_desk = and_(DeskSheet.digest_id == Edition.digest_id, DeskSheet.slot == Edition.slot)
    rows = db.session.execute(
        select(Edition, Digest, DeskSheet.subject)
        .join(Digest, Digest.id == Edition.digest_id)
        .outerjoin(DeskSheet, of_desk)
        .where(Edition.mailing_id.in_(mailing_ids))
    )
    return {
        row.Edition.mailing_id: (row.Digest, row.subject or "", clicks.of_edition(row.Edition, row.Digest))
        for row in rows
    }


class _Anew:
    """One content, made anew."""

    def __init__(
        self,
        held: Held,
        digest: Digest,
        laid_down: str,
        counting: clicks.Counting | None,
        told: Mapping[int, BlockSource],
        framing: Mapping[int, BlockView],
        articles: Mapping[int, Article],
        services: Services,
    ) -> None:
        self._held, self._digest, self._services = held, digest, services
        self._laid_down, self._counting = laid_down, counting
        self._told, self._framing, self._articles = told, framing, articles
        self._lead = self._next_lead()

    def made(self) -> Remade:
        """Return what is left. What is left as it was is the same content as before."""
        left = [block for block in self._held.block_ids if self._stays(block)]
        stories = [self._articles[self._told[block].article_id] for block in left if self._is_full(block)]
        if not stories:
            return self._remade(self._held.subject, None)
        views = [rendering.story_view(one, self._services) for one in stories]
        last = max(place for place, block in enumerate(left) if block in self._told)
        # What stands above headlines goes with the last of them.
        kept = [block for place, block in enumerate(left) if place < last or self._role(block) != "heading"]
        kept = self._numbered(kept)
        return self._remade(self._subject(stories), tuple(self._block(block, views) for block in kept))

    def _next_lead(self) -> int | None:
        """Return the block that leads in the place of one that is taken out; None where none was.

        What the reader was alerted to stays as it is: at what time that was is told in it alone.
        """
        full = [block for block in self._held.block_ids if self._is_full(block)]
        if not full or self._stays(full[0]) or "lead" not in self._told[full[0]].role:
            return None
        first = next((block for block in full if self._stays(block)), None)
        return first if first is not None and "alerted" not in self._told[first].role else None

    def _anew(self, source: BlockSource, block: int) -> int | tuple[View, content.Part]:
        """Return a story that was corrected, or leads from now on, as it reads now; any other as it was."""
        article, leads = self._articles[source.article_id], block == self._lead
        if not (article.correction or leads) or source.role == sources.ALERT:
            return block
        picture = pictures.for_mails([article.id], self._services.links).get(article.id)
        story = rendering.story_view(
            article,
            self._services,
            language=self._digest.language,
            picture=picture,
            by_us=byus.are_sent(db.session),
        )
        if self._counting is not None:
            story = self._counting.counted(story, article, self._services.links)
        shown: View = story
        if source.role == "headline":
            shown = rendering.headline_view(story)
        else:
            marked = source.role
            is_lead = leads or "lead" in marked
            shown = replace(story, is_lead=is_lead, updated="updated" in marked, front="front" in marked)
        return shown, rendering.part(shown, self._digest.language)

    def _numbered(self, blocks: Sequence[int]) -> list[int]:
        """Return the blocks with the numbers in a row again, before what is left of the stories."""
        numbers = iter([block for block in blocks if self._role(block) == "number"])
        numbered: list[int] = []
        for block in blocks:
            if block in self._told:
                numbered += itertools.islice(numbers, 1)
            if self._role(block) != "number":
                numbered.append(block)
        return numbered

    def _remade(self, subject: str, blocks: tuple[int | tuple[View, content.Part], ...] | None) -> Remade:
        stories = [
            self._articles[self._told[block].article_id] for block in self._held.block_ids if block in self._told
        ]
        gone = frozenset(one.id for one in stories if not _is_shown(one))
        return Remade(self._held, subject, frozenset(one.id for one in stories), gone, blocks)

    def _stays(self, block: int) -> bool:
        source = self._told.get(block)
        return source is None or _is_shown(self._articles[source.article_id])

    def _is_full(self, block: int) -> bool:
        return block in self._told and self._told[block].role != "headline"

    def _role(self, block: int) -> str | None:
        return self._framing[block].role if block in self._framing else None

    def _block(self, block: int, stories: Sequence[StoryView]) -> int | tuple[View, content.Part]:
        if block in self._told:
            return self._anew(self._told[block], block)
        if self._role(block) != "opening":
            return block
        shown = {name: _frozen(value) for name, value in self._framing[block].shown.items()}
        view = Opening(**{**shown, **outlook.told_of(stories)})
        return view, rendering.part(view, self._digest.language)

    def _subject(self, stories: Sequence[Article]) -> str:
        """Return the subject: another one, when the story that it was about is gone, and no editor wrote it."""
        first = next(block for block in self._held.block_ids if self._is_full(block))
        if self._stays(first) or self._held.subject == self._laid_down:
            return self._held.subject
        return rendering.subject(self._digest, stories[0].headline, self._services)


def _is_shown(article: Article) -> bool:
    return article.state in ("published", "flash")


def _frozen(value: Any) -> Any:
    """Return what JSON made lists of as it was: views are kept by what they hold."""
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value
