"""What it costs that every reader has a digest that nobody else has."""

from bench import sending
from bench.ground import Ground
from bench.sizes import Sizes
from bench.speed import Keep


def measure(ground: Ground, sizes: Sizes, keep: Keep) -> None:
    """Send one list twice: the same mail for all, then a recipe of their own for each."""
    found: dict[str, object] = {}
    for name, own in (("same", False), ("different", True)):
        title = "a digest of their own for each" if own else "the same digest for all"
        one = sending.send_list(
            ground, sizes, name=title, readers=sizes.readers, kind="pump", senders=sizes.senders, own=own
        )
        found[name] = one.table()
        keep(found)
