"""`flask restore`: what to do with a database that was restored from a backup, before any mail leaves it again."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from flask import current_app
from sqlalchemy import select

from commands import groups, turns
from core import clock, database, journal, journals
from core.alerts import at
from core.database import Mark, db
from core.journal import Journal
from core.journals import Gathered
from core.settings import Settings
from delivery import progress, tick
from delivery.progress import Standing
from delivery.states import State
from delivery.tick import Kept
from subscribers import replay, schedule
from subscribers.models import Digest
from tasks import nudge

restore_commands = groups.group("restore", help="What to do with a database that was restored from a backup.")

CHUNK = 100
TIMES = click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"])
_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


def _journal() -> Journal:
    found = journal.current()
    assert found is not None  # noqa: S101 - for the type checker: create_app made it
    return found


def _kept() -> Kept:
    """Return what this host keeps outside the database; ends the command with one sentence when it cannot be read."""
    settings: Settings = current_app.extensions["postrider settings"]
    try:
        return tick.kept(settings.state_dir)
    except OSError as error:
        raise click.ClickException(
            f"{settings.state_dir} cannot be read: {error.strerror}. Look at STATE_DIR."
        ) from error


@restore_commands.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def status(as_json: bool) -> None:
    """Say whether all mail is held because the database is older than what was sent, and how far it and this host are.

    The exit status is 1 when mail is held, or will be as soon as a sender of this host looks.
    """
    kept = _kept()
    with db.engine.connect() as connection:
        found, backup = tick.look(connection, kept), tick.stands_at(connection)
        held = tick.held(connection)
    behind = found is not None and found.behind
    table = {
        "held": held,
        "behind": behind,
        "backup": backup.isoformat(timespec="seconds") if backup else None,
        "database": str(found.known) if found and found.known else None,
        "host": str(found.kept) if found and found.kept else None,
    }
    if as_json:
        click.echo(json.dumps(table, indent=2))
    else:
        click.echo(held or (_WILL_BE_HELD if behind else "No mail is held."))
        click.echo(f"What the database knows of this host: {table['database'] or 'nothing'}")
        click.echo(f"What this host saw:                   {table['host'] or 'nothing'}")
    if held or behind:
        raise SystemExit(1)


_WILL_BE_HELD = "The database is behind what this host saw: the next sender of this host that looks holds all mail."


@restore_commands.command("hold")
def hold() -> None:
    """Hold all mail until `flask restore finish`, because you know that the database was restored.

    A sender finds that out by itself where its STATE_DIR still is what it was. Where that is new or lost, as after the
    loss of a machine, call this before you start anything.
    """
    with database.writing(db.engine) as connection:
        known = tick.held(connection)
        if known is None:
            tick.hold(
                connection,
                why="An operator said that the database was restored from a backup.",
                stands_at=None,
                now=database.ledger_now(connection),
            )
    click.echo(known or "All mail is held. To go on: flask restore finish")


@restore_commands.command("finish")
@click.option("--journal", "files", metavar="FILE", type=_FILE, multiple=True, help="The journal of another host.")
@click.option("--since", type=TIMES, help="When the backup was made, in UTC, if you know it better.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script; with --yes only.")
def finish(files: Sequence[Path], since: datetime | None, yes: bool, as_json: bool) -> None:
    """Bring back who left since the backup, show what may be sent twice, and let mail leave again.

    It reads the journal of this host, and those of other hosts that you name. What they bring back stays, also when
    you say no to the rest; it may run again. Lines from before the backup are left out: the database knows those.

    The exit status is 0 when mail may leave, 1 when it may not or you said no, 2 for a wrong call.
    """
    if as_json and not yes:
        raise click.UsageError("With --json nobody can be asked: give --yes, too.")
    kept = _kept()
    with db.engine.connect() as connection:
        found, backup = tick.look(connection, kept), tick.stands_at(connection)
    if found is None or not (found.held or found.behind):
        click.echo("{}" if as_json else _NOTHING_HELD)
        return
    backup = since.replace(tzinfo=UTC) if since else backup
    gathered = _gather(files, backup, quiet=as_json)
    brought_back = _replay(gathered, quiet=as_json)
    missing = _not_read(gathered, kept)
    open_, due = progress.of_running(), _due_now()
    if not as_json:
        _tell_read(gathered, brought_back, missing, backup)
        _tell_open(open_, due)
    if not yes:
        click.confirm("Let all mail leave again?", abort=True)
    resumed = _release(kept)
    if as_json:
        table = _table(gathered, brought_back, missing, open_, due)
        click.echo(json.dumps({**table, "resumed": resumed}, indent=2))
        return
    click.echo(f"Mail leaves again; {_count(resumed, 'mailing')} that had been paused for this may go on.")


_NOTHING_HELD = (
    "No mail is held, so there is nothing to finish. If you know that the database was restored from a backup, say so "
    "first: flask restore hold"
)


def _release(kept: Kept) -> int:
    with database.writing(db.engine) as connection:
        resumed = tick.release(connection, kept)
    nudge.post()
    return resumed


@contextmanager
def _bar(label: str, length: int, *, quiet: bool) -> Iterator[Callable[[int], object]]:
    """Show how far something long is, on standard error."""
    if quiet or not length:
        yield _unseen
        return
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield bar.update


def _unseen(_step: int) -> None:
    """Show nothing."""


def _gather(files: Sequence[Path], since: datetime | None, *, quiet: bool) -> Gathered:
    """Read this host's journal, if anybody left here, and the others, each once."""
    own = _journal()
    paths = {path.resolve(): None for path in ([own.path] if own.path.exists() else []) + list(files)}
    try:
        with _bar("Reading", sum(path.stat().st_size for path in paths), quiet=quiet) as read:
            return journals.gather(paths, key=own.key, since=since, read=read)
    except OSError as error:
        raise click.ClickException(f"{error.filename} cannot be read: {error.strerror}.") from error


