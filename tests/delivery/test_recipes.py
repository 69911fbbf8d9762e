"""Recipes: brought for many mails at once, kept within bounds, and what is broken fails its own mails only."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, event, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from core import clock, database
from core.database import db
from delivery import content, message, outbox, recipes
from delivery.content import Part
from delivery.message import Recipe
from delivery.models import Block, Content, Lane, Mailing, Shell
from delivery.recipes import Kept, Recipes
from tests.delivery.conftest import Ledger
from tests.delivery.mails import PARTS, SERVICES, intent, text_of

HEAD, _STORY, FOOT = PARTS
FRAME = outbox.Frame(Lane.DIGEST, "digest:asia-daily", "Courier", "news@example.org", "f", "resend", "<a.b>", "d@a.org")


def story(words: str) -> Part:
    return Part(content.cut(f"{words}\n"), content.cut(f"<p>{words}</p>\n"))


@dataclass
class Shelf:
    """Contents with a story or two each, as an edition leaves them."""

    mailing: int
    shell: int
    blocks: list[int]
    contents: list[int]


def fill(count: int, *, key: str = "edition:1", frame: outbox.Frame = FRAME) -> Shelf:
    with database.write_turn():
        mailing = outbox.open_mailing(key, frame=frame, now=clock.utc_now())
        shell = outbox.add_shell(mailing, language="en", format="both", head=HEAD, foot=FOOT)
        blocks = [outbox.add_block(story(f"Story {number}.")) for number in range(count)]
        made = [
            outbox.add_content(mailing, shell_id=shell, subject=f"News {number}", block_ids=[block, blocks[0]])
            for number, block in enumerate(blocks)
        ]
        db.session.commit()
    return Shelf(mailing, shell, blocks, made)


def expected(number: int) -> Recipe:
    return Recipe(
        lane=Lane.DIGEST,
        stream="digest:asia-daily",
        list_id="<a.b>",
        sender_name="Courier",
        sender="news@example.org",
        reply_to="d@a.org",
        feedback="f",
        subject=f"News {number}",
        format="both",
        parts=[HEAD, story(f"Story {number}."), story("Story 0."), FOOT],
    )


@contextmanager
def counted(ledger: Ledger) -> Iterator[list[str]]:
    """Count the queries of a block."""
    said: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        if statement.startswith("SELECT"):
            said.append(statement)

    event.listen(ledger.engine, "before_cursor_execute", note)
    yield said
    event.remove(ledger.engine, "before_cursor_execute", note)


def change(statement) -> None:
    with database.write_turn():
        db.session.execute(statement)
        db.session.commit()


def test_a_recipe_is_what_was_put_into_the_database(ledger):
    shelf = fill(3)
    kept = Recipes(ledger.engine)
    assert [kept.of(one) for one in shelf.contents] == [expected(number) for number in range(3)]


def test_many_contents_come_with_three_queries_and_then_none(ledger):
    shelf = fill(40)
    kept = Recipes(ledger.engine)
    with counted(ledger) as said:
        kept.load_many(shelf.contents)
        assert len(said) == 3, "contents, shells, blocks"
        assert [kept.of(one) for one in shelf.contents] == [expected(number) for number in range(40)]
        assert len(said) == 3
        kept.load_many(shelf.contents)
        assert len(said) == 3, "all of it is kept"


def test_a_new_content_of_known_stories_costs_one_query(ledger):
    shelf = fill(5)
    kept = Recipes(ledger.engine)
    kept.load_many(shelf.contents)
    with database.write_turn():
        new = outbox.add_content(shelf.mailing, shell_id=shelf.shell, subject="New", block_ids=shelf.blocks)
        db.session.commit()
    with counted(ledger) as said:
        kept.load_many([*shelf.contents, new])
        assert kept.of(new).subject == "New" and len(said) == 1


def test_a_content_that_nobody_loaded_is_read_when_it_is_asked_for_and_kept(ledger):
    shelf = fill(2)
    kept = Recipes(ledger.engine)
    first = kept.of(shelf.contents[1])
    with counted(ledger) as said:
        assert kept.of(shelf.contents[1]) is first and said == []


def test_more_contents_than_one_query_may_name_are_all_brought(sqlite_ledger, monkeypatch):
    monkeypatch.setattr(recipes, "ASKED_AT_ONCE", 7)
    shelf = fill(30)
    kept = Recipes(sqlite_ledger.engine)
    kept.load_many([*shelf.contents, *shelf.contents])
    with counted(sqlite_ledger) as said:
        assert [kept.of(one) for one in shelf.contents] == [expected(number) for number in range(30)]
        assert said == []


def damaged_block(shelf: Shelf) -> None:
    change(update(Block).where(Block.id == shelf.blocks[2]).values(pieces='{"text": ["a\\n.\\n"], "html": []}'))


def no_json(shelf: Shelf) -> None:
    change(update(Block).where(Block.id == shelf.blocks[2]).values(pieces="{"))


def missing_block(shelf: Shelf) -> None:
    change(delete(Block).where(Block.id == shelf.blocks[2]))


def cut_list(shelf: Shelf) -> None:
    change(update(Content).where(Content.id == shelf.contents[2]).values(block_ids=b"\0\0\0"))


def bad_subject(shelf: Shelf) -> None:
    change(update(Content).where(Content.id == shelf.contents[2]).values(subject="News\r\nBcc: x@example.org"))


def foreign_shell(shelf: Shelf) -> None:
    other = fill(1, key="edition:2")
    change(update(Content).where(Content.id == shelf.contents[2]).values(shell_id=other.shell))


def damaged_shell(shelf: Shelf) -> None:
    with database.write_turn():
        other = outbox.add_shell(shelf.mailing, language="ar", format="both", head=HEAD, foot=FOOT)
        db.session.execute(update(Shell).where(Shell.id == other).values(pieces="[]"))
        db.session.execute(update(Content).where(Content.id == shelf.contents[2]).values(shell_id=other))
        db.session.commit()


BREAKS = {
    damaged_block: "Block .* is damaged: .* whole lines",
    no_json: "Block .* is damaged: .* no JSON",
    missing_block: "Block .* is not in the database",
    cut_list: "Content .* is damaged",
    bad_subject: "control character",
    foreign_shell: "shell of another mailing",
    damaged_shell: "Shell .* is damaged",
}


@pytest.mark.parametrize(("breaks", "reason"), BREAKS.items(), ids=[one.__name__ for one in BREAKS])
def test_what_is_broken_fails_its_own_mails_with_the_reason_and_no_others(ledger, breaks, reason):
    shelf = fill(5)
    breaks(shelf)
    kept = Recipes(ledger.engine)
    kept.load_many(shelf.contents)
    with counted(ledger) as said:
        for number in (0, 1, 3, 4):
            assert kept.of(shelf.contents[number]) == expected(number)
        for _again in range(2):
            with pytest.raises(ValueError, match=reason):
                kept.of(shelf.contents[2])
        assert said == []


def test_a_content_that_is_not_there_is_said_so(ledger):
    shelf = fill(1)
    kept = Recipes(ledger.engine)
    kept.load_many([*shelf.contents, 10**9])
    with pytest.raises(ValueError, match="Content 1000000000 is not in the database"):
        kept.of(10**9)
    assert kept.of(shelf.contents[0]) == expected(0)


def test_what_was_mended_is_seen_by_the_next_claim(ledger):
    shelf = fill(3)
    no_json(shelf)
    kept = Recipes(ledger.engine)
    kept.load_many(shelf.contents)
    with pytest.raises(ValueError, match="no JSON"):
        kept.of(shelf.contents[2])
    change(update(Block).where(Block.id == shelf.blocks[2]).values(pieces=story("Story 2.").to_json()))
    kept.load_many(shelf.contents)
    assert kept.of(shelf.contents[2]) == expected(2)


def test_a_row_that_the_database_itself_cannot_read_fails_its_own_mails_only(sqlite_ledger):
    shelf = fill(9)
    change(update(Block).where(Block.id == shelf.blocks[4]).values(pieces=text("CAST(x'ff00' AS TEXT)")))
    change(update(Content).where(Content.id == shelf.contents[6]).values(subject=text("CAST(x'ff' AS TEXT)")))
    kept = Recipes(sqlite_ledger.engine)
    kept.load_many(shelf.contents)
    for number in (0, 1, 2, 3, 5, 7, 8):
        assert kept.of(shelf.contents[number]) == expected(number)
    for number in (4, 6):
        with pytest.raises(ValueError, match="cannot read its own row"):
            kept.of(shelf.contents[number])


def test_a_database_out_of_reach_breaks_nothing_for_good(sqlite_ledger, monkeypatch):
    shelf = fill(3)
    kept = Recipes(sqlite_ledger.engine)
    change(text("ALTER TABLE blocks RENAME TO blocks_away"))
    for ask in (lambda: kept.load_many(shelf.contents), lambda: kept.of(shelf.contents[0])):
        with pytest.raises(SQLAlchemyError):
            ask()
    change(text("ALTER TABLE blocks_away RENAME TO blocks"))
    assert kept.of(shelf.contents[0]) == expected(0)


def test_what_is_kept_is_bounded_by_count_and_by_octets(sqlite_ledger, monkeypatch):
    shelf = fill(200)
    kept = Recipes(sqlite_ledger.engine)
    kept._recipes = Kept(20, 10_000)
    kept._orders = Kept(30, 0)
    kept._blocks = Kept(1000, 2_000)
    kept.load_many(shelf.contents)
    chance = random.Random(1)
    for _round in range(400):
        number = chance.randrange(200)
        assert kept.of(shelf.contents[number]) == expected(number), "let go or not, it is the right one"
    assert len(kept._recipes) <= 20 and kept._recipes.octets <= 10_000
    assert len(kept._orders) <= 30 and kept._blocks.octets <= 2_000


@dataclass(frozen=True)
class Sized:
    octets: int


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60))), st.integers(1, 6), st.integers(0, 100))
def test_the_ones_used_last_are_kept_and_a_single_one_always(steps, count, room):
    kept: Kept[Sized] = Kept(count, room)
    model: dict[int, Sized] = {}
    for one, octets in steps:
        assert kept.found([one]) == ({one: model[one]} if one in model else {})
        model[one] = Sized(octets) if octets % 2 else model.pop(one, Sized(octets))
        model[one] = model.pop(one)
        kept.add(one, model[one])
        while len(model) > count or (len(model) > 1 and sum(value.octets for value in model.values()) > room):
            del model[next(iter(model))]
        assert len(kept) == len(model) and kept.octets == sum(value.octets for value in model.values())
        assert kept.found(range(10)) == model
        for each in list(model):
            kept.found([each])


def test_one_thread_may_load_while_another_splices(sqlite_ledger):
    shelf = fill(60)
    kept = Recipes(sqlite_ledger.engine)
    kept._recipes, kept._orders, kept._blocks = Kept(10, 50_000), Kept(40, 0), Kept(50, 5_000)
    finished = threading.Event()
    faults: list[BaseException] = []

    def load() -> None:
        chance = random.Random(2)
        try:
            while not finished.is_set():
                kept.load_many(chance.sample(shelf.contents, 20))
        except BaseException as error:  # noqa: BLE001 - the test says what it was
            faults.append(error)

    loader = threading.Thread(target=load)
    loader.start()
    try:
        chance = random.Random(3)
        for number in (chance.randrange(60) for _ in range(1500)):
            raw = message.splice(kept.of(shelf.contents[number]), intent(), to="reader@example.org", services=SERVICES)
            assert f"\r\nStory {number}.\r\nStory 0.\r\n" in text_of(raw, "plain")
            assert f"Subject: News {number}\r\n".encode() in raw
    finally:
        finished.set()
        loader.join()
    assert faults == []


def test_a_shell_of_text_only_makes_mails_of_text_only(sqlite_ledger):
    shelf = fill(1)
    with database.write_turn():
        shell = outbox.add_shell(shelf.mailing, language="en", format="text", head=HEAD, foot=FOOT)
        made = outbox.add_content(shelf.mailing, shell_id=shell, subject="News", block_ids=shelf.blocks)
        db.session.commit()
    assert b"text/html" not in b"".join(
        piece for piece in Recipes(sqlite_ledger.engine).of(made).mail if isinstance(piece, bytes)
    )


def test_mailings_with_other_headers_share_their_stories(sqlite_ledger):
    first, second = fill(2), fill(2, key="edition:2", frame=replace(FRAME, sender_name="The Other"))
    assert first.blocks == second.blocks
    kept = Recipes(sqlite_ledger.engine)
    kept.load_many([*first.contents, *second.contents])
    assert kept.of(first.contents[1]).sender_name == "Courier"
    assert kept.of(second.contents[1]).sender_name == "The Other"
    assert len(db.session.scalars(select(Mailing)).all()) == 2
