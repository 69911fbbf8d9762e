"""A breaking mail, rendered and compiled once for all its readers: the headline, what it is about, and where it is."""

from dataclasses import dataclass

from core import mailtext
from core.services import Services
from delivery import content
from digests import rendering
from digests.rendering import StoryView
from subscribers.models import Digest

NAME = "breaking"
"""Its folder in templates/mail."""


@dataclass(frozen=True, slots=True)
class Made:
    """The parts of a breaking mail, and its subject."""

    subject: str
    head: content.Part
    news: content.Part
    foot: content.Part


_KEPT = 32
_made: dict[tuple[StoryView, str, int, bool], Made] = {}


def make(story: StoryView, digest: Digest, services: Services, *, is_flash: bool) -> Made:
    """Render and compile, once for all chunks. Slow, so outside of any transaction. `is_flash` says that there is no
    more to read yet.
    """
    key = story, digest.key, digest.revision, is_flash
    found = _made.get(key)
    if found is None:
        found = _compiled(story, digest, services, is_flash=is_flash)
        if len(_made) >= _KEPT:
            _made.pop(next(iter(_made)), None)
        _made[key] = found
    return found


def _compiled(story: StoryView, digest: Digest, services: Services, *, is_flash: bool) -> Made:
    values = {
        "publication": services.publication,
        "digest": digest.name,
        "headline": story.headline,
        "standfirst": story.standfirst,
        "subscribe_url": services.links.to("subscribe", language=digest.language),
    }
    mail = mailtext.render(NAME, digest.language, values)
    head, foot = content.compile_shell(mail)
    text = mailtext.render_piece(f"{NAME}/news.txt", digest.language, {"story": story, "is_flash": is_flash})
    html = mailtext.render_piece(f"{NAME}/news.html", digest.language, {"story": story, "is_flash": is_flash})
    news = content.Part(
        content.cut(text), content.cut(content.inline_fragment(html, rendering.stylesheet(digest.language)))
    )
    return Made(mail.subject, head, news, foot)
