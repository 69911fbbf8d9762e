"""Who gets a breaking mail, by the model of a simulated year."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.proofs import year_clock as clocks
from tests.proofs import year_mail
from tests.proofs.year_choice import Fate
from tests.proofs.year_state import Alert, Subscription, World


@dataclass(slots=True)
class Judged:
    """What was wrong with a breaking mail, and what became of it for those on whose topics it was."""

    faults: list[str] = field(default_factory=list)
    fates: list[Fate] = field(default_factory=list)


def judge(world: World, digest: str, name: str, flagged: datetime, mails: dict[str, dict[str, Any]]) -> Judged:
    """Judge the mails of a story that a digest sent at once, by reader; note who was alerted."""
    judged, alert = Judged(), Alert(digest, name, flagged, world.articles[name].urgent)
    for one in world.subscriptions.values():
        if not one.on or one.digest != digest or not one.breaking or one.first:
            continue
        fate, mail = _fate(world, one, alert), mails.pop(one.who, None)
        if fate not in (Fate.PAUSED, Fate.NO_MATCH):
            judged.fates.append(fate)
        if (mail is not None) != (fate == Fate.IN_FULL):
            judged.faults.append(f"{one.who}, breaking {name} of {digest}: {fate}, and a mail came: {mail is not None}")
        if mail is not None:
            judged.faults += _note(world, alert, one, mail)
    judged.faults += [f"{who} got breaking news of {digest} without having asked for it" for who in sorted(mails)]
    world.alerts.append(alert)
    return judged


def _fate(world: World, one: Subscription, alert: Alert) -> Fate:
    article, reader = world.articles[alert.name], world.readers[one.who]
    today = clocks.local(alert.at, world.zone).date()
    paused = reader.paused_until is not None and reader.paused_until > clocks.local(alert.at, one.zone).date()
    reasons = {
        Fate.PAUSED: paused,
        Fate.NO_MATCH: bool(one.topics) and not one.topics & article.topics,
        Fate.HAD: reader.had_in_full(article.name, article.revision),
        Fate.QUIET: not article.urgent and clocks.is_night(alert.at, one.zone, world.quiet),
        Fate.ALERTED: world.was_alerted(one.who, article, once=reader.once),
        Fate.ENOUGH: not article.urgent and world.alerts_of(one.who, one.digest, today) >= one.breaking,
    }
    return next((fate for fate, holds in reasons.items() if holds), Fate.IN_FULL)


def _note(world: World, alert: Alert, one: Subscription, mail: dict[str, Any]) -> Iterator[str]:
    """Note that a reader is alerted; yield what is wrong with their mail."""
    ends = alert.at + timedelta(minutes=world.digests[alert.digest]["breaking_not_after_minutes"])
    until = ends if alert.urgent else min(ends, clocks.next_night(alert.at, one.zone, world.quiet))
    if datetime.fromisoformat(mail["not_after"]) != until:
        yield f"{one.who}: breaking {alert.name} leaves until {mail['not_after']}, and should until {until}"
    if year_mail.subject(mail["raw"]) != alert.name:
        yield f"{one.who}: the subject of breaking {alert.name} is another"
    alert.wait(one.who, until, before_its_end=until < ends)
    world.readers[one.who].alerted.add(alert.name)
