"""Too much, too long, too many, or nothing; and what an editor must see before any reader does."""

from collections.abc import Iterator

from tests.proofs.corpus.model import SEEN, Member, Story
from tests.proofs.corpus.writing import AT, SITE, ago, full, item, look, prose, rfc822, rss, took, turned_away


def members() -> Iterator[Member]:
    """Return the classes of this module."""
    yield from _without()
    yield from _headlines()
    yield from _huge()
    yield from _many()
    yield from _floods()
    yield from _archives()
    yield from _lost_bodies()


def _without() -> Iterator[Member]:
    kind = "items without anything"
    for name, bad in {
        "an empty item": "<item/>",
        "a guid alone": "<item><guid>g</guid></item>",
        "a text alone": "<item><description>A text without a headline.</description></item>",
        "a headline of blanks": "<item><title> \n\t </title><guid>g</guid></item>",
        "a headline of tags": "<item><title>&lt;b&gt; &lt;/b&gt;</title><guid>g</guid></item>",
    }.items():
        own = f"Beside {name}"
        yield Member(kind, name, (look(rss(bad, item(own)), took(1, refused=1)),), (Story(own),))
    own = "A headline and no more"
    bare = item(own, guid=None, link=None, date=None, text=None)
    yield Member(
        kind, "a headline alone", (look(rss(bare), took(1)), look(rss(bare), took(0, known=1))), (Story(own, at=SEEN),)
    )
    yield Member(kind, "no items", (look(rss(), took(0)),), row={"fails": 0})


def _headlines() -> Iterator[Member]:
    kind = "long headlines"
    words = prose("a headline", 900)[:5_000]
    shown = words[: words[:299].rindex(" ")] + "…"
    yield Member(
        kind, "five thousand characters", (look(rss(item(words, guid="l1", link=None)), took(1)),), (Story(shown),)
    )
    yield Member(
        kind,
        "five thousand without a space",
        (look(rss(item("A" * 5_000, guid="l2", link=None)), took(1)),),
        (Story("A" * 299 + "…"),),
    )
    yield Member(
        kind,
        "five thousand in chinese",
        (look(rss(item("渡" * 5_000, guid="l3", link=None)), took(1)),),
        (Story("渡" * 299 + "…"),),
    )
    marks = "Z" + "\u0301" * 3_000
    yield Member(
        kind,
        "three thousand marks on one letter",
        (look(rss(item(marks, guid="l4", link=None), item("Beside the marks")), took(1, refused=1)),),
        (Story("Beside the marks"),),
    )


def _huge() -> Iterator[Member]:
    kind = "huge items"
    for name, body, fits in (
        ("a text of 250,000 characters", "<p>" + "word " * 50_000 + "</p>", False),
        ("thirty thousand tags", "<b>x</b>" * 15_000, False),
        ("nested sixty times", "<div>" * 60 + "x" + "</div>" * 60, False),
        ("never closed", "<b><i>x" * 4_000, False),
        ("a text of 150,000 characters", "<p>" + "word " * 30_000 + "</p>", True),
        ("a picture in the text", f'<p>Before <img src="data:image/png;base64,{"A" * 150_000}"> after</p>', True),
    ):
        own = f"Beside {name}"
        feed = rss(item(f"The one with {name}", text="x", more=full(body)), item(own))
        stories = (Story(own), *((Story(f"The one with {name}"),) if fits else ()))
        yield Member(kind, name, (look(feed, took(1 + fits, refused=1 - fits)),), stories)
    whole = rss(*(item(f"Large {n}", more=full(f"<p>{'word ' * 20_000}</p>")) for n in range(52)))
    yield Member(kind, "a feed of more than 5 MB", (turned_away(whole, "larger than 5000000 bytes"),))


