"""The shelves: what topics there are, what they are called, and which ones a feed's own words mean."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from articles.models import ArticleTopic, Topic
from core import errors, language
from core.database import db
from core.errors import _

_KEY = re.compile("[a-z0-9]+(-[a-z0-9]+)*")
_MAX_KEY, _MAX_NAME = 40, 60
_FALLBACK = "en"
"""A theme has an English name at least; countries have theirs from CLDR."""


def apply(definitions: Sequence[Mapping[str, Any]]) -> None:
    """Write the topics of a topics.toml: tables with key, kind, names. A topic that it leaves out stays.

    Raises Invalid, whose text names the topic and what is wrong with it; then nothing was written.
    """
    for definition in definitions:
        _check(definition)
    known = {topic.key: topic for topic in all_topics()}
    for definition in definitions:
        key, names = str(definition["key"]), dict(definition.get("names", {}))
        topic = known.get(key)
        if topic is None:
            topic = known[key] = Topic(key=key)
            db.session.add(topic)
        topic.kind, topic.names = definition["kind"], names
    db.session.flush()


def all_topics() -> list[Topic]:
    """Return every topic, in the order in which they were first defined."""
    return list(db.session.scalars(select(Topic).order_by(Topic.id)))


def by_key(key: str) -> Topic:
    """Return one topic. Raises NotFound."""
    topic = db.session.scalar(select(Topic).where(Topic.key == key))
    if topic is None:
        raise errors.NotFound
    return topic


def by_keys(keys: Sequence[str]) -> list[Topic]:
    """Return topics in the order of their keys, each once. Raises Invalid for a key that nothing has."""
    wanted = list(dict.fromkeys(keys))
    rows = db.session.scalars(select(Topic).where(Topic.key.in_(wanted))) if wanted else ()
    found = {topic.key: topic for topic in rows}
    if any(key not in found for key in wanted):
        raise errors.Invalid("topics", _("One of these topics is not on offer. Please choose again."))
    return [found[key] for key in wanted]


def name(topic: Topic, language_code: str) -> str:
    """Return what a topic is called in a language."""
    named: str | None = topic.names.get(language_code)
    if topic.kind == "country":
        return named or language.country_name(topic.key, language_code)
    return named or topic.names[_FALLBACK]


def spoken() -> dict[str, Topic]:
    """Return every folded key and name with its topic, for `matching` to look up; read once for many entries.

    Countries go by their names in each language in which some topic has a name. A key wins over a name.
    """
    topics = all_topics()
    languages = {_FALLBACK}.union(*(topic.names for topic in topics))
    found = {_fold(topic.key): topic for topic in topics}
    for topic in topics:
        theirs = {language.country_name(topic.key, code) for code in languages} if topic.kind == "country" else set()
        for spoken_name in (*topic.names.values(), *theirs):
            found.setdefault(_fold(spoken_name), topic)
    return found


def matching(terms: Iterable[str], found: Mapping[str, Topic]) -> list[Topic]:
    """Return the topics that these terms mean in `spoken()`, each once, in the order of the terms."""
    meant = (found.get(_fold(term)) for term in terms)
    return list({topic.id: topic for topic in meant if topic is not None}.values())


def place(shelves: Mapping[int, Iterable[Topic]]) -> None:
    """Put articles, by their ids, on exactly these shelves."""
    stands = ArticleTopic.article_id.in_(shelves)
    present = {(row.article_id, row.topic_id): row for row in db.session.scalars(select(ArticleTopic).where(stands))}
    wanted = {(article_id, topic.id) for article_id, topics in shelves.items() for topic in topics}
    for left in present.keys() - wanted:
        db.session.delete(present[left])
    for article_id, topic_id in sorted(wanted - present.keys()):
        db.session.add(ArticleTopic(article_id=article_id, topic_id=topic_id))
    db.session.flush()


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())


def _check(definition: Mapping[str, Any]) -> None:
    key, kind, names = (definition.get(field) for field in ("key", "kind", "names"))
    names = {} if names is None else names
    if not isinstance(key, str) or len(key) > _MAX_KEY or not _KEY.fullmatch(key):
        raise errors.Invalid("key", "The topic key %(key)r must be lower-case letters, digits and hyphens.", key=key)
    if kind not in ("country", "theme"):
        raise errors.Invalid("kind", "Topic %(key)s: the kind must be country or theme.", key=key)
    if kind == "country" and (len(key) != 2 or language.country_name(key, _FALLBACK) == key.upper()):
        raise errors.Invalid("key", "Topic %(key)s: a country's key is its ISO 3166 code, such as kr.", key=key)
    if not isinstance(names, dict) or not all(map(_is_name, names.values())):
        raise errors.Invalid("names", "Topic %(key)s: each name must be a text of 1 to 60 characters.", key=key)
    if kind == "theme" and _FALLBACK not in names:
        raise errors.Invalid("names", "Topic %(key)s: a theme needs an English name at least.", key=key)


def _is_name(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text.strip()) <= _MAX_NAME and text.isprintable()
