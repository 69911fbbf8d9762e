"""Render and compile what a chunk of a wave needs, after it was read and before it is written."""

from dataclasses import dataclass, field

from core.services import Services
from delivery import content
from digests import layout, preflight, rendering
from digests.cohorts import Chunk
from digests.copies import Copy
from digests.kept import Printed


@dataclass(frozen=True, slots=True)
class Made:
    """A chunk with its shell, and with its new copies compiled; nothing of it is in the database yet.

    `sealed` are the readers' addresses as the ledger keeps them, by subscription: that needs no transaction either.
    `known` is what was kept of copies, and `known_steps` of histories, when it was made: the next chunk may be read by
    now, and have forgotten them. `steps` and `content_ids` are those that the transaction of this chunk writes.
    """

    chunk: Chunk
    head: content.Part
    foot: content.Part
    sealed: dict[int, bytes]
    known: dict[Copy, Printed]
    known_steps: dict[tuple[int | None, Copy], int]
    content_ids: dict[Copy, int] = field(default_factory=dict)
    steps: dict[tuple[int | None, Copy], int] = field(default_factory=dict)

    def printed(self, copy: Copy) -> Printed:
        """Return a copy as it fits into a mail, with its pieces."""
        return self.known[copy]

    def content_id(self, copy: Copy) -> int:
        """Return what a copy is in the database."""
        content_id = self.content_ids.get(copy) or self.printed(copy).content_id
        assert content_id is not None  # noqa: S101 - for the type checker: its recipe has been written
        return content_id

    def settle(self) -> None:
        """Keep what was written, for the chunks that follow: the transaction is committed."""
        self.known_steps.update(self.steps)
        for copy, content_id in self.content_ids.items():
            self.known[copy].settle(content_id)


def make(chunk: Chunk, services: Services) -> Made:
    """Render and compile what the chunk needs. Slow, so outside of any transaction. Raises preflight.Stopped."""
    head, foot = rendering.shell_parts(chunk.shell, services.publication)
    frame = head.html_octets + foot.html_octets
    printed = chunk.kept.printed
    new = dict.fromkeys(group.copy for group in chunk.groups if group.copy not in printed)
    made = {copy: _print(copy, chunk.language, frame=frame) for copy in new}
    parts = {part for one in made.values() for part in one.parts}
    readers = [reader for group in chunk.groups for reader in group.readers[:1]]
    preflight.refuse_unfit(head, foot, list(parts), readers, services)
    printed |= made
    seal = services.keyring.seal
    sealed = {one.subscription_id: seal(one.address, one.addr_hash) for group in chunk.groups for one in group.readers}
    return Made(chunk, head, foot, sealed, printed, chunk.kept.steps)


def _print(copy: Copy, language: str, *, frame: int) -> Printed:
    views = layout.pieces(copy)
    compiled = [rendering.compiled(view, language) for view in views]
    long = frame + layout.PERSONAL + sum(one.octets for one in compiled)
    if long > layout.WARNED:
        copy = layout.shortened(copy, language, long=long)
        views = layout.pieces(copy)
        compiled = [rendering.compiled(view, language) for view in views]
    return Printed(copy, copy.article_ids, views, [one.part for one in compiled])
