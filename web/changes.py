"""Fields of the preferences and what they can be, in words: what was changed, and what two people typed at once."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from articles import topics as topic_shelf
from core import language as languages
from core.errors import _
from subscribers import preferences
from subscribers.changes import Change
from web import pages, words

BREAKING = {
    0: _("None"),
    1: _("At most one a day"),
    3: _("At most three a day"),
    preferences.ALL_BREAKING: _("All of it"),
}
FORMATS = {"both": _("Designed (HTML), with a plain text beside it"), "text": _("Plain text only")}
CATCH_UP = {"0": _("Only what is new then"), "1": _("First one mail with the ten best stories of the pause")}
ONCE = {"0": _("Every digest brings its own version"), "1": _("Only once, in the first of my languages")}
FRIENDS = {"1": _("Friends may send me stories"), "0": _("No stories from friends")}
_LABELS = {
    "topics": _("Themes"),
    "countries": _("Countries"),
    "rhythm": _("How often"),
    "minute": _("By what time"),
    "zone": _("Time zone"),
    "breaking": _("Breaking news"),
    "most": _("Longest mail"),
    "format": _("Form of the mail"),
    "languages": _("Languages"),
    "once": _("A story in several languages"),
    "pause": _("Pause"),
    "catch_up": _("After a pause"),
    "friends": _("Stories from friends"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """A change in words."""

    label: str
    old: str
    new: str


def told(changes: Iterable[Change]) -> list[Told]:
    """Return changes in the language of the page."""
    return [
        Told(pages.gettext(_LABELS[one.field]), *(_value(one.field, text) for text in (one.old, one.new)))
        for one in changes
    ]


def most(stories: int) -> str:
    """Return how long a mail is at the most: `10 stories`."""
    return pages.ngettext("%(number)s story", "%(number)s stories", stories) % {"number": stories}


def rhythm(text: str) -> str:
    """Return how often, as `Chosen.fields` has it, in words: `Every day`, `Once a week (Saturday)`."""
    name, _colon, weekday = text.partition(":")
    if not weekday:
        return pages.gettext(words.RHYTHMS[name])
    return pages.gettext(_("Once a week (%(day)s)")) % {"day": words.weekdays()[int(weekday)]}


def _value(field: str, text: str) -> str:
    return _WORDS[field](text)


def _topics(text: str) -> str:
    keys = set(text.split(","))
    chosen = words.in_order(topic for topic in topic_shelf.all_topics() if topic.key in keys)
    return pages.topic_names(chosen) if chosen else pages.gettext(_("none"))


def _languages(text: str) -> str:
    return pages.listed(languages.own_name(code) for code in text.split(","))


def _pause(text: str) -> str:
    if not text:
        return pages.gettext(_("none"))
    day = languages.date_text(date.fromisoformat(text), pages.language())
    return pages.gettext(_("until %(date)s")) % {"date": day}


_WORDS: Mapping[str, Callable[[str], str]] = {
    "topics": _topics,
    "countries": _topics,
    "rhythm": rhythm,
    "minute": lambda text: words.minute(int(text)),
    "zone": str,
    "breaking": lambda text: pages.gettext(BREAKING[int(text)]),
    "most": lambda text: most(int(text)),
    "format": lambda text: pages.gettext(FORMATS[text]),
    "languages": _languages,
    "once": lambda text: pages.gettext(ONCE[text]),
    "pause": _pause,
    "catch_up": lambda text: pages.gettext(CATCH_UP[text]),
    "friends": lambda text: pages.gettext(FRIENDS[text]),
}
