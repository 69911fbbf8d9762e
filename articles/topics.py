"""The shelves: what topics there are, what they are called, and which ones a feed's own words mean."""

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from articles import finding
from articles.models import ArticleTopic, Topic
from core import database, errors, language
from core.database import Mark, db
from core.errors import _

_KEY = re.compile("[a-z0-9]+(-[a-z0-9]+)*")
_MAX_KEY, _MAX_NAME = 40, 60
FOUND_IN = ("headline", "dateline")
"""Where a topic's names can be looked for, besides the terms of a feed."""
_CHANGED = "topics changed"
_FALLBACK = "en"
"""A theme has an English name at least; countries have theirs from CLDR."""


def apply(definitions: Sequence[Mapping[str, Any]]) -> None:
    """Write the topics of a topics.toml: tables with key, kind, names, find_in. A topic that it leaves out stays.

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
        topic.kind, topic.names, topic.find_in = definition["kind"], names, list(definition.get("find_in", []))
    note_change()


def note_change() -> None:
    """Say that topics or their rules are others from now on; whoever writes either does, in the same transaction."""
    db.session.flush()
    row = {"name": _CHANGED, "value": secrets.token_hex(16)}
    insert = database.insert_for(db.engine)(Mark).values(row)
    db.session.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"value": row["value"]}))


def version() -> str:
    """Return by what these topics and rules are told from any others, of before or of another database; '' at first."""
    return db.session.scalar(select(Mark.value).where(Mark.name == _CHANGED)) or ""


def changes(definitions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what `apply` would do, a line for each topic that is new (+) or would change (~). Raises Invalid."""
    for definition in definitions:
        _check(definition)
    known = {topic.key: topic for topic in all_topics()}
    lines = []
    for definition in definitions:
        topic = known.get(str(definition["key"]))
        told = {
            "kind": definition["kind"],
            "names": definition.get("names") or {},
            "find_in": definition.get("find_in", []),
        }
        if topic is None:
            lines.append(f"+ topic {definition['key']}")
        elif changed := [name for name, value in told.items() if getattr(topic, name) != value]:
            lines.append(f"~ topic {topic.key}: {', '.join(changed)}")
    return lines


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


def spoken(topics: Iterable[Topic], *, also: str = _FALLBACK) -> dict[str, Topic]:
    """Return every folded key and name with its topic. A key wins over a name, an earlier topic over a later one.

    Countries go by their names in each language in which some topic has a name, and in one more.
    """
    topics = list(topics)
    languages = {_FALLBACK, also}.union(*(topic.names for topic in topics))
    found = {finding.key(topic.key): topic for topic in topics}
    for topic in topics:
        theirs = [language.country_name(topic.key, code) for code in sorted(languages)]
        for spoken_name in (*topic.names.values(), *(theirs if topic.kind == "country" else ())):
            found.setdefault(finding.key(spoken_name), topic)
    return found


def place(shelves: Mapping[int, Iterable[int]]) -> int:
    """Put articles on exactly these shelves, both by their ids. Return how many articles that changed."""
    stands = ArticleTopic.article_id.in_(shelves)
    present = {(row.article_id, row.topic_id): row for row in db.session.scalars(select(ArticleTopic).where(stands))}
    wanted = {(article_id, topic_id) for article_id, topic_ids in shelves.items() for topic_id in topic_ids}
    for left in present.keys() - wanted:
        db.session.delete(present[left])
    for article_id, topic_id in sorted(wanted - present.keys()):
        db.session.add(ArticleTopic(article_id=article_id, topic_id=topic_id))
    db.session.flush()
    return len({article_id for article_id, _topic_id in wanted ^ present.keys()})


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
    _check_find_in(definition.get("find_in", []), key)


def _check_find_in(places: object, key: str) -> None:
    if not isinstance(places, list) or any(place not in FOUND_IN for place in places):
        wrong = 'Topic %(key)s: find_in is a list of "headline" and "dateline".'
        raise errors.Invalid("find_in", wrong, key=key)


def _is_name(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text.strip()) <= _MAX_NAME and text.isprintable()
