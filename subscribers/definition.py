"""What a publisher's definition of a digest may say, checked: one table of the file of digests becomes columns."""

import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

from articles import topics
from core import addresses, errors, language
from core.errors import _
from subscribers import rhythm

SUBJECT_VALUES = frozenset({"digest", "headline", "publication"})
"""What a subject pattern may name, in braces: `{digest}: {headline}`."""
REPEATS = ("never", "headline", "updated", "recap")
"""What may become of a story that a reader had; digests.selection says what each of them means."""
KEY = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
MUST = ("key", "name", "language", "rhythms", "default_time", "default_zone")
MAY: Mapping[str, Any] = {
    "about": "",
    "default_rhythm": None,
    "lead_minutes": 20,
    "desk_closes": None,
    "hold_until": None,
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


def _wrong(key: str, field: str, message: str, **values: object) -> errors.Invalid:
    return errors.Invalid(field, message, digest=key, field_name=field, **values)


def checked(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of one definition. Raises Invalid for the first thing that is wrong."""
    key = definition.get("key")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        message = _("The key of a digest, %(digest)s, must be 1 to 40 small letters, digits and hyphens.")
        raise errors.Invalid("key", message, digest=repr(key))
    for field in definition:
        if field not in MUST and field not in MAY:
            raise _wrong(key, field, _("Digest %(digest)s: there is no setting %(field_name)s."))
    for field in MUST:
        if field not in definition:
            raise _wrong(key, field, _("Digest %(digest)s: the setting %(field_name)s is missing."))
    given = {**MAY, **definition}
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
        **_desk(key, given),
    }


def _desk(key: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return when the desk closes, and until when every date is held: minutes of the publisher's day, or None."""
    closes, until = _minute(key, given, "desk_closes"), _minute(key, given, "hold_until")
    if closes is not None and until is not None and until <= closes:
        message = _("Digest %(digest)s: hold_until must be later than desk_closes: what begins before is not held.")
        raise _wrong(key, "hold_until", message)
    return {"desk_closes": closes, "hold_until": until}


def _minute(key: str, given: Mapping[str, Any], field: str) -> int | None:
    if given[field] is None:
        return None
    clock = _TIME.fullmatch(str(given[field]))
    if clock is None:
        message = _("Digest %(digest)s: %(field_name)s must be a time of day, like 05:30.")
        raise _wrong(key, field, message)
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
