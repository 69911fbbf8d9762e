"""How far mailings are, in the words of a person, live in a terminal, and for scripts."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from commands import progress as command
from commands import words
from commands.words import Course
from core import clock
from core.database import db
from core.identity import PostOffice, WarmUp
from delivery import progress
from delivery.models import Delivery, Quota
from delivery.progress import Standing
from delivery.states import State
from digests.models import Edition, Wave
from subscribers import offer
from subscribers.models import Digest
from tests.delivery import mailings
from tests.delivery.mailings import KEY
from tests.subscribers import people

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def standing(counts: dict[str, int], *, state: str = "running", why: str | None = None, key: str = KEY) -> Standing:
    return Standing(1, key, 30, state, why, counts)


def test_a_line_says_how_far_how_fast_and_until_when():
    one = standing({"sent": 61_204, "planned": 38_776, "sending": 8, "failed": 12})
    line = words.course(Course(one, rate=2140.4, ends_at=NOON + timedelta(seconds=18)), NOON)
    assert line == (
        f"{KEY}: 61,204 of 100,000 handed over, 12 refused, 38,784 waiting; "
        "2,140 a second; over at about 12:00:18 UTC, in 18 s"
    )


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"sent": 2}, "2 of 2 handed over"),
        ({}, "0 of 0 handed over"),
        ({"sent": 1, "in_doubt": 1}, "1 of 2 handed over, we cannot tell for 1 reader"),
        ({"sent": 1, "in_doubt": 1200}, "1 of 1,201 handed over, we cannot tell for 1,200 readers"),
        (
            {"sent": 1, "failed": 2, "suppressed": 3, "expired": 4, "cancelled": 5},
            "1 of 15 handed over, 2 refused, 3 not to be mailed any more, 4 too late to be of use, 5 cancelled",
        ),
    ],
)
def test_what_became_of_mails_is_said_in_words_for_people(counts, told):
    assert words.course(Course(standing(counts), rate=0.0), NOON) == f"{KEY}: {told}"


@pytest.mark.parametrize(
    ("rate", "told"),
    [(None, ""), (0.0, "; none just now"), (0.4, "; 0.4 a second"), (9.96, "; 10.0 a second"), (15.4, "; 15 a second")],
)
def test_a_rate_is_said_as_exactly_as_it_is_known(rate, told):
    assert words.course(Course(standing({"planned": 5}), rate), NOON) == f"{KEY}: 0 of 5 handed over, 5 waiting{told}"


@pytest.mark.parametrize(
    ("span", "told"),
    [
        (timedelta(seconds=-3), "in 0 s"),
        (timedelta(seconds=89), "in 89 s"),
        (timedelta(seconds=90), "in 2 min"),
        (timedelta(minutes=59, seconds=50), "in 1 h 0 min"),
        (timedelta(hours=26, minutes=5), "in 26 h 5 min"),
    ],
)
def test_the_time_left_is_round(span, told):
    assert words.course(Course(standing({"planned": 5}), 1.0, NOON + span), NOON).endswith(told)


def test_what_keeps_a_mailing_is_said_instead_of_a_rate():
    paused = standing({"planned": 5}, state="paused", why="The headline is wrong.")
    assert words.course(Course(paused, 3.0), NOON).endswith("5 waiting; paused: The headline is wrong.")
    held = Course(standing({"planned": 5}), 3.0, None, "new.example.org")
    assert words.course(held, NOON).endswith("5 waiting; 5 held back until 00:00 UTC by the ceiling of new.example.org")
    composing = Course(standing({"planned": 5}), 3.0, None, None, True)
    assert words.course(composing, NOON).endswith("5 waiting; still being composed; 3.0 a second")


def test_several_mailings_are_summed_and_end_with_the_last():
    first = Course(standing({"sent": 10, "planned": 5}), 2.0, NOON + timedelta(seconds=3))
    second = Course(standing({"sent": 1, "planned": 9}), 10.0, NOON + timedelta(seconds=60))
    line = words.courses([first, second], NOON)
    assert line == ("2 mailings: 11 of 25 handed over, 14 waiting; 12 a second; over at about 12:01:00 UTC, in 60 s")
    unknown = Course(standing({"planned": 9}), 0.0)
    assert "over at" not in words.courses([first, unknown], NOON)
    done = Course(standing({"sent": 9}), 0.0)
    assert "over at about 12:00:03" in words.courses([first, done], NOON)


@pytest.fixture
def watch(app):
    """A watch on a made clock: `watch.at` is its time."""

    class Watched:
        at = 0.0

        def look(self) -> command.Look:
            return self.inner.look()

        def __init__(self) -> None:
            self.inner = command.Watch(None, app.extensions["postrider settings"], clock=lambda: self.at)

    return Watched()


def become(state: State, *ids: int) -> None:
    """Let mails come to an end, as a sender would."""
    ended = {"state": state, "done_at": clock.utc_now(), "address_sealed": None}
    db.session.execute(update(Delivery).where(Delivery.id.in_(ids)).values(ended))
    db.session.commit()


def test_the_rate_and_the_end_come_from_the_differences_between_looks(watch):
    ids = mailings.mails(mailings.mailing(), {State.PLANNED: 100})
    (first,) = watch.look().found
    assert (first.rate, first.ends_at) == (None, None)
    become(State.SENT, *ids[:16])
    become(State.FAILED, *ids[16:20])
    watch.at = 2.0
    look = watch.look()
    (second,) = look.found
    assert second.rate == 8.0, "handed over in a second"
    assert second.ends_at == look.at + timedelta(seconds=8), "80 wait, and 10 come to an end in a second"
    assert not look.over


def test_a_mailing_that_ends_is_shown_until_the_others_end(watch):
    one, other = mailings.mailing(), mailings.mailing("edition:other")
    mails = mailings.mails(one, {State.PLANNED: 1}) + mailings.mails(other, {State.PLANNED: 1})
    mailings.mails(mailings.mailing("edition:over"), {State.SENT: 5})
    assert [found.standing.key for found in watch.look().found] == [KEY, "edition:other"]
    become(State.SENT, mails[0])
    look = watch.look()
    assert ([found.standing.key for found in look.found], look.over) == ([KEY, "edition:other"], False)
    become(State.SENT, mails[1])
    look = watch.look()
    assert ([found.standing.handed_over for found in look.found], look.over) == ([1, 1], True)


def test_nothing_is_held_between_two_looks(watch):
    mailings.mails(mailings.mailing(), {State.PLANNED: 1})
    watch.look()
    assert not db.session().in_transaction()


def test_a_paused_mailing_has_no_end_in_sight(watch):
    ids = mailings.mails(mailings.mailing(state="paused", why_paused="Looking."), {State.PLANNED: 10})
    watch.look()
    become(State.SENT, ids[0])
    watch.at = 1.0
    (found,) = watch.look().found
    assert (found.rate, found.ends_at) == (1.0, None)


def test_what_a_ceiling_holds_back_has_no_end_in_sight(app, watch):
    settings = app.extensions["postrider settings"]
    relay = settings.post.relays["main"]
    now = clock.utc_now()
    object.__setattr__(settings, "post", PostOffice({"main": _warm(relay, now)}))
    mailings.mails(mailings.mailing(), {State.PLANNED: 3})
    assert watch.look().found[0].held_back_by is None
    db.session.add(Quota(domain="monsoon.example.org", day=now.date(), taken=10))
    db.session.commit()
    assert watch.look().found[0].held_back_by == "monsoon.example.org"


def _warm(relay, now):
    return type(relay)(relay.host, relay.port, relay.security, warm_up=WarmUp(now.date(), 10, 1.0))


def test_an_edition_that_is_being_composed_is_not_over(watch, flask):
    mailing = mailings.mailing()
    assert watch.look().over
    offer.apply([people.ASIA])
    digest = db.session.query(Digest).one()
    edition = Edition(digest_id=digest.id, kind="regular", slot=NOON.date(), mailing_id=mailing, opened_at=NOON)
    db.session.add(edition)
    db.session.flush()
    db.session.add(Wave(edition_id=edition.id, due_at=NOON, state="composing", lease_until=NOON))
    db.session.commit()
    look = watch.look()
    assert ([found.standing.key for found in look.found], look.over) == ([KEY], False)
    assert "still being composed" in look.line()
    assert not json.loads(flask("delivery progress --once --json").output)["over"]


def test_one_picture_for_a_script(flask):
    mailings.mails(mailings.mailing(), {State.SENT: 5, State.PLANNED: 2, State.IN_DOUBT: 1})
    ended = flask(f"delivery progress {KEY} --once --json")
    assert ended.exit_code == 0
    found = json.loads(ended.stdout)
    assert datetime.fromisoformat(found.pop("at")).tzinfo is not None
    assert found == {
        "over": False,
        "mailings": [
            {
                "mailing": KEY,
                "state": "running",
                "why_paused": None,
                "composing": False,
                "total": 8,
                "handed_over": 5,
                "waiting": 2,
                "counts": {"in_doubt": 1, "planned": 2, "sent": 5},
                "returned": {},
                "doubts_unsettled": 1,
                "held_back_by": None,
                "rate": 0.0,
                "ends_at": None,
                "over": False,
            }
        ],
    }


def test_it_ends_by_itself_when_nothing_is_under_way(flask):
    ended = flask("delivery progress")
    assert (ended.exit_code, ended.output[12:]) == (0, "  Nothing is under way.\n")
    mailings.mails(mailings.mailing(), {State.SENT: 5})
    ended = flask(f"delivery progress {KEY}")
    assert (ended.exit_code, ended.output[12:]) == (0, f"  {KEY}: 5 of 5 handed over\n")


def steps(monkeypatch, *works) -> list[float]:
    """Let something happen in each pause between two looks; return the pauses, in seconds."""
    pauses: list[float] = []
    left = list(works)

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        left.pop(0)()

    monkeypatch.setattr("commands.progress.time.sleep", sleep)
    return pauses


def test_each_look_is_a_line_where_nothing_can_be_redrawn(flask, monkeypatch):
    ids = mailings.mails(mailings.mailing(), {State.PLANNED: 3})
    pauses = steps(monkeypatch, lambda: become(State.SENT, *ids[:2]), lambda: become(State.SENT, ids[2]))
    ended = flask("delivery progress --every 7")
    assert ended.exit_code == 0
    told = [line[14:].partition(";")[0] for line in ended.output.splitlines()]
    assert told == [
        f"{KEY}: 0 of 3 handed over, 3 waiting",
        f"{KEY}: 2 of 3 handed over, 1 waiting",
        f"{KEY}: 3 of 3 handed over",
    ]
    assert pauses == [7, 7]
    assert "\x1b" not in ended.output


def test_ctrl_c_ends_it_with_status_0(flask, monkeypatch):
    mailings.mails(mailings.mailing(), {State.PLANNED: 3})

    def interrupt() -> None:
        raise KeyboardInterrupt

    steps(monkeypatch, interrupt)
    ended = flask("delivery progress")
    assert ended.exit_code == 0
    assert "0 of 3 handed over" in ended.output


def test_a_database_that_is_away_for_a_moment_is_waited_for(flask, monkeypatch):
    ids = mailings.mails(mailings.mailing(), {State.PLANNED: 1})
    real, failing = progress.of_running, [True]

    def away():
        if failing:
            raise OperationalError("SELECT", {}, ConnectionError("secret host"))
        return real()

    monkeypatch.setattr("commands.progress.progress.of_running", away)
    steps(monkeypatch, failing.clear, lambda: become(State.SENT, *ids))
    ended = flask("delivery progress")
    assert ended.exit_code == 0
    assert ended.stderr == "The database cannot be reached. Looking again.\n"
    assert "1 of 1 handed over" in ended.stdout


def test_a_large_mailing_is_looked_at_less_often(flask, monkeypatch):
    ids = mailings.mails(mailings.mailing(), {State.PLANNED: 1})
    now = [0.0]
    real = progress.of_running

    def slow():
        now[0] += 3.0
        return real()

    pauses = steps(monkeypatch, lambda: become(State.SENT, *ids))
    monkeypatch.setattr("commands.progress.progress.of_running", slow)
    monkeypatch.setattr("commands.progress.time.monotonic", lambda: now[0])
    flask("delivery progress --every 2")
    assert pauses == [15.0]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch) -> Terminal:
    """Put a terminal of 60 columns and 6 rows in the place of standard output."""
    made = Terminal()
    monkeypatch.setattr("commands.progress.sys.stdout", made)
    monkeypatch.setattr("commands.progress.shutil.get_terminal_size", lambda: (60, 6))
    return made


def test_a_terminal_is_drawn_over(monkeypatch):
    written = terminal(monkeypatch)
    screen = command.Screen(as_json=False)
    one = Course(standing({"sent": 1, "planned": 1}), 1.0)
    other = Course(standing({"sent": 1, "planned": 1}, key="edition:other"), 1.0)
    screen.show(command.Look(NOON, [one, other]))
    screen.show(command.Look(NOON, [one]))
    screen.tell("The database cannot be reached. Looking again.")
    drawn = written.getvalue().split("\x1b[")
    assert [part.partition("\n")[0] for part in drawn[1:]][::2] == ["3F", "1F"], "as many lines up as were drawn"
    lines = [line for line in written.getvalue().splitlines() if line]
    assert all(len(line.rpartition("\x1b[J")[2]) < 60 for line in lines), "a line that is wrapped would be two"


def test_more_mailings_than_rows_are_cut_and_the_sum_stays(monkeypatch):
    written = terminal(monkeypatch)
    many = [Course(standing({"planned": 1}, key=f"edition:{number:02}"), 1.0) for number in range(20)]
    command.Screen(as_json=False).show(command.Look(NOON, many))
    lines = written.getvalue().splitlines()
    assert len(lines) == 5
    assert lines[-2:] == ["… and 17 more", "20 mailings: 0 of 20 handed over, 20 waiting; 20 a second"]


@pytest.mark.parametrize("line", ["--every 0", "--every x", "--every 99999", "a b"])
def test_a_wrong_call_is_status_2(flask, line):
    assert flask(f"delivery progress {line}").exit_code == 2


def came_back(**classes: int) -> None:
    """Have mails of one mailing come back, beside one that did not and one that was refused at once."""
    made = mailings.mailing()
    mailings.mails(made, {State.SENT: 1})
    mailings.mails(made, {State.FAILED: 1}, returned_at=clock.utc_now(), returned_as="hard")
    for name, count in classes.items():
        mailings.mails(made, {State.SENT: count}, returned_at=clock.utc_now(), returned_as=name)


def test_what_came_back_later_is_told_by_class_and_stays_handed_over(flask):
    came_back(hard=3, full=2, complaint=2)
    line = flask(f"delivery progress {KEY} --once").output
    assert "8 of 9 handed over (5 bounced later: 3 hard, 2 full; 2 called it spam), 1 refused" in line
    (found,) = json.loads(flask(f"delivery progress {KEY} --once --json").stdout)["mailings"]
    assert found["returned"] == {"complaint": 2, "full": 2, "hard": 3} and found["handed_over"] == 8


def test_only_complaints_are_told_without_bounces(flask):
    came_back(complaint=1)
    assert "2 of 3 handed over (1 called it spam), 1 refused" in flask(f"delivery progress {KEY} --once").output


def test_the_status_has_them_too(flask):
    came_back(hard=3, refusal=1)
    assert flask("delivery status").output == f"{KEY}: 1 failed, 5 sent; came back later: 3 hard, 1 refusal\n"
    found = json.loads(flask("delivery status --json").output)
    assert found == {KEY: {"failed": 1, "sent": 5, "returned": {"hard": 3, "refusal": 1}}}
