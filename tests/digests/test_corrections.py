"""A correction reaches just those who had the story as it was: at once, or at the top of their next edition.

Who that is, is said by a model of its own: by what each reader's mails were seen to say, and nothing else.
"""

import random
from collections import defaultdict

import pytest

from articles import life
from articles.models import Article
from core import database
from core.database import db
from delivery.models import Delivery
from delivery.states import State
from digests import correctionmails, corrections, recall, turn, whycorrections, whywords
from digests.models import Correction
from tests.digests.house import DAY, DUE, HOUR, MINUTE, NOW, House
from tests.digests.sender import Sender
from tests.digests.test_recall import headlines, remake

WRONG = "The talks were on Tuesday, not on Monday."


def correct(house: House, article_id: int, *, tell: str, at, text: str = WRONG) -> int:
    """Correct a story as the command does; return the correction's id."""
    with database.write_turn():
        turn.take()
        article = db.session.get_one(Article, article_id)
        correctionmails.stop(article_id, now=at)
        life.correct(article, text=text, now=at)
        made = corrections.begin(article, tell=tell, now=at)
        if tell == "now":
            correctionmails.open_waves(made, now=at, services=house.services)
        recall.hold(article)
        db.session.commit()
        found = made.id
    remake(house)
    return found


def compose_corrections(house: House, at) -> None:
    """Compose what tells readers at once, as the task does."""
    while True:
        with database.write_turn():
            wave = correctionmails.begin(at)
            db.session.commit()
        if wave is None:
            return
        finished = False
        while not finished:
            chunk = correctionmails.read_chunk(wave, at, house.services)
            db.session.rollback()
            with database.write_turn():
                finished = correctionmails.write_chunk(chunk, at, house.services)
                db.session.commit()


def count(correction_id: int) -> int:
    with database.write_turn():
        corrections.keep_count({correction_id: corrections.count(correction_id)}, now=NOW)
        db.session.commit()
    return db.session.get_one(Correction, correction_id).told


@pytest.fixture
def sender(house) -> Sender:
    return Sender(house.services)


def test_at_once_those_who_had_it_get_a_mail_and_nobody_else(house, sender):
    house.reader("had@example.org", countries=["kr"])
    house.reader("elsewhere@example.org", countries=["cu"])
    house.reader("later@example.org", countries=["kr"], minute=8 * 60)
    wrong = house.article("Wrong", "kr", at=NOW)
    house.article("Other", "cu", at=NOW)
    house.go(DUE)
    sender.go()
    correction = correct(house, wrong, tell="now", at=DUE + HOUR)
    compose_corrections(house, DUE + HOUR)
    assert sender.go() == ["had@example.org"]
    assert WRONG in sender.made["had@example.org"]
    assert sender.subjects["had@example.org"] == "Correction: Wrong"
    assert "Change your preferences" in sender.made["had@example.org"]
    assert count(correction) == 1


def test_in_the_next_edition_it_stands_above_the_stories_once(house, sender):
    for name in ("had@example.org", "new@example.org"):
        house.reader(name)
    wrong = house.article("Wrong", at=NOW)
    house.go(DUE)
    sender.send(sender.claim(1))
    (had,) = sender.made
    (other,) = {"had@example.org", "new@example.org"} - {had}
    correction = correct(house, wrong, tell="next", at=DUE + HOUR)
    sender.go()
    assert f"Correction: {WRONG}" in sender.made[other], "what had not left says at once what was wrong"
    house.article("Tuesday", at=DUE + HOUR)
    house.go(DUE + DAY)
    sender.go()
    assert WRONG in sender.made[had]
    assert sender.made[had].index(WRONG) < sender.made[had].index("Tuesday")
    assert WRONG not in sender.made[other]
    house.article("Wednesday", at=DUE + DAY + HOUR)
    house.go(DUE + 2 * DAY)
    sender.go()
    assert headlines(sender.made[had]) == ["Wednesday"]
    assert WRONG not in sender.made[had]
    assert count(correction) == 1


def test_who_had_it_by_two_digests_is_told_once(house, sender):
    for digest in ("asia-daily", "asia-trade"):
        house.reader(digest=digest)
    wrong = house.article("Wrong", at=NOW)
    house.article("Other", at=NOW - MINUTE)
    house.go(DUE)
    sender.go()
    correct(house, wrong, tell="now", at=DUE + HOUR)
    compose_corrections(house, DUE + HOUR)
    assert sender.go() == ["reader@example.org"]


def test_whom_no_mail_at_once_reached_is_told_in_the_next_edition(house, sender):
    reader = house.reader()
    wrong = house.article("Wrong", at=NOW)
    house.go(DUE)
    sender.go()
    pause(house, reader, until=(DUE + 2 * DAY).date())
    correct(house, wrong, tell="now", at=DUE + HOUR)
    compose_corrections(house, DUE + HOUR)
    assert sender.go() == []
    house.go(DUE + DAY)
    house.article("After the pause", at=DUE + DAY + HOUR)
    house.go(DUE + 2 * DAY)
    house.go(DUE + 3 * DAY)
    sender.go()
    assert WRONG in sender.made["reader@example.org"]


