"""The ledger as the harness and the checker see it: read straight from the database, with no code of the product."""

import sqlite3
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

Row = dict[str, Any]
Unavailable = (psycopg.Error, sqlite3.OperationalError)
"""The ledger cannot be read or written just now: a stopped sender holds it, or it is being restarted."""
PATIENCE_S = 2.0
TABLES = ("mailings", "deliveries", "delivery_events", "gates", "suppressions", "workers")
TIMES = ("at", "lease_until", "not_after", "not_before")
_STEP = "SELECT id, state, epoch, attempts, doubts, worker_id FROM deliveries"
OVER = ("sent", "failed", "suppressed", "cancelled", "expired")
_OPEN = """
SELECT count(*) AS open FROM deliveries JOIN mailings ON mailings.id = deliveries.mailing_id
WHERE deliveries.state NOT IN ('sent', 'failed', 'suppressed', 'cancelled', 'expired') AND NOT (
    deliveries.state = 'in_doubt' AND (done_at IS NOT NULL OR doubt_policy = 'skip' OR mailings.state = 'cancelled'))
"""


class Ledger:
    """One database. Each call is a transaction of its own on a connection of its own, so a restart hurts nothing."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.offset = 0.0
        """How far the clock of SQLite's senders was moved."""

    def ask(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Run one statement with `?` for its values; return the rows, times as seconds and bytes as hex."""
        if self.is_sqlite:
            return self._ask_sqlite(statement, values)
        with self._postgres() as connection:
            cursor = connection.execute(statement.replace("?", "%s"), values)
            rows = cursor.fetchall() if cursor.description else []
        return [{name: _plain(value) for name, value in row.items()} for row in rows]

    def _postgres(self) -> "psycopg.Connection[Row]":
        patience = f"-c lock_timeout={PATIENCE_S:.0f}s"
        return psycopg.connect(self.url, row_factory=dict_row, connect_timeout=5, autocommit=True, options=patience)

    def _ask_sqlite(self, statement: str, values: Sequence[object]) -> list[Row]:
        connection = sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=PATIENCE_S, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(statement, values).fetchall()
            return [{name: _plain(row[name], name) for name in row.keys()} for row in rows]  # noqa: SIM118
        finally:
            connection.close()

    def is_locked(self) -> bool:
        """Return whether somebody holds SQLite's write lock for longer than any transaction of a live sender takes."""
        connection = sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=PATIENCE_S / 2, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
        except sqlite3.OperationalError:
            return True
        finally:
            connection.close()
        return False

    def now(self) -> float:
        """Return the ledger's time in seconds."""
        if self.is_sqlite:
            return time.time() + self.offset
        return float(self.ask("SELECT extract(epoch FROM clock_timestamp())::float8 AS now")[0]["now"])

    def moment(self, seconds: float) -> object:
        """Return an instant as a value for a statement."""
        at = datetime.fromtimestamp(seconds, UTC)
        return at.replace(tzinfo=None).isoformat(" ", "microseconds") if self.is_sqlite else at

    def dump(self) -> dict[str, list[Row]]:
        """Return everything that the checker looks at."""
        return {table: self.ask(f"SELECT * FROM {table} ORDER BY 1") for table in TABLES}  # noqa: S608

    def steps(self) -> dict[int, Row]:
        """Return where each delivery is."""
        return {row["id"]: row for row in self.ask(_STEP)}

    def open_rows(self) -> int:
        """Return how many deliveries have not come to an end that can be reached without a person."""
        return int(self.ask(_OPEN)[0]["open"])

    def due_rows(self) -> int:
        """Return how many deliveries could leave now."""
        rows = self.ask(
            "SELECT count(*) AS due FROM deliveries JOIN mailings ON mailings.id = deliveries.mailing_id "
            "WHERE deliveries.state = 'planned' AND mailings.state = 'running' AND next_attempt_at <= ?",
            (self.moment(self.now()),),
        )
        return int(rows[0]["due"])

    def senders(self) -> set[int]:
        """Return the process numbers of the senders that have said that they live."""
        return {row["pid"] for row in self.ask("SELECT pid FROM workers")}

    def suppress(self, addr_hash: str, scope: str) -> None:
        """Write a suppression, as a reader's click does."""
        self.ask(
            "INSERT INTO suppressions (addr_hash, scope, reason, source, created_at) VALUES (?, ?, 'left', 'chaos', ?) "
            "ON CONFLICT DO NOTHING",
            (bytes.fromhex(addr_hash), scope, self.moment(self.now())),
        )

    def let_time_pass(self) -> None:
        """Make due what was put off, as hours would."""
        now = self.now()
        self.ask(
            "UPDATE deliveries SET next_attempt_at = ? WHERE state = 'planned' AND next_attempt_at > ?",
            (self.moment(now), self.moment(now + 0.5)),
        )


def _plain(value: object, name: str = "") -> object:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, str) and (name.endswith("_at") or name in TIMES):
        return datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp()
    return value
