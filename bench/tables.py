"""How numbers stand on the page."""

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)])


def rate(value: float) -> str:
    """Return a rate as it is read."""
    return f"{value:,.0f}/s"


def ms(seconds: float) -> str:
    """Return a short time as it is read."""
    return f"{seconds * 1000:.1f} ms"
