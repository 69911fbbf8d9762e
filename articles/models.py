"""The tables of what there is to read: feeds, stories, their articles by language, and topics."""

import os
from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, false, text, true
from sqlalchemy.orm import Mapped, mapped_column

from core import changes, tokens
from core.database import Base, RowId

GUARDED = "flood guard"
"""The reason of a story that is held because too much came at once, and not by an editor."""
WAITING = "full text"
"""The reason of a story that is held for a few minutes, because its text is being fetched from its page."""
EMBARGOED = text("embargo_until IS NOT NULL")
HELD = text("state = 'held'")
BREAKING = text("breaking_at IS NOT NULL")
READ_AT = "read_at IN ('postrider', 'publisher')"
WORDS_A_MINUTE = 220
"""How fast a grown-up reads news silently, roughly; Brysbaert 2019 found 238 for non-fiction."""


def ref_of(public_id: str, slug: str) -> str:
    """Return what stands for an article in a path."""
    return f"{public_id}-{slug}" if slug else public_id


class Feed(Base):
    """A publisher's feed. One that is not `is_fetched` is never asked for: its bytes are handed to us or pushed.

    `public_id` names it where its publisher pushes. The key for that is derived; `push_version` says which one holds
    (0: none was made), and until `push_older_until` the one before holds, too. `may_break` says that what is pushed may
    call itself breaking news. `moved_to` is where it said once that it has moved for good; said twice, that is its
    `url`. `usual_gap_s` is how long nothing new comes from it at most, as a rule. `read_at` and `teaser_only` are what
    its stories begin with. `full_text` says that its publisher lets us take the text from a story's page, where the
    feed has a teaser.
    """

    __tablename__ = "feeds"
    __table_args__ = (
        CheckConstraint("state IN ('on', 'paused', 'gone')", name="state"),
        CheckConstraint(READ_AT, name="read_at"),
        changes.NOT_SHOWN,
    )
    id: Mapped[RowId]
    url: Mapped[str] = mapped_column(unique=True)
    language: Mapped[str]
    state: Mapped[str] = mapped_column(default="on")
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]
    next_fetch_at: Mapped[datetime | None] = mapped_column(index=True)
    fails: Mapped[int] = mapped_column(default=0)
    last_success_at: Mapped[datetime | None]
    moved_to: Mapped[str | None]
    last_new_at: Mapped[datetime | None]
    usual_gap_s: Mapped[int] = mapped_column(default=0, server_default="0")
    read_at: Mapped[str] = mapped_column(default="postrider", server_default="postrider")
    teaser_only: Mapped[bool] = mapped_column(default=False, server_default=false())
    public_id: Mapped[str] = mapped_column(unique=True, default=lambda: tokens.encode(os.urandom(10)))
    is_fetched: Mapped[bool] = mapped_column(default=True, server_default=true())
    push_version: Mapped[int] = mapped_column(default=0, server_default="0")
    push_older_until: Mapped[datetime | None]
    may_break: Mapped[bool] = mapped_column(default=False, server_default=false())
    full_text: Mapped[bool] = mapped_column(default=False, server_default=false())
    last_push_at: Mapped[datetime | None]


class Story(Base):
    """One piece of news in all its languages and revisions."""

    __tablename__ = "stories"
    __table_args__ = (changes.NOT_SHOWN,)
    id: Mapped[RowId]
    public_id: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]


class Article(Base):
    """One language version of a story. `body` is clean HTML without the dateline; other texts are plain.

    What is held is not seen, until `embargo_until` if there is one; what was withdrawn says why (`reason`).
    `correction` says what was wrong; `marked_updated_at` is an editor's mark, `text_changed_at` the feed's doing.
    `url` is the publisher's own page, if we know it; `read_at` says where mails lead, and `teaser_only` that the text
    is for the publisher's page alone. `terms` are its feed's own words for what it is about; None: not kept yet.
    A flash is a headline before there is a story, and `became_id` the story that it became. Breaking news that is
    `urgent` is mailed at any hour, however many breaking mails a reader had that day.
    Since `pictures_changed_at` its page has these pictures: no new text, but another look.
    """

    __tablename__ = "articles"
    __table_args__ = (
        UniqueConstraint("story_id", "language"),
        CheckConstraint("state IN ('published', 'held', 'withdrawn', 'flash')", name="state"),
        CheckConstraint("state = 'flash' OR became_id IS NULL", name="became"),
        CheckConstraint(READ_AT, name="read_at"),
        Index(None, "language", "published_at"),
        Index(None, "language", "first_seen_at"),
        Index("ix_articles_embargoed", "embargo_until", sqlite_where=EMBARGOED, postgresql_where=EMBARGOED),
        Index("ix_articles_held", "feed_id", sqlite_where=HELD, postgresql_where=HELD),
        Index("ix_articles_breaking", "breaking_at", sqlite_where=BREAKING, postgresql_where=BREAKING),
        changes.SHOWN,
    )
    id: Mapped[RowId]
    story_id: Mapped[int] = mapped_column(ForeignKey("stories.id"))
    language: Mapped[str]
    feed_id: Mapped[int | None] = mapped_column(ForeignKey("feeds.id"))
    public_id: Mapped[str] = mapped_column(unique=True)
    slug: Mapped[str]
    headline: Mapped[str]
    standfirst: Mapped[str]
    dateline_place: Mapped[str]
    dateline_agency: Mapped[str]
    body: Mapped[str]
    author: Mapped[str]
    words: Mapped[int]
    published_at: Mapped[datetime]
    first_seen_at: Mapped[datetime]
    text_changed_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(default="published", server_default="published")
    reason: Mapped[str] = mapped_column(default="", server_default="")
    embargo_until: Mapped[datetime | None]
    correction: Mapped[str] = mapped_column(default="", server_default="")
    corrected_at: Mapped[datetime | None]
    marked_updated_at: Mapped[datetime | None]
    pictures_changed_at: Mapped[datetime | None]
    shareable: Mapped[bool] = mapped_column(default=True, server_default=true())
    printable: Mapped[bool] = mapped_column(default=True, server_default=true())
    topics_by_hand: Mapped[bool] = mapped_column(default=False, server_default=false())
    url: Mapped[str] = mapped_column(default="", server_default="")
    read_at: Mapped[str] = mapped_column(default="postrider", server_default="postrider")
    teaser_only: Mapped[bool] = mapped_column(default=False, server_default=false())
    breaking_at: Mapped[datetime | None]
    urgent: Mapped[bool] = mapped_column(default=False, server_default=false())
    became_id: Mapped[int | None] = mapped_column(ForeignKey("articles.id"), index=True)
    terms: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    rank: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")

    @property
    def ref(self) -> str:
        """Return what stands for this article in a path. The id decides; the slug is for people."""
        return ref_of(self.public_id, self.slug)

    @property
    def updated_at(self) -> datetime | None:
        """Return when its text changed last, or an editor marked it as updated."""
        return max(filter(None, (self.text_changed_at, self.marked_updated_at)), default=None)

    @property
    def shown_body(self) -> str:
        """Return the text as we may show it: none of a story that is to be read on its publisher's page alone."""
        return "" if self.teaser_only else self.body

    @property
    def is_read_elsewhere(self) -> bool:
        """Return whether links lead to the publisher's page instead of ours."""
        return self.read_at == "publisher" and bool(self.url)

    @property
    def minutes(self) -> int:
        """Return the reading time in whole minutes, at least one."""
        return max(1, round(self.words / WORDS_A_MINUTE))


