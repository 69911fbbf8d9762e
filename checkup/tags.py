"""Lists of tags, `v=DMARC1; p=none`: the form that the records of DKIM and DMARC share (RFC 6376, section 3.2)."""

from dataclasses import dataclass

LONGEST = 8192
"""Characters of a record that are read: no record of either kind needs a tenth of it."""


@dataclass(frozen=True, slots=True)
class TagList:
    """A record read as tags, in order. `strange` are the parts that are no tag, and tags that come a second time."""

    pairs: tuple[tuple[str, str], ...]
    strange: tuple[str, ...] = ()

    def get(self, name: str) -> str | None:
        """Return the value of a tag, None when it is not there."""
        return next((value for tag, value in self.pairs if tag == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        """Return which tags there are."""
        return tuple(name for name, _value in self.pairs)

    def without(self, *names: str) -> str:
        """Return the record without some tags, written anew."""
        return written(*((name, value) for name, value in self.pairs if name not in names))


def read(text: str, *, fold: bool = False) -> TagList:
    """Return the tags of a record, with `fold` their names in small letters. Never raises; its time is linear."""
    pairs: dict[str, str] = {}
    strange: list[str] = []
    for part in text[:LONGEST].split(";"):
        name, equals, value = part.partition("=")
        name = name.strip().lower() if fold else name.strip()
        if equals and name and name not in pairs:
            pairs[name] = value.strip()
        elif part.strip():
            strange.append(part.strip())
    return TagList(tuple(pairs.items()), tuple(strange))


def written(*pairs: tuple[str, str]) -> str:
    """Return tags as a record."""
    return "; ".join(f"{name}={value}" for name, value in pairs)
