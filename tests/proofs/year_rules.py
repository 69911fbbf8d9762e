"""What holds for every mail of a simulated year, whatever a model foretells: looked up in the mails alone."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from tests.proofs import year_mail
from tests.proofs.year_state import Reader, World

KEPT = timedelta(days=60)
"""So long it is known who had a story."""


def broken(mail: dict[str, Any], world: World, now: datetime) -> Iterator[str]:
    """Yield what is wrong with a mail of an edition."""
    kind, digest = mail["mailing"].split(":")[:2]
    if kind != "edition":
        return
    read, reader = year_mail.read(mail["raw"], world.digests[digest]["language"]), world.readers[mail["to"]]
    if not read.full:
        yield f"{reader.who} got an empty mail: {mail['mailing']}"
    for name, mark in read.full:
        fault = _fault(name, mark, reader, digest, world, now)
        if fault:
            yield f"{name} in {mail['mailing']} to {reader.who}: {fault}"


def _fault(name: str, mark: str, reader: Reader, digest: str, world: World, now: datetime) -> str:
    """Say what is wrong with a story in full, if anything is."""
    had = [at for at, _by in reader.in_full.get(name, [])]
    if "alerted" in mark:
        return "" if name in reader.alerted and not had else "marked as alerted, and it was had, or there was no alert"
    if "updated" in mark:
        shown = reader.shown.get(name)
        is_so = shown is not None and world.articles[name].updated_between(shown, now)
        return "" if is_so else "marked as updated, and it was not since it was had"
    return "in full twice" if _is_twice(name, reader, digest, world, now) else ""


def _is_twice(name: str, reader: Reader, digest: str, world: World, now: datetime) -> bool:
    """Say whether a story came in full before: of a recap, in that recap; else, in any digest."""
    recent = [by for at, by in reader.in_full.get(name, ()) if now - at <= KEPT]
    return digest in recent if world.digests[digest]["repeat"] == "recap" else bool(recent)
