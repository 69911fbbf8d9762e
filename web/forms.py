"""What people send us, checked before anything else sees it: one frozen value a form, all limits in one place."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar, cast

from werkzeug.datastructures import MultiDict

from core import addresses, characters, errors
from core.errors import _
from subscribers import rhythm

LINE = 300
"""The longest single line, in characters. An address has a limit of its own (core.addresses)."""
KEY = 64
MAX_CHOICES = 300
_FORM_ID = re.compile(r"[0-9a-f]{32}")
FORM_BROKEN = _("This form did not arrive whole. Please send it again.")

Values = MultiDict[str, str]
T = TypeVar("T")


class Refused(errors.DomainError):
    """A form that cannot be taken; `faults` say what is wrong with which field."""

    def __init__(self, faults: Sequence[errors.Invalid]) -> None:
        self.faults = faults
        super().__init__(faults[0].message, **faults[0].values)


@dataclass(frozen=True, slots=True)
class Typed:
    """What a form is filled with: proposals at first, then, when something was wrong, what the person typed."""

    email: str = ""
    zone: str = ""
    rhythm: str = ""
    digests: Sequence[str] = ()
    topics: Sequence[str] = ()


def typed(values: Values) -> Typed:
    """Return what a person typed, to be shown again; of an endless line only its beginning."""
    several = ("digests", "topics")
    lines = {field.name: values.get(field.name, "")[:LINE] for field in fields(Typed) if field.name not in several}
    ticked: Mapping[str, Any] = {name: values.getlist(name)[:MAX_CHOICES] for name in several}
    return Typed(**lines, **ticked)


def faults_of(error: errors.Invalid | Refused) -> Sequence[errors.Invalid]:
    """Return the faults of a form, whether the form itself or a room found them."""
    return error.faults if isinstance(error, Refused) else [error]


@dataclass(frozen=True, slots=True)
class SubscribeForm:
    """Who would like to get which digests. `form_id` is random and new with every page."""

    email: addresses.Address
    digests: tuple[str, ...]
    topics: tuple[str, ...]
    zone: str | None
    rhythm: str | None
    form_id: bytes

    @property
    def request_id(self) -> bytes:
        """Return the same 16 bytes for the same form sent twice, others for one that was corrected in between."""
        return request_id_of(self.form_id, self.email.folded, *self.digests, "/", *self.topics, "/", self.rhythm or "")


@dataclass(frozen=True, slots=True)
class FreshLinkForm:
    """Who would like to get a fresh link."""

    email: addresses.Address
    form_id: bytes

    @property
    def request_id(self) -> bytes:
        """Return the same 16 bytes for the same form sent twice, others for another address."""
        return request_id_of(self.form_id, self.email.folded)


def subscribe_form(values: Values) -> SubscribeForm:
    """Read the form to subscribe. Raises Refused with all that is wrong."""
    sheet = Sheet(values)
    form = SubscribeForm(
        email=sheet.read("email", addresses.parse, limit=None),
        digests=sheet.read_all("digests", needed=True),
        topics=sheet.read_all("topics"),
        zone=sheet.read("zone", _zone_or_none),
        rhythm=sheet.read("rhythm", _rhythm_or_none),
        form_id=sheet.read("form_id", _form_id),
    )
    sheet.finish()
    return form


def fresh_link_form(values: Values) -> FreshLinkForm:
    """Read the form that asks for a fresh link. Raises Refused."""
    sheet = Sheet(values)
    form = FreshLinkForm(
        email=sheet.read("email", addresses.parse, limit=None), form_id=sheet.read("form_id", _form_id)
    )
    sheet.finish()
    return form


def line(text: str, field: str, *, limit: int | None = LINE) -> str:
    """Return a single line that a person typed. Raises Invalid when it is too long or holds what cannot be seen.

    Line ends would start a new header line in a mail; bidi controls make a text look like another one (UAX #9).
    """
    text = text.strip(" \t")
    if limit is not None and len(text) > limit:
        raise errors.Invalid(field, _("This is too long. At most %(limit)s characters can be taken."), limit=limit)
    if characters.has_hidden(text[:LINE]):
        raise errors.Invalid(field, _("There is a line break or a hidden character in this. Please type it again."))
    return text


class Sheet:
    """The fields of one form. What is wrong with each is noted, and told all at once by `finish`."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._faults: list[errors.Invalid] = []

    def read(self, name: str, parse: Callable[[str], T], *, instead: T | None = None, limit: int | None = LINE) -> T:
        """Return a field's value; when it has a fault, `instead`, which nobody sees since `finish` raises."""
        try:
            return parse(line(self._values.get(name, ""), name, limit=limit))
        except errors.Invalid as fault:
            self._faults.append(fault)
            return cast(T, instead)

    def read_text(self, name: str, parse: Callable[[str], T]) -> T:
        """Return the value of a field whose parser takes whatever comes; None, unseen, when it has a fault."""
        try:
            return parse(self._values.get(name, ""))
        except errors.Invalid as fault:
            self._faults.append(fault)
            return cast(T, None)

    def note(self, fault: errors.Invalid) -> None:
        """Note something else that is wrong."""
        self._faults.append(fault)

    def read_all(self, name: str, *, needed: bool = False) -> tuple[str, ...]:
        """Return the ticked values of a group, without doubles."""
        try:
            typed = self._values.getlist(name)
            if len(typed) > MAX_CHOICES:
                raise errors.Invalid(name, _("These are too many choices at once."))
            ticked = tuple(dict.fromkeys(line(value, name, limit=KEY) for value in typed))
            if needed and not ticked:
                raise errors.Invalid(name, _("Please choose at least one digest."))
        except errors.Invalid as fault:
            self._faults.append(fault)
            return ()
        return ticked

    def finish(self) -> None:
        """Raise Refused if anything was wrong."""
        if self._faults:
            raise Refused(self._faults)


def _zone_or_none(text: str) -> str | None:
    return rhythm.known_zone(text) if text else None


def _rhythm_or_none(text: str) -> str | None:
    if text and text not in rhythm.RHYTHMS:
        raise errors.Invalid("rhythm", _("Please choose from the list how often you want to get mail."))
    return text or None


def _form_id(text: str) -> bytes:
    if not _FORM_ID.fullmatch(text):
        raise errors.Invalid("form_id", FORM_BROKEN)
    return bytes.fromhex(text)


def request_id_of(form_id: bytes, *parts: str) -> bytes:
    """Return the 16 bytes by which what a form asks for is known: the same for the same form sent twice."""
    # Somebody who goes back and corrects their address sends the same page, with its old form_id, a second time.
    return hashlib.sha256(form_id + "\0".join(parts).encode()).digest()[:16]
