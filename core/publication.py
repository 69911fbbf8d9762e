"""Who publishes: what every page and every mail says of the publication."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QuietHours:
    """When readers get no breaking mail, in minutes after midnight where each of them is, up to but without `until`.

    `begin` and `until` alike: never.
    """

    begin: int = 22 * 60
    until: int = 6 * 60

    def hold(self, minute: int) -> bool:
        """Say whether a minute of the day is within them; they may go over midnight."""
        if self.begin <= self.until:
            return self.begin <= minute < self.until
        return minute >= self.begin or minute < self.until


@dataclass(frozen=True, slots=True)
class Publication:
    """One installation, one publication. Texts are by language code; `languages` is in the order of preference."""

    names: Mapping[str, str]
    mottoes: Mapping[str, str]
    postal_address: str
    base_url: str
    languages: tuple[str, ...]
    zone: str
    contact: str
    quiet: QuietHours = QuietHours()

    @property
    def default_language(self) -> str:
        """Return the language of pages whose reader prefers none of ours."""
        return self.languages[0]

    def name(self, language: str) -> str:
        """Return the masthead in `language`, else in the default language."""
        return self.names.get(language, self.names[self.default_language])

    def motto(self, language: str) -> str:
        """Return the motto in `language`, else in the default language."""
        return self.mottoes.get(language, self.mottoes.get(self.default_language, ""))
