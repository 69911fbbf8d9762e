"""The lines that the relay and the harness write down: one JSON object each, appended, and read back as they grow."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Line = dict[str, Any]
_sync = getattr(os, "fdatasync", os.fsync)


class Journal:
    """An append-only file of JSON lines."""

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        self._file = path.open("ab", buffering=0)
        self._durable = durable

    def write(self, lines: Iterable[Line]) -> None:
        """Append lines in one write; a durable journal is on the disk before this returns."""
        text = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
        if text:
            self._file.write(text)
            if self._durable:
                _sync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Tail:
    """Reads what was appended since the last look; half a line waits for its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._rest = b""

    def more(self) -> list[Line]:
        """Return the lines that are new."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._position)
            text = file.read()
        self._position += len(text)
        *whole, self._rest = (self._rest + text).split(b"\n")
        return [json.loads(line) for line in whole]


def read(path: Path) -> list[Line]:
    """Return all lines of a journal."""
    return Tail(path).more()
