"""Characters that nobody sees: controls, bidi controls, hidden ones. What may not stand in a line is told here."""

import unicodedata

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Embeddings, overrides and isolates: they make a text look like another one (UAX #9)."""
NEEDLESS = "\u00ad\u200b\u2060\ufeff"
"""They only say where a line may break, so a text is the same without them. Not so the joiners U+200C and U+200D:
Persian words and emoji are made with them.
"""


def has_controls(text: str) -> bool:
    """Say whether a text has what must never stand in a header: a control character, a line end, a bidi control."""
    return any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in BIDI for char in text)


def has_hidden(text: str) -> bool:
    """Say whether there is anything in a text that cannot be seen; a space can."""
    return any(is_hidden(char) and unicodedata.category(char) != "Zs" for char in text)


def is_hidden(char: str) -> bool:
    """Say whether a character shows nothing: it is a control, a format sign, a space, or no character at all."""
    return unicodedata.category(char)[0] in "CZ"
