"""The pictures of stories: kept by reference, followed as a feed follows them, described by hand for good."""

from datetime import timedelta

import pytest

from articles import life, pictures, pictures_due
from articles.models import Article
from articles.pictures import MailPicture, Picture, PictureSource, Rendition
from articles.renditions import Made
from core import database, errors
from core.database import db
from core.links import Links
from core.tokens import Tokens
from tests.articles import atom
from tests.articles.atom import entry
from tests.articles.conftest import Desk, application
from tests.delivery.conftest import empty

LATER = atom.NOW + timedelta(hours=1)
A, B, C = (f"{atom.SITE}/{name}.jpg" for name in "abc")
TEXT = f"<p>{atom.LONG}</p>"


@pytest.fixture(scope="module")
def databases(postgres_server, tmp_path_factory):
    """A database of each kind, for one test after the other."""
    with postgres_server.database() as url:
        yield {"postgresql": url, "sqlite": f"sqlite:///{tmp_path_factory.mktemp('pictures') / 'pictures.db'}"}


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request, databases):
    """A publisher's desk on SQLite and on PostgreSQL, with nothing on it."""
    with application(databases[request.param]):
        empty(db.engine)
        yield Desk()


def take(desk, content, *, name="one", at=None):
    return desk.take(entry(name, title=f"Headline of {name}", content=content), at=at)


def of(article_id) -> list[tuple[int, str, str | None]]:
    rows = db.session.query(Picture, PictureSource).join(PictureSource).filter(Picture.article_id == article_id)
    return [(one.position, source.url, one.alt) for one, source in rows.order_by(Picture.position)]


def made(url: str, colour: bytes = b"x", at=atom.NOW) -> str:
    """Note a rendition of an address; return its public id."""
    source = db.session.query(PictureSource).filter_by(url=url).one()
    pictures_due.note_made(source.id, Made(600, 400, b"jpeg of " + colour), at)
    db.session.commit()
    return db.session.get_one(Rendition, source.rendition_id).public_id


def test_a_story_keeps_its_pictures_by_reference(desk):
    take(desk, f"<img src={A} alt=Ministers width=1600 height=900>{TEXT}<img src={B}>")
    (article,) = desk.articles()
    assert of(article.id) == [(0, A, "Ministers"), (1, B, None)]
    assert article.body.endswith('</p><figure data-picture="1"></figure>')
    assert (article.revision, article.pictures_changed_at) == (1, atom.NOW)
    assert pictures.of_article(article.id) == {}, "nothing is shown that we do not have"
    made(A, at=LATER)
    (lead,) = pictures.of_article(article.id).values()
    assert (lead.position, lead.width, lead.alt) == (0, 600, "Ministers")
    assert db.session.get_one(Article, article.id).pictures_changed_at == LATER


def test_another_picture_is_no_new_text(desk):
    take(desk, f"<img src={A}>{TEXT}<img src={B}>")
    assert take(desk, f"<img src={A}>{TEXT}<img src={B}>", at=LATER).changed == 0
    assert desk.articles()[0].pictures_changed_at == atom.NOW
    assert take(desk, f"<img src={C}>{TEXT}", at=LATER).changed == 0
    (article,) = desk.articles()
    assert of(article.id) == [(0, C, None)]
    assert (article.revision, article.updated_at, article.pictures_changed_at) == (1, None, LATER)
    assert "figure" not in article.body
    assert take(desk, f"<img src={C}><p>Other. {atom.LONG}</p>", at=LATER).changed == 1
    assert desk.articles()[0].updated_at == LATER


def test_a_feed_that_lost_its_bodies_for_a_day_takes_no_picture_away(desk):
    take(desk, f"<img src={A}>{TEXT}")
    desk.take(entry("one", title="Headline of one", content=None), at=LATER)
    assert of(desk.articles()[0].id) == [(0, A, None)]


def test_a_story_of_pictures_alone_follows_its_feed(desk):
    desk.take(entry("one", title="Headline of one", content=f"<img src={A}>"))
    desk.take(entry("one", title="Headline of one", content=f"<img src={B}><img src={C}>"), at=LATER)
    (article,) = desk.articles()
    assert [url for _position, url, _alt in of(article.id)] == [B, C]
    assert article.body == '<figure data-picture="1"></figure>'
    take(desk, TEXT, at=LATER)
    desk.take(entry("one", title="Headline of one", content=f"<img src={A}>"), at=LATER)
    assert (desk.articles()[0].body, of(article.id)) == (TEXT, []), "a feed that lost its text takes none from us"


def test_what_an_editor_says_of_a_picture_outlives_the_feed(desk):
    take(desk, f"<img src={A} alt=Wrong>{TEXT}<img src={B} alt=Map>")
    article_id = desk.articles()[0].id
    with database.write_turn():
        article = db.session.get_one(Article, article_id)
        pictures.describe(article, 0, alt="  Two \u202eministers ", now=LATER)
        pictures.describe(article, 1, alt=None, now=LATER)
        assert article.pictures_changed_at == LATER
        db.session.commit()
    take(desk, f"<img src={C}>{TEXT}<img src={A} alt='Wrong again'><img src={B} alt=Map>", at=LATER)
    assert of(article_id) == [(0, C, None), (1, A, "Two ministers"), (2, B, "")]
    take(desk, f"{TEXT}<img src={B} alt=Map>", at=LATER)
    assert of(article_id) == [(1, B, "")]
    assert db.session.query(Picture).one().is_decorative


