"""A corpus of bad feeds: classes of failure, members that differ in kind, and what each member must come to.

It is written here and imports nothing of the product. `members()` has all of them.
"""

from collections.abc import Iterator

from tests.proofs.corpus import damage, dates, encodings, forms, identity, sizes, transport
from tests.proofs.corpus.model import Member


def members() -> Iterator[Member]:
    """Return all members; the slow ones last."""
    for module in (encodings, dates, damage, identity, sizes, forms, transport):
        yield from module.members()
    yield from transport.slow()
