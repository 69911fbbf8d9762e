"""Stories and shells of a digest, rendered and compiled once: everything Jinja2 and CSS do happens here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from articles.models import Article
from core import language as languages
from core import mailtext
from core.publication import Publication
from core.services import Services
from delivery import content
from subscribers.models import Digest


@dataclass(frozen=True, slots=True)
class StoryView:
    """What a digest shows of one article in one revision. `share_url` is empty for what is not to be passed on;
    `updated` marks what the reader had in another revision, `front` what editors put on the front page; `correction`
    says what was wrong in it at first.
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
    updated: bool = False
    front: bool = False
    correction: str = ""
    alerted: str = ""


@dataclass(frozen=True, slots=True)
class HeadlineView:
    """A story of which a digest shows the headline only."""

    article_id: int
    revision: int
    language: str
    headline: str
    url: str


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


def story_view(article: Article, services: Services) -> StoryView:
    """Return an article as a digest shows it."""
    publication = services.publication
    link = {"language": article.language, "story": article.ref}
    return StoryView(
        article_id=article.id,
        revision=article.revision,
        language=article.language,
        headline=article.headline,
        standfirst=article.standfirst,
        minutes=article.minutes,
        published=languages.instant_text(article.published_at, article.language, publication.zone),
        url=article.url if article.is_read_elsewhere else services.links.to("story", **link),
        share_url=services.links.to("share", **link) if article.shareable else "",
        correction=article.correction,
    )


def headline_view(story: StoryView) -> HeadlineView:
    """Return what is left of a story where only its headline is shown."""
    return HeadlineView(story.article_id, story.revision, story.language, story.headline, story.url)


View = Opening | NoteView | CorrectionView | StoryView | HeadingView | HeadlineView | MoreView
"""What is shown in a digest, and by that what is compiled once."""
_PIECES: Mapping[type, str] = {
    Opening: "opening",
    NoteView: "note",
    CorrectionView: "correction",
    StoryView: "story",
    HeadingView: "heading",
    HeadlineView: "headline",
    MoreView: "more",
}


def role(view: View) -> str:
    """Return as what something is shown: the name of its piece, and of a story what it is marked as."""
    piece = _PIECES[type(view)]
    if not isinstance(view, StoryView):
        return piece
    return " ".join([piece, *(["updated"] if view.updated else []), *(["front"] if view.front else [])])


@lru_cache(maxsize=4096)
def part(view: View, language: str) -> content.Part:
    """Return one piece of a digest in a language, compiled for a mail."""
    piece = _PIECES[type(view)]
    return _part(f"digest/{piece}", language, {piece: view})


def _part(name: str, language: str, values: dict[str, object]) -> content.Part:
    text = mailtext.render_piece(f"{name}.txt", language, values)
    html = mailtext.render_piece(f"{name}.html", language, values)
    return content.Part(content.cut(text), content.cut(content.inline_fragment(html, stylesheet())))


@lru_cache
def stylesheet() -> str:
    """Return the style sheet of our mails, to be moved onto the elements of a fragment."""
    return mailtext.render_piece("digest/style.css", languages.SOURCE_LANGUAGE, {})


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
