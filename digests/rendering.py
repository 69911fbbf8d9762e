"""Stories and shells of a digest, rendered and compiled once: everything Jinja2 and CSS do happens here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from articles.models import Article
from articles.pictures import MailPicture
from core import language as languages
from core import mailtext
from core.publication import Publication
from core.services import Services
from delivery import content
from subscribers.models import Digest


@dataclass(frozen=True, slots=True)
class StoryView:
    """What a digest shows of one article in one revision. `share_url` is empty for what is not to be passed on;
    with `by_us` the reader's own token goes on with it, as a personal value: then we send the story for them.
    `updated` marks what the reader had in another revision, `front` what is on the front page; `correction` says what
    was wrong in it at first. `is_lead` is the first one, which shows its picture. `text_url` is where the text leads
    when `url` is too long to be read.

    What is said beside a story stands in templates/mail/digest/labels.txt.
    """

    article_id: int
    revision: int
    language: str
    headline: str
    standfirst: str
    minutes: int
    published: str
    url: str
    share_url: str
    text_url: str = ""
    picture: MailPicture | None = None
    updated: bool = False
    front: bool = False
    correction: str = ""
    alerted: str = ""
    is_lead: bool = False
    is_flash: bool = False
    by_us: bool = False


@dataclass(frozen=True, slots=True)
class HeadlineView:
    """A story of which a digest shows the headline only; `is_flash` says that there is no more of it yet."""

    article_id: int
    revision: int
    language: str
    headline: str
    url: str
    text_url: str = ""
    is_flash: bool = False


@dataclass(frozen=True, slots=True)
class NumberView:
    """The number before a headline in the text: a piece of its own, so that a story is the same wherever it stands."""

    value: int


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A block of support or advertisement, which says that it is one (`kind`)."""

    language: str
    kind: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class HeadingView:
    """What stands above the headlines of a digest."""

    language: str


@dataclass(frozen=True, slots=True)
class MoreView:
    """How many stories there are beyond those of a digest, on a reader's topics or on all, and where they are."""

    count: int
    is_of_topics: bool
    url: str


@dataclass(frozen=True, slots=True)
class NoteView:
    """What the editors say before the stories, as safe HTML and as text."""

    language: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class CorrectionView:
    """What was wrong in a story that a reader had: the `whole` mail, or above the stories of an edition."""

    correction_id: int
    language: str
    headline: str
    url: str
    text: str
    at: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """What stands before the stories: how much there is to read, and for a first edition what comes after it.

    `begins` are (digest name, when in words) of the reader's other digests; `rhythm_next` says when this one comes.
    `left` is another digest that the reader's mail program has left for them, which no page has told them yet.
    `view_url` shows the stories in a browser.
    """

    publication: str
    digest: str
    date: str
    stories: int
    minutes: int
    preheader: str
    first: bool
    rhythm_next: str
    begins: tuple[tuple[str, str], ...]
    left: str = ""
    view_url: str = ""


LONGEST_LINK = 200
"""Characters of a link in the text: one that is longer leads by our own page of the story."""


def story_view(
    article: Article,
    services: Services,
    *,
    language: str | None = None,
    picture: MailPicture | None = None,
    by_us: bool = False,
) -> StoryView:
    """Return an article as a digest in a language shows it: dates are in the digest's, the story is in its own.

    `by_us` says how the switch of sharing stands just now (core.byus).
    """
    publication = services.publication
    link = {"language": article.language, "story": article.ref}
    url = article.url if article.is_read_elsewhere else services.links.to("story", **link)
    return StoryView(
        article_id=article.id,
        revision=article.revision,
        language=article.language,
        headline=article.headline,
        standfirst=article.standfirst,
        minutes=article.minutes,
        published=languages.instant_text(article.published_at, language or article.language, publication.zone),
        url=url,
        share_url=_share_url(link, services, by_us=by_us) if article.shareable else "",
        correction=article.correction,
        text_url=services.links.to("story", **link) if len(url) > LONGEST_LINK else "",
        picture=picture,
        is_flash=article.state == "flash",
        by_us=by_us and article.shareable,
    )


def _share_url(link: Mapping[str, str], services: Services, *, by_us: bool) -> str:
    """Return where a story is sent from; `by_us` up to the token, which is each reader's own."""
    return services.links.to("share_as", **link, token="") if by_us else services.links.to("share", **link)


