"""The rules by which stories come onto shelves: what a feed's terms mean, and which names are found in the text.

A rule of one feed goes before one of all feeds, and any rule before the names that topics have anyway.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import exists, or_, select

from articles import feeds, finding, topics, unmapped
from articles.finding import Finder
from articles.models import Feed, Topic, TopicRule
from core import errors, language
from core.database import db

PLACES = ("terms", "headline", "dateline")
LONGEST_TERM = 100
"""Characters, as of a feed's terms."""
_KEPT = 16
"""Languages, and feeds with rules of their own, whose rules are kept ready: two megabytes for a thousand of them."""
_OTHERS_TOO = frozenset(map(finding.key, ["Georgia", "Géorgie", "جورجيا", "喬治亞", "ジョージア", "조지아", "จอร์เจีย"]))
"""Names of a country that another place has, too: only a rule says that they mean the country."""

Meaning = frozenset[int]
"""Ids of topics; none: it means nothing, on purpose."""


class Group(NamedTuple):
    """What one rule is about: a feed's id (None: all feeds), a language ('': all), and a term, folded."""

    feed_id: int | None
    language: str
    key: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What a term means in each place where it is found."""

    group: Group
    term: str
    meanings: Mapping[str, Meaning]


@dataclass(frozen=True, slots=True)
class Meanings:
    """All that counts for the stories of one feed in one language, ready for many stories."""

    terms: Mapping[str, Meaning]
    headline: Finder
    dateline: Finder

    def shelves(self, terms: Iterable[str], *, headline: str, dateline: str) -> list[int]:
        """Return the topics of a story by their ids, each once."""
        named = (sorted(self.terms.get(finding.key(term), ())) for term in terms)
        found = [
            *(one for meant in named for one in meant),
            *self.headline.found(headline),
            *self.dateline.found(dateline),
        ]
        return list(dict.fromkeys(found))

    def unmapped(self, terms: Iterable[str]) -> list[str]:
        """Return the terms of which nobody has said what they mean."""
        return [term for term in terms if (key := finding.key(term)) and key not in self.terms]


def meanings(feed_id: int | None, spoken: str) -> Meanings:
    """Return what counts for the stories of a feed in a language; it is put together once for each change of rules."""
    version = topics.version()
    if not version:
        return _put_together(feed_id, spoken)
    own = exists().where(TopicRule.feed_id == feed_id)
    return _kept(version, feed_id if db.session.scalar(select(own)) else None, spoken)


@lru_cache(maxsize=_KEPT)
def _kept(_version: str, feed_id: int | None, spoken: str) -> Meanings:
    """Return what is kept of one state of the rules. Its name is drawn, so no other database has it."""
    return _put_together(feed_id, spoken)


def _put_together(feed_id: int | None, spoken: str) -> Meanings:
    known = topics.all_topics()
    mine = or_(TopicRule.feed_id.is_(None), TopicRule.feed_id == feed_id)
    rows = db.session.scalars(select(TopicRule).where(mine, TopicRule.language.in_(["", spoken]))).all()
    terms = {name: frozenset([topic.id]) for name, topic in topics.spoken(known, also=spoken).items()}
    terms.update((finding.key(term), meaning) for term, meaning in _said(rows, "terms"))
    found = (Finder([*_names(known, spoken, place), *_said(rows, place)]) for place in ("headline", "dateline"))
    return Meanings(terms, *found)


def every() -> list[Rule]:
    """Return all rules, those of all feeds first, then by term."""
    rows = db.session.scalars(select(TopicRule).order_by(TopicRule.id)).all()
    found: dict[Group, list[TopicRule]] = defaultdict(list)
    for row in rows:
        found[Group(row.feed_id, row.language, row.key)].append(row)
    rules = [
        Rule(group, theirs[-1].term, {place: _union(theirs, place) for place in PLACES if _has(theirs, place)})
        for group, theirs in found.items()
    ]
    return sorted(rules, key=lambda rule: (rule.group.feed_id or 0, rule.group.key, rule.group.language))


def read(definitions: Sequence[Mapping[str, Any]]) -> list[Rule]:
    """Return the rules of [[rule]] tables: terms, topics, find_in, feed, language.

    The topics must be there by now. Raises Invalid, whose text names the rule and what is wrong with it.
    """
    found: dict[Group, Rule] = {}
    for number, definition in enumerate(definitions, 1):
        for rule in _read(definition, number):
            before = found.get(rule.group)
            if before is not None and before.meanings.keys() & rule.meanings.keys():
                _refuse(number, f'the term "{rule.term}" has a rule already')
            both = {**(before.meanings if before else {}), **rule.meanings}
            found[rule.group] = Rule(rule.group, rule.term, both)
    return list(found.values())


def changed(wanted: Iterable[Rule]) -> list[tuple[Rule, Rule | None]]:
    """Return the rules that are new or different, each with the one that it replaces."""
    known = {rule.group: rule for rule in every()}
    pairs = [(rule, known.get(rule.group)) for rule in wanted]
    return [(rule, before) for rule, before in pairs if before is None or before.meanings != rule.meanings]


def write(wanted: Iterable[Rule]) -> None:
    """Write rules, each in the place of the one about the same term. Others stay."""
    for rule in wanted:
        _delete(rule.group)
        for place, meaning in rule.meanings.items():
            ids: list[int] | list[None] = sorted(meaning) or [None]
            for topic_id in ids:
                db.session.add(TopicRule(**rule.group._asdict(), term=rule.term, place=place, topic_id=topic_id))
        if "terms" in rule.meanings:
            unmapped.forget(rule.group.key, feed_id=rule.group.feed_id)
    topics.note_change()


def remove(term: str, *, feed: Feed | None) -> int:
    """Forget what a term means, in all languages. Return how many rules that were; a topic's name means it anyway."""
    key, feed_id = finding.key(term), feed.id if feed else None
    groups = [rule.group for rule in every() if (rule.group.key, rule.group.feed_id) == (key, feed_id)]
    for group in groups:
        _delete(group)
    topics.note_change()
    return len(groups)


