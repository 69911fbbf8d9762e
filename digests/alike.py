"""What the readers of one group share, by which they are sorted: they get the same choice."""

from typing import NamedTuple

from digests.elsewhere import Better
from digests.outlook import Outlook
from digests.selection import Alarm


class Alike(NamedTuple):
    """A tuple, since there is one for each reader.

    `freshness` stands for since when stories are new to them (digests.pool). `once` is what they get in better
    languages, where they want each story once; None: each digest for itself.
    """

    taste_id: int
    history_id: int | None
    freshness: int
    waited: int
    catch_up: bool
    once: Better | None
    outlook: Outlook
    corrections: tuple[int, ...]
    alarm: Alarm
