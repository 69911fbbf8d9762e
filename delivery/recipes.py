"""What the mails of one content share, read from the database once and kept for as long as it is used."""

from functools import lru_cache

from sqlalchemy import Engine, select

from delivery import content, message
from delivery.models import Block, Content, Mailing, Shell

KEPT = 256


class Recipes:
    """The recipes that a sender works with. What is kept never changes: a content is written once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.of = lru_cache(maxsize=KEPT)(self._load)

    def _load(self, content_id: int) -> message.Recipe:
        with self._engine.connect() as connection:
            row = connection.execute(
                select(
                    Mailing.lane,
                    Mailing.stream,
                    Mailing.list_id,
                    Mailing.sender_name,
                    Mailing.sender,
                    Mailing.reply_to,
                    Mailing.feedback,
                    Content.subject,
                    Content.block_ids,
                    Shell.format,
                    Shell.pieces,
                )
                .join(Shell, Shell.id == Content.shell_id)
                .join(Mailing, Mailing.id == Content.mailing_id)
                .where(Content.id == content_id)
            ).one()
            ids = [int.from_bytes(row.block_ids[at : at + 8], "big") for at in range(0, len(row.block_ids), 8)]
            found = connection.execute(select(Block.id, Block.pieces).where(Block.id.in_(ids)))
            stored: dict[int, str] = {row.id: row.pieces for row in found}
        head, foot = content.shell_from_json(row.pieces)
        fields = {name: getattr(row, name) for name in message.Recipe.__slots__ if name != "parts"}
        blocks = [content.Part.from_json(stored[block]) for block in ids]
        return message.Recipe(**fields, parts=[head, *blocks, foot])
