"""The same story again, and another one under the same name."""

from collections.abc import Iterator
from datetime import timedelta

from tests.proofs.corpus.model import Look, Member, Story
from tests.proofs.corpus.writing import SITE, STARTED, ago, full, item, look, prose, response, rfc822, rss, took


def members() -> Iterator[Member]:
    """Return the classes of this module."""
    yield from _twice()
    yield from _changed_guids()
    yield from _reused()
    yield from _republished()
    yield from _two_feeds()
    yield from _odd_guids()


def _twice() -> Iterator[Member]:
    kind = "twice in one feed"
    title = "Twice by {}"
    for name, again in {
        "guid": item(title.format("guid"), link=f"{SITE}/en/elsewhere", text="Another text."),
        "address": item(title.format("address"), guid=None, link=f"{SITE}/en/twice"),
        "address over http": item(
            title.format("address over http"), guid=None, link="http://news.example.org/en/twice"
        ),
        "all of it": item(title.format("all of it")),
    }.items():
        own = title.format(name)
        first = item(own, guid=None, link=f"{SITE}/en/twice") if "address" in name else item(own)
        feed = rss(first, again)
        yield Member(kind, name, (look(feed, took(1, known=1)),), (Story(own),))
    own = title.format("text alone")
    bare = item(own, guid=None, link=None, text=prose(own, 30))
    yield Member(kind, "text alone", (look(rss(bare, bare), took(1, known=1)),), (Story(own),))


def _changed_guids() -> Iterator[Member]:
    kind = "guids that change"
    base = "http://news.example.org/g/{}"
    for name, change in {
        "http to https": lambda guid: guid.replace("http:", "https:"),
        "the case of the host": lambda guid: guid.replace("news.example", "News.Example"),
        "a port": lambda guid: guid.replace("example.org", "example.org:80"),
        "tracking": lambda guid: guid + "?utm_source=rss&fbclid=x",
        "the order of the query": lambda guid: guid.replace("?a=1&b=2", "?b=2&a=1"),
        "altogether": lambda _guid: "4711",
        "gone": lambda _guid: None,
    }.items():
        own = f"Known by another guid: {name}"
        guid = base.format(name.replace(" ", "-")) + ("?a=1&b=2" if "query" in name else "")
        link = f"{SITE}/en/{'guid-' + name.replace(' ', '-')}"
        looks = (
            look(rss(item(own, guid=guid, link=link)), took(1)),
            look(rss(item(own, guid=change(guid), link=link)), took(0, known=1)),
        )
        yield Member(kind, name, looks, (Story(own),))
    own = "Known by its text alone"
    text = prose(own, 40)
    looks = (
        look(rss(item(own, guid="old", link=f"{SITE}/en/old-text", text=text)), took(1)),
        look(rss(item(own, guid="new", link=f"{SITE}/en/new-text", text=text)), took(0, known=1)),
    )
    yield Member(kind, "guid and address", looks, (Story(own),))


def _reused() -> Iterator[Member]:
    kind = "guids used again"
    old, new = "Snow closes the northern pass", "Elections: all results by district"
    first = item(f"{old} (a)", guid="r1", link=f"{SITE}/en/r1", date=rfc822(ago(days=1)), text="Snow.")
    late = rfc822(STARTED - timedelta(minutes=1))

    def again(title: str, date: str, guid: str = "r1") -> str:
        return rss(item(title, guid=guid, link=f"{SITE}/en/r1", date=date, text="Other."))

    much_older = item(f"{old} (b)", guid="r1", link=f"{SITE}/en/r1", date=rfc822(ago(days=45)), text="Snow.")
    yield Member(
        kind,
        "another story a month later",
        (look(rss(much_older), took(1)), look(again(f"{new} (b)", late), took(1))),
        (Story(f"{old} (b)", news=False), Story(f"{new} (b)")),
    )
    yield Member(
        kind,
        "another headline the same day is an edit",
        (look(rss(first), took(1)), look(again(f"{new} (a)", late), took(0, changed=1))),
        (Story(f"{new} (a)", revision=2),),
    )
    title = f"{old} (c)"
    yield Member(
        kind,
        "the same headline a month later is an edit",
        (
            look(rss(much_older.replace("(b)", "(c)")), took(1)),
            look(again(f"{title}, again", late), took(0, changed=1)),
        ),
        (Story(f"{title}, again", revision=2, news=False),),
    )
    yield Member(
        kind,
        "another headline and no date is an edit",
        (
            look(rss(much_older.replace("(b)", "(d)")), took(1)),
            look(rss(item(f"{new} (d)", guid="r1", link=f"{SITE}/en/r1", date=None)), took(0, changed=1)),
        ),
        (Story(f"{new} (d)", revision=2, news=False),),
    )


