"""The running demo that is photographed, and what is done in it first so that there is something to see."""

import json
import re
from dataclasses import dataclass, field
from datetime import timedelta

from core import clock, links
from tests.journeys import readers
from tests.journeys.houses import House
from tests.proofs import handing

_STORY = re.compile(r'<h2[^>]*><a href="/[A-Za-z-]+/([a-z2-7]{10}[^"/]*)"')
_VERSION = re.compile(r'<link rel="alternate" hreflang="([^"]+)" href="([^"]+)">')
_CONTENT = """\
<figure><img src="https://news.example.org/ferry.jpg" alt="A ferry between two hills">
<figcaption>The ferry on its last morning</figcaption></figure>
<p>Busan (Agency) – Some two hundred people stood at the quay when the ropes were cast off. Most of them had crossed by
it every day, and some had brought their children to see it once.</p>
<p>The bridge was opened in spring. It takes four minutes to drive across, and forty to wait for it in the morning.</p>
<figure><img src="https://news.example.org/map.jpg" alt="A map of the strait with the bridge"></figure>
<p>The ferry stays where it is. The town wants to make it a library.</p>
"""
_PICTURED = {
    "id": "harbour-1",
    "url": "https://news.example.org/harbour/1",
    "title": "The old ferry goes out for the last time",
    "summary": "For ninety years it took people to work. From Monday a bridge does.",
    "content_html": _CONTENT,
    "authors": [{"name": "Ines Calder"}],
}


@dataclass
class Scene:
    """The demo from outside, by its pages, its inbox and its commands."""

    house: House
    _readers: dict[str, str] = field(default_factory=dict)
    _versions: dict[str, str] = field(default_factory=dict)

    def story(self, language: str, page: str = "story") -> str:
        """Return where the story is that most languages have; in a language without it, the one that leads."""
        self._versions = self._versions or self._most_told()
        found = self._versions.get(language) or self._address(language, self._stories(language)[0])
        return found if page == "story" else f"{found}/{links.PATHS[page].rpartition('/')[2]}"

    def changed(self) -> str:
        """Return where a story is that was corrected and updated."""
        ref = self._stories("en")[1]
        text = "The vote was on Tuesday, not on Monday, and 41 members were there."
        self.house.flask("articles", "correct", ref.partition("-")[0], "--text", text)
        self.house.flask("articles", "update", ref.partition("-")[0])
        return self._address("en", ref)

    def withdrawn(self) -> str:
        """Return where a story was that was withdrawn."""
        ref = self._stories("en")[-1]
        self.house.flask("articles", "withdraw", ref.partition("-")[0], "--reason", "It was about another town.")
        return self._address("en", ref)

    def pictured(self) -> str:
        """Return where a story with pictures is."""
        file = self.house.folder / "pictured.feed"
        item = _PICTURED | {"date_published": (clock.utc_now() - timedelta(minutes=5)).isoformat()}
        feed = {"version": "https://jsonfeed.org/version/1.1", "title": "Harbour", "items": [item]}
        file.write_text(json.dumps(feed), "utf-8")
        handing.hand(self.house, {"feeds": {"https://news.example.org/harbour": str(file)}})
        return self._address("en", next(ref for ref in self._stories("en") if "ferry" in ref))

    def mail(self, language: str, number: int) -> str:
        """Return where a mail to a reader of the language's first digest is."""
        return self.mail_to(self.reader(language), number)

    def reader(self, language: str) -> str:
        """Return the address of a reader of the language's first digest; readers come when they are asked for."""
        return self._readers.get(language) or self._join(language)

    def mail_to(self, address: str, number: int) -> str:
        """Return where a mail to somebody is."""
        self.house.wait_for_mails(number + 1, to=address)
        listed = self.house.http.request("GET", f"{self.house.inbox}/api/messages?limit=1000").json()
        keys = [one["key"] for one in reversed(listed) if address in one["to"]]
        return f"{self.house.inbox}/m/{keys[number]}/html"

    def _join(self, language: str) -> str:
        address = f"reader@{language.lower()}.example"
        form = self.house.get(links.path("subscribe", language=language)).data.decode()
        (digest, *_others) = re.findall(r'name="digests" value="([^"]+)"', form)
        readers.subscribe(self.house, address, digest, language=language)
        (asked,) = self.house.wait_for_mails(1, to=address)
        assert self.house.post(readers.link_to(asked, "confirm"), []).status == 200
        self._readers[language] = address
        return address

    def _stories(self, language: str) -> list[str]:
        """Return the stories of a front page, as they are named in addresses."""
        return _STORY.findall(self.house.get(links.path("front", language=language)).data.decode())

    def _most_told(self) -> dict[str, str]:
        told = []
        for ref in self._stories("en"):
            page = self.house.get(self._address("en", ref)).data.decode()
            told.append({one: address for one, address in _VERSION.findall(page) if one != "x-default"})
        return max(told, key=len)

    def _address(self, language: str, ref: str) -> str:
        return self.house.site + links.path("story", language=language, story=ref)
