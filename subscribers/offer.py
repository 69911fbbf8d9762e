"""The digests on offer: what a publisher wrote in a file, checked as a whole and then stored."""

import re
import string
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from articles import topics
from core import addresses, errors, language
from core.database import db
from core.errors import _
from subscribers import rhythm
from subscribers.models import Digest

SUBJECT_VALUES = frozenset({"digest", "headline", "publication"})
"""What a subject pattern may name, in braces: `{digest}: {headline}`."""
REPEATS = ("never", "headline", "updated", "recap")
"""What may become of a story that a reader had; digests.selection says what each of them means."""
_KEY = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_MUST = ("key", "name", "language", "rhythms", "default_time", "default_zone")
_MAY: Mapping[str, Any] = {
    "about": "",
    "default_rhythm": None,
    "lead_minutes": 20,
    "desk_closes": None,
    "unapproved": "send",
    "least": 1,
    "most": 10,
    "headlines": 5,
    "topics": (),
    "repeat": None,
    "doubt_policy": "resend",
    "not_after_hours": 12,
    "breaking_not_after_minutes": 60,
    "subject": "{digest}: {headline}",
    "reply_to": None,
    "offers_breaking": False,
    "active": True,
}


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
    checked = [_checked(definition) for definition in definitions]
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
    return _KEY.fullmatch(key) is not None


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


def _wrong(key: str, field: str, message: str, **values: object) -> errors.Invalid:
    return errors.Invalid(field, message, digest=key, field_name=field, **values)


