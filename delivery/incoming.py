"""Rows that come into a statement as one parameter or a few: for a group of any size the statement is the same text."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    String,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from core.database import array_text
from delivery.models import Delivery
from delivery.states import State

Columns = Mapping[str, type[TypeEngine[Any]]]


def table(dialect: str, name: str, columns: Columns) -> FromClause:
    """Return the rows of the JSON parameter `name` as something to select from."""
    if dialect == "sqlite":
        each = func.json_each(bindparam(name, type_=String)).table_valued("value", name=f"{name}_each")
        picked = (func.json_extract(each.c.value, f"$.{one}", type_=kind).label(one) for one, kind in columns.items())
        return select(*picked).subquery(name)
    typed = [column(one, kind) for one, kind in columns.items()]
    parameter = cast(bindparam(name, type_=String), postgresql.JSON)
    return func.json_to_recordset(parameter).table_valued(*typed).render_derived(name=name, with_types=True)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Rows of integers that come into a statement: on PostgreSQL an array a column, which is the fastest way in."""

    name: str
    columns: tuple[str, ...]

    def table(self, dialect: str) -> FromClause:
        """Return the rows as something to select from."""
        if dialect == "sqlite":
            return table(dialect, self.name, dict.fromkeys(self.columns, BigInteger))
        given = (cast(bindparam(self._parameter(one), type_=String), ARRAY(BigInteger)) for one in self.columns)
        columns = (column(one, BigInteger) for one in self.columns)
        return func.unnest(*given).table_valued(*columns).render_derived(name=self.name)

    def given(self, dialect: str, values: Sequence[tuple[int, ...]]) -> dict[str, str]:
        """Return rows, of which there are some, as the parameters."""
        if dialect == "sqlite":
            return {self.name: rows(dict(zip(self.columns, row, strict=True)) for row in values)}
        each = zip(*values, strict=True)
        return {self._parameter(one): array_text(numbers) for one, numbers in zip(self.columns, each, strict=True)}

    def _parameter(self, column_name: str) -> str:
        return f"{self.name}_{column_name}"


def among(dialect: str, name: str) -> ColumnElement[bool]:
    """Return the condition that a delivery is one of the parameter `name`, which `ids` makes.

    On PostgreSQL an array: then its planner takes the primary key, also while it knows nothing of the table yet.
    """
    if dialect == "sqlite":
        each = func.json_each(bindparam(name, type_=String)).table_valued("value", name=f"{name}_each")
        return Delivery.id.in_(select(each.c.value))
    return Delivery.id == func.any(bindparam(name, type_=ARRAY(BigInteger)))


def ids(dialect: str, values: Iterable[int]) -> object:
    """Return ids as the parameter of `among`."""
    return json.dumps(list(values)) if dialect == "sqlite" else list(values)


def is_in(*states: State) -> ColumnElement[bool]:
    """Return the condition that a delivery is in one of these states, written out in the statement.

    As a parameter it would keep PostgreSQL from seeing, in a plan made once, that a partial index serves.
    """
    column_ = Delivery.state
    if len(states) == 1:
        return column_ == literal_column(f"'{states[0].value}'")
    return column_.in_([literal_column(f"'{state.value}'") for state in states])


def still(*states: State) -> ColumnElement[bool]:
    """Return the same condition for rows that are looked up by their id, hidden from the planner.

    Seeing it, PostgreSQL may walk a whole partial index instead, which it thinks is small until it has counted.
    """
    return (Delivery.state + literal_column("''")).in_([literal_column(f"'{state.value}'") for state in states])


def rows(values: Iterable[Mapping[str, object]]) -> str:
    """Return rows as the parameter."""
    return json.dumps(list(values))


def time_text(dialect: str, at: datetime) -> str:
    """Return an instant as the database writes it."""
    utc = at.astimezone(UTC)
    return utc.replace(tzinfo=None).isoformat(" ", "microseconds") if dialect == "sqlite" else utc.isoformat()