def _republished() -> Iterator[Member]:
    kind = "republished"
    for name, edit, says, texts in (
        ("the same text elsewhere", lambda text: text, took(0, known=1), 1),
        ("a word changed", lambda text: text.replace("harbour", "port", 1), took(0, known=1), 1),
        ("a sentence added", lambda text: text + " The council meets again on Monday.", took(0, known=1), 1),
        ("quite another text", lambda text: prose(text), took(1), 2),
        ("half of it another", lambda text: text[: len(text) // 2] + prose(text), took(1), 2),
    ):
        own = f"Again with {name}"
        text = prose(own, 160)
        first = item(own, guid=f"{name} 1", link=f"{SITE}/en/{len(name)}/1", more=full(f"<p>{text}</p>"))
        second = item(
            f"{own}, later", guid=f"{name} 2", link=f"{SITE}/en/{len(name)}/2", more=full(f"<p>{edit(text)}</p>")
        )
        stories = (Story(own, has=(text[:60],)),) + ((Story(f"{own}, later"),) if texts == 2 else ())
        yield Member(kind, name, (look(rss(first), took(1)), look(rss(second, first), f"{says[:5]}")), stories)
    own = "Updated where it was"
    text = prose(own)
    looks = (
        look(rss(item(own, more=full(f"<p>{text}</p>"))), took(1)),
        look(rss(item(own, more=full(f"<p>{text} It was found.</p>"))), took(0, changed=1)),
        look(rss(item(own, more=full(f"<p>{text} It was found.</p>"))), took(0, known=1)),
    )
    yield Member(kind, "updated where it was", looks, (Story(own, has=("It was found.",), revision=2),))


def _two_feeds() -> Iterator[Member]:
    kind = "the same story in two feeds"
    for name, edit, new in (
        ("word for word", lambda text: text, 0),
        ("lightly edited", lambda text: text.replace("council", "board", 1), 0),
        ("with another standfirst", lambda text: text, 0),
        ("another story", lambda text: prose("other" + text, 160), 1),
    ):
        own = f"In both feeds, {name}"
        text = prose(own, 160)
        feed = rss(item(own, more=full(f"<p>{text}</p>")))
        other = rss(
            item(f"{own}, too", guid=f"other {name}", text=f"Standfirst {name}", more=full(f"<p>{edit(text)}</p>"))
        )
        looks = (
            look(feed, took(1)),
            Look(took(new, known=1 - new), {"/other": response(other)}, feed="/other"),
            look(feed, took(0, known=1)),
        )
        stories = (Story(own),) + ((Story(f"{own}, too", feed="/other"),) if new else ())
        yield Member(kind, name, looks, stories)


def _odd_guids() -> Iterator[Member]:
    kind = "odd guids"
    for name, guids in {
        "none": (None, None),
        "empty": (" ", " "),
        "very long": ("x" * 100_000, "x" * 100_000 + "y"),
        "only the fragment differs": (f"{SITE}/live#1", f"{SITE}/live#2"),
        "what is no address": ("http://[", "http://[x"),
        "hidden characters": ("a\u200bb", "ab"),
    }.items():
        titles = (f"Odd guid ({name}), the first", f"Odd guid ({name}), the second")
        feed = rss(*(item(title, guid=guid) for title, guid in zip(titles, guids, strict=True)))
        looks = (look(feed, took(2)), look(feed, took(0, known=2)))
        yield Member(kind, name, looks, tuple(Story(title) for title in titles))
    titles = ("The same guid, the first", "The same guid, the second")
    shared = rss(*(item(title, guid="1", text=prose(title, 30)) for title in titles))
    yield Member(kind, "one guid for all", (look(shared, took(2)),), tuple(Story(title) for title in titles))
