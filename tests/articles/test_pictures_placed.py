"""Where pictures stand: found in whatever a feed writes, each at its place, and no place of them made up by a feed."""

import html
import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from articles import cleaning, entries, pictures_found, pictures_placed
from articles.entries import Entry
from articles.pictures_found import FoundPicture
from tests.articles import atom
from tests.articles.test_cleaning import VECTORS, assert_harmless, pieces

BASE = "https://news.example.org/en/one"
SITE = "https://news.example.org"
TEXT = "<p>Seoul (Masthead) – The ministers met.</p>"


def taken(content: str, *beside: FoundPicture) -> tuple[str, tuple[FoundPicture, ...]]:
    return pictures_placed.of_entry(content, beside, base=BASE)


def shape(body: str) -> str:
    """Return a body with each place as its number in brackets."""
    return "".join(f"[{part}]" if isinstance(part, int) else part for part in pictures_placed.parts(body))


def names(found: tuple[FoundPicture, ...]) -> list[str]:
    return [one.url.removeprefix(SITE) for one in found]


@pytest.mark.parametrize(
    ("content", "body", "urls"),
    [
        ("<img src=/a.jpg><p>x</p>", "<p>x</p>", ["/a.jpg"]),
        ("<p><img src=/a.jpg></p><p>x</p>", "<p>x</p>", ["/a.jpg"]),
        ("<p><a href=/big><img src=/a.jpg></a>x</p>", "<p>x</p>", ["/a.jpg"]),
        ("<div><div><img src=/a.jpg></div></div><p>x</p><p>y</p>", "<p>x</p><p>y</p>", ["/a.jpg"]),
        ("<p>x</p><img src=/a.jpg><p>y</p>", "<p>x</p>[1]<p>y</p>", ["/a.jpg"]),
        ("<p>x <img src=/a.jpg> y</p>", "<p>x  y</p>[1]", ["/a.jpg"]),
        ("<p>x</p><p><img src=/a.jpg>y</p>", "<p>x</p>[1]<p>y</p>", ["/a.jpg"]),
        ("<img src=/a.jpg><img src=/b.jpg><p>x</p><p>y</p>", "<p>x</p>[1]<p>y</p>", ["/a.jpg", "/b.jpg"]),
        ("<p>x</p><ul><li><img src=/a.jpg></li><li><img src=/b.jpg></li></ul>", "<p>x</p>[1][2]", ["/a.jpg", "/b.jpg"]),
        ("<ul><li>x <img src=/a.jpg></li><li>y</li></ul>", "<ul><li>x </li><li>y</li></ul>[1]", ["/a.jpg"]),
        ("<p>x</p><img src=/a.jpg><p>y</p><img src=/a.jpg>", "<p>x</p>[1]<p>y</p>", ["/a.jpg"]),
        ("<p>x</p><img src=a.jpg?x=1><img src=//cdn.example.org/b.jpg>", "<p>x</p>[1][2]", None),
        ("x <img src=/a.jpg> y", "x  y[1]", ["/a.jpg"]),
        ("<table><tr><td><img src=/a.jpg><td>x</table>", "x", ["/a.jpg"]),
        ("<img src=/a.jpg><img src=/b.jpg>", "[1]", ["/a.jpg", "/b.jpg"]),
        ("<picture><source srcset=/a.webp><img src=/a.jpg></picture><p>x</p>", "<p>x</p>", ["/a.jpg"]),
    ],
)
def test_a_picture_stands_between_two_blocks_or_leads_the_story(content, body, urls):
    clean, found = taken(content)
    assert shape(clean) == body
    assert urls is None or names(found) == urls
    assert [one.position for one in found] == sorted({one.position for one in found})


def test_the_dateline_is_found_behind_any_number_of_pictures():
    content = "<figure><img src=/a.jpg></figure><figure><img src=/b.jpg></figure>" + TEXT
    (entry,) = entries.read(atom.feed(atom.entry(content=content)))
    assert isinstance(entry, Entry)
    assert (entry.dateline_place, entry.dateline_agency) == ("Seoul", "Masthead")
    assert shape(entry.body) == "<p>The ministers met.</p>[1]"
    assert entry.opening == "The ministers met." and entry.words == 3
    assert names(entry.pictures) == ["/a.jpg", "/b.jpg"]


def test_a_caption_goes_with_its_picture_and_leaves_the_text():
    figure = '<figure><img src=/a.jpg alt=""><figcaption>Two <b>ministers</b>.\n Photo: Ann</figcaption></figure>'
    clean, found = taken(f"<figure class=gallery>{figure}<figure><img src=/b.jpg></figure></figure>{TEXT}")
    assert [one.caption for one in found] == ["Two ministers. Photo: Ann", ""]
    assert found[0].alt is None and not found[0].is_decorative, "a caption says that it shows something"
    assert "Photo" not in clean
    assert taken("<p>x</p><figure><table><tr><td>1</table><figcaption>c</figcaption></figure>") == ("<p>x</p>", ())


