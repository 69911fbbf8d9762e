"""The invariants I1 to I13, over what a run has left behind. Knows the tables and SMTP, and nothing of the product.

`python -m tests.chaos.checker FOLDER` checks a run that was kept.
"""

import base64
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.chaos import scripts
from tests.chaos.evidence import Evidence, Row
from tests.chaos.journal import Line
from tests.chaos.ledger import OVER

SETTLES_S = 1.0
"""A statement does not see what commits while it runs, and what was under way comes to its end."""
EXIT_WITHIN_S = 30.0
AWAY_S, MANY = 2.0, 20
ARROWS = {
    "planned": {"claimed", "cancelled", "expired"},
    "claimed": {"sending", "planned", "suppressed", "cancelled", "expired"},
    "sending": {"sent", "failed", "planned", "in_doubt"},
    "in_doubt": {"sent", "failed", "planned"},
}
"""The transitions that the design allows, written down here a second time on purpose."""

Found = Iterator[str]


def each_planned_recipient_has_one_row(run: Evidence) -> Found:
    """I1: rows = planned = distinct recipients, and nothing else in the planned mailings."""
    for to in run.planned.keys() - run.rows.keys():
        yield f"{to} was planned and has no row"
    keys = {one["mailing"] for one in run.plan}
    rows = [row for row in run.ledger["deliveries"] if run.mailings[row["mailing_id"]]["key"] in keys]
    if len(rows) > len(run.plan):
        yield f"{len(rows)} rows for {len(run.plan)} recipients"
    for key, count in Counter((row["mailing_id"], row["once_key"]) for row in rows).items():
        if count > 1:
            yield f"{key} has {count} rows"


def each_row_has_ended(run: Evidence) -> Found:
    """I2: one terminal state each, no lease, no address kept; and the end is what relay and readers asked for."""
    for to, row in run.rows.items():
        state = row["state"]
        settled = state == "in_doubt" and (row["done_at"] is not None or _may_stay_in_doubt(run, to))
        if state not in OVER and not settled:
            yield f"{to} ended as {state}"
        elif state not in _ends(run, to, row):
            yield f"{to} ended as {state} ({row['last_code']} {row['last_text']}), doubts {row['doubts']}"
        if row["lease_until"] is not None or row["worker_id"] is not None:
            yield f"{to} is {state} and has a lease"
        if row["done_at"] is not None and row["address_sealed"] is not None:
            yield f"{to} is done and its address is kept"


def _may_stay_in_doubt(run: Evidence, to: str) -> bool:
    """Whether only its time or a person settles a doubt: no second copy is wanted."""
    mailing = run.mailings[run.rows[to]["mailing_id"]]
    return mailing["doubt_policy"] == "skip" or mailing["state"] == "cancelled"


def _ends(run: Evidence, to: str, row: Row) -> set[str]:
    """Return the states in which a recipient's mail may end."""
    left, script = run.planned[to]["suppressed"], scripts.read(to)
    ends = {"suppressed"} if left else set()
    if run.mailings[row["mailing_id"]]["state"] == "cancelled":
        ends.add("cancelled")
    if row["done_at"] is not None and row["done_at"] > row["not_after"]:
        ends.add("expired")
    if left == "before":
        return ends
    if row["doubts"]:
        ends.add("in_doubt")
    if script.ends:
        ends.add("sent")
    if script.act == "5xx" and not run.copies.get(to):
        ends.add("failed")
    return ends


def what_is_sent_was_accepted(run: Evidence) -> Found:
    """I3: a 250 was read only if the relay had written the mail down."""
    for to, row in run.rows.items():
        if row["state"] == "sent" and not run.copies.get(to):
            yield f"{to} is sent and the relay has nothing"


def what_was_accepted_is_sent_or_doubtful(run: Evidence) -> Found:
    """I4: nothing is accepted that the ledger does not know of."""
    for to in run.copies:
        row = run.rows.get(to)
        if row is None:
            yield f"{to} got a mail and has no row"
        elif row["state"] != "sent" and not row["doubts"]:
            yield f"{to} got a mail, and its row is {row['state']} without a doubt"


def a_second_copy_has_a_doubt_before_it(run: Evidence) -> Found:
    """I5: copies ≤ min(attempts, 1 + doubts) ≤ 2, and between two copies stands a doubt."""
    for to, copies in run.copies.items():
        row = run.rows.get(to)
        if row is None:
            continue
        if len(copies) > min(row["attempts"], 1 + row["doubts"], 2):
            yield f"{to} got {len(copies)} copies with {row['attempts']} attempts and {row['doubts']} doubts"
        if len(copies) > 1 and not _doubt_between(run, row, copies):
            yield f"{to} got {len(copies)} copies and no doubt is named between them"


def _doubt_between(run: Evidence, row: Row, copies: list[Line]) -> bool:
    """A stopped sender's copy may come after the one that its doubt has led to: then the doubt stands before both."""
    last = max(copy["t"] for copy in copies)
    doubts = [event for event in run.events[row["id"]] if event["kind"] in ("in_doubt", "lost")]
    return any(event["at"] <= last + SETTLES_S for event in doubts) if run.clocks_agree else bool(doubts)


