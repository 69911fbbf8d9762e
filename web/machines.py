"""For machines: feeds (Atom, RFC 4287; JSON Feed 1.1), sitemaps (sitemaps.org), linked data, a word to robots."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, make_response, render_template

from articles import cleaning, pictures, shelf
from articles import topics as topic_shelf
from articles.models import Article, Topic
from articles.pictures import Shown
from core import clock, links, services
from core.links import PATHS
from web import headers, pages
from web import pictures as figures

machines = Blueprint("machines", __name__)

HEADLINE = 110
"""What search engines show of a headline, at most."""
STORIES = 30
"""In a feed: more than a day of most papers."""
MOST_ADDRESSES = 50_000
"""In one sitemap (sitemaps.org)."""
NEWS = timedelta(days=2)
"""How old news may be in a sitemap of news."""
NEWS_HOLDS = timedelta(minutes=5)
"""So long a story may stand there that has just become too old."""
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""When a feed changed that is empty still: it must say when (RFC 4287, section 4.2.15)."""
_ATOM, _XML = "application/atom+xml", "application/xml"
_ROBOTS = f"""User-agent: *
Disallow: /*{headers.PERSONAL}
Disallow: /webhooks/

Sitemap: {{sitemaps}}
"""


@dataclass(frozen=True, slots=True)
class Item:
    """A story in a feed. `id` stays the same whatever becomes of its address (RFC 4151)."""

    article: Article
    id: str
    url: str
    topics: Sequence[Topic]
    content: str
    picture: str | None


@machines.get(PATHS["atom"])
def atom() -> Response:
    """Return the newest stories in a language."""
    return _atom(None)


@machines.get(PATHS["topic_atom"])
def topic_atom(topic: str) -> Response:
    """Return the newest stories on a topic."""
    return _atom(topic_shelf.by_key(topic))


@machines.get(PATHS["json_feed"])
def json_feed() -> Response:
    """Return the newest stories in a language as JSON."""
    return _json_feed(None)


@machines.get(PATHS["topic_json_feed"])
def topic_json_feed(topic: str) -> Response:
    """Return the newest stories on a topic as JSON."""
    return _json_feed(topic_shelf.by_key(topic))


@machines.get(PATHS["sitemaps"])
def sitemaps() -> Response:
    """Return where the sitemaps are."""
    return _rendered("machines/sitemaps.xml", _XML, {"languages": services.current().publication.languages})


@machines.get(PATHS["sitemap"])
def sitemap() -> Response:
    """Return where all stories in a language are."""
    return _rendered(
        "machines/sitemap.xml", _XML, {"addresses": shelf.addresses(pages.language(), limit=MOST_ADDRESSES)}
    )


@machines.get(PATHS["news_sitemap"])
def news_sitemap() -> Response:
    """Return the news of the last two days in a language."""
    now = clock.utc_now()
    began = now - (now - NEVER) % NEWS_HOLDS
    found = shelf.between(pages.language(), began - NEWS, now)
    # A sitemap names the pages that search engines are to show: what is read at its publisher's is in theirs.
    stories = [article for article in found if not article.is_read_elsewhere]
    return _rendered("machines/news_sitemap.xml", _XML, {"stories": stories}, span=(began, began + NEWS_HOLDS))


@machines.get(PATHS["robots"])
def robots() -> Response:
    """Tell robots what they may read: all but pages that are one reader's."""
    response = make_response(_ROBOTS.format(sitemaps=services.current().links.to("sitemaps")))
    response.mimetype = "text/plain"
    return headers.publicly(response, whatever_query=True)


def _items(topic: Topic | None) -> list[Item]:
    found = shelf.latest(pages.language(), limit=STORIES, topic=topic)
    shelves = shelf.topics_of([article.id for article in found])
    shown = pictures.of_articles([article.id for article in found])
    host = urlsplit(services.current().links.base_url).hostname
    return [
        Item(
            article,
            f"tag:{host},{article.published_at:%Y-%m-%d}:{article.public_id}",
            services.current().links.to("story", language=article.language, story=article.ref),
            shelves[article.id],
            figures.with_pictures(article, shown[article.id]),
            figures.address_of(pictures.standing_for(shown[article.id])),
        )
        for article in found
    ]


