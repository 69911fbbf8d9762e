"""Every URL that we print: the patterns that `web/` registers, and the links made from them.

A link in a mail that was sent is a public API for ever: a pattern is added here, never changed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from core.tokens import Purpose, Tokens

PATHS: Mapping[str, str] = {
    "front": "/<language>/",
    "topics": "/<language>/topics",
    "topic": "/<language>/topics/<topic>",
    "story": "/<language>/<story>",
    "print": "/<language>/<story>/print",
    "share": "/<language>/<story>/send",
    "share_read": "/<language>/<story>/send/read",
    "share_as": "/<language>/<story>/send/t/<token>",
    "share_confirm": "/share/confirm/t/<token>",
    "share_opt_out": "/share/never/t/<token>",
    "share_not_me": "/share/not-me/t/<token>",
    "subscribe": "/<language>/subscribe",
    "frame": "/<language>/subscribe/frame",
    "embed": "/<language>/embed",
    "check_inbox": "/<language>/check-your-inbox",
    "fresh_link": "/<language>/fresh-link",
    "confirm": "/confirm/t/<token>",
    "preferences": "/preferences/t/<token>",
    "choices": "/preferences/<digest>/t/<token>",
    "why": "/why/t/<token>",
    "unsubscribe": "/unsubscribe/<digest>/t/<token>",
    "unsubscribe_all": "/unsubscribe/t/<token>",
    "undo": "/undo/t/<token>",
    "undo_one": "/undo/<change>/t/<token>",
    "not_me": "/not-me/t/<token>",
    "address": "/address/t/<token>",
    "confirm_address": "/address/confirm/t/<token>",
    "webhook": "/webhooks/<service>",
    "feed_hook": "/hooks/feeds/<feed>",
    "hub_hook": "/hooks/hubs/<callback>",
    "atom": "/<language>/feed.atom",
    "json_feed": "/<language>/feed.json",
    "topic_atom": "/<language>/topics/<topic>/feed.atom",
    "topic_json_feed": "/<language>/topics/<topic>/feed.json",
    "archive": "/<language>/archive",
    "day": "/<language>/archive/<day>",
    "topic_archive": "/<language>/topics/<topic>/archive",
    "topic_day": "/<language>/topics/<topic>/archive/<day>",
    "search": "/<language>/search",
    "editions": "/<language>/digests/<digest>",
    "edition": "/<language>/digests/<digest>/<edition>",
    "view": "/<language>/digests/<digest>/<edition>/t/<token>",
    "click": "/<language>/digests/<digest>/<edition>/<story>/t/<token>",
    "sitemaps": "/sitemap.xml",
    "sitemap": "/<language>/sitemap.xml",
    "news_sitemap": "/<language>/news-sitemap.xml",
    "robots": "/robots.txt",
    "picture": "/pictures/<picture>",
}


@dataclass(frozen=True, slots=True)
class ReaderLinks:
    """The personal links of one reader in one mail."""

    preferences: str
    why: str
    unsubscribe: str


@dataclass(frozen=True, slots=True)
class Links:
    """Builds absolute links. `base_url` has no slash at its end."""

    base_url: str
    tokens: Tokens

    def to(self, name: str, **values: str) -> str:
        """Return the absolute URL of the page `name` of PATHS. Values are percent-encoded as one path segment."""
        return self.base_url + path(name, **values)

    def reader(self, key: bytes, *, digest: str, version: int, day: int) -> ReaderLinks:
        """Return the links that go into a reader's mail: `key` is the reader's opaque 16 bytes."""
        token = self.tokens.mint(Purpose.PREFERENCES, key, version=version, day=day)
        return ReaderLinks(
            preferences=self.base_url + _before_token("preferences") + token,
            # Whoever may change what comes may see why it came, so it is the same token: a mail has four at most.
            why=self.base_url + _before_token("why") + token,
            unsubscribe=self.unsubscribe(key, digest=digest, version=version, day=day),
        )

    def preferences(self, key: bytes, *, version: int, day: int) -> str:
        """Return the link to a reader's preferences."""
        token = self.tokens.mint(Purpose.PREFERENCES, key, version=version, day=day)
        return self.base_url + _before_token("preferences") + token

    def unsubscribe(self, key: bytes, *, digest: str, version: int, day: int) -> str:
        """Return the link that leaves one digest. An empty `digest` leaves all of them."""
        token = self.tokens.mint(Purpose.UNSUBSCRIBE, key, version=version, day=day, scope=digest)
        return self.base_url + _before_token("unsubscribe" if digest else "unsubscribe_all", digest) + token

    def undo(self, key: bytes, *, version: int, day: int, change: str = "") -> str:
        """Return the link that takes one change back, named by its opaque id; without one, the latest changes."""
        token = self.tokens.mint(Purpose.UNDO, key, version=version, day=day, scope=change)
        return self.base_url + path("undo_one" if change else "undo", change=change, token=token)

    def not_me(self, key: bytes, *, version: int, day: int) -> str:
        """Return the link of whoever did not make a change: it renews all of the reader's links."""
        token = self.tokens.mint(Purpose.NOT_ME, key, version=version, day=day)
        return self.base_url + _before_token("not_me") + token

    def address(self, key: bytes, *, version: int, day: int) -> str:
        """Return the link to the page on which a reader types a new address."""
        token = self.tokens.mint(Purpose.ADDRESS, key, version=version, day=day)
        return self.base_url + _before_token("address") + token

    def confirm_address(self, key: bytes, *, day: int) -> str:
        """Return the link that confirms one change of address: `key` is that change's own opaque 16 bytes."""
        token = self.tokens.mint(Purpose.NEW_ADDRESS, key, version=0, day=day)
        return self.base_url + _before_token("confirm_address") + token

    def confirm(self, key: bytes, *, day: int) -> str:
        """Return the link that confirms one request: `key` is the request's opaque 16 bytes."""
        return self.base_url + _before_token("confirm") + self.tokens.mint(Purpose.CONFIRM, key, version=0, day=day)

    def share_as(self, key: bytes, *, language: str, story: str, version: int, day: int) -> str:
        """Return the link that sends a story as a reader: `key` is the reader's opaque 16 bytes."""
        token = self.tokens.mint(Purpose.SHARE, key, version=version, day=day)
        return self.to("share_as", language=language, story=story, token=token)

    def share_confirm(self, key: bytes, *, day: int) -> str:
        """Return the link by which a sender proves their mailbox: `key` is the share's opaque 16 bytes."""
        return self.base_url + _before_token("share_confirm") + self._minted(Purpose.SHARE_CONFIRM, key, day)

    def share_opt_out(self, key: bytes, *, day: int) -> str:
        """Return the link that ends mails from friends: `key` is the friend's opaque 16 bytes, or of a share."""
        return self.base_url + _before_token("share_opt_out") + self._minted(Purpose.SHARE_OPT_OUT, key, day)

    def share_not_me(self, key: bytes, *, day: int) -> str:
        """Return the link of whoever did not send a story: `key` is the share's opaque 16 bytes."""
        return self.base_url + _before_token("share_not_me") + self._minted(Purpose.SHARE_NOT_ME, key, day)

    def _minted(self, purpose: Purpose, key: bytes, day: int) -> str:
        return self.tokens.mint(purpose, key, version=0, day=day)


def path(name: str, **values: str) -> str:
    """Return the path of the page `name`. Raises KeyError for an unknown page or a missing value."""
    return re.sub(r"<(\w+)>", lambda match: quote(values[match[1]], safe=""), PATHS[name])


@lru_cache(maxsize=1024)
def _before_token(name: str, digest: str = "") -> str:
    """Return the path of a personal page up to its token, which is last and needs no percent-encoding."""
    return path(name, digest=digest, token="")
