"""A galley is the mail that the wave will bring, and leaves no trace; a test goes to whom it is for and nobody else."""

from sqlalchemy import select, text

from core import addresses, database
from core.database import Base, db
from delivery.models import Delivery
from digests import desk, galleys
from digests.models import EditionLook
from subscribers import offer
from tests.delivery import mails
from tests.digests.house import DUE, MINUTE, NOW, TUESDAY


def persona(name: str, **values: object) -> galleys.Persona:
    return galleys.Persona(name, **values)  # type: ignore[arg-type]


def rows() -> dict[str, int]:
    """Return how many rows each table has, but for where reading itself makes some."""
    db.session.rollback()
    return {
        name: db.session.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()  # noqa: S608 - our own names
        for name in Base.metadata.tables
    }


def test_what_a_galley_shows_of_one_reader_is_the_mail_that_the_wave_brings_them(house):
    made = house.reader(countries=["kr"], most=2)
    house.reader("other@example.org")
    house.articles(4, "kr")
    house.article("Elsewhere", "cu")
    with database.write_turn():
        found = house.subscription(made)
        galley = galleys.of_reader(found, TUESDAY, by="Ruth", now=DUE, services=house.services)
        db.session.commit()
    assert galley is not None
    sent = next(mail for mail in house.go(DUE) if mail.to == "reader@example.org")
    shown = galley.raw(house.services, now=NOW)
    assert mails.read(shown)["Subject"] == sent.parsed["Subject"] == galley.subject
    said = mails.text_of(shown, "plain").replace("\r\n", "\n")
    assert said.partition("\nYou get this mail")[0] == sent.text.partition("\nYou get this mail")[0]
    assert (galley.stories, "Elsewhere" in said) == (2, False)


def test_that_somebody_looked_at_a_readers_mail_is_recorded(house):
    made = house.reader()
    with database.write_turn():
        galleys.of_reader(house.subscription(made), TUESDAY, by="Ruth", now=DUE, services=house.services)
        db.session.commit()
    look = db.session.scalars(select(EditionLook)).one()
    assert (look.by, look.at, look.subscription_id, look.slot) == ("Ruth", DUE, made, TUESDAY)


def test_a_galley_of_a_persona_leaves_no_trace(house):
    house.articles(3, "kr")
    before = rows()
    digest = offer.by_key("asia-daily")
    found = [
        galleys.of_persona(digest, TUESDAY, one, now=NOW, services=house.services)
        for one in (*galleys.PERSONAS, persona("kr", topics=("kr",)), persona("cu", topics=("cu",)))
    ]
    assert [one and one.stories for one in found] == [3, 3, 3, 3, None]
    db.session.commit()
    assert rows() == before


def test_the_persona_without_html_gets_none(one_house):
    one_house.articles(1)
    digest = offer.by_key("asia-daily")
    galley = galleys.of_persona(digest, TUESDAY, persona("text", format="text"), now=NOW, services=one_house.services)
    assert galley is not None
    assert mails.read(galley.raw(one_house.services, now=NOW)).get_content_type() == "text/plain"


def test_a_galley_has_the_note_also_while_it_waits_for_its_hour_or_an_approval(house):
    house.articles(1)
    with database.write_turn():
        digest = offer.by_key("asia-daily")
        desk.write_note(digest, TUESDAY, "The note.", now=NOW)
        desk.hold(digest, TUESDAY, minute=8 * 60, zone="Asia/Hong_Kong", now=NOW)
        db.session.commit()
    galley = of_everybody(house, digest)
    assert b"The note." in galley.raw(house.services, now=NOW)


def test_its_personal_links_open_nothing(one_house):
    made = one_house.reader()
    one_house.articles(1)
    with database.write_turn():
        found = one_house.subscription(made)
        galley = galleys.of_reader(found, TUESDAY, by="Ruth", now=DUE, services=one_house.services)
        db.session.commit()
    (sent,) = one_house.go(DUE)
    theirs = {word for word in sent.text.split() if "://" in word} - set(text_of(one_house, galley).split())
    assert len(theirs) == 3, "preferences, why and unsubscribe are others"


def of_everybody(house, digest) -> galleys.Galley:
    found = galleys.of_persona(digest, TUESDAY, galleys.PERSONAS[0], now=NOW, services=house.services)
    assert found is not None
    return found


def text_of(house, galley) -> str:
    return mails.text_of(galley.raw(house.services, now=NOW), "plain")


def test_a_test_goes_to_one_address_with_another_subject_and_by_the_digests_sender(house):
    house.reader()
    house.articles(2)
    digest = offer.by_key("asia-daily")
    galley = of_everybody(house, digest)
    for _ in range(2):
        with database.write_turn():
            galleys.send_test(galley, addresses.parse("desk@example.org"), digest, now=NOW, services=house.services)
            db.session.commit()
    first, second = house.mails()
    assert first.to == second.to == "desk@example.org" and first.mailing != second.mailing
    assert first.parsed["Subject"] == f"Test: {galley.subject}"
    assert first.headlines == ["Story 2", "Story 1"]
    assert db.session.scalars(select(Delivery.lane).distinct()).all() == [30]
    (sent,) = house.go(DUE + MINUTE)
    assert (sent.to, sent.headlines) == ("reader@example.org", ["Story 2", "Story 1"]), "it has no part in what is had"
    assert sent.parsed["From"] == first.parsed["From"]
