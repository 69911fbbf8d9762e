"""Read the TOML files that commands apply."""

import tomllib
from pathlib import Path
from typing import Any

import click


def read_tables(path: Path, name: str) -> list[dict[str, Any]]:
    """Return the `[[name]]` tables of a TOML file; ends the command with one sentence when there are none."""
    return read_some(path, name)[name]


def read_some(path: Path, *names: str) -> dict[str, list[dict[str, Any]]]:
    """Return the tables of a TOML file by these names, of which it must have one; an empty list for another."""
    try:
        known = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise click.ClickException(f"{path} cannot be read: {error}") from error
    found = {name: known.get(name, []) for name in names}
    are_tables = all(isinstance(one, list) and all(isinstance(table, dict) for table in one) for one in found.values())
    if not are_tables or not any(name in known for name in names):
        raise click.ClickException(f"{path} has no {' or '.join(f'[[{name}]]' for name in names)} tables.")
    return found
