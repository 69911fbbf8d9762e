"""The sender's note: plain words, and nothing to follow, to write to or to call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import characters, errors
from sharing import notes
from tests.sharing.corpus import HONEST_NOTES, REFUSED_NOTES


@pytest.mark.parametrize("note", HONEST_NOTES)
def test_honest_notes_pass(note):
    assert notes.checked(note) == note.replace("\r\n", "\n")


@pytest.mark.parametrize("kind", REFUSED_NOTES)
def test_what_leads_elsewhere_or_cannot_be_seen_is_refused(kind):
    for note in REFUSED_NOTES[kind]:
        with pytest.raises(errors.Invalid) as refused:
            notes.checked(note)
            pytest.fail(f"{note!r} passes")
        assert refused.value.field == "note"


def test_a_publisher_can_take_fewer_characters_and_never_more():
    with pytest.raises(errors.Invalid, match="At most 20"):
        notes.checked("x" * 21, longest=20)
    with pytest.raises(errors.Invalid, match="At most 140"):
        notes.checked("x" * 141, longest=500)


@given(text=st.text(max_size=200))
def test_whatever_passes_is_short_and_has_no_more_than_three_lines(text):
    try:
        note = notes.checked(text)
    except errors.Invalid:
        return
    assert len(note) <= 140
    assert note.count("\n") <= 2
    assert not characters.has_controls(note.replace("\n", ""))
    assert "@" not in note
    assert "://" not in note
    assert notes.checked(note) == note