class ArticleRevision(Base):
    """A text that an article had before, until `replaced_at`; its text of now stands in the article."""

    __tablename__ = "article_revisions"
    __table_args__ = (changes.NOT_SHOWN,)
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    headline: Mapped[str]
    standfirst: Mapped[str]
    dateline_place: Mapped[str]
    dateline_agency: Mapped[str]
    body: Mapped[str]
    replaced_at: Mapped[datetime]


class ArticleIdentity(Base):
    """A value under which a feed's entry is known again: its guid, its URL, its text.

    Kind `version` is the URL of another language version that the article named: whichever of the two comes
    in first, the second finds its story.
    """

    __tablename__ = "article_identities"
    __table_args__ = (
        CheckConstraint("kind IN ('guid', 'url', 'text', 'version')", name="kind"),
        Index(None, "value_hash"),
        changes.NOT_SHOWN,
    )
    feed_id: Mapped[int] = mapped_column(ForeignKey("feeds.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    value_hash: Mapped[bytes] = mapped_column(primary_key=True)
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"))


class FullText(Base):
    """A story whose text is on its page: since when that is shown (`taken_at`), and when it is asked for next.

    `own_hash` is of the feed's own words: when they change, the page is asked for anew, with `etag` and `last_modified`
    of the answer before. `tries` counts since `wanted_at`; `why` says what kept the last one from bringing a text.
    """

    __tablename__ = "full_texts"
    __table_args__ = (changes.NOT_SHOWN,)
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"), primary_key=True)
    own_hash: Mapped[bytes]
    wanted_at: Mapped[datetime]
    next_try_at: Mapped[datetime | None] = mapped_column(index=True)
    tries: Mapped[int] = mapped_column(default=0)
    taken_at: Mapped[datetime | None]
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]
    why: Mapped[str] = mapped_column(default="")


class Topic(Base):
    """A shelf that a reader can choose. A theme brings its names; a country's key is its ISO 3166 code.

    `find_in` says where its names are looked for besides the feed's terms: in the headline, in the dateline.
    """

    __tablename__ = "topics"
    __table_args__ = (CheckConstraint("kind IN ('country', 'theme')", name="kind"), changes.SHOWN)
    id: Mapped[RowId]
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    names: Mapped[dict[str, str]] = mapped_column(JSON)
    find_in: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")


class ArticleTopic(Base):
    """An article stands on a shelf."""

    __tablename__ = "article_topics"
    __table_args__ = (Index(None, "topic_id"), changes.SHOWN)
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"), primary_key=True)
    topic_id: Mapped[int] = mapped_column(ForeignKey("topics.id"), primary_key=True)


class TopicRule(Base):
    """What a term means: a topic, or nothing (no topic); of a feed, or of all (no feed); in a language, or in any ('').

    `key` is the folded term, by which it is looked up; `place` is where it was found: among the feed's terms, in the
    headline or in the dateline. A term that means several topics has a row for each.
    """

    __tablename__ = "topic_rules"
    __table_args__ = (
        CheckConstraint("place IN ('terms', 'headline', 'dateline')", name="place"),
        Index(None, "feed_id", "language"),
        changes.NOT_SHOWN,
    )
    id: Mapped[RowId]
    feed_id: Mapped[int | None] = mapped_column(ForeignKey("feeds.id"))
    language: Mapped[str]
    place: Mapped[str]
    key: Mapped[str]
    term: Mapped[str]
    topic_id: Mapped[int | None] = mapped_column(ForeignKey("topics.id"))


class UnmappedTerm(Base):
    """A term of a feed that means nothing to us yet: in how many stories it stood, and the last one of them."""

    __tablename__ = "unmapped_terms"
    __table_args__ = (changes.NOT_SHOWN,)
    feed_id: Mapped[int] = mapped_column(ForeignKey("feeds.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    term: Mapped[str]
    count: Mapped[int]
    last_seen_at: Mapped[datetime]
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"))