def _about(topic: Topic | None, kind: str) -> dict[str, str]:
    """Return the title of a feed, the page that it is the feed of, and its own address."""
    name, language = services.current().publication.name(pages.language()), pages.language()
    if topic is None:
        own, page = links.path(kind, language=language), links.path("front", language=language)
    else:
        name = f"{name}: {pages.topic_name(topic)}"
        own = links.path(f"topic_{kind}", language=language, topic=topic.key)
        page = links.path("topic", language=language, topic=topic.key)
    base = services.current().links.base_url
    return {"title": name, "page": base + page, "own": base + own}


def _atom(topic: Topic | None) -> Response:
    items = _items(topic)
    changed = [item.article.updated_at or item.article.published_at for item in items]
    values = {"items": items, "changed": max(changed, default=NEVER), "stamp": stamp, **_about(topic, "atom")}
    return _rendered("machines/feed.xml", _ATOM, values)


def _json_feed(topic: Topic | None) -> Response:
    about = _about(topic, "json_feed")
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": about["title"],
        "home_page_url": about["page"],
        "feed_url": about["own"],
        "language": pages.language(),
        "items": [_json_item(item) for item in _items(topic)],
    }
    response = jsonify(document)
    response.mimetype = "application/feed+json"
    return headers.publicly(response, whatever_query=True)


def _json_item(item: Item) -> dict[str, object]:
    article = item.article
    known = {
        "id": item.id,
        "url": item.url,
        "title": article.headline,
        "summary": article.standfirst,
        "content_html": item.content or None,
        "content_text": None if item.content else article.standfirst or article.headline,
        "external_url": None if article.shown_body and not article.is_read_elsewhere else article.url,
        "image": item.picture,
        "date_published": stamp(article.published_at),
        "date_modified": stamp(article.updated_at) if article.updated_at else None,
        "authors": [{"name": article.author}] if article.author else None,
        "tags": [pages.topic_name(topic) for topic in item.topics],
        "language": article.language,
    }
    return {name: value for name, value in known.items() if value}


def stamp(at: datetime) -> str:
    """Return an instant with its seconds (RFC 3339), in UTC."""
    return at.astimezone(UTC).isoformat(timespec="seconds")


def news_article(
    article: Article, topics: Sequence[Topic], canonical: str, picture: Shown | None = None
) -> dict[str, object]:
    """Return a story as linked data (schema.org, NewsArticle)."""
    publication = services.current().publication
    publisher = {
        "@type": "NewsMediaOrganization",
        "name": publication.name(article.language),
        "url": services.current().links.base_url,
        "logo": {"@type": "ImageObject", "url": services.current().links.base_url + pages.asset("icon.svg")},
    }
    known = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": cleaning.cut(article.headline, most=HEADLINE),
        "description": article.standfirst,
        "inLanguage": article.language,
        "datePublished": stamp(article.published_at),
        "dateModified": stamp(article.updated_at or article.published_at),
        "author": {"@type": "Person", "name": article.author} if article.author else publisher,
        "publisher": publisher,
        "mainEntityOfPage": canonical,
        "image": figures.linked(picture) if picture else None,
        "wordCount": article.words if article.shown_body else None,
        "about": [{"@type": "Thing", "name": pages.topic_name(topic)} for topic in topics],
        "articleSection": pages.topic_name(topics[0]) if topics else None,
        "dateline": dateline(article),
        "locationCreated": {"@type": "Place", "name": article.dateline_place} if article.dateline_place else None,
        "correction": article.correction,
        "isAccessibleForFree": True,
    }
    return {name: value for name, value in known.items() if value}


def dateline(article: Article) -> str:
    """Return where a story was written and by which agency, as it stands before the text."""
    agency = f" ({article.dateline_agency})" if article.dateline_agency else ""
    return article.dateline_place + agency if article.dateline_place else ""


def _rendered(
    template: str, mimetype: str, values: dict[str, object], *, span: tuple[datetime, datetime] | None = None
) -> Response:
    response = make_response(render_template(template, **values))
    response.mimetype = mimetype
    return headers.publicly(response, whatever_query=True, span=span)