def _delete(group: Group) -> None:
    theirs = (TopicRule.feed_id.is_(None) if group.feed_id is None else TopicRule.feed_id == group.feed_id,)
    wanted = select(TopicRule).where(*theirs, TopicRule.language == group.language, TopicRule.key == group.key)
    for row in db.session.scalars(wanted).all():
        db.session.delete(row)
    db.session.flush()


def _names(known: Sequence[Topic], spoken: str, place: str) -> list[tuple[str, Meaning]]:
    """Return the names that are found without a rule. Those of other countries hide them: Sudan in South Sudan."""
    wanted = [topic for topic in known if place in topic.find_in]
    if not wanted:
        return []
    by_key = {topic.key: frozenset([topic.id]) for topic in wanted if topic.kind == "country"}
    nothing = Meaning()
    countries = [
        (name, nothing if finding.key(name) in _OTHERS_TOO else by_key.get(code, nothing))
        for code, names in language.country_names(spoken).items()
        for name in names
    ]
    return countries + [(topic.names[spoken], Meaning([topic.id])) for topic in wanted if spoken in topic.names]


def _said(rows: Sequence[TopicRule], place: str) -> list[tuple[str, Meaning]]:
    """Return what rules say of the terms in a place. Later ones go before: any language, the feed's own, both."""
    groups: dict[tuple[bool, bool, str], list[TopicRule]] = defaultdict(list)
    for row in rows:
        if row.place == place:
            groups[row.feed_id is not None, row.language != "", row.key].append(row)
    return [(groups[group][-1].term, _union(groups[group], place)) for group in sorted(groups)]


def _union(rows: Iterable[TopicRule], place: str) -> Meaning:
    return frozenset(row.topic_id for row in rows if row.place == place and row.topic_id is not None)


def _has(rows: Iterable[TopicRule], place: str) -> bool:
    return any(row.place == place for row in rows)


def _read(definition: Mapping[str, Any], number: int) -> list[Rule]:
    terms, keys, places = (definition.get(name, usual) for name, usual in _USUAL.items())
    spoken, feed_url = definition.get("language", ""), definition.get("feed")
    unknown = sorted(definition.keys() - FIELDS)
    known = {topic.key: topic.id for topic in topics.all_topics()}
    for is_wrong, why in (
        (unknown, f"there is no field {', '.join(unknown)}"),
        (not _are_terms(terms), f"terms is a list of texts of 1 to {LONGEST_TERM} characters"),
        ("topics" not in definition or not _are_texts(keys), "topics is a list of keys; an empty one means nothing"),
        (not _are_places(places), 'find_in is a list of "terms", "headline" and "dateline"'),
        (not isinstance(spoken, str), "language is a code such as en"),
        (not isinstance(feed_url, str | None), "feed is the address of a feed"),
    ):
        if is_wrong:
            _refuse(number, why)
    for key in keys:
        if key not in known:
            _refuse(number, f"there is no topic {key}")
    feed = feeds.by_url(feed_url) if feed_url else None
    if feed_url and feed is None:
        _refuse(number, f"there is no feed {feed_url}")
    meaning = frozenset(known[key] for key in keys)
    return [rule_of(term, meaning, places=places, feed=feed, spoken=spoken, number=number) for term in terms]


def rule_of(
    term: str, meaning: Meaning, *, places: Sequence[str], feed: Feed | None, spoken: str = "", number: int = 1
) -> Rule:
    """Return the rule that says what a term means. Raises Invalid for a term without a letter or digit."""
    if not finding.words(term):
        _refuse(number, f'the term "{term}" has no letter and no digit')
    group = Group(feed.id if feed else None, spoken, finding.key(term))
    return Rule(group, term.strip(), dict.fromkeys([place for place in PLACES if place in places], meaning))


_USUAL: Mapping[str, list[str]] = {"terms": [], "topics": [], "find_in": ["terms"]}
FIELDS = frozenset([*_USUAL, "feed", "language"])
"""Of a [[rule]] table."""


def _are_terms(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) and is_term(one) for one in value)


def is_term(text: str) -> bool:
    """Say whether a text is short enough for a term, and shows whole."""
    return 0 < len(text.strip()) <= LONGEST_TERM and text.isprintable()


def _are_places(value: object) -> bool:
    return _are_texts(value) and bool(value) and set(value) <= set(PLACES)  # type: ignore[call-overload]


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _refuse(number: int, why: str) -> None:
    raise errors.Invalid("rule", "Rule %(number)s: %(why)s.", number=number, why=why)
