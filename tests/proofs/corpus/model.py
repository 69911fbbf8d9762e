"""What a member of the corpus is: what its server answers at each look, and what must have come of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tests.proofs.feeds_server import Asked, Page

HOST = "feeds.example.org"
SEEN = "when it was seen"
Dated = datetime | str | None
"""When a story must be dated; None where that is not what the member is about."""


@dataclass(frozen=True, slots=True)
class Story:
    """A story that must be there. `has` and `lacks` are what its body must have and must not have.

    `news` says whether a digest may bring it: archive and what is held is not news.
    """

    headline: str
    at: Dated = None
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    state: str = "published"
    news: bool = True
    revision: int = 1
    standfirst: str | None = None
    feed: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a feed: pages by the path after the feed's own, what the command must say, how it must end."""

    says: str
    pages: Mapping[str, bytes | Page] = field(default_factory=dict)
    good: bool = True
    feed: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """One member. `row` is what the feed's row must have in the end, by column; `alert` what operators are told.

    `asked` is how often the feed's own page must have been asked for; None if that is of no interest.
    """

    kind: str
    name: str
    looks: tuple[Look, ...]
    stories: tuple[Story, ...] = ()
    row: Mapping[str, object] = field(default_factory=dict)
    alert: str = ""
    scheme: str = "http"
    host: str = HOST
    asked: int | None = None
    unasked: tuple[str, ...] = ()
    """Pages that nobody may ask for."""

    @property
    def path(self) -> str:
        """Return the path of its feed."""
        return path_of(self.kind, self.name)

    @property
    def url(self) -> str:
        """Return the address of its feed."""
        return f"{self.scheme}://{self.host}{self.path}"


def path_of(kind: str, name: str) -> str:
    """Return the path of a member's feed."""
    return "/" + "/".join("-".join(part.lower().split()) for part in (kind, name))


def fixed(answer: bytes | Page) -> Page:
    """Return a page that always answers so."""
    if callable(answer):
        return answer

    def page(_asked: Asked) -> tuple[bytes, ...]:
        return (answer,)

    return page