def _many() -> Iterator[Member]:
    kind = "too many items"
    for count in (501, 20_000):
        feed = rss(*(item(f"Many {n}", text="x") for n in range(count)))
        yield Member(kind, f"{count} items", (turned_away(feed, "more than 500 entries|larger than"),))
    feed = rss(*(item(f"Just enough, number {n}", date=rfc822(ago(days=30))) for n in range(500)))
    stories = tuple(Story(f"Just enough, number {n}", news=False) for n in range(500))
    yield Member(kind, "500 items", (look(feed, took(500)),), stories)
    tagged = item("Has many categories", more="".join(f"<category>c{n}</category>" for n in range(5_000)))
    yield Member(kind, "5,000 categories", (look(rss(tagged), took(1)),), (Story("Has many categories"),))


def _floods() -> Iterator[Member]:
    kind = "floods"
    start = "Calm before the flood, {}"
    for name, date, count, held in (
        ("fifty-one at once", rfc822(AT), 51, 51),
        ("sixty without dates", None, 60, 60),
        ("four old ones", rfc822(ago(days=9)), 4, 4),
        ("fifty at once", rfc822(AT), 50, 0),
        ("three old ones", rfc822(ago(days=9)), 3, 0),
    ):
        first = item(start.format(name))
        titles = [f"Flood of {name}, number {n}" for n in range(count)]
        feed = rss(first, *(item(title, date=date, text=f"Text {title}") for title in titles))
        state = "held" if held else "published"
        stories = [Story(title, state=state, news=not held) for title in titles]
        alert = rf"{held} stories of the feed \S*{kind}/{name.replace(' ', '-')} are held" if held else ""
        looks = (look(rss(first), took(1)), look(feed, took(count, known=1)), look(feed, took(0, known=count + 1)))
        yield Member(kind, name, looks, (Story(start.format(name)), *stories), alert=alert)
    name = "all guids and addresses at once"
    texts = {n: prose(f"{name} {n}", 20) for n in range(60)}

    def served(at: str) -> str:
        return rss(
            *(
                item(f"Moved house, number {n}", guid=f"{at}{n}", link=f"{SITE}/{at}/{n}", text=text, date=rfc822(AT))
                for n, text in texts.items()
            )
        )

    stories = [Story(f"Moved house, number {n}") for n in texts]
    moving = (look(served("old"), took(60)), look(served("new"), took(0, known=60)))
    yield Member(kind, name, moving, tuple(stories))


def _archives() -> Iterator[Member]:
    kind = "archives"
    for name, dates in {
        "a feed of old stories": [ago(days=3), ago(days=40), ago(days=4_000)],
        "old and new": [ago(hours=2), ago(days=3), ago(days=400)],
        "just before the line": [ago(days=1, hours=23), ago(days=2, hours=1)],
    }.items():
        titles = {f"Archive, {name} {n}": date for n, date in enumerate(dates)}
        feed = rss(*(item(title, date=rfc822(date)) for title, date in titles.items()))
        stories = tuple(Story(title, at=date, news=date > ago(days=2)) for title, date in titles.items())
        yield Member(kind, name, (look(feed, took(len(dates))),), stories)
    old, new = item("Archive first", date=rfc822(ago(days=9))), item("Then news")
    yield Member(
        kind,
        "news after the archive",
        (look(rss(old), took(1)), look(rss(new, old), took(1, known=1))),
        (Story("Archive first", news=False), Story("Then news")),
    )


def _lost_bodies() -> Iterator[Member]:
    kind = "lost bodies"
    for name, later, changed in (
        ("an empty content", full(""), 0),
        ("no content", "", 0),
        ("a content of blanks", full("<p>&nbsp;</p><br>"), 0),
        ("a content of a picture", full('<img src="https://news.example.org/x.jpg">'), 0),
    ):
        own = f"It loses its text to {name}"
        text = prose(own)
        whole, lost = (rss(item(own, text="Short.", more=more)) for more in (full(f"<p>{text}</p>"), later))
        looks = (look(whole, took(1)), look(lost, took(0, changed, 1 - changed)), look(whole, took(0, known=1)))
        yield Member(kind, name, looks, (Story(own, has=(text,)),))