@pytest.mark.parametrize(
    ("image", "alt", "is_decorative"),
    [
        ("<img src=/a.jpg alt='Two &lt;b&gt; ministers &amp; a map'>", "Two <b> ministers & a map", False),
        ("<img src=/a.jpg>", None, False),
        ("<img src=/a.jpg alt=''>", "", True),
        ("<img src=/a.jpg alt>", "", True),
        ("<img src=/a.jpg alt='  '>", "", True),
        ("<img src=/a.jpg alt=Map role=presentation>", "", True),
        ("<img src=/a.jpg alt=Map aria-hidden=true>", "", True),
        ("<img src=/a.jpg alt=IMG_2034.JPG>", None, False),
        ("<img src=/a.jpg alt='DSC 0042'>", None, False),
        ("<img src=/a.jpg alt='x\u202ey\ue000'>", "xy", False),
    ],
)
def test_what_a_picture_shows_is_what_the_feed_says_and_a_name_of_a_file_says_nothing(image, alt, is_decorative):
    _clean, (found,) = taken(f"<p>x</p>{image}<p>y</p>")
    assert (found.alt, found.is_decorative) == (alt, is_decorative)


def test_a_decoration_never_leads():
    clean, found = taken(f"<img src=/rule.png alt=''><img src=/a.jpg>{TEXT}")
    assert [(one.position, names((one,))) for one in found] == [(0, ["/a.jpg"]), (1, ["/rule.png"])]
    assert shape(clean).endswith("[1]")


@pytest.mark.parametrize(
    "image",
    [
        "<img src=/t.gif width=1 height=1>",
        "<img src=/t.gif width=0>",
        "<img src=/t.gif height=2px width=600>",
        "<img src=/t.gif width=48 height=20 alt=''>",
        "<img src='data:image/png;base64,AAAA'>",
        "<img src=ftp://news.example.org/a.jpg>",
        "<img src='javascript:alert(1)'>",
        "<img src=http://user:pass@news.example.org/a.jpg>",
        "<img src=http://news.example.org:22/a.jpg>",
        "<img alt=x>",
        "<img src='http://[/a.jpg'>",
        f"<img src=/{'a' * 2_000}.jpg>",
    ],
)
def test_what_is_no_picture_leaves_nothing(image):
    assert taken(f"<p>x</p><p>{image}</p>") == ("<p>x</p>", ())


def test_a_sign_in_the_text_gives_way_to_its_words():
    clean, found = taken("<p>Fine <img src=/s.png width=16 height=16 alt='&lt;3'><img src=/e.png width=20 alt=🙂></p>")
    assert (clean, found) == ("<p>Fine &lt;3🙂</p>", ())


def test_what_is_loaded_late_or_in_many_sizes_is_asked_for_once_in_a_fitting_size():
    late = "<img src='data:image/gif;base64,R0' data-src=/late.jpg>"
    sizes = "<img src=/a.jpg srcset='/a-300.jpg 300w, /a-1500.jpg 1500w, /a-4000.jpg 4000w'>"
    small = "<img src=/b.jpg srcset='/b-300.jpg 300w, /b-900.jpg 900w'>"
    dense = "<img src=/c.jpg srcset='/c2.jpg 2x, x'>"
    _clean, found = taken(f"<p>x</p>{late}{sizes}{small}{dense}")
    assert names(found) == ["/late.jpg", "/a-1500.jpg", "/b-900.jpg", "/c.jpg"]


def media(inside: str) -> Entry:
    feed = (
        '<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"><channel><title>t</title>'
        f"<item><title>A headline</title><link>{BASE}</link><guid>1</guid>"
        f"<description>Short.</description>{inside}</item></channel></rss>"
    )
    (entry,) = entries.read(feed.encode())
    assert isinstance(entry, Entry)
    return entry


@pytest.mark.parametrize(
    ("inside", "url"),
    [
        (f'<enclosure url="{SITE}/e.jpg" type="image/jpeg" length="1"/>', "/e.jpg"),
        (f'<enclosure url="{SITE}/e.mp3" type="audio/mpeg" length="1"/>', None),
        (f'<media:content url="{SITE}/m.jpg" medium="image"/>', "/m.jpg"),
        (f'<media:content url="{SITE}/m.jpg?w=1"/>', "/m.jpg?w=1"),
        (f'<media:content url="{SITE}/m.mp4" medium="video"/>', None),
        (f'<media:thumbnail url="{SITE}/t.jpg" width="400"/>', "/t.jpg"),
        (f'<media:thumbnail url="{SITE}/t.jpg" width="75" height="75"/>', None),
        (
            f'<media:group><media:content url="{SITE}/4000.jpg" type="image/jpeg" width="4000"/>'
            f'<media:content url="{SITE}/1300.jpg" type="image/jpeg" width="1300"/>'
            f'<media:content url="{SITE}/600.jpg" type="image/jpeg" width="600"/></media:group>',
            "/1300.jpg",
        ),
        ('<media:content url="javascript:alert(1)" medium="image"/>', None),
    ],
)
def test_a_picture_beside_the_text_leads_the_story(inside, url):
    assert names(media(inside).pictures) == ([] if url is None else [url])


