"""An address changes: confirmed at the new one, told to the old one, taken back from there for a week."""

import pytest
from sqlalchemy import select

from core import addresses, clock, services
from core.database import db
from delivery import suppression
from delivery.models import Delivery, Mailing
from subscribers.models import Subscriber
from subscribers.trail import AddressChange, FormerKey
from tasks import notices
from tests.web import doors, markup
from tests.web.readers import dump, hidden_fields

NEW = "new-reader@example.org"


@pytest.fixture(autouse=True)
def quiet(nudged):
    """No test here needs a broker."""


@pytest.fixture
def house(readers):
    return doors.built(readers)


def hash_of(email):
    return services.current().keyring.hash(addresses.parse(email))


def subscriber(email):
    db.session.rollback()
    return db.session.scalar(select(Subscriber).filter_by(address=email))


def mails():
    """Return kind and recipient of each mail in the ledger."""
    db.session.rollback()
    keyring = services.current().keyring
    rows = db.session.execute(select(Mailing.key, Delivery).join(Mailing, Mailing.id == Delivery.mailing_id))
    return [
        (key.split(":")[1], keyring.unseal(one.address_sealed or b"", one.addr_hash))
        for key, one in rows
        if key.split(":")[1] != "confirm"
    ]


def undo_of_old(house):
    """Return the path of the undo link that the old address was sent, as the sender makes it."""
    former = db.session.get_one(FormerKey, house.reader.key)
    link = services.current().links.undo(former.public_id, version=former.link_version, day=_today())
    return link.removeprefix(services.current().links.base_url)


def _today():
    return clock.day_number(clock.utc_now())


def ask(client, reader, email):
    link = services.current().links.address(reader.key, version=reader.row.link_version, day=_today())
    path = link.removeprefix(services.current().links.base_url)
    form = hidden_fields(client.get(path).text)
    return client.post(path, data={**form, "email": email})


def test_the_preferences_lead_to_the_form(client, reader):
    page = markup.read(client.get(reader.preferences).text)
    (path,) = [a.attrs["href"] for a in page.all("a") if a.attrs["href"].startswith("/address/t/")]
    assert client.get(path).status_code == 200


def test_the_answer_is_the_same_for_a_new_and_a_known_address_and_ones_own(client, readers):
    readers.join("known@example.net")
    reader = readers.join("reader@example.org")
    answers = [ask(client, reader, email) for email in ("fresh@example.org", "known@example.net", "reader@example.org")]
    said = {(one.status_code, one.headers["Location"], one.text) for one in answers}
    assert len(said) == 1
    assert answers[0].status_code == 303
    assert client.get(answers[0].headers["Location"]).status_code == 200
    notices.answer_addresses()
    sent = [mail for mail in mails() if mail[0] in ("new-address", "address-known")]
    assert sorted(sent) == [
        ("address-known", "known@example.net"),
        ("address-known", "reader@example.org"),
        ("new-address", "fresh@example.org"),
    ]


def test_a_form_that_is_sent_twice_is_one_mail(client, reader):
    path = ask(client, reader, "fresh@example.org").headers["Location"].partition("?")[0]
    form = {"form_id": "ab" * 16, "email": "other@example.org"}
    for _twice in range(2):
        client.post(path, data=form)
    notices.answer_addresses()
    assert sorted(mails()) == [("new-address", "fresh@example.org"), ("new-address", "other@example.org")]


def test_a_wrong_address_is_told_at_once_and_nothing_is_written(client, reader):
    before = dump()
    answer = ask(client, reader, "not an address")
    assert answer.status_code == 422
    assert "one e-mail address" in answer.text
    assert dump() == before


def test_one_reader_has_at_most_three_mails_a_day_sent_to_whatever_address(client, reader):
    for number in range(6):
        ask(client, reader, f"victim{number}@example.net")
    notices.answer_addresses()
    assert len(mails()) == 3


def test_mail_goes_to_the_old_address_until_the_button_is_pressed(client, house):
    client.get(house.path("confirm_address"))
    assert subscriber(NEW) is None
    client.post(house.path("confirm_address"))
    moved = subscriber(NEW)
    assert moved.addr_hash == hash_of(NEW)
    assert moved.public_id != house.reader.key
    assert subscriber("reader@example.org") is None


def test_the_old_address_is_told_at_once_with_its_undo(client, house):
    client.post(house.path("confirm_address"))
    notices.tell()
    assert mails()[-1] == ("address-changed", "reader@example.org")