def test_a_picture_is_described_in_words_that_fit(desk):
    take(desk, f"<img src={A}>{TEXT}")
    (article,) = desk.articles()
    for number, alt, why in ((1, "x", "no picture"), (0, " \u200b", "few words"), (0, "x" * 501, "too long")):
        with pytest.raises(errors.Invalid, match=why):
            pictures.describe(article, number, alt=alt, now=LATER)


def test_a_mail_shows_the_picture_that_stands_for_a_story_from_our_own_address(desk):
    take(desk, f"{TEXT}<img src={B} alt=''><figure><img src={A}><figcaption>A map</figcaption></figure>", name="one")
    take(desk, f"<img src={A} alt=Ships>{TEXT} {'two ' * 60}<img src={C}>", name="two")
    take(desk, f"<img src={C}>{TEXT} {'three ' * 60}", name="three")
    ids = {one.headline[len("Headline of ") :]: one.id for one in desk.articles()}
    links = Links("https://postrider.example.org", Tokens(b"one secret of an installation!!!"))
    assert pictures.for_mails(ids.values(), links) == {}, "nothing is shown that we do not have"
    made(B)
    url = f"https://postrider.example.org/pictures/{made(A)}"
    assert pictures.for_mails(ids.values(), links) == {
        ids["one"]: MailPicture(url, 600, 400, "A map"),
        ids["two"]: MailPicture(url, 600, 400, "Ships"),
    }
    made(C)
    assert pictures.for_mails(ids.values(), links)[ids["three"]].alt == "", "nobody has said what it shows"


def test_one_address_in_many_stories_is_asked_for_once(desk):
    for name in ("one", "two", "three"):
        take(desk, f"<img src={A} alt={name}>{TEXT} {name * 50}", name=name)
    assert db.session.query(Picture).count() == 3
    assert pictures_due.take(LATER, 10) == [db.session.query(PictureSource).one().id]
    db.session.commit()
    public_id = made(A, at=LATER)
    shown = pictures.of_articles([one.id for one in desk.articles()])
    assert {one[0].public_id for one in shown.values()} == {public_id}
    assert {one[0].alt for one in shown.values()} == {"one", "two", "three"}
    assert {one.pictures_changed_at for one in desk.articles()} == {LATER}


def test_the_same_picture_from_two_addresses_is_kept_once_and_its_name_is_its_content_s(desk):
    take(desk, f"<img src={A}>{TEXT}<img src={B}><img src={C}>")
    assert made(A) == made(B) != made(C, b"another")
    assert db.session.query(Rendition).count() == 2


def test_a_picture_is_tried_again_ever_later_and_then_given_up(desk):
    take(desk, f"<img src={A}>{TEXT}")
    now, waits = atom.NOW, []
    while pictures_due.anything(now):
        (source_id,) = pictures_due.take(now, 10)
        assert pictures_due.take(now, 10) == [], "nobody else takes it meanwhile"
        pictures_due.note_failure(source_id, "its server answers 404", now, for_good=False)
        db.session.commit()
        source = db.session.get_one(PictureSource, source_id)
        if source.next_try_at is not None:
            waits.append(source.next_try_at - now)
            assert not pictures_due.anything(source.next_try_at - timedelta(seconds=1))
            now = source.next_try_at
    assert waits == list(pictures_due.AGAIN)
    assert (source.state, source.why) == ("refused", "its server answers 404")


def test_a_picture_that_takes_its_worker_along_is_not_taken_for_ever(desk):
    take(desk, f"<img src={A}>{TEXT}")
    now, times = atom.NOW, 0
    while pictures_due.take(now, 10):
        db.session.commit()
        now, times = now + pictures_due.TAKEN, times + 1
        assert times < 20
    assert times == len(pictures_due.AGAIN) + 1


def test_a_picture_goes_with_the_stories_that_have_it(desk):
    for name in ("one", "two"):
        take(desk, f"<img src={A}>{TEXT} {name * 50}", name=name)
    public_id = made(A)
    one, two = desk.articles()
    assert pictures.content(public_id) == b"jpeg of x"
    life.withdraw(one, reason="The photographer asked for it.")
    assert pictures.content(public_id) == b"jpeg of x", "the other story has it still"
    life.hold(two, now=atom.NOW)
    assert pictures.content(public_id) is None
    life.release(two, now=atom.NOW)
    assert pictures.content(public_id)
    db.session.commit()
    for name in ("one", "two"):
        take(desk, f"{TEXT} {name * 50}", name=name)
    assert pictures.content(public_id), "mails that were sent may show it"
    assert pictures.content("a" * 26) is None


def test_what_nobody_has_described_is_listed_newest_first(desk):
    take(desk, f"<img src={A}>{TEXT} one<img src={B} alt=Map><img src={C} alt=''>", name="one")
    take(desk, f"<img src={C}>{TEXT} {'two ' * 60}", name="two")
    missing = pictures.listed(missing=True)
    assert [(one.article.headline, one.source.url) for one in missing] == [
        ("Headline of two", C),
        ("Headline of one", A),
    ]
    first = next(one for one in desk.articles() if one.headline == "Headline of one")
    assert [one.picture.position for one in pictures.listed(first)] == [0, 1, 2]
    life.withdraw(first, reason="Killed.")
    assert [one.source.url for one in pictures.listed(missing=True)] == [C]


def test_a_story_that_is_there_already_gets_its_pictures_without_a_new_text(desk):
    take(desk, TEXT)
    assert take(desk, f"<img src={A}>{TEXT}<img src={B}>", at=LATER).changed == 0
    (article,) = desk.articles()
    assert [url for _position, url, _alt in of(article.id)] == [A, B]
    assert (article.revision, article.updated_at) == (1, None)
