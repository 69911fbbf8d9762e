"""The chain over the proof of consent, and that any single change of what is sealed is found."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, delete, insert, select, update

from core.database import Base, Mark, db
from subscribers import consent, consentchain, consentproof
from subscribers.consentchain import ChainBehind, ForeignKey, Head, Sealer
from subscribers.consenthead import Kept
from subscribers.consentproof import Fault, Report
from tests.subscribers import people
from tests.subscribers.people import NOW

SEALER = Sealer(b"a key that no database has ever seen")
ENTRIES, OWN = Base.metadata.tables["consent_entries"], Base.metadata.tables["consent_particulars"]
EIGHT = 8


def entries(services, count: int, email: str = "reader@example.org") -> None:
    """Let a reader agree, and change their mind, until there are so many entries."""
    subscriber = people.joined(services, email).subscriber
    for number in range(count - 1):
        consent.record(
            "change",
            subscriber=subscriber,
            digest=people.asia(),
            wording=f"rhythm={number}",
            form="preferences",
            origin=None,
            now=NOW + timedelta(minutes=number),
        )
    db.session.commit()


def seal(*, kept: Kept | None = None, generation: int = 1, limit: int = 100) -> consentchain.Sealed:
    done = consentchain.seal_next(SEALER, kept, generation=generation, limit=limit)
    db.session.commit()
    return done


def kept_of(head: Head, *, generation: int = 1) -> Kept:
    return Kept(head.chain, head.seq, head.seal, generation, NOW)


def verified(kept: Kept | None = None, head: Head | None = None) -> Report:
    report = Report()
    head = head or consentchain.head()
    assert head is not None
    for _read in consentproof.walk(SEALER, head, report):
        pass
    if kept is not None:
        consentproof.against(kept, head, report)
    return report


def faults() -> list[tuple[str, int | None]]:
    return [(one.kind, one.seq) for one in verified().faults]


@pytest.fixture
def chain(app, services) -> Head:
    """Eight entries, all of them sealed."""
    entries(services, EIGHT)
    return seal().head


def test_each_entry_gets_its_number_and_a_seal_of_its_own_and_all_is_well(chain):
    numbers, seals = zip(*db.session.execute(select(ENTRIES.c.seq, ENTRIES.c.seal).order_by(ENTRIES.c.id)), strict=True)
    assert numbers == tuple(range(1, EIGHT + 1)) and len(set(seals)) == EIGHT
    report = verified(kept_of(chain))
    assert (report.sealed, report.waiting, report.erased, report.faults) == (EIGHT, 0, 0, [])


def test_what_comes_later_is_sealed_later_and_hangs_on_what_was_there(chain, services):
    entries(services, 2, "second@example.org")
    assert verified().waiting == 2
    done = seal(limit=1)
    assert (done.count, done.head.seq) == (1, EIGHT + 1)
    assert seal().count == 1 and seal().count == 0
    assert verified().faults == []


def test_an_entry_with_a_lower_id_that_shows_up_late_gets_the_next_number(chain):
    with db.session.begin_nested():
        row = db.session.execute(select(ENTRIES).where(ENTRIES.c.seq == EIGHT)).one()
        values = {**row._mapping, "id": 1000, "seq": None, "seal": None}
        db.session.execute(insert(ENTRIES).values(values))
    seal()
    db.session.execute(insert(ENTRIES).values(values | {"id": 500}))
    seal()
    numbers = dict(db.session.execute(select(ENTRIES.c.id, ENTRIES.c.seq).where(ENTRIES.c.id >= 500)).all())
    assert numbers == {1000: EIGHT + 1, 500: EIGHT + 2}
    assert verified().faults == []


def test_erased_particulars_break_nothing_and_are_counted(chain):
    db.session.execute(delete(OWN))
    report = verified(kept_of(chain))
    assert (report.erased, report.faults) == (EIGHT, [])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (update(ENTRIES).where(ENTRIES.c.seq == 5).values(wording="v2"), [("changed", 5), ("particulars", 5)]),
        (update(ENTRIES).where(ENTRIES.c.seq == 5).values(seal=b"?" * 32), [("changed", 5)]),
        (update(ENTRIES).where(ENTRIES.c.seq == EIGHT).values(seal=b"?" * 32), [("changed", EIGHT)]),
        (update(ENTRIES).where(ENTRIES.c.seq == 1).values(kind="opt_out"), [("changed", 1), ("particulars", 1)]),
        (update(ENTRIES).where(ENTRIES.c.seq == 5).values(seq=None, seal=None), [("missing", 5), ("unproved", 6)]),
        (update(ENTRIES).where(ENTRIES.c.seq == 5).values(seq=50), [("missing", 5), ("moved", 50)]),
        (update(ENTRIES).where(ENTRIES.c.seq == EIGHT).values(seq=None, seal=None), [("missing", EIGHT)]),
        (update(Mark).where(Mark.name == consentchain.MARK).values(value="{seven}"), [("beyond", EIGHT)]),
    ],
)
def test_the_entry_that_is_wrong_is_named_and_no_other(chain, change, found):
    if "{seven}" in str(change.compile().params.values()):
        before = db.session.execute(select(ENTRIES.c.seal).where(ENTRIES.c.seq == EIGHT - 1)).scalar_one()
        change = change.values(value=str(Head(chain.chain, chain.key, EIGHT - 1, before)))
    db.session.execute(change)
    assert faults() == found


@pytest.mark.parametrize(("first", "second"), [(3, 4), (2, 7), (1, EIGHT)])
def test_of_two_that_changed_places_it_is_said_where_they_belong(chain, first, second):
    for old, new in ((first, 100), (second, first), (100, second)):
        db.session.execute(update(ENTRIES).where(ENTRIES.c.seq == old).values(seq=new))
    assert [(one.kind, one.seq, one.belongs) for one in verified().faults] == [
        ("moved", first, second),
        ("moved", second, first),
    ]


def test_a_row_of_missing_ones_is_one_fault(chain):
    db.session.execute(update(ENTRIES).where(ENTRIES.c.seq.in_([3, 4, 5])).values(seq=None, seal=None))
    found = verified().faults
    assert found[0] == Fault("missing", 3, last=5) and [one.kind for one in found[1:]] == ["unproved"]


def test_a_chain_that_was_cut_at_its_end_is_whole_in_itself_and_this_host_knows_better(chain):
    seven = seal_of(EIGHT - 1)
    db.session.execute(delete(OWN))
    db.session.execute(delete(ENTRIES).where(ENTRIES.c.seq == EIGHT))
    head = Head(chain.chain, chain.key, EIGHT - 1, seven)
    assert verified(head=head).faults == []
    assert verified(kept_of(chain), head).faults == [Fault("cut", EIGHT, last=EIGHT)]


def test_a_chain_that_was_written_anew_with_the_key_itself_is_not_what_this_host_has_seen(chain):
    last = db.session.execute(select(ENTRIES).where(ENTRIES.c.seq == EIGHT)).one()
    forged = SEALER.seal(seal_of(EIGHT - 1), EIGHT, type("Row", (), {**last._mapping, "wording": "forged"}))
    db.session.execute(update(ENTRIES).where(ENTRIES.c.seq == EIGHT).values(wording="forged", seal=forged))
    db.session.execute(delete(OWN))
    head = Head(chain.chain, chain.key, EIGHT, forged)
    assert verified(head=head).faults == []
    assert verified(kept_of(chain), head).faults == [Fault("other", EIGHT)]


def seal_of(seq: int) -> bytes:
    return db.session.execute(select(ENTRIES.c.seal).where(ENTRIES.c.seq == seq)).scalar_one()


def test_another_key_neither_seals_nor_fits(chain):
    with pytest.raises(ForeignKey):
        consentchain.seal_next(Sealer(b"another key"), None, generation=1, limit=10)
    report = Report()
    list(consentproof.walk(Sealer(b"another key"), chain, report))
    assert len(report.faults) == EIGHT


def test_as_long_as_the_database_lacks_what_this_host_saw_nothing_is_sealed_until_it_is_let_go_on(chain, services):
    ahead = Kept(chain.chain, EIGHT + 3, b"!" * 32, 1, NOW)
    entries(services, 2, "second@example.org")
    with pytest.raises(ChainBehind, match="up to number 11"):
        seal(kept=ahead)
    db.session.rollback()
    done = seal(kept=ahead, generation=2)
    assert (done.lost, done.count) == (True, 2)
    assert verified().faults == []


def test_a_host_whose_end_another_one_has_overwritten_finds_that_out(chain):
    with pytest.raises(ChainBehind):
        seal(kept=Kept(chain.chain, 5, b"!" * 32, 1, NOW))


def test_a_host_that_saw_less_because_it_crashed_after_the_commit_goes_on(chain):
    assert not seal(kept=Kept(chain.chain, 5, seal_of(5), 1, NOW)).lost


# Any single change.

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
VALUES: dict[str, st.SearchStrategy[object]] = {
    "at": st.datetimes(timezones=st.just(NOW.tzinfo)),
    "kind": st.sampled_from(["opt_in", "change", "opt_out"]),
    "digest_id": st.sampled_from([None, 1, 2]),
    "wording": TEXTS,
    "commitment": st.binary(max_size=32),
    "seal": st.binary(max_size=32),
    "seq": st.integers(1, 10**9),
    "id": st.integers(1, 10**9),
}
OWN_VALUES: dict[str, st.SearchStrategy[object]] = {
    "salt": st.binary(max_size=16),
    "addr_hash": st.binary(max_size=16),
    "form": TEXTS,
    "origin_truncated": TEXTS,
}
Change = Callable[[], bool]


def change_of(table: Table, key: str, values: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[object]:
    columns = st.sampled_from(sorted(values)).flatmap(lambda name: st.tuples(st.just(name), values[name]))
    return st.tuples(st.just(table), st.just(key), st.integers(1, EIGHT), columns)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(change_of(ENTRIES, "seq", VALUES), change_of(OWN, "entry_id", OWN_VALUES), st.integers(1, EIGHT)))
def test_any_single_change_of_any_sealed_row_is_found(chain, change):
    if isinstance(change, int):
        db.session.execute(delete(OWN).where(OWN.c.entry_id == change))
        db.session.execute(delete(ENTRIES).where(ENTRIES.c.seq == change))
        changed = True
    else:
        changed = written(*change)
    try:
        assert bool(verified().faults) == changed
    finally:
        db.session.rollback()


def written(table: Table, key: str, number: int, column: tuple[str, object]) -> bool:
    """Change one column of one row, and return whether that made a difference."""
    name, value = column
    where = table.c[key] == number
    if name in ("seq", "id") and db.session.scalar(select(table.c.id).where(table.c[name] == value)):
        return False
    before = db.session.execute(select(table.c[name]).where(where)).scalar_one()
    if name == "id":
        db.session.execute(delete(OWN).where(OWN.c.entry_id == number))
    db.session.execute(update(table).where(where).values({name: value}))
    return bool(value != before)
