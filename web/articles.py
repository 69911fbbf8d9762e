"""Front pages, topics, stories and their printable versions."""

import re
from collections.abc import Mapping, Sequence

from flask import Blueprint, Response, request

from articles import cleaning, flash, related, shelf
from articles import topics as topic_shelf
from articles.models import Article, Topic
from core import clock, errors, links, services
from core import language as languages
from core.links import PATHS
from digests import corrections
from subscribers import offer
from web import headers, machines, pages, words
from web import pictures as figures

articles = Blueprint("articles", __name__)

PAGE_STORIES = 13
STRIP_TOPICS = 8
DESCRIPTION = 200
_REF = re.compile(r"[a-z0-9]{1,32}(?:-[A-Za-z0-9-]{0,200})?")


@articles.get("/")
def home() -> Response:
    """Lead to the front page in the language that the browser asks for."""
    response = pages.to("front", language=pages.preferred_language())
    response.vary.add("Accept-Language")
    return response


@articles.get(PATHS["front"], strict_slashes=False)
def front() -> Response:
    """Show the latest stories of a language."""
    if not request.path.endswith("/"):
        return pages.to("front", 301, language=pages.language())
    return _listing("articles/front.html", {"strip": _most_told(), "digests": offer.active(spoken=pages.language())})


@articles.get(PATHS["topics"])
def topics() -> Response:
    """Show all topics that have stories in this language."""
    counts = shelf.counts_by_topic(pages.language())
    told = words.in_order(topic for topic in topic_shelf.all_topics() if topic.id in counts)
    kinds = {kind: [topic for topic in told if topic.kind == kind] for kind in ("theme", "country")}
    values = {"themes": kinds["theme"], "countries": kinds["country"], "counts": counts}
    return headers.publicly(pages.page("articles/topics.html", values), whatever_query=True)


@articles.get(PATHS["topic"])
def topic(topic: str) -> Response:
    """Show the latest stories of a topic."""
    found = topic_shelf.by_key(topic)
    return _listing("articles/topic.html", {"topic": found}, topic=found)


@articles.get(PATHS["story"])
def story(story: str) -> Response:
    """Show one story."""
    article = opened(story, flashes=True)
    taken = flash.became(article)
    if taken is not None:
        return pages.to("story", language=taken.language, story=taken.ref)
    if not at_home(article, story):
        return pages.to("story", 301, language=article.language, story=article.ref)
    family = [article, *shelf.versions(article)]
    shelves = shelf.topics_of([article.id])[article.id]
    pictured = figures.values(article)
    values = {
        "article": article,
        "canonical": canonical(article),
        "linked_data": machines.news_article(article, shelves, canonical(article), pictured["standing"]),
        "also": related.see_also(article),
        "any_language": _any_language(family),
        "description": _description(article),
        "family": sorted(family, key=lambda version: version.language),
        "og_locale": str(languages.locale(article.language)),
        "title": cleaning.cut(article.headline, most=machines.HEADLINE),
        "told": corrections.told_of([article.id]),
        "topics": shelves,
        "versions": {version.language: path_of(version) for version in family},
        **pictured,
    }
    return headers.publicly(pages.page("articles/story.html", values), whatever_query=True)


@articles.get(PATHS["print"])
def printable(story: str) -> Response:
    """Show one story as it goes on paper."""
    article = opened(story)
    if not article.printable:
        raise errors.NotFound
    if not at_home(article, story):
        return pages.to("print", 301, language=article.language, story=article.ref)
    today = pages.date_text(clock.utc_now())
    values = {
        "article": article,
        "canonical": canonical(article),
        "today": today,
        "also": related.see_also(article),
        "told": corrections.told_of([article.id]),
        **figures.values(article),
    }
    return headers.publicly(pages.page("articles/print.html", values), whatever_query=True)


def opened(ref: str, *, flashes: bool = False) -> Article:
    """Return the article of a path's `<story>` segment: its id decides. Raises NotFound, or Withdrawn.

    With `flashes` also a headline before there is a story.
    """
    if not _REF.fullmatch(ref):
        raise errors.NotFound
    article = shelf.by_ref(ref)
    if article.state == "withdrawn":
        raise errors.Withdrawn(article.reason, article.language)
    if article.state != "published" and not (flashes and article.state == "flash"):
        raise errors.NotFound
    return article


def at_home(article: Article, ref: str) -> bool:
    """Say whether the path names the article as it should; else the page is moved for good."""
    return article.ref == ref and article.language == pages.language()


def path_of(article: Article) -> str:
    """Return the path of a story's page."""
    return links.path("story", language=article.language, story=article.ref)


def canonical(article: Article) -> str:
    """Return the one address under which a story is known: its publisher's page, where it is to be read there."""
    return (
        article.url
        if article.is_read_elsewhere
        else services.current().links.to("story", language=article.language, story=article.ref)
    )


def _listing(template: str, values: Mapping[str, object], *, topic: Topic | None = None) -> Response:
    """Return a page of stories, newest first; `?before=` turns to older ones."""
    newer = request.args.get("before")
    before = None if newer is None else shelf.by_ref(newer)
    stories = shelf.latest(pages.language(), limit=PAGE_STORIES + 1, topic=topic, before=before)
    shown = stories[:PAGE_STORIES]
    older = shown[-1].public_id if len(stories) > len(shown) else None
    shelves = shelf.topics_of([article.id for article in shown])
    flashes = flash.waiting(clock.utc_now(), language=pages.language(), topic=topic) if before is None else ()
    listed = {"stories": shown, "topics": shelves, "older": older, "before": before, "flashes": flashes}
    return headers.publicly(pages.page(template, {**values, **listed}))


def _most_told() -> Sequence[Topic]:
    """Return the topics with the most stories in this language, for the strip under the masthead."""
    counts = shelf.counts_by_topic(pages.language())
    told = [topic for topic in topic_shelf.all_topics() if topic.id in counts]
    return sorted(told, key=lambda topic: (-counts[topic.id], topic.key))[:STRIP_TOPICS]


def _any_language(family: Sequence[Article]) -> Article:
    """Return the version for those who speak none of the languages: the one in the publication's first."""
    return next((one for one in family if one.language == services.current().publication.default_language), family[0])


def _description(article: Article) -> str:
    """Return what search engines and messengers show under the headline."""
    text = article.standfirst or article.headline
    return text if len(text) <= DESCRIPTION else text[:DESCRIPTION].rsplit(" ", 1)[0] + "…"
