"""The digests on offer: what a publisher wrote in a file, checked as a whole and then stored."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from core import errors
from core.database import db
from core.errors import _
from subscribers import definition
from subscribers.models import Digest


@dataclass(frozen=True, slots=True)
class Difference:
    """What a definition makes of one digest: the columns that change, each with its value of now and the new one.

    Of a digest that `is_new`, the values of now are None.
    """

    key: str
    is_new: bool
    columns: Mapping[str, tuple[Any, Any]]


def differences(definitions: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Return what these definitions would change, in their order; nothing is written.

    Raises Invalid, whose sentence names the digest and the setting.
    """
    checked = [definition.checked(one) for one in definitions]
    keys = [values["key"] for values in checked]
    for key in keys:
        if keys.count(key) > 1:
            raise errors.Invalid("key", _("Two digests have the key “%(digest)s”."), digest=key)
    found = [_difference(values) for values in checked]
    return [one for one in found if one.columns]


def apply(definitions: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Store these digests, all or none; return what that changed. A digest that is not named stays as it is:
    `active = false` withdraws one. Raises Invalid, whose sentence names the digest and the setting.
    """
    made = differences(definitions)
    for one in made:
        values = {name: new for name, (_old, new) in one.columns.items()}
        if one.is_new:
            db.session.add(Digest(**values))
        else:
            digest = by_key(one.key)
            for name, value in values.items():
                setattr(digest, name, value)
            digest.revision += 1
        db.session.flush()
    return made


def active(*, spoken: str | None = None) -> list[Digest]:
    """Return the digests on offer, in the order in which they came; those in the language `spoken` before others."""
    digests = db.session.scalars(select(Digest).where(Digest.active).order_by(Digest.id))
    return sorted(digests, key=lambda digest: digest.language != spoken)


def is_key(key: str) -> bool:
    """Say whether this can be a key: 1 to 40 small letters, digits and hyphens."""
    return definition.KEY.fullmatch(key) is not None


def streams() -> list[str]:
    """Return what the post office calls the digests that there are, also those that are not on offer any more."""
    return [digest.stream for digest in db.session.scalars(select(Digest).order_by(Digest.id))]


def by_key(key: str) -> Digest:
    """Return a digest, withdrawn or not. Raises NotFound."""
    digest = db.session.scalar(select(Digest).where(Digest.key == key))
    if digest is None:
        raise errors.NotFound
    return digest


def refuse_unknown(keys: Collection[str]) -> None:
    """Look whether all of these digests are on offer. Raises Invalid."""
    found = db.session.execute(select(Digest.key).where(Digest.active, Digest.key.in_(keys)))
    if len(found.all()) < len(set(keys)):
        raise errors.Invalid("digests", _("One of the digests you chose is not on offer. Please choose again."))


def still_offered(keys: Collection[str]) -> list[Digest]:
    """Return those of the digests that are on offer, in the order given."""
    rows = db.session.scalars(select(Digest).where(Digest.active, Digest.key.in_(keys)))
    offered = {digest.key: digest for digest in rows}
    return [offered[key] for key in dict.fromkeys(keys) if key in offered]


def _difference(values: Mapping[str, Any]) -> Difference:
    digest = db.session.scalar(select(Digest).where(Digest.key == values["key"]))
    if digest is None:
        return Difference(values["key"], True, {name: (None, value) for name, value in values.items()})
    now = {name: getattr(digest, name) for name in values}
    return Difference(
        digest.key, False, {name: (now[name], value) for name, value in values.items() if now[name] != value}
    )
