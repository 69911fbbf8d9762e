"""The three mails of sharing: to the friend, to the sender who is asked, and to the sender who is told."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from articles import cleaning, related
from articles.models import Article
from core import language as languages
from core import mailtext
from core.services import Services
from core.shares import ShareSettings
from delivery import content
from sharing.asking import CONFIRM_WITHIN
from sharing.models import Share

MAX_SUBJECT = 150
MAX_PARAGRAPH = 600
MOST_ALSO = 3
FROM_A_FRIEND = "#from-a-friend"
"""At the end of a link to our page, where reads are counted: the same in all mails, and it never leaves a browser."""
_PARAGRAPH = re.compile(r"<p>(.*?)</p>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Also:
    """Another story that a friend's mail names."""

    headline: str
    url: str


@dataclass(frozen=True, slots=True)
class StoryTold:
    """A story as the mail to a friend tells it, in its own language. `print_url` may be empty."""

    headline: str
    standfirst: str
    paragraph: str
    place: str
    agency: str
    published: str
    url: str
    print_url: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A story as mails to the sender name it: its headline may be in another language than the mail."""

    headline: str
    language: str
    direction: str
    url: str


def story_url(article: Article, services: Services) -> str:
    """Return the one address under which a story is known: its publisher's page, where it is to be read there."""
    own = services.links.to("story", language=article.language, story=article.ref)
    return article.url if article.is_read_elsewhere else own


def friend(share: Share, sender: str, *, given: ShareSettings, services: Services) -> mailtext.Mail:
    """Render the mail to a friend, in the story's language: who sends it, the story, and how to end such mails.

    Nothing in it is of another reader, nothing follows who reads it, and its subject is the publisher's own.
    """
    article = share.article
    values = {
        "publication": services.publication,
        "name": share.name,
        "sender": sender,
        "note": share.note if given.note else "",
        "story": _told(article, given, services),
        "also": _also(article, services) if given.see_also else (),
        "subscribe": services.links.to("subscribe", language=article.language) if given.subscribe else "",
    }
    return _compiled(mailtext.render("friend", article.language, values))


def _told(article: Article, given: ShareSettings, services: Services) -> StoryTold:
    link = {"language": article.language, "story": article.ref}
    counted = FROM_A_FRIEND if given.count_reads and not article.is_read_elsewhere else ""
    found = _PARAGRAPH.search(article.shown_body)
    paragraph = cleaning.plain(cleaning.text_of(found[1]), most=MAX_PARAGRAPH) if found else ""
    return StoryTold(
        headline=cleaning.cut(article.headline, most=MAX_SUBJECT),
        standfirst=article.standfirst,
        paragraph=paragraph,
        place=article.dateline_place if paragraph else "",
        agency=article.dateline_agency if paragraph else "",
        published=languages.instant_text(article.published_at, article.language, services.publication.zone),
        url=story_url(article, services) + counted,
        print_url=services.links.to("print", **link) if article.printable else "",
    )


def _also(article: Article, services: Services) -> Sequence[Also]:
    alike = [one for one in related.see_also(article) if one.shareable]
    return [Also(one.headline, story_url(one, services)) for one in alike[:MOST_ALSO]]


def question(share: Share, *, services: Services) -> mailtext.Mail:
    """Render the mail that asks a sender: was it you? Neither name nor note is in it, and friends are masked."""
    until = languages.instant_text(share.at + CONFIRM_WITHIN, share.language, services.publication.zone)
    return _to_sender("share-confirm", share, services, until=until)


def notice(share: Share, *, services: Services) -> mailtext.Mail:
    """Render the mail that tells a sender what goes out in their name; it says nothing of what becomes of it."""
    at = languages.instant_text(share.confirmed_at or share.at, share.language, services.publication.zone)
    return _to_sender("share-notice", share, services, at=at, by_link=share.token_hash is not None)


def _to_sender(name: str, share: Share, services: Services, **values: object) -> mailtext.Mail:
    article = share.article
    story = Sent(
        cleaning.cut(article.headline, most=MAX_SUBJECT),
        article.language,
        languages.direction(article.language),
        story_url(article, services),
    )
    friends = [one.masked for one in share.friends if one.masked]
    told = {"publication": services.publication, "story": story, "friends": friends, **values}
    return _compiled(mailtext.render(name, share.language, told))


def _compiled(mail: mailtext.Mail) -> mailtext.Mail:
    """Compile a mail now, outside of any transaction: queueing it then finds it compiled."""
    content.compile_mail(mail)
    return mail
