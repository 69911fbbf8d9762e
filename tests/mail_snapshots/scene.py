"""One publication on one day, in which every mail there is comes to be, by the rooms that send it."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from unittest import mock

from sqlalchemy import func, select, update

from articles import pictures, pictures_due, topics
from articles.pictures import PictureSource
from articles.pictures_found import FoundPicture
from articles.renditions import Made
from core import addresses, database
from core.database import db
from delivery.models import Delivery
from digests import desk
from returns import answers, bounds, mime
from sharing.switch import Mode
from subscribers import address, addressing, leaving, mails, notices, offer, tastes
from subscribers.models import Subscriber, Subscription
from subscribers.trail import AddressChange
from tests import installation
from tests.digests import house as houses
from tests.digests.house import ARABIC, ASIA, DAY, DUE, HOUR, MINUTE, NOW, TOPICS, TUESDAY, House, Mail
from tests.digests.test_breaking import flag
from tests.digests.test_breaking import go as go_breaking
from tests.digests.test_corrections import compose_corrections, correct
from tests.digests.test_specials import draft, send
from tests.returns.conftest import DESK, letter
from tests.sharing.desk import SENDER, Desk
from tests.subscribers import people

CHINESE = {**ASIA, "key": "asia-chinese", "name": "亚洲日报", "language": "zh-Hans"}
READER = "reader@example.org"


def mails_by_name(folder: Path) -> dict[str, Mail]:
    """Return every mail, by its name and language, such as `digest.en`."""
    with _house(folder) as house:
        found = _System(house).mails()
        _Digests.left()
        found |= _Digests(house).mails()
        _Digests.left()
        return found | _shared(house)


@contextmanager
def _house(folder: Path) -> Iterator[House]:
    settings = installation.settings_for(f"sqlite:///{folder / 'mails.db'}")
    # The ids of stories, and of readers' links, which are drawn elsewhere.
    ids = mock.patch.object(houses, "_numbers", itertools.count(1))
    with installation.rooms_on(settings), ids, mock.patch.object(people, "_numbers", itertools.count(1)):
        topics.apply(TOPICS)
        offer.apply([{**ASIA, "headlines": 2, "most": 5, "offers_breaking": True}, ARABIC, CHINESE])
        db.session.commit()
        yield House(installation.services_for(settings))


class _System:
    """The mails that answer somebody."""

    def __init__(self, house: House) -> None:
        self._house, self._services = house, house.services

    def mails(self) -> dict[str, Mail]:
        """Have each come to be."""
        with database.write_turn():
            reader = people.joined(self._services, READER, digests=["asia-daily", "asia-arabic"], zone="Asia/Hong_Kong")
            known = people.joined(self._services, "known@example.org", digests=["asia-daily"]).subscriber
            people.answered(self._services, READER, at=NOW + HOUR)
            request = people.note_fresh_link(self._services, READER, at=NOW + 2 * HOUR)
            people.answer(request.id, services=self._services, now=NOW + 2 * HOUR)
            people.answered(self._services, "arab@example.org", digests=["asia-arabic"], language="ar")
            leaving.leave(reader.subscriber, offer.by_key("asia-arabic"), now=NOW)
            self._tell(NOW + 5 * MINUTE)
            self._move(known, READER, "fresh@example.org")
            self._tell(NOW + 2 * HOUR)
            self._write_a_letter()
            db.session.commit()
        kinds: dict[str, Mail] = {}
        for mail in self._house.mails():
            _system, name, language = mail.mailing.split(":")[:3]
            kinds.setdefault(f"{name}.{language}", mail)
        return kinds

    def _tell(self, at: datetime) -> None:
        for subscriber_id in notices.waiting(10, now=at):
            decision = notices.decide(subscriber_id, services=self._services, now=at)
            assert decision is not None and decision.letter is not None
            notices.write(decision, mails.make(decision.letter, self._services), services=self._services, now=at)

    def _move(self, reader: Subscriber, *to: str) -> None:
        """Ask for mail at other addresses: one that is somebody's, and one that is nobody's, which is confirmed."""
        for number, one in enumerate(to):
            public_id = bytes([number]) * 16
            typed, keyring = addresses.parse(one), self._services.keyring
            address.note(reader, typed, public_id=public_id, now=NOW, keyring=keyring)
            change = db.session.scalars(select(AddressChange).filter_by(public_id=public_id)).one()
            decision = addressing.decide(change.id, services=self._services, now=NOW)
            assert decision is not None and decision.letter is not None
            addressing.write(decision, mails.make(decision.letter, self._services), services=self._services, now=NOW)
        address.confirm(change, now=NOW)

    def _write_a_letter(self) -> None:
        written = mime.parse(letter("Dear editors,\n\nthe piece on ferries was lovely.").encode())
        prepared = answers.prepare(written, services=self._services, desk=DESK)
        assert not isinstance(prepared, str)
        room = bounds.room(NOW)
        answers.queue(prepared, once_key=b"letter", desk=DESK, left=room, services=self._services)


def _shared(house: House) -> dict[str, Mail]:
    """Have a story sent to a friend: its sender is asked, then told, and the friend gets it."""
    here = Desk(house)
    here.turn(Mode.VERIFIED)
    wish = here.wish(
        here.article("Seoul and Havana exchange notes"), "jo@example.net", note="This is about your street."
    )
    here.post(wish)
    here.work()
    here.confirm(here.shares()[0])
    here.work()
    last = db.session.scalar(select(func.max(Delivery.id)).where(Delivery.state != "planned")) or 0
    mails = house.mails(after=last)
    to_sender = {mail.mailing.split(":")[1]: mail for mail in mails if mail.to == SENDER}
    (friend,) = [mail for mail in mails if mail.to == "jo@example.net"]
    return {"friend.en": friend, **{f"{name}.en": mail for name, mail in to_sender.items()}}


class _Digests:
    """The mails that bring news."""

    def __init__(self, house: House) -> None:
        self._house = house

    def mails(self) -> dict[str, Mail]:
        """Have each come to be."""
        house = self._house
        self._readers()
        alert = house.article("Ferry aground off Lamma", "kr", at=NOW - 2 * HOUR)
        self._give_picture(alert)
        flag(alert)
        (breaking,) = go_breaking(house)
        self.left()
        wrong = self._stories()
        with database.write_turn():
            daily = offer.by_key("asia-daily")
            desk.write_note(daily, TUESDAY, "Good morning. Today we look at **three harbours**.", now=NOW)
            db.session.commit()
        daily_mails = {mail.to: mail for mail in house.go(DUE)}
        self.left()
        correct(house, wrong, tell="now", at=DUE + HOUR)
        compose_corrections(house, DUE + HOUR)
        correction = self._new()["daily@example.org"]
        self.left()
        house.reader("new@example.org", first=DUE + HOUR)
        first = {mail.to: mail for mail in house.go(DUE + HOUR)}["new@example.org"]
        self.left()
        of_archive = [house.article(name, at=NOW - 300 * DAY) for name in ("How the vote works", "Who stands")]
        draft(house, *of_archive, note="Read *this* first.")
        special = next(mail for mail in send(house, at=DUE + 2 * HOUR) if mail.to == "daily@example.org")
        return {
            "breaking.en": breaking,
            "digest.en": daily_mails["daily@example.org"],
            "digest.ar": daily_mails["arabic@example.org"],
            "digest.zh-Hans": daily_mails["chinese@example.org"],
            "digest-text.en": daily_mails["plain@example.org"],
            "digest-correction.en": correction,
            "digest-first.en": first,
            "digest-special.en": special,
        }

    def _readers(self) -> None:
        house = self._house
        daily = house.reader("daily@example.org")
        house.reader("plain@example.org", format="text", countries=["cu"])
        house.reader("arabic@example.org", digest="asia-arabic")
        house.reader("chinese@example.org", digest="asia-chinese")
        with database.write_turn():
            db.session.get_one(Subscription, daily).breaking = 3
            wide = tastes.taste_row(topics=[], countries=[], most=5, format="both")
            db.session.get_one(Subscription, daily).taste = wide
            db.session.commit()

    def _stories(self) -> int:
        """Let stories come in; return the one that will be corrected."""
        house = self._house
        headlines = (
            "Seoul and Havana exchange notes",
            "Rice prices fall & farmers worry",
            "A bridge for Kathmandu",
            "كوبا تفتح سفارتها",
            "Three harbours, one tide",
            "Night trains return",
            "Ministers meet in Manila",
        )
        made = [
            house.article(headline, "kr" if number else "cu", at=NOW - number * MINUTE, rank=9 if not number else 0)
            for number, headline in enumerate(headlines)
        ]
        house.article("كوبا وكوريا تتبادلان المذكرات", "cu", language="ar", standfirst="سفارة جديدة في سيول.")
        house.article("古巴与韩国互换照会", "cu", language="zh-Hans", standfirst="首尔将设新使馆。")
        return made[1]

    def _new(self) -> dict[str, Mail]:
        """Return the mails that wait, by their readers."""
        last = db.session.scalar(select(func.max(Delivery.id)).where(Delivery.state != "planned")) or 0
        return {mail.to: mail for mail in self._house.mails(after=last)}

    @staticmethod
    def _give_picture(article_id: int) -> None:
        found = FoundPicture("https://img.example.org/ferry.jpg", alt="A ferry at a pier", credit="A. Photographer")
        with database.write_turn():
            pictures.place({article_id: [found]}, NOW)
            source = db.session.scalars(select(PictureSource)).one()
            pictures_due.note_made(source.id, Made(1200, 675, b"\xff\xd8\xff of a ferry"), NOW)
            db.session.commit()

    @staticmethod
    def left() -> None:
        """Let all mail be handed over that waits."""
        with database.write_turn():
            rows = update(Delivery).where(Delivery.state == "planned")
            db.session.execute(rows.values(state="sent", done_at=NOW, address_sealed=None))
            db.session.commit()
