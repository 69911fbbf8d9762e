"""What a mail service wrote, as JSON: read within bounds, and asked for a value without trusting its shape."""

import json
import math
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

DEEPEST = 20
"""How deep arrays and objects may stand in one another; the services' own go down to six."""
_FIRST_YEAR, _LAST_YEAR = 2000, 2100


class Unreadable(ValueError):
    """What came is not what the service writes. Its text says why, in English, for operators."""


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def read(raw: bytes | str) -> Any:
    """Return a JSON document (RFC 8259). Raises Unreadable for what is no JSON in UTF-8, or deeper than DEEPEST."""
    try:
        text = raw if isinstance(raw, str) else raw.decode("utf-8")
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable("It is not JSON in UTF-8.") from error
    if _is_deeper(found, DEEPEST):
        raise Unreadable(f"It is deeper than {DEEPEST} levels.")
    return found


def read_object(raw: bytes | str) -> dict[str, Any]:
    """Return a JSON object. Raises Unreadable for anything else."""
    found = read(raw)
    if not isinstance(found, dict):
        raise Unreadable("It is not a JSON object.")
    return found


def _is_deeper(document: object, limit: int) -> bool:
    level = [document]
    for _depth in range(limit):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return False
    return any(isinstance(one, dict | list) for one in level)


def _inside(one: object) -> list[object]:
    if isinstance(one, dict):
        return list(one.values())
    return one if isinstance(one, list) else []


def at(document: object, *path: str | int) -> Any:
    """Return what stands at a path of names and places, None when there is no such thing."""
    for step in path:
        if isinstance(step, str):
            document = document.get(step) if isinstance(document, dict) else None
        else:
            document = document[step] if isinstance(document, list) and step < len(document) else None
    return document


def text(document: object, *path: str | int) -> str:
    """Return the text or the whole number at a path, empty for anything else. A lone surrogate becomes a `?`."""
    found = at(document, *path)
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return found.encode("utf-8", "replace").decode("utf-8") if isinstance(found, str) else ""


def moment(value: object) -> datetime | None:
    """Return a time that is written in ISO 8601 with a zone, or in seconds since 1970; None for anything else."""
    with suppress(ValueError, OverflowError, OSError):
        if isinstance(value, str) and not value.isdecimal():
            found = datetime.fromisoformat(value)
        elif isinstance(value, str | int | float) and not isinstance(value, bool) and math.isfinite(float(value)):
            found = datetime.fromtimestamp(float(value), UTC)
        else:
            return None
        if found.tzinfo is not None and _FIRST_YEAR <= found.year < _LAST_YEAR:
            return found.astimezone(UTC)
    return None
