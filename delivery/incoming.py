"""Rows that come into a statement as one JSON parameter: for a group of any size the statement is the same text."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import FromClause, String, bindparam, cast, column, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

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


def rows(values: Iterable[Mapping[str, object]]) -> str:
    """Return rows as the parameter."""
    return json.dumps(list(values))


def time_text(dialect: str, at: datetime) -> str:
    """Return an instant as the database writes it."""
    utc = at.astimezone(UTC)
    return utc.replace(tzinfo=None).isoformat(" ", "microseconds") if dialect == "sqlite" else utc.isoformat()