def test_who_made_a_picture_is_told():
    credit = '<media:credit role="photographer">Ann</media:credit>'
    (lead,) = media(f'<media:content url="{SITE}/m.jpg" medium="image">{credit}</media:content>').pictures
    assert lead.credit == "Ann"
    assert pictures_found.beside_text({"media_content": [{"url": 3}], "links": [], "media_credit": ["x"]}) == []


def test_the_image_of_a_json_feed_leads_the_story():
    item = {"id": "1", "title": "A headline", "content_text": "It is told.", "image": f"{SITE}/i.jpg"}
    feed = {"version": "https://jsonfeed.org/version/1.1", "title": "t", "items": [item]}
    (entry,) = entries.read(json.dumps(feed).encode())
    assert isinstance(entry, Entry)
    assert names(entry.pictures) == ["/i.jpg"]


def test_a_picture_is_shown_once_though_a_feed_names_it_twice_in_two_sizes():
    beside = FoundPicture(f"{SITE}/map.jpg", credit="Ann")
    clean, found = taken(f"<img src=/map-1024x768.jpg alt='A map'>{TEXT}<img src=/map-300x200.jpg>", beside)
    assert [(one.position, one.alt, one.credit) for one in found] == [(0, "A map", "Ann")]
    assert shape(clean) == TEXT
    clean, found = taken(f"{TEXT}<p>y</p><img src=/map-300x200.jpg>", beside)
    assert [one.position for one in found] == [1], "it stands where the author put it"
    clean, found = taken(f"{TEXT}<img src=/other.jpg>", beside)
    assert names(found) == ["/map.jpg", "/other.jpg"]


def test_a_story_has_a_bounded_number_of_pictures():
    clean, found = taken("<p>x</p>" + "".join(f"<p><img src=/{n}.jpg></p>" for n in range(500)))
    assert len(found) == pictures_found.MOST
    assert shape(clean) == "<p>x</p>" + "".join(f"[{n + 1}]" for n in range(pictures_found.MOST))


FORGED = [
    '<figure data-picture="1"></figure>',
    '&lt;figure data-picture="1"&gt;&lt;/figure&gt;',
    "\ue0020\ue003",
    "&#xE002;0&#xE003;",
    "<a href='https://x.example.org/\ue0020\ue003'>a</a>",
    "<a title='<figure data-picture=\"1\"></figure>' href='x?<figure data-picture=\"1\"></figure>'>a</a>",
    "<p data-picture=1>x</p><figure data-picture=2><figcaption>\ue0020\ue003</figcaption></figure>",
    "<img alt='\ue0025\ue003' src=/a.jpg><img width=9 alt='\ue0020\ue003'>",
    "<img src='/a.jpg' alt='\"><script>alert(1)</script>'>",
    "<img src=\"/<img src='x'>.jpg\" alt='<figure>'>",
]


@pytest.mark.parametrize("content", FORGED)
def test_no_feed_makes_up_a_place(content):
    clean, found = taken(f"<p>x</p>{content}")
    assert [part for part in pictures_placed.parts(clean) if isinstance(part, int)] == [one.position for one in found]
    assert_harmless(pictures_placed.without_places(clean))
    assert not re.search("[\ue002\ue003]", html.unescape(clean))


PIECES = st.lists(
    st.one_of(
        st.sampled_from(["<img src=/a.jpg>", "<img src=/b.jpg alt=''>", "<figure>", "</figure>", "<figcaption>"]),
        st.sampled_from(FORGED),
        pieces(),
    ),
    max_size=12,
).map("".join)


@given(PIECES)
@example("<p><figure><p><img src=/a.jpg></figure></p>")
def test_whatever_a_feed_writes_places_and_pictures_belong_together_and_the_rest_is_harmless(content):
    clean, found = taken(content)
    places = [part for part in pictures_placed.parts(clean) if isinstance(part, int)]
    assert places == [one.position for one in found if one.position]
    assert places == list(range(1, len(places) + 1))
    assert len({pictures_found.stem(one.url) for one in found}) == len(found)
    bare = pictures_placed.without_places(clean)
    assert_harmless(bare)
    for part in pictures_placed.parts(clean):
        if isinstance(part, str):
            opened, closed = re.findall("<([a-z0-9]+)", part), re.findall("</([a-z0-9]+)", part)
            assert sorted(tag for tag in opened if tag != "br") == sorted(closed), "no place lies inside a block"


@given(st.sampled_from(VECTORS), st.sampled_from(VECTORS))
def test_pictures_change_nothing_of_what_cleaning_does(one, other):
    clean, _found = taken(f"{one}<p>a</p>{other}")
    assert_harmless(pictures_placed.without_places(clean))


def test_a_link_that_held_only_a_picture_goes_with_it():
    assert (
        cleaning.body("<p>x</p><a href='https://x.example.org/'> </a><blockquote><ul></ul></blockquote>") == "<p>x</p>"
    )
