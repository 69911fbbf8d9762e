"""What a run has left behind, as the checker reads it: the plan, the ledger, and the lines of relay and harness."""

import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.chaos import journal
from tests.chaos.journal import Line

Row = dict[str, Any]
NEAR_S = 0.3
"""Two clocks' lines about one moment may lie so far apart."""
DISTURBING = ("kill", "stopped", "fault", "slept", "database", "locked", "full", "jump")
"""The harness's lines that may put mails in doubt: each says how many connections it hit."""


@dataclass
class Evidence:
    """One run. A recipient's address stands in one delivery only, so it names it."""

    plan: list[Row]
    ledger: dict[str, list[Row]]
    relay: list[Line]
    harness: list[Line]

    @classmethod
    def read(cls, folder: Path) -> "Evidence":
        """Read the four files of a run."""
        plan = json.loads((folder / "plan.json").read_text("utf-8"))
        ledger = json.loads((folder / "ledger.json").read_text("utf-8"))
        lines = (journal.read(folder / name) for name in ("relay.jsonl", "harness.jsonl"))
        return cls(plan["recipients"], ledger, *lines)

    @cached_property
    def settings(self) -> Line:
        """How the run was set up."""
        return next(line for line in self.harness if line["k"] == "begin")

    @cached_property
    def mailings(self) -> dict[int, Row]:
        """The mailings by number."""
        return {row["id"]: row for row in self.ledger["mailings"]}

    @cached_property
    def planned(self) -> dict[str, Row]:
        """The plan by recipient."""
        return {one["to"]: one for one in self.plan}

    @cached_property
    def rows(self) -> dict[str, Row]:
        """The ledger's rows of the plan by recipient."""
        names = {(one["mailing"], one["once_key"]): one["to"] for one in self.plan}
        found = {}
        for row in self.ledger["deliveries"]:
            to = names.get((self.mailings[row["mailing_id"]]["key"], row["once_key"]))
            if to is not None:
                found[to] = row
        return found

    @cached_property
    def copies(self) -> dict[str, list[Line]]:
        """What the relay accepted, by recipient."""
        found = defaultdict(list)
        for line in self.lines("accepted"):
            found[line["to"]].append(line)
        return found

    @cached_property
    def transactions(self) -> list[Line]:
        """Every time that the relay heard of a recipient, with `t0`, when that began."""
        return [line for line in self.relay if line["k"] in ("accepted", "played")]

    @cached_property
    def events(self) -> dict[int, list[Row]]:
        """The abnormal steps by delivery, in order."""
        found = defaultdict(list)
        for event in sorted(self.ledger["delivery_events"], key=lambda one: one["id"]):
            found[event["delivery_id"]].append(event)
        return found

    def lines(self, *kinds: str) -> list[Line]:
        """Return the relay's lines of some kinds."""
        return [line for line in self.relay if line["k"] in kinds]

    def said(self, *kinds: str) -> list[Line]:
        """Return the harness's lines of some kinds."""
        return [line for line in self.harness if line["k"] in kinds]

    @property
    def clocks_agree(self) -> bool:
        """Whether the ledger's times can be compared with those of the relay and the harness."""
        return not (self.settings["database"] == "sqlite" and self.said("jump"))

    def open_at(self, moment: float) -> int:
        """Return how many connections the relay had at about that moment."""
        ends = {line["conn"]: line["t"] for line in self.lines("close")}
        opened = self.lines("open")
        return sum(
            line["t"] <= moment + NEAR_S and ends.get(line["conn"], float("inf")) >= moment - NEAR_S for line in opened
        )

    @property
    def lines_of_all(self) -> int:
        """How many mails of all senders can be under way at one moment."""
        return int(self.settings["connections"]) * int(self.settings["senders"])

    @cached_property
    def bound(self) -> int:
        """How many mails may be in doubt: one for each connection that was hit, one for each reply that was kept back.

        No disturbance hits more connections than the relay had open when it began.
        """
        kept_back = sum(line["doubtful"] for line in self.lines("played"))
        cut = sum(line["open"] for line in self.lines("cut", "shut"))
        hit = sum(self._hit(line) for line in self.said(*DISTURBING))
        return int(kept_back + cut + hit)

    def _hit(self, line: Line) -> int:
        most = int(line["connections"])
        # What a sender does to itself at a fault point is only seen a moment later.
        return most if line.get("by_itself") else min(most, self.open_at(line["t"]))

    @cached_property
    def doubts(self) -> int:
        """How many doubts there ever were."""
        return sum(row["doubts"] for row in self.rows.values())

    @cached_property
    def duplicates(self) -> int:
        """How many copies came beyond the first."""
        return sum(len(copies) - 1 for copies in self.copies.values())