@lru_cache(maxsize=1024)
def headline_view(story: StoryView) -> HeadlineView:
    """Return what is left of a story where only its headline is shown."""
    return HeadlineView(
        *(story.article_id, story.revision, story.language, story.headline, story.url, story.text_url, story.is_flash)
    )


View = Opening | NoteView | CorrectionView | NumberView | StoryView | NoticeView | HeadingView | HeadlineView | MoreView
"""What is shown in a digest, and by that what is compiled once."""
_PIECES: Mapping[type, str] = {
    Opening: "opening",
    NoteView: "note",
    CorrectionView: "correction",
    NumberView: "number",
    StoryView: "story",
    NoticeView: "notice",
    HeadingView: "heading",
    HeadlineView: "headline",
    MoreView: "more",
}


_MARKS = {"is_lead": "lead", "updated": "updated", "front": "front", "alerted": "alerted"}
"""What a story can be marked as, by the field that says so."""


def role(view: View) -> str:
    """Return as what something is shown: the name of its piece, and of a story what it is marked as."""
    marks = _MARKS if isinstance(view, StoryView) else {}
    return " ".join([_PIECES[type(view)], *(word for field, word in marks.items() if getattr(view, field))])


class Compiled(NamedTuple):
    """One piece of a digest, compiled for a mail, and how long it is there as HTML."""

    part: content.Part
    octets: int


def compiled(view: View, language: str) -> Compiled:
    """Return one piece of a digest in a language, compiled."""
    return _opening(view, language) if isinstance(view, Opening) else _rendered(view, language)


def part(view: View, language: str) -> content.Part:
    """Return one piece of a digest in a language, as a part of a mail."""
    return compiled(view, language).part


_OWN = ("preheader", "view_url")
"""What hardly two openings have in common. It drops into what is rendered once for many."""


@lru_cache(maxsize=16)
def _opening(opening: Opening, language: str) -> Compiled:
    own = {name: value for name in _OWN if (value := getattr(opening, name))}
    marks: dict[str, Any] = {name: mailtext.place(name) for name in own}
    filled = content.filled(_rendered(replace(opening, **marks), language).part, own)
    return Compiled(filled, filled.html_octets)


@lru_cache(maxsize=4096)
def _rendered(view: View, language: str) -> Compiled:
    piece = _PIECES[type(view)]
    template = "lead" if isinstance(view, StoryView) and view.is_lead else piece
    text = mailtext.render_piece(f"digest/{template}.txt", language, {piece: view})
    if isinstance(view, NumberView):
        return Compiled(content.Part(content.cut(text), ()), 0)
    html = mailtext.render_piece(f"digest/{template}.html", language, {piece: view})
    made = content.Part(content.cut(text), content.cut(content.inline_fragment(html, stylesheet(language))))
    return Compiled(made, made.html_octets)


def forget() -> None:
    """Forget what was compiled."""
    for cached in (_opening, _rendered, stylesheet):
        cached.cache_clear()


@lru_cache
def stylesheet(language: str) -> str:
    """Return the style sheet of a language's digests, to be moved onto the elements of a fragment."""
    return mailtext.render_piece("digest/style.css", language, {})


@dataclass(frozen=True, slots=True)
class ShellView:
    """What the shell of an edition says: which digest, and where others can get their own."""

    digest: str
    language: str
    subscribe_url: str


def shell_view(digest: Digest, services: Services) -> ShellView:
    """Return what the shell of a digest's mails says."""
    subscribe_url = services.links.to("subscribe", language=digest.language)
    return ShellView(digest=digest.name, language=digest.language, subscribe_url=subscribe_url)


def shell_parts(view: ShellView, publication: Publication) -> tuple[content.Part, content.Part]:
    """Return head and foot of an edition's mails, compiled."""
    values = {"publication": publication, "digest": view.digest, "subscribe_url": view.subscribe_url}
    return content.compile_shell(mailtext.render("digest", view.language, values))


def when(at: datetime, language: str, zone: str) -> str:
    """Return in words when something comes, in the reader's zone."""
    return languages.weekday_instant_text(at, language, zone)


def subject(digest: Digest, headline: str, services: Services) -> str:
    """Return the subject of a mail whose first story has this headline."""
    publication = services.publication.name(digest.language)
    return digest.subject.format(publication=publication, digest=digest.name, headline=headline)
