"""Make .venv hold exactly the pinned packages; tools/setup.py checks the Python and calls this.

What is ready is known by a stamp in .venv: the hash of the requirements that were installed. While something
is being made, .venv/unfinished stands there; who finds it, or an old stamp, makes .venv again from nothing.
"""

import argparse
import contextlib
import fcntl
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UNFINISHED = VENV / "unfinished"
# Each set of requirements, and the stamp that says it is in place. The Makefile names the same stamps.
RUNTIME = (ROOT / "requirements.txt", VENV / "runtime.stamp")
TESTS = (ROOT / "requirements-dev.txt", VENV / "tests.stamp")


class SetupError(Exception):
    """One sentence for the person at the terminal: what is wrong, and the cure."""


def main() -> None:
    """Make what is asked for ready; end with a sentence, never with a traceback."""
    parser = argparse.ArgumentParser(prog="tools/setup.py", description="Make .venv ready.")
    parser.add_argument("--dev", action="store_true", help="with the packages of the tests and checks")
    wanted = [RUNTIME, TESTS] if parser.parse_args().dev else [RUNTIME]
    try:
        with one_at_a_time():
            make_ready(wanted)
    except SetupError as error:
        sys.exit(str(error))
    except OSError as error:
        where = error.filename or VENV
        sys.exit(f"Cannot write {where} ({error.strerror}). Put Postrider in a folder of your own, with space.")
    except KeyboardInterrupt:
        sys.exit("Stopped. The next run makes again what is half-made.")


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold the project folder's lock, so that two set-ups in one folder follow each other."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another set-up in this folder to finish.", flush=True)
            fcntl.flock(folder, fcntl.LOCK_EX)
        except OSError:
            pass  # Some network disks have no locks; one set-up works there as well.
        yield
    finally:
        os.close(folder)


def make_ready(wanted: list[tuple[Path, Path]]) -> None:
    """Bring .venv to what the requirements say, doing nothing that is already done."""
    outdated = any(stamp.exists() and not fits(stamp, requirements) for requirements, stamp in wanted)
    if UNFINISHED.exists() or outdated or not venv_works():
        make_venv()
    for requirements, stamp in wanted:
        if fits(stamp, requirements):
            stamp.touch()  # Newer than the requirements now: make does not ask again until they change.
        else:
            UNFINISHED.touch()
            install(requirements)
            stamp.write_text(digest(requirements))
            UNFINISHED.unlink()


def fits(stamp: Path, requirements: Path) -> bool:
    """Say whether the stamp was written for these very requirements."""
    return stamp.exists() and stamp.read_text() == digest(requirements)


def digest(requirements: Path) -> str:
    """Return what a stamp holds."""
    return hashlib.sha256(requirements.read_bytes()).hexdigest()


def venv_works() -> bool:
    """Say whether .venv has a Python that is new enough and can install packages."""
    check = "import sys; sys.exit(sys.version_info < (3, 11) or sys.prefix == sys.base_prefix)"
    if not uv():
        check = "import pip; " + check
    try:
        return subprocess.run([PYTHON, "-c", check], capture_output=True).returncode == 0
    except OSError:
        return False


def uv() -> str | None:
    """Return the path of uv, which installs in seconds what takes pip half a minute."""
    return shutil.which("uv")


def make_venv() -> None:
    """Make .venv anew, whatever stood there."""
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    elif VENV.exists():
        print("Removing .venv: it is unfinished, broken, or made for other requirements.", flush=True)
        shutil.rmtree(VENV)
    if not uv():
        check_venv_module()
    VENV.mkdir()
    UNFINISHED.touch()
    print(f"Making .venv with Python {sys.version.split()[0]}.", flush=True)
    if program := uv():
        command = [program, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(VENV)]
    else:
        command = [sys.executable, "-m", "venv", str(VENV)]
    run(command, problem="Could not make .venv")
    UNFINISHED.unlink()


def check_venv_module() -> None:
    """Raise SetupError where Debian has taken ensurepip out of its Python."""
    try:
        importlib.import_module("venv")
        importlib.import_module("ensurepip")
    except ImportError:
        raise SetupError("Python's venv module is missing. Install it: apt-get install -y python3-venv make") from None


def install(requirements: Path) -> None:
    """Install one set of pinned packages, each checked against its hash."""
    lines = requirements.read_text().splitlines()
    count = sum("==" in line and not line.startswith((" ", "#")) and "win32" not in line for line in lines)
    if program := uv():
        command = [program, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(PYTHON)]
        duration = "some seconds"
    else:
        command = [
            str(PYTHON),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
        ]
        duration = "about half a minute"
    print(f"Installing {count} packages of {requirements.name} into .venv, {duration}.", flush=True)
    run(
        [*command, "--require-hashes", "-r", str(requirements)],
        problem="Could not install; is the network up?",
    )


def run(command: list[str], *, problem: str) -> None:
    """Run a command without its output; raise SetupError with its last line when it fails."""
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise SetupError(f"{problem} {Path(command[0]).name} said: {lines[-1] if lines else 'nothing'}")


if __name__ == "__main__":
    main()