def pause(house: House, subscription: int, *, until) -> None:
    with database.write_turn():
        house_subscription = db.session.get_one(type(house.subscription(subscription)), subscription)
        house_subscription.subscriber.paused_until = until
        db.session.commit()


def test_a_mail_that_did_not_arrive_is_no_story_that_was_had(house, sender):
    house.reader()
    wrong = house.article("Wrong", at=NOW)
    house.go(DUE)
    sender.go(state=State.FAILED)
    correct(house, wrong, tell="now", at=DUE + HOUR)
    compose_corrections(house, DUE + HOUR)
    assert sender.go() == []


def test_a_correction_that_is_taken_back_is_told_to_nobody_any_more(house, sender):
    house.reader()
    wrong = house.article("Wrong", at=NOW)
    house.go(DUE)
    sender.go()
    correct(house, wrong, tell="next", at=DUE + HOUR)
    with database.write_turn():
        article = db.session.get_one(Article, wrong)
        life.uncorrect(article)
        corrections.end(article, now=DUE + 2 * HOUR)
        db.session.commit()
    house.article("Tuesday", at=DUE + HOUR)
    house.go(DUE + DAY)
    sender.go()
    assert WRONG not in sender.made["reader@example.org"]
    assert corrections.told_of([wrong]) == {}


def test_another_correction_takes_the_place_of_the_first(house, sender):
    house.reader()
    wrong = house.article("Wrong", at=NOW)
    house.go(DUE)
    sender.go()
    correct(house, wrong, tell="now", at=DUE + HOUR, text="First wording.")
    compose_corrections(house, DUE + HOUR)
    second = correct(house, wrong, tell="now", at=DUE + 2 * HOUR, text="Second wording.")
    compose_corrections(house, DUE + 2 * HOUR)
    assert sender.go() == ["reader@example.org"]
    assert "Second wording." in sender.made["reader@example.org"]
    assert count(second) == 1


def crowd(house: House, chance: random.Random) -> None:
    for number in range(12):
        for digest in chance.sample(["asia-daily", "asia-trade"], chance.choice([1, 1, 2])):
            countries = chance.sample(["kr", "cu"], chance.choice([0, 1]))
            house.reader(f"r{number}@example.org", digest=digest, countries=countries, most=chance.choice([2, 12]))


def told_by_all_that_leaves(sender: Sender) -> set[str]:
    """Send all there is; return who was mailed a correction."""
    told: set[str] = set()
    while went := sender.go():
        for to in went:
            if sender.subjects[to] == "Correction: Wrong":
                assert to not in told, "once"
                told.add(to)
            elif "Wrong\n" in sender.made[to]:
                assert WRONG in sender.made[to], "what leaves later says what was wrong"
    return told


@pytest.mark.parametrize("seed", range(2))
def test_by_any_course_of_things_just_those_are_told_who_were_seen_to_have_it(house, sender, seed):
    chance = random.Random(seed)
    crowd(house, chance)
    wrong = house.article("Wrong", "kr", at=NOW - 5 * MINUTE)
    others = [house.article(f"Story {n}", chance.choice(["kr", "cu"]), at=NOW - n * MINUTE) for n in range(4)]
    house.go(DUE)
    seen: defaultdict[str, list[str]] = defaultdict(list)
    for _step in range(4):
        state = chance.choice([State.SENT, State.SENT, State.FAILED, State.IN_DOUBT])
        for to in sender.go(chance.randint(1, 5), state=state):
            if state != State.FAILED:
                seen[to].append(sender.made[to])
        if chance.random() < 0.4:
            house_take_back(house, chance.choice(others))
    had = {to for to, texts in seen.items() if any("Wrong\n" in text for text in texts)}
    correct(house, wrong, tell="now", at=DUE + HOUR)
    compose_corrections(house, DUE + HOUR)
    told = told_by_all_that_leaves(sender)
    assert told == had
    assert db.session.query(Delivery).filter(Delivery.state == "planned").count() == 0


def house_take_back(house: House, article_id: int) -> None:
    with database.write_turn():
        turn.take()
        article = db.session.get_one(Article, article_id)
        if article.state == "published":
            life.withdraw(article, reason="Killed.")
        recall.hold(article)
        db.session.commit()
    remake(house)


def test_the_page_of_reasons_tells_of_the_mail_to_whom_it_went(house, sender):
    had = house.reader("had@example.org")
    wrong = house.article("Wrong", at=NOW)
    house.go(DUE)
    sender.go()
    never = house.reader("never@example.org", at=DUE + MINUTE)
    correct(house, wrong, tell="now", at=DUE + HOUR)
    compose_corrections(house, DUE + HOUR)

    def lines(subscription: int) -> list[str]:
        reader = house.subscription(subscription).subscriber
        found = whycorrections.recent(reader, now=DUE + 2 * HOUR)
        return [whywords.sentence(one, "en") for one in found]

    assert lines(had) == ["Correction to “Wrong”, which you had from us. It is on its way."]
    sender.go()
    (told,) = lines(had)
    assert told.startswith("Correction to “Wrong”, which you had from us. Handed over to ")
    assert lines(never) == []
