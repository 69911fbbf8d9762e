"""Where the pages and mails of sending a story to a friend are: a reader of the demo sends one, a stranger asks to."""

import time
from email.message import EmailMessage

from tests.journeys import readers
from tests.screenshots.scene import Scene
from tests.web import solving

PACE_S = 2.1
NAMES = {"en": "Mara Rossi", "ar": "ليلى حداد", "zh-Hans": "李娜"}


def form(scene: Scene, language: str) -> str:
    """Return where a reader sends a story: the first link of their digest that does."""
    reader = scene.reader(language)
    digest = scene.house.wait_for_mails(2, to=reader)[1]
    return next(link for link in readers.links_of(digest) if "/send/t/" in link)


def plain(scene: Scene, language: str) -> str:
    """Return where the form for anybody is."""
    return form(scene, language).partition("/t/")[0]


def thanks(scene: Scene, language: str) -> str:
    """Return where a reader is thanked."""
    return f"{form(scene, language)}?sent"


def asked(scene: Scene, language: str) -> str:
    """Return where somebody is told to look into their inbox."""
    return f"{plain(scene, language)}?sent"


def confirm(scene: Scene, language: str) -> str:
    """Return where somebody confirms that it was them."""
    return _link(_question(scene, language), "/share/confirm/")


def never(scene: Scene, language: str) -> str:
    """Return where a friend ends such mails."""
    return _link(_of_friend(scene, language), "/share/never/")


def not_me(scene: Scene, language: str) -> str:
    """Return where a reader says that it was not them."""
    _of_friend(scene, language)
    (notice,) = scene.house.wait_for_mails(3, to=scene.reader(language))[2:3]
    return _link(notice, "/share/not-me/")


def mail(scene: Scene, language: str) -> str:
    """Return where the mail to a friend is."""
    _of_friend(scene, language)
    return scene.mail_to(_friend(language), 0)


def question(scene: Scene, language: str) -> str:
    """Return where the mail is that asks somebody whether it was them."""
    _question(scene, language)
    return scene.mail_to(_stranger(language), 0)


def notice(scene: Scene, language: str) -> str:
    """Return where the mail is that tells a reader what went out."""
    _of_friend(scene, language)
    return scene.mail_to(scene.reader(language), 2)


def _of_friend(scene: Scene, language: str) -> EmailMessage:
    """Send a story as a reader, once; return what the friend got."""
    friend = _friend(language)
    if not scene.house.mails(friend):
        _send(scene, form(scene, language), language, friend)
    return scene.house.wait_for_mails(1, to=friend)[0]


def _question(scene: Scene, language: str) -> EmailMessage:
    """Ask to send a story, once, without being known; return the mail that asks."""
    if not scene.house.mails(_stranger(language)):
        _send(scene, plain(scene, language), language, f"asked-for@{language.lower()}.example")
    return scene.house.wait_for_mails(1, to=_stranger(language))[0]


def _send(scene: Scene, link: str, language: str, friend: str) -> None:
    page = scene.house.get(link).data.decode()
    fields = readers.hidden_fields(page)
    if solving.CHALLENGE.search(page):
        fields["altcha"] = solving.solved(page)
    time.sleep(PACE_S)
    typed = {"name": NAMES[language], "email": _stranger(language), "friend_1": friend}
    answer = scene.house.post(link, [*(fields | typed).items()])
    assert answer.status == 303, answer.data.decode()


def _friend(language: str) -> str:
    return f"friend@{language.lower()}.example"


def _stranger(language: str) -> str:
    return f"stranger@{language.lower()}.example"


def _link(found: EmailMessage, path: str) -> str:
    return next(link for link in readers.links_of(found) if path in link)
