"""Digests that nobody gets: made of given stories, so that a designer sees what templates/mail/digest/ brings forth."""

import html
import quopri
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from articles.pictures import MailPicture
from core import language as languages
from core import mailtext
from core.services import Services
from delivery import content
from digests import layout, notes, rendering
from digests.copies import Copy
from digests.rendering import MoreView, NoteView, NoticeView, Opening, ShellView, StoryView
from digests.showing import Shown

KINDS: Mapping[str, str] = {
    "day": "a usual day: lead, stories, headlines, and what was updated",
    "one": "one story",
    "thirty": "thirty stories and ten headlines",
    "first": "a reader's first edition, with all that is said in it",
    "bare": "a lead without a picture",
}
"""What can be looked at, in words."""
_SIZES = {"day": (7, 4), "one": (1, 0), "thirty": (30, 10), "first": (10, 0), "bare": (5, 3)}
"""How many stories stand in full, and how many headlines below."""
_DATED = datetime(2026, 11, 30, 7, 0, tzinfo=UTC)
_TOKEN = "a" * 47
_ASKED = "Readers like you keep our correspondents at work. [Become a member](https://example.org/members)"
_NOTE = "Good morning. Today we look at **three harbours**; see [who we are](https://example.org/about)."


@dataclass(frozen=True, slots=True)
class Words:
    """A story's own words, and how long it takes to read them."""

    language: str
    headline: str
    standfirst: str
    minutes: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Design:
    """A digest as a mail program gets it: the text, and the HTML."""

    text: str
    html: str


def make(
    kind: str, digest: str, words: Sequence[Words], *, language: str, picture: MailPicture | None, services: Services
) -> Design:
    """Return a digest of this kind in a language, of these stories in turn; the templates are read anew."""
    forget()
    full, below = _SIZES[kind]
    views = [_story(words[at % len(words)], at, language, services) for at in range(full + below)]
    views[0] = replace(views[0], picture=None if kind == "bare" else picture, is_lead=True, front=kind == "day")
    if full > 1:
        views[1] = replace(views[1], updated=True)
    pieces = layout.pieces(_copy(kind, digest, views[:full], views[full:], language, services))
    shell = ShellView(digest, language, services.links.to("subscribe", language=language))
    head, foot = rendering.shell_parts(shell, services.publication)
    parts = [head, *(rendering.part(one, language) for one in pieces), foot]
    return Design(
        text=_filled([one.text for one in parts], in_html=False, services=services),
        html=_filled([one.html for one in parts], in_html=True, services=services),
    )


def forget() -> None:
    """Forget what was compiled of the templates, and the templates."""
    rendering.forget()
    mailtext.environment.cache_clear()


def _story(words: Words, number: int, language: str, services: Services) -> StoryView:
    link = {"language": words.language, "story": f"sample{number:02}"}
    return StoryView(
        article_id=number,
        revision=1,
        language=words.language,
        headline=words.headline,
        standfirst=words.standfirst,
        minutes=words.minutes,
        published=languages.instant_text(words.at, language, services.publication.zone),
        url=services.links.to("story", **link),
        share_url=services.links.to("share", **link),
    )


def _copy(
    kind: str,
    digest: str,
    stories: Sequence[StoryView],
    below: Sequence[StoryView],
    language: str,
    services: Services,
) -> Copy:
    first, in_english = kind == "first", kind == "day" and language == "en"
    when = rendering.when(_DATED, language, services.publication.zone)
    opening = Opening(
        publication=services.publication.name(language),
        digest=digest,
        date=languages.date_text(_DATED.date(), language),
        stories=len(stories),
        minutes=sum(story.minutes for story in stories),
        preheader=" · ".join(story.headline for story in stories[1:3]) or stories[0].standfirst,
        first=first,
        rhythm_next=when if first else "",
        begins=((digest, when),) if first else (),
        left=digest if first else "",
    )
    shown = Shown(
        stories=tuple(stories),
        headlines=tuple(rendering.headline_view(one) for one in below),
        more=MoreView(34, is_of_topics=True, url=services.links.to("front", language=language)) if below else None,
        note=NoteView(language, notes.as_html(_NOTE), notes.as_text(_NOTE)) if in_english else None,
        subject=stories[0].headline,
        notice=NoticeView(language, "support", notes.as_html(_ASKED), notes.as_text(_ASKED)) if in_english else None,
    )
    return Copy(format="both", shown=shown, opening=opening)


def _filled(halves: Sequence[content.Pieces], *, in_html: bool, services: Services) -> str:
    """Return one half of a mail decoded, with made-up links in the places of a reader's own."""
    names = {piece.name for half in halves for piece in half if isinstance(piece, content.PlaceOf)}
    links = {name: f"{services.publication.base_url}/{name.replace('_', '-')}/t/{_TOKEN}" for name in names}
    values = {name: content.encode(html.escape(link) if in_html else link) for name, link in links.items()}
    return quopri.decodestring(b"".join(content.fill(half, values) for half in halves)).decode()
