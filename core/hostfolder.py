"""What this host keeps outside the database: who it is, and small files that survive a crash."""

import errno
import fcntl
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from core.errors import UnfitStart

_NAME = "host"
_ONLY_US = 0o600


def prepare(folder: Path) -> None:
    """Make the folder and this host's name in it. Raises UnfitStart when it cannot be written: what must be known
    after the database was restored would then stand in the database alone.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name_of(folder)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise UnfitStart(
            f"The folder {folder} cannot be written ({error.strerror}). It keeps, outside the database, what must be "
            "known after a backup was restored. Make it writable, or name another with STATE_DIR."
        ) from error


def name_of(folder: Path) -> str:
    """Return the name under which the database knows this host: random, made once, and kept in the folder."""
    return read(folder, _NAME).strip() or change(folder, _NAME, lambda known: known or secrets.token_hex(8)).strip()


def read(folder: Path, name: str) -> str:
    """Return the text of a file of ours; nothing when it is not there. Raises OSError."""
    try:
        return (folder / name).read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def change(folder: Path, name: str, edit: Callable[[str], str], *, wait: bool = True) -> str:
    """Make the text of a file `edit` of what it was, and return it: at once as a whole, on disk, one change at a time.

    Without `wait`, the change is left out while another one is under way: BlockingIOError. Raises OSError.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        known = read(folder, name)
        text = edit(known)
        if text != known:
            _replace(folder, name, text)
            os.fsync(lock)
        return text
    finally:
        os.close(lock)


def _replace(folder: Path, name: str, text: str) -> None:
    draft = folder / f"{name}.new"
    with open(_opened(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / name)


def append(folder: Path, name: str, lines: bytes) -> None:
    """Add whole lines to a file in one write, and wait for the disk. Raises OSError, also when only a part fitted.

    A line that an earlier write left torn is ended first, so that it takes nothing else with it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = _opened(folder / name, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        text = b"\n" * torn + lines
        if os.write(descriptor, text) != len(text):
            raise OSError(errno.ENOSPC, "only a part of it fitted")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if size == 0:
        _flush_names(folder)


def _opened(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, _ONLY_US)


def _flush_names(folder: Path) -> None:
    """Make a new file's name as durable as what stands in it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