def skip_means_one_copy(run: Evidence) -> Found:
    """I6: with the policy skip nobody ever gets two."""
    for to, copies in run.copies.items():
        if len(copies) > 1 and to in run.planned and run.planned[to]["policy"] == "skip":
            yield f"{to} got {len(copies)} copies of a mailing that skips doubts"


def duplicates_are_bounded(run: Evidence) -> Found:
    """I7: one for each connection that was hit and each reply that was kept back."""
    if run.duplicates > run.bound:
        yield f"{run.duplicates} duplicates against a bound of {run.bound}"


def doubts_are_bounded(run: Evidence) -> Found:
    """I8: the same bound for what was ever in doubt."""
    if run.doubts > run.bound:
        yield f"{run.doubts} doubts against a bound of {run.bound}"


def copies_are_one_message(run: Evidence) -> Found:
    """I9: all copies of a delivery are the same message; no Message-ID has two recipients."""
    owners: dict[str, str] = {}
    for to, copies in run.copies.items():
        for name in ("id", "date", "sha256", "subject", "from"):
            if len({copy[name] for copy in copies}) > 1:
                yield f"the copies of {to} differ in {name}"
        for message_id in {copy["id"] for copy in copies}:
            if not message_id or owners.setdefault(message_id, to) != to:
                yield f"{to} and {owners.get(message_id)} share the Message-ID {message_id!r}"


def nothing_leaves_against_a_word(run: Evidence) -> Found:
    """I10: nothing after a suppression, a pause or a cancel but what was under way on open connections."""
    for to, planned in run.planned.items():
        if planned["suppressed"] == "before" and any(line["to"] == to for line in run.transactions):
            yield f"{to} was suppressed from the beginning and the relay heard of it"
    words = {line["to"]: line["t"] for line in run.said("suppressed")}
    left = [line for line in run.transactions if line["t0"] > words.get(line["to"], float("inf")) + SETTLES_S]
    yield from _too_many(run, left, 0, "was mailed after its suppression")
    for line in run.said("control"):
        yield from _against(run, line)


def _against(run: Evidence, word: Line) -> Found:
    mailing, ends = word["mailing"], word.get("until", float("inf"))
    own = [line for line in run.transactions if run.planned.get(line["to"], {}).get("mailing") == mailing]
    yield from _between(run, own, word["t"], ends, f"was mailed although {mailing} was {word['what']}")
    if word["what"] != "cancelled" or not run.clocks_agree:
        return
    for to, row in run.rows.items():
        if run.planned[to]["mailing"] == mailing and (row["intent_at"] or 0.0) > word["t"] + SETTLES_S:
            yield f"{to} has an intent {row['intent_at'] - word['t']:.2f} s after its mailing was cancelled"


def _between(run: Evidence, lines: list[Line], begins: float, ends: float, what: str) -> Found:
    """Each connection may have had one mail under way when it began; a second later none is."""
    late = [line for line in lines if begins < line["t0"] < ends]
    yield from _too_many(run, late, run.lines_of_all, what)
    yield from _too_many(run, [line for line in late if line["t0"] > begins + SETTLES_S], 0, what)


def _too_many(run: Evidence, late: list[Line], under_way: int, what: str) -> Found:
    """A sender that was stopped may have as many intents more as it has connections."""
    most = under_way + sum(line["connections"] for line in run.said("stopped", "fault", "slept"))
    if len(late) > most:
        yield from (f"{line['to']} {what}" for line in late)


def epochs_only_rise(run: Evidence) -> Found:
    """I11: rows go forward along the arrows; each step names an epoch that was; late ones change nothing."""
    names = {row["id"]: to for to, row in run.rows.items()}
    for step in run.said("step"):
        if step["epoch"] < step["from_epoch"]:
            yield f"{names.get(step['id'])} went back from epoch {step['from_epoch']} to {step['epoch']}"
        if step["epoch"] == step["from_epoch"] and step["to"] not in _reachable(step["from"]):
            yield f"{names.get(step['id'])} went from {step['from']} to {step['to']}"
    for to, row in run.rows.items():
        if row["attempts"] > row["epoch"]:
            yield f"{to} has {row['attempts']} attempts in {row['epoch']} epochs"
        yield from (f"{to} {fault}" for fault in _strange_steps(row, run.events[row["id"]]))


def _strange_steps(row: Row, events: list[Row]) -> Found:
    highest = 0
    for event in events:
        if not 0 <= event["epoch"] <= row["epoch"]:
            yield f"has a step of epoch {event['epoch']} and never had more than {row['epoch']}"
        if event["kind"] not in ("late", "operator") and event["epoch"] < highest:
            yield f"has a step {event['kind']} of epoch {event['epoch']} after one of {highest}"
        highest = max(highest, event["epoch"])


def _reachable(state: str) -> set[str]:
    """Return where a row can get without a new claim, in any number of steps."""
    found, new = {state}, {state}
    while new:
        new = set().union(*(ARROWS.get(one, set()) for one in new)) - found - {"claimed"}
        found |= new
    return found


