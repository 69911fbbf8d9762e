"""A Maildir on this machine: `new/` is read, what is done goes to `cur/` as seen, the unreadable to `.Unreadable/`."""

import os
import stat
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from returns import mime
from returns.fetched import CHUNK, CHUNK_OCTETS, BoxError, Chunk, Fetched

ASIDE = ".Unreadable"
MOST = 100_000
"""So many mails are looked at in one go; the next one finds the others."""
_FLAGS = ":2,"
_SUBFOLDERS = ("tmp", "new", "cur")


class MaildirBox:
    """A Maildir that is being read. Only regular files count: no link leads out of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        missing = [name for name in _SUBFOLDERS if not (folder / name).is_dir()]
        if missing:
            raise BoxError(
                f"{folder} is no Maildir: it has no folder {missing[0]}/. MAILBOX_URL must name the folder that your "
                "mail server delivers into, and whoever runs Postrider must be able to read it."
            )

    def chunks(self, position: str | None = None) -> Iterator[Chunk]:
        """Give what is new, and what is in `cur/` without the flag of what was seen."""
        mails: list[Fetched] = []
        size = 0
        for place in self._places():
            found = self._read(place)
            if found is None:
                continue
            mails.append(found)
            size += len(found.raw)
            if len(mails) >= CHUNK or size >= CHUNK_OCTETS:
                yield Chunk(mails)
                mails, size = [], 0
        if mails:
            yield Chunk(mails)

    def put_away(self, done: Sequence[Fetched], unread: Sequence[Fetched]) -> None:
        """Move files within the Maildir. One that is gone by now was moved by somebody else."""
        for mail in done:
            self._move(mail.place, self._folder / "cur" / _seen(Path(mail.place).name))
        if unread:
            aside = self._folder / ASIDE
            try:
                for name in _SUBFOLDERS:
                    (aside / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise BoxError(f"{aside} cannot be made: {error.strerror}.") from error
            for mail in unread:
                self._move(mail.place, aside / "new" / Path(mail.place).name.partition(_FLAGS)[0])

    def move_left(self, left: str) -> None:
        """Nothing was left: what was not moved is found again, and known."""

    def close(self) -> None:
        """Nothing is held."""

    def _places(self) -> list[str]:
        """Return the files to read, oldest first: their names begin with the time."""
        try:
            found = [
                f"{folder}/{entry.name}"
                for folder in ("new", "cur")
                for entry in os.scandir(self._folder / folder)
                # In cur/ lies all that was ever read: of that nothing is kept in mind.
                if not entry.name.startswith(".") and "S" not in entry.name.partition(_FLAGS)[2]
            ]
        except OSError as error:
            raise BoxError(f"{error.filename} cannot be read: {error.strerror}.") from error
        return sorted(found, key=lambda place: place[4:])[:MOST]

    def _read(self, place: str) -> Fetched | None:
        """Return a mail's beginning, None for one that is gone or is no regular file."""
        path = self._folder / place
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                return None
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(file, "rb") as opened:
                known = os.fstat(file)
                came_at = datetime.fromtimestamp(known.st_mtime, UTC)
                return Fetched(place, opened.read(mime.MAX_OCTETS), known.st_size, came_at)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BoxError(
                f"{path} cannot be read: {error.strerror}. Whoever runs Postrider must be able to."
            ) from error

    def _move(self, place: str, to: Path) -> None:
        try:
            os.rename(self._folder / place, to)
        except FileNotFoundError:
            return
        except OSError as error:
            raise BoxError(f"{self._folder / place} cannot be moved: {error.strerror}.") from error


def _seen(name: str) -> str:
    """Return the name of a file with the flag of what was seen; flags stand in the order of the alphabet."""
    unique, _separator, flags = name.partition(_FLAGS)
    return f"{unique}{_FLAGS}{''.join(sorted({*flags, 'S'}))}"
