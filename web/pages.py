"""Turn values into a page: its language and direction, its messages, and what every template knows."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from babel.lists import format_list
from flask import Flask, Response, current_app, g, make_response, redirect, render_template, request
from jinja2 import StrictUndefined
from werkzeug.exceptions import NotFound

from articles import breaking, topics
from articles.models import Article, Topic
from core import clock, errors, links, services
from core import language as languages
from core.settings import ROOT, Settings
from sharing import switch

RECENT = timedelta(days=30)
"""How old a story may be whose hour is told in a list."""


def language() -> str:
    """Return the language of the page that is being made: the path's, the reader's, else what the browser prefers."""
    if "language" not in g:
        first = request.path.split("/")[1]
        g.language = first if first in services.current().publication.languages else preferred_language()
    spoken: str = g.language
    return spoken


def speak(spoken: str) -> None:
    """Make the page in this language: the reader's, on pages that are opened by a token."""
    publication = services.current().publication
    g.language = spoken if spoken in publication.languages else publication.default_language


def preferred_language() -> str:
    """Return the publication's language that suits the browser best."""
    return languages.best(list(request.accept_languages.values()), services.current().publication.languages)


def page(template: str, values: Mapping[str, object], *, status: int = 200) -> Response:
    """Return a rendered page."""
    return make_response(render_template(template, **values), status)


def to(name: str, status: int = 302, **values: str) -> Response:
    """Return the redirect to another page of ours. It names no host, since the one asked for could be made up."""
    response = make_response(redirect(links.path(name, **values), status))
    response.autocorrect_location_header = False
    return response


def gettext(message: str) -> str:
    """Return a message in the language of the page."""
    return languages.translations(language()).gettext(message)


def ngettext(singular: str, plural: str, number: int) -> str:
    """Return the form of a message for a number, in the language of the page."""
    return languages.translations(language()).ngettext(singular, plural, number)


def translate(error: errors.DomainError) -> str:
    """Return what went wrong, in the language of the page."""
    message = gettext(error.message)
    return message % error.values if error.values else message


def instant_text(at: datetime) -> str:
    """Return date, time and zone of an instant, in the publication's zone."""
    return languages.instant_text(at, language(), services.current().publication.zone)


def date_text(at: datetime) -> str:
    """Return the date of an instant in the publication's zone."""
    return languages.date_text(at.astimezone(ZoneInfo(services.current().publication.zone)).date(), language())


def moment_text(at: datetime) -> str:
    """Return the date of an instant, with the time when it is less than 30 days old."""
    zone = services.current().publication.zone
    today, day = (one.astimezone(ZoneInfo(zone)).date() for one in (clock.utc_now(), at))
    return languages.moment_text(at, language(), zone) if today - day < RECENT else date_text(at)


def iso(at: datetime) -> str:
    """Return an instant for `datetime` attributes, in the publication's zone."""
    return at.astimezone(ZoneInfo(services.current().publication.zone)).isoformat(timespec="minutes")


def number_text(number: int) -> str:
    """Return a number as the language of the page writes it."""
    return languages.number_text(number, language())


def listed(names: Iterable[str], style: str = "standard") -> str:
    """Return names as a list in words: `Korea, Cuba and Japan`; with style `or`: `daily or weekly`."""
    # Like the dates of core.language, English lists are written as most of the world's English papers do.
    locale = languages.locale("en-GB" if language() == "en" else language())
    return format_list(list(names), style=style, locale=locale)  # type: ignore[arg-type]


def topic_name(topic: Topic) -> str:
    """Return a topic's name in the language of the page."""
    return topics.name(topic, language())


def topic_names(topics_: Iterable[Topic]) -> str:
    """Return the names of topics as a list in words."""
    return listed(topic_name(topic) for topic in topics_)


def is_breaking(article: Article) -> bool:
    """Say whether a story is called breaking news now."""
    is_so = breaking.is_shown(article, clock.utc_now())
    if is_so and article.breaking_at:
        # The page holds no longer than its first label (headers.publicly).
        ends = article.breaking_at + breaking.FRESH
        g.holds_until = min(ends, g.get("holds_until", ends))
    return is_so


def may_be_sent(article: Article) -> bool:
    """Say whether there is a page that sends a story to a friend."""
    return article.shareable and switch.mode() is not switch.Mode.OFF


def counts_reads() -> bool:
    """Say whether it is counted how often stories are opened from mails to friends."""
    settings: Settings = current_app.extensions["postrider settings"]
    return settings.sharing.count_reads


def site_of(address: str) -> str:
    """Return the host of an address, as people say it."""
    return (urlsplit(address).hostname or "").removeprefix("www.")


def local(link: str) -> str:
    """Return a link of ours without its host, so that a page works under whatever name it was reached."""
    return link.removeprefix(services.current().links.base_url)


@lru_cache
def asset(name: str) -> str:
    """Return the address of a file in static/, which changes when the file does."""
    fingerprint = hashlib.sha256((ROOT / "static" / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={fingerprint}"


def register(app: Flask) -> None:
    """Give the templates their messages and words, and let the path choose the language."""
    env = app.jinja_env
    env.add_extension("jinja2.ext.i18n")
    env.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
    env.undefined = StrictUndefined
    env.trim_blocks = env.lstrip_blocks = True
    moments = (date_text, instant_text, iso, moment_text)
    known = (
        *moments,
        asset,
        counts_reads,
        is_breaking,
        local,
        may_be_sent,
        number_text,
        site_of,
        topic_name,
        topic_names,
        translate,
    )
    env.globals.update({one.__name__: one for one in known})
    env.globals.update(path=links.path, direction_of=languages.direction, own_name=languages.own_name)
    app.context_processor(_known_to_all)
    app.url_value_preprocessor(_language_of_path)


def _known_to_all() -> dict[str, object]:
    spoken = language()
    return {
        "language": spoken,
        "direction": languages.direction(spoken),
        "languages": services.current().publication.languages,
        "publication": services.current().publication,
        "url_base": services.current().links.base_url,
        "url": services.current().links.to,
        "here": request.path,
        "versions": None,
    }


def _language_of_path(_endpoint: str | None, values: dict[str, object] | None) -> None:
    """Take the language out of the path: views ask `language()`. What is no language of ours is not found."""
    g.pop("language", None)
    if values and "language" in values:
        asked = values.pop("language")
        if asked not in services.current().publication.languages:
            raise NotFound
        g.language = asked