def closed_gates_are_kept(run: Evidence) -> Found:
    """I12: nothing begins for a provider while its gate is closed, nor for anybody while the relay is paused."""
    for gate in run.said("gate"):
        own = [line for line in run.transactions if _concerns(run, gate["provider"], line["to"])]
        what = f"was spoken of while the gate of provider {gate['provider']} was closed"
        yield from _between(run, own, gate["t"], gate["until"], what)


def _concerns(run: Evidence, provider: int, to: str) -> bool:
    return provider == 0 or (to in run.rows and run.rows[to]["provider"] == provider)


def each_copy_is_its_recipients(run: Evidence) -> Found:
    """I13: what is personal in a copy belongs to its recipient, and the rest is what was planned for that one."""
    shapes: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    owners: dict[str, str] = {}
    for to, copies in run.copies.items():
        planned = run.planned.get(to)
        if planned is None:
            yield f"{to} got a mail and was not planned"
            continue
        for copy in copies:
            yield from (f"{to}: {fault}" for fault in _strange(planned, copy))
            shapes[planned["mailing"], copy["subject"], *planned["marks"]].add(copy["shape"])
            for token in {*copy["tokens"], *copy["header_tokens"]}:
                if owners.setdefault(token, to) != to:
                    yield f"{to} and {owners[token]} got the same personal link"
    for name, found in shapes.items():
        if len(found) > 1:
            yield f"the mails of {name[0]} {name[1]} differ in more than their personal links"


def _strange(planned: Row, copy: Line) -> Found:
    """Return what in a copy does not belong to its recipient."""
    if copy["header_to"] != planned["to"]:
        yield f"its To says {copy['header_to']}"
    if copy["marks"] != planned["marks"] * 2:
        yield f"it has the stories {copy['marks']}"
    places: Mapping[str, list[str]] = planned["tokens"]
    for name, allowed in places.items():
        if sum(token in allowed for token in copy["tokens"]) != 1:
            yield f"its link to {name} is missing or another reader's"
    for token in {*copy["tokens"], *copy["header_tokens"]}:
        if not any(token in allowed for allowed in places.values()) or _owner(token) != planned["reader_key"]:
            yield f"it has a personal link of {_owner(token)}"


def _owner(token: str) -> str:
    """Return the reader's key that a token begins with: the first 16 octets, in base32 (RFC 4648)."""
    raw = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
    return raw[:16].hex()


def senders_end_when_asked(run: Evidence) -> Found:
    """A SIGTERM lets the mail in hand come to its end: exit status 0, within 30 seconds."""
    for line in run.said("ended"):
        if line["status"] != 0 or line["seconds"] > EXIT_WITHIN_S:
            yield f"{line['name']} ended with {line['status']} after {line['seconds']:.1f} s"


def mail_goes_on_without_redis(run: Evidence) -> Found:
    """The queue rings the bell and carries nothing: what is due leaves while Redis is away."""
    accepted = [line["t"] for line in run.lines("accepted")]
    for line in run.said("redis"):
        away = line["what"] in ("kill", "hang") and line["seconds"] >= AWAY_S and line["due"] >= MANY
        if away and not any(line["t"] < moment < line["t"] + line["seconds"] for moment in accepted):
            yield f"nothing left in the {line['seconds']:.1f} s without Redis, and {line['due']} mails were due"


def the_run_came_to_its_end(run: Evidence) -> Found:
    """Everybody is served within the time of the run, and no sender ended by itself."""
    for line in run.said("vain"):
        yield f"waited in vain for {line['what']}"
    for line in run.said("crashed"):
        yield f"{line['name']} ended by itself with status {line['status']}"


INVARIANTS: Mapping[str, Callable[[Evidence], Found]] = {
    "I1": each_planned_recipient_has_one_row,
    "I2": each_row_has_ended,
    "I3": what_is_sent_was_accepted,
    "I4": what_was_accepted_is_sent_or_doubtful,
    "I5": a_second_copy_has_a_doubt_before_it,
    "I6": skip_means_one_copy,
    "I7": duplicates_are_bounded,
    "I8": doubts_are_bounded,
    "I9": copies_are_one_message,
    "I10": nothing_leaves_against_a_word,
    "I11": epochs_only_rise,
    "I12": closed_gates_are_kept,
    "I13": each_copy_is_its_recipients,
    "redis": mail_goes_on_without_redis,
    "exit": senders_end_when_asked,
    "end": the_run_came_to_its_end,
}


def check(run: Evidence) -> dict[str, list[str]]:
    """Return what each invariant that does not hold has found; empty when all hold."""
    found = {name: list(invariant(run)) for name, invariant in INVARIANTS.items()}
    return {name: faults for name, faults in found.items() if faults}


def main() -> int:
    """Check the run in a folder; the exit status says whether all holds."""
    run = Evidence.read(Path(sys.argv[1]))
    found = check(run)
    for name, faults in found.items():
        sys.stdout.write("".join(f"{name}: {fault}\n" for fault in faults[:20]))
    ends = Counter(row["state"] for row in run.rows.values())
    sys.stdout.write(f"{dict(ends)}; {run.doubts} doubts, {run.duplicates} duplicates, bound {run.bound}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
