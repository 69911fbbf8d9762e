"""What is photographed: a table of pages and mails, each with the looks in which it is worth looking at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core import links
from tests.journeys.houses import ROOT
from tests.screenshots import sending
from tests.screenshots.scene import Scene

IMAGES = ROOT / "docs" / "images"


@dataclass(frozen=True, slots=True)
class Look:
    """How somebody looks at a page. Sizes are CSS pixels; `scale` is how many dots one of them has.

    `pictures`: whether the browser fetches any. `paper`: a PDF of A4 as the browser prints it, which has to be one page
    where `one_page` says so.
    """

    name: str
    width: int = 1280
    height: int = 900
    scale: int = 1
    dark: bool = False
    pictures: bool = True
    paper: bool = False
    one_page: bool = False


LIGHT_DESKTOP = Look("light-desktop")
DARK_DESKTOP = Look("dark-desktop", dark=True)
LIGHT_PHONE = Look("light-phone", 390, 844, 2)
DARK_PHONE = Look("dark-phone", 390, 844, 2, dark=True)
NARROW = Look("light-narrow", 320, 640, 2)
WITHOUT_PICTURES = Look("without-pictures", 700, 900, pictures=False)
SHEET = Look("paper", paper=True)
ONE_SHEET = Look("paper", paper=True, one_page=True)
SCREENS = (LIGHT_DESKTOP, DARK_DESKTOP, LIGHT_PHONE, DARK_PHONE)
MAIL = (*SCREENS, WITHOUT_PICTURES)
LIGHT = (LIGHT_DESKTOP, LIGHT_PHONE)


@dataclass(frozen=True, slots=True)
class Shot:
    """A page or a mail: `place` returns its address, with whatever it does first so that there is one.

    `beginning` is a file that gets what the first screen shows in the first look: a picture that the documentation has.
    """

    name: str
    place: Callable[[Scene], str]
    looks: Sequence[Look] = SCREENS
    beginning: Path | None = None


def at(page: str, language: str = "en", *, query: str = "", **values: str) -> Callable[[Scene], str]:
    """Return where a page of core.links.PATHS is that needs no more than names."""
    return lambda scene: scene.house.site + links.path(page, language=language, **values) + query


def story(language: str, page: str = "story") -> Callable[[Scene], str]:
    """Return where the story of the demo is that most languages have, in one of them."""
    return lambda scene: scene.story(language, page)


def mail(language: str, number: int) -> Callable[[Scene], str]:
    """Return where a mail to a reader is: 0 asks to confirm, 1 is the first edition."""
    return lambda scene: scene.mail(language, number)


def sends(place: Callable[[Scene, str], str], language: str) -> Callable[[Scene], str]:
    """Return where a page or a mail of sending a story is."""
    return lambda scene: place(scene, language)


_SENDING = {
    "as": sending.form,
    "thanks": sending.thanks,
    "asked": sending.asked,
    "confirm": sending.confirm,
    "never": sending.never,
    "not-me": sending.not_me,
}
_SENT = {"friend": sending.mail, "question": sending.question, "notice": sending.notice}
SHOTS = (
    Shot("front-en", at("front"), beginning=IMAGES / "site.png"),
    Shot("front-ar", at("front", "ar")),
    Shot("front-zh-Hans", at("front", "zh-Hans"), LIGHT),
    Shot("front-ko", at("front", "ko"), LIGHT),
    *(Shot(f"story-{language}", story(language), (*SCREENS, SHEET)) for language in ("en", "zh-Hans", "ar")),
    *(Shot(f"story-{language}", story(language), LIGHT) for language in ("ko", "it")),
    *(Shot(f"print-{one}", story(one, "print"), (ONE_SHEET,)) for one in ("en", "zh-Hans", "ar", "ko", "it")),
    Shot("story-narrow", story("en"), (NARROW,)),
    Shot("send", story("en", "share"), LIGHT),
    Shot("topics-en", at("topics"), LIGHT),
    Shot("topic-en", at("topic", topic="kr")),
    Shot("topic-zh-Hans", at("topic", "zh-Hans", topic="kr"), LIGHT),
    Shot("search-en", at("search", query="?q=vote")),
    Shot("search-zh-Hans", at("search", "zh-Hans", query="?q=首爾"), LIGHT),
    Shot("search-ar", at("search", "ar", query="?q=كوريا"), LIGHT),
    Shot("search-nothing", at("search", query="?q=zzzz"), LIGHT),
    Shot("archive-en", at("archive"), LIGHT),
    Shot("subscribe-en", at("subscribe"), LIGHT),
    Shot("digest-en", mail("en", 1), MAIL, beginning=IMAGES / "digest.png"),
    *(Shot(f"digest-{language}", mail(language, 1), MAIL) for language in ("ar", "zh-Hans")),
    *(Shot(f"digest-{language}", mail(language, 1), LIGHT) for language in ("ko", "it")),
    Shot("confirm-en", mail("en", 0)),
    *(Shot(f"send-{name}-{one}", sends(place, one)) for name, place in _SENDING.items() for one in ("en", "ar")),
    *(Shot(f"mail-{name}-{one}", sends(place, one), MAIL) for name, place in _SENT.items() for one in ("en", "ar")),
    Shot("mail-friend-zh-Hans", sends(sending.mail, "zh-Hans"), LIGHT),
    # Last, since lists and mails would show these stories, too.
    Shot("story-changed", Scene.changed, SCREENS),
    Shot("story-withdrawn", Scene.withdrawn, LIGHT),
    Shot("story-pictured", Scene.pictured, (*SCREENS, WITHOUT_PICTURES, SHEET)),
)
"""A mail that nobody gets from the demo as it is needs a `place` that brings it about, such as Scene.pictured does."""