def _checked(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of one definition. Raises Invalid for the first thing that is wrong."""
    key = definition.get("key")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        message = _("The key of a digest, %(digest)s, must be 1 to 40 small letters, digits and hyphens.")
        raise errors.Invalid("key", message, digest=repr(key))
    for field in definition:
        if field not in _MUST and field not in _MAY:
            raise _wrong(key, field, _("Digest %(digest)s: there is no setting %(field_name)s."))
    for field in _MUST:
        if field not in definition:
            raise _wrong(key, field, _("Digest %(digest)s: the setting %(field_name)s is missing."))
    given = {**_MAY, **definition}
    if given["repeat"] is None:
        # The best of a week is wanted although the dailies brought it.
        given["repeat"] = "recap" if given["rhythms"] == ["weekly"] else "never"
    return {
        "key": key,
        **_texts(key, given),
        **_times(key, given),
        **_numbers(key, given),
        "selection": _topics(key, given["topics"]),
        "repeat": _one_of(key, given, "repeat", REPEATS),
        "doubt_policy": _one_of(key, given, "doubt_policy", ("resend", "skip")),
        "unapproved": _one_of(key, given, "unapproved", ("send", "skip")),
        "offers_breaking": _yes_or_no(key, given, "offers_breaking"),
        "active": _yes_or_no(key, given, "active"),
    }


def _text(key: str, given: Mapping[str, Any], field: str, *, longest: int) -> str:
    """Return a line of text: it may stand in a header, so it holds no control characters."""
    value = given[field]
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        message = _("Digest %(digest)s: %(field_name)s must be one line of at most %(longest)s characters.")
        raise _wrong(key, field, message, longest=longest)
    return value.strip()


def _texts(key: str, given: Mapping[str, Any]) -> dict[str, Any]:
    name = _text(key, given, "name", longest=60)
    if not name:
        raise _wrong(key, "name", _("Digest %(digest)s: the setting %(field_name)s is missing."))
    code = _text(key, given, "language", longest=20)
    if str(language.locale(code)) != code.replace("-", "_"):
        message = _("Digest %(digest)s: there is no language “%(value)s”. Write it like en, ar or zh-Hant.")
        raise _wrong(key, "language", message, value=code)
    return {
        "name": name,
        "about": _text(key, given, "about", longest=300),
        "language": code,
        "subject": _subject(key, given),
        "reply_to": _reply_to(key, given["reply_to"]),
    }


def _subject(key: str, given: Mapping[str, Any]) -> str:
    pattern = _text(key, given, "subject", longest=120)
    try:
        # Bare names only: str.format would follow {headline.__class__} as well.
        parts = [part[1:] for part in string.Formatter().parse(pattern) if part[1] is not None]
        fits = bool(pattern) and all(part[0] in SUBJECT_VALUES and part[1:] == ("", None) for part in parts)
    except ValueError:
        fits = False
    if not fits:
        message = _("Digest %(digest)s: the subject may name %(names)s, and no other values, in braces.")
        raise _wrong(key, "subject", message, names=", ".join(f"{{{name}}}" for name in sorted(SUBJECT_VALUES)))
    return pattern


def _reply_to(key: str, value: object) -> str | None:
    if value is None:
        return None
    try:
        return addresses.parse(str(value), field="reply_to").mailbox
    except errors.Invalid as error:
        raise _wrong(key, "reply_to", _("Digest %(digest)s: reply_to must be one e-mail address.")) from error


def _times(key: str, given: Mapping[str, Any]) -> dict[str, Any]:
    rhythms = given["rhythms"]
    if not isinstance(rhythms, list) or not rhythms or any(name not in rhythm.RHYTHMS for name in rhythms):
        message = _("Digest %(digest)s: %(field_name)s must be a list of some of %(names)s.")
        raise _wrong(key, "rhythms", message, names=", ".join(rhythm.RHYTHMS))
    default = rhythms[0] if given["default_rhythm"] is None else given["default_rhythm"]
    if default not in rhythms:
        raise _wrong(key, "default_rhythm", _("Digest %(digest)s: %(field_name)s must be one of its rhythms."))
    clock = _TIME.fullmatch(str(given["default_time"]))
    if clock is None or int(clock[2]) % rhythm.QUARTER:
        message = _("Digest %(digest)s: %(field_name)s must be an hour and quarter, like 07:00 or 18:45.")
        raise _wrong(key, "default_time", message)
    zone = str(given["default_zone"])
    if zone not in rhythm.zones():
        message = _("Digest %(digest)s: there is no time zone “%(value)s”. Write it like Asia/Hong_Kong.")
        raise _wrong(key, "default_zone", message, value=zone)
    return {
        "rhythms": list(dict.fromkeys(rhythms)),
        "default_rhythm": default,
        "default_minute": int(clock[1]) * 60 + int(clock[2]),
        "default_zone": zone,
        "desk_closes": _desk_closes(key, given["desk_closes"]),
    }


def _desk_closes(key: str, value: object) -> int | None:
    """Return the minute of the publisher's day from which on waves carry the desk's words; None: all of them."""
    if value is None:
        return None
    clock = _TIME.fullmatch(str(value))
    if clock is None:
        message = _("Digest %(digest)s: %(field_name)s must be a time of day, like 05:30.")
        raise _wrong(key, "desk_closes", message)
    return int(clock[1]) * 60 + int(clock[2])


def _numbers(key: str, given: Mapping[str, Any]) -> dict[str, Any]:
    most = _number(key, given, "most", 1, 100)
    return {
        "most": most,
        "least": _number(key, given, "least", 1, most),
        "headlines": _number(key, given, "headlines", 0, 100),
        "lead_s": 60 * _number(key, given, "lead_minutes", 0, 12 * 60),
        "not_after_s": 3600 * _number(key, given, "not_after_hours", 1, 7 * 24),
        "breaking_not_after_s": 60 * _number(key, given, "breaking_not_after_minutes", 5, 12 * 60),
    }


def _number(key: str, given: Mapping[str, Any], field: str, lowest: int, highest: int) -> int:
    value = given[field]
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        message = _("Digest %(digest)s: %(field_name)s must be a whole number from %(lowest)s to %(highest)s.")
        raise _wrong(key, field, message, lowest=lowest, highest=highest)
    return value


def _topics(key: str, wanted: object) -> list[str]:
    if not isinstance(wanted, list | tuple) or not all(isinstance(name, str) for name in wanted):
        raise _wrong(key, "topics", _("Digest %(digest)s: %(field_name)s must be a list of topic keys."))
    known = {topic.key for topic in topics.all_topics()}
    for name in wanted:
        if name not in known:
            message = _("Digest %(digest)s: there is no topic “%(value)s”.")
            raise _wrong(key, "topics", message, value=name)
    return sorted(set(wanted))


def _one_of(key: str, given: Mapping[str, Any], field: str, allowed: Sequence[str]) -> str:
    value = given[field]
    if value not in allowed:
        message = _("Digest %(digest)s: %(field_name)s must be one of %(names)s.")
        raise _wrong(key, field, message, names=", ".join(allowed))
    return str(value)


def _yes_or_no(key: str, given: Mapping[str, Any], field: str) -> bool:
    value = given[field]
    if not isinstance(value, bool):
        raise _wrong(key, field, _("Digest %(digest)s: %(field_name)s must be true or false."))
    return value
