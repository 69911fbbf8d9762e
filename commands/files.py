"""Read the TOML files that commands apply."""

import tomllib
from pathlib import Path
from typing import Any

import click


def read_tables(path: Path, name: str) -> list[dict[str, Any]]:
    """Return the `[[name]]` tables of a TOML file; ends the command with one sentence when there are none."""
    try:
        tables = tomllib.loads(path.read_text("utf-8")).get(name)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise click.ClickException(f"{path} cannot be read: {error}") from error
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise click.ClickException(f"{path} has no [[{name}]] tables.")
    return tables
