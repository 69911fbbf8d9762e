"""The form that sends a story: who sends it, to whom, and a few words; kept as typed when it is offered again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core import addresses, errors, services, tokens
from core.addresses import Address
from core.shares import ShareSettings
from sharing import asking, names, notes
from web import forms

_NOTE_SHOWN = 2 * notes.LONGEST
_NOBODY = Address("", "")
FRIENDS = ("friend_1", "friend_2", "friend_3")


@dataclass(frozen=True, slots=True)
class ShareForm:
    """What was asked for. `email` is None of whoever came from their own digest: the link says who they are."""

    name: str
    note: str
    email: Address | None
    friends: tuple[Address, ...]

    def request_id(self, form_id: bytes, story: str) -> bytes:
        """Return the same 16 bytes for the same form sent twice, others for one that was corrected in between."""
        who = self.email.folded if self.email else ""
        return forms.request_id_of(
            form_id, story, who, *(one.folded for one in self.friends), "/", self.name, self.note
        )


@dataclass(frozen=True, slots=True)
class Typed:
    """What the form is filled with when it is offered again: all that was typed."""

    name: str = ""
    note: str = ""
    email: str = ""
    friends: Sequence[str] = ("",) * len(FRIENDS)


def fields(given: ShareSettings) -> tuple[str, ...]:
    """Return the names of the fields for friends, as many as may be."""
    return FRIENDS[: given.max_friends]


def typed(values: forms.Values) -> Typed:
    """Return what a person typed; of an endless line only its beginning."""
    return Typed(
        name=values.get("name", "")[: forms.LINE],
        note=values.get("note", "")[:_NOTE_SHOWN],
        email=values.get("email", "")[: forms.LINE],
        friends=[values.get(name, "")[: forms.LINE] for name in FRIENDS],
    )


def form_id(values: forms.Values) -> bytes:
    """Return the form's own id; one that no form of ours has when it brings none."""
    text = values.get("form_id", "")
    try:
        found = bytes.fromhex(text) if len(text) == 2 * tokens.KEY_BYTES else b""
    except ValueError:
        found = b""
    return found if len(found) == tokens.KEY_BYTES else bytes(tokens.KEY_BYTES)


def read(values: forms.Values, *, given: ShareSettings, is_proven: bool) -> ShareForm:
    """Read the form. Raises Refused with all that is wrong."""
    ours = services.current().publication.names.values()
    sheet = forms.Sheet(values)
    form = ShareForm(
        name=sheet.read_text("name", lambda text: names.checked(text, ours=ours)),
        note=sheet.read_text("note", notes.checked) if given.note else "",
        email=None if is_proven else sheet.read("email", addresses.parse, limit=None),
        friends=_friends(values, sheet, given),
    )
    sheet.finish()
    return form


def _friends(values: forms.Values, sheet: forms.Sheet, given: ShareSettings) -> tuple[Address, ...]:
    """Return whom it goes to. A field of a friend too many counts, too: it is told, not left out."""
    filled = [name for name in FRIENDS if values.get(name, "").strip(" \t")]
    found = [sheet.read(name, _named(name), instead=_NOBODY, limit=None) for name in filled]
    if _NOBODY in found:
        return ()
    try:
        return asking.checked(found, most=given.max_friends)
    except errors.Invalid as fault:
        sheet.note(fault)
        return ()


def _named(field: str) -> Callable[[str], Address]:
    return lambda text: addresses.parse(text, field=field)