def test_old_links_open_nothing_of_the_new_address(client, house):
    paths = {page: house.path(page) for page in ("preferences", "choices", "undo_one", "not_me", "address")}
    client.post(house.path("confirm_address"))
    after = dump()
    for page, path in paths.items():
        assert client.get(path).status_code == client.post(path).status_code == 410, page
    assert dump() == after


@pytest.mark.parametrize("page", ["unsubscribe", "unsubscribe_all"])
def test_old_links_to_leave_answer_and_make_sure_that_the_old_address_gets_nothing(client, house, page):
    path = house.path(page)
    client.post(house.path("confirm_address"))
    moved = [*map(str, _choices(NEW))]
    for _twice in range(2):
        answer = client.post(path, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        assert "example.org" not in answer.text.partition("</main>")[0].partition("<main")[2]
    assert client.get(path).status_code == 200
    assert suppression.is_suppressed(hash_of("reader@example.org"), ["digest:asia-daily"], now=clock.utc_now())
    assert not suppression.is_suppressed(hash_of(NEW), ["digest:asia-daily"], now=clock.utc_now())
    assert [*map(str, _choices(NEW))] == moved


def test_an_old_link_leaves_for_whoever_subscribed_with_the_old_address_since(client, house, readers):
    path = house.path("unsubscribe")
    client.post(house.path("confirm_address"))
    anew = readers.join("reader@example.org")
    client.post(path)
    assert anew.row.state == "left"
    assert subscriber(NEW).state == "active"


def test_the_old_address_takes_it_back_and_the_new_ones_links_are_void(client, house):
    client.post(house.path("confirm_address"))
    moved = subscriber(NEW)
    link = services.current().links.preferences(moved.public_id, version=moved.link_version, day=_today())
    stranger = link.removeprefix(services.current().links.base_url)
    assert client.get(stranger).status_code == 200
    assert "Shall it come here again?" in client.get(undo_of_old(house)).text
    path = undo_of_old(house)
    assert "Mail comes to your old address again." in client.post(path).text
    assert subscriber("reader@example.org").public_id == house.reader.key
    assert client.get(stranger).status_code == 410
    assert client.get(house.reader.preferences).status_code == 410
    after = dump()
    assert client.post(path).status_code == 410
    assert dump() == after


def test_a_thief_who_moves_on_at_once_does_not_keep_the_old_address_from_taking_it_back(client, house):
    client.post(house.path("confirm_address"))
    on = doors.ask_to_move(subscriber(NEW), "third@example.net")
    link = services.current().links.confirm_address(on, day=_today())
    client.post(link.removeprefix(services.current().links.base_url))
    assert subscriber("third@example.net") is not None
    client.post(undo_of_old(house))
    assert subscriber("reader@example.org") is not None
    assert subscriber("third@example.net") is subscriber(NEW) is None
    assert {one.state for one in db.session.scalars(select(AddressChange))} == {"undone"}


def test_after_seven_days_the_old_address_is_forgotten_and_cannot_take_it_back(client, house, later):
    client.post(house.path("confirm_address"))
    path = undo_of_old(house)
    later(days=7)
    assert client.post(path).status_code == client.get(path).status_code == 410
    notices.forget_old()
    db.session.rollback()
    assert {one.old_address for one in db.session.scalars(select(AddressChange))} == {None}
    assert "'reader@example.org" not in str(dump())


def test_a_change_that_nobody_confirmed_is_forgotten(client, house, later):
    path = house.path("confirm_address")
    later(days=7)
    assert client.post(path).status_code == 410
    notices.forget_old()
    assert NEW not in str(dump())


def test_an_address_that_was_subscribed_by_itself_meanwhile_stays_its_own(client, house, readers):
    path = house.path("confirm_address")
    readers.join(NEW)
    before = dump()
    answer = client.post(path)
    assert answer.status_code == 409
    assert "subscribed by itself meanwhile" in answer.text
    assert dump() == before


def test_what_friends_may_not_send_moves_with_the_reader(client, house):
    old = hash_of("reader@example.org")
    suppression.suppress(old, scope="share", reason="asked", source="test", now=clock.utc_now())
    db.session.commit()
    client.post(house.path("confirm_address"))
    assert suppression.is_suppressed(hash_of(NEW), ["share"], now=clock.utc_now())


def _choices(email):
    table = Subscriber.metadata.tables["subscriptions"]
    return db.session.execute(select(table).where(table.c.subscriber_id == subscriber(email).id)).all()