def _replay(gathered: Gathered, *, quiet: bool) -> int:
    left = gathered.left()
    brought_back = 0
    with _bar("Bringing back", len(left), quiet=quiet) as step:
        for start in range(0, len(left), CHUNK):
            chunk = left[start : start + CHUNK]
            with turns.writing():
                brought_back += replay.bring_back(chunk)
            step(len(chunk))
    return brought_back


def _not_read(gathered: Gathered, kept: Kept) -> list[str]:
    """Return where other hosts keep journals, of which no line was read."""
    rows = db.session.execute(select(Mark.name, Mark.value).where(Mark.name.startswith(journal.MARK)))
    known = {name.removeprefix(journal.MARK): place for name, place in rows}
    return sorted(place for host, place in known.items() if host not in gathered.hosts and host != kept.host)


def _due_now() -> list[str]:
    """Return the editions that are due and not composed yet; one that is too late is not sent any more."""
    now = clock.utc_now()
    digests = {one.id: one for one in db.session.scalars(select(Digest))}
    regular = [
        f"{digests[due.digest_id].key} of {due.slot}"
        for due in schedule.due_waves(now)
        if (now - due.due_at).total_seconds() <= digests[due.digest_id].not_after_s
    ]
    return regular + [f"first editions of {digests[one].key}" for one in schedule.due_first(now)]


def _tell_read(gathered: Gathered, brought_back: int, missing: Sequence[str], since: datetime | None) -> None:
    click.echo(f"{_count(gathered.lines, 'line')} read. Brought back: {_count(brought_back, 'opt-out')}.")
    if since is not None:
        click.echo(f"The backup is of {at(since)}. Left out: {_count(gathered.older, 'line')} from before it.")
    if gathered.damaged:
        click.echo(f"Left out: {_count(gathered.damaged, 'damaged line')}, each a write that was cut off.")
    if gathered.foreign:
        click.echo(f"Left out: {_count(gathered.foreign, 'line')} written with another HASH_KEY.")
    for kind, count in sorted(gathered.unknown.items()):
        click.echo(f"Left out: {_count(count, 'line')} of the kind {kind!r}, which this version cannot replay.")
    if missing:
        click.echo(
            "Not read: the journals of other hosts. If somebody left there, fetch them and give each with --journal:"
        )
    for place in missing:
        click.echo(f"  {place}")


def _tell_open(open_: Sequence[Standing], due: Sequence[str]) -> None:
    if open_ or due:
        click.echo("What goes out next. What of it was sent after the backup, readers get twice:")
    for one in open_:
        click.echo(f"  {one.key}: {one.waiting:,} waiting, {one.count(State.IN_DOUBT):,} in doubt")
    for edition in due:
        click.echo(f"  {edition}: due, and not composed yet")
    if open_:
        click.echo("To leave one out, say no, cancel it with: flask delivery cancel KEY and call this again.")


def _table(
    gathered: Gathered, brought_back: int, missing: Sequence[str], open_: Sequence[Standing], due: Sequence[str]
) -> Mapping[str, object]:
    return {
        "lines": gathered.lines,
        "brought_back": brought_back,
        "older": gathered.older,
        "damaged": gathered.damaged,
        "foreign": gathered.foreign,
        "unknown": dict(gathered.unknown),
        "not_read": list(missing),
        "open": [{"mailing": one.key, "waiting": one.waiting, "in_doubt": one.count(State.IN_DOUBT)} for one in open_],
        "due": list(due),
    }


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
