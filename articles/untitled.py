"""Call a text that has no title by its own words.

A JSON Feed may leave titles out, and its short messages do. Lists, mails and machines need something to call a story
by, so it is called by how it begins, as readers do. An entry of Atom must have a title (RFC 4287, section 4.1.2), so
one without it is broken.
"""

import re

from articles import cleaning

_SENTENCE = re.compile(r".{15,119}?[.!?؟۔](?=\s|$)|.{6,99}?[。！？]")
_READ, _FIRST_WORDS = 500, 100
"""Characters that are looked at, and that are kept where no sentence ends early."""


def headline(text: str) -> str:
    """Return the first sentence of a text, without its full stop; else its first words."""
    plain = cleaning.plain(text, most=_READ)
    sentence = _SENTENCE.match(plain)
    return sentence[0].rstrip(".。۔") if sentence else cleaning.cut(plain, most=_FIRST_WORDS)


def is_all(headline: str, text: str) -> bool:
    """Say whether a headline is all that a text says: a flash, which nobody wants to read twice."""
    return cleaning.plain(text, most=_READ).rstrip(".。۔") == headline
