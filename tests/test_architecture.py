"""The rules of the architecture, held: who imports whom, who commits, who asks the time, how modules look."""

import ast
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parent.parent
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
PACKAGES = sorted(folder.parent.name for folder in ROOT.glob("[a-z]*/__init__.py") if folder.parent.name != "tests")
WIRING = ["app", "worker", "embedded"]
LONGEST = 300
MAIL_PARTS = {"subject.txt", "body.txt", "body.html"}

# A rule reads one module, known by its path below the root, and yields line and reason of each offence.
Rule = Callable[[str, ast.Module], Iterator[tuple[int, str]]]


def no_commit_outside_the_doors(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Only the doors and delivery/batches.py end a transaction, be it by a commit or by the end of a block.

    core/database.py is where such blocks are made, and core/startup.py runs before there is a door. A bench stands
    where the doors stand.
    """
    if path.startswith(("web/", "tasks/", "commands/", "bench/")) or path == "delivery/batches.py":
        return
    ending = {"commit"} if path in ("core/database.py", "core/startup.py") else {"commit", "begin", "writing"}
    for call in calls(tree):
        if isinstance(call.func, ast.Attribute) and call.func.attr in ending:
            yield call.lineno, "commits; the doors commit, rooms do not"


def time_is_asked_of_the_clock(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Only core/clock.py asks what time it is; waits use time.monotonic."""
    asking = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns"}
    if path == "core/clock.py":
        return
    for call in calls(tree):
        if ".".join(ast.unparse(call.func).split(".")[-2:]) in asking:
            yield call.lineno, f"calls {ast.unparse(call.func)}; use core.clock.utc_now at the door"
    for line, name in imports(tree):
        if name in {"time.time", "time.time_ns"}:
            yield line, f"imports {name}; use core.clock.utc_now at the door"


def one_module_for_each_kind_of_socket(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Only delivery/smtp.py speaks SMTP, only returns/imap.py IMAP; only core/fetch.py makes HTTP requests, and only
    core/names.py asks the DNS.

    The bench mails a list with smtplib too, as others do, to compare ours with it; and visits the site.
    """
    if path in ("bench/baseline.py", "bench/visits.py"):
        return
    owners = dict.fromkeys(["urllib3", "http.client", "urllib.request", "requests", "httpx"], "core/fetch.py")
    owners |= {"smtplib": "delivery/smtp.py", "imaplib": "returns/imap.py", "poplib": "nobody"}
    owners["dns"] = "core/names.py"
    for line, name in imports(tree):
        for module, owner in owners.items():
            if path != owner and (name == module or name.startswith(module + ".")):
                yield line, f"imports {name}; only {owner} does"


def nobody_imports_the_wiring(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """app.py, worker.py and embedded.py stand on top; the last two import the first."""
    for line, name in imports(tree):
        module = name.partition(".")[0]
        if module in WIRING and not (module == "app" and path in {"worker.py", "embedded.py"}):
            yield line, f"imports {module}, which stands above everything"


def no_print(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The service logs events and the commands echo; only tools and benches print."""
    if path.startswith(("tools/", "bench/")):
        return
    for call in calls(tree):
        if isinstance(call.func, ast.Name) and call.func.id == "print":
            yield call.lineno, "prints; log an event, or click.echo in a command"


def a_module_says_what_it_owns(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The first statement of each module is its docstring."""
    if ast.get_docstring(tree) is None:
        yield 1, "has no docstring to say what it owns"


def a_module_is_short(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """No module of the product is longer than 300 lines."""
    length = len((ROOT / path).read_text("utf-8").splitlines())
    if length > LONGEST:
        yield LONGEST + 1, f"goes on to line {length}; a module has {LONGEST} at most, so it is probably two"


RULES: list[Rule] = [
    no_commit_outside_the_doors,
    time_is_asked_of_the_clock,
    one_module_for_each_kind_of_socket,
    nobody_imports_the_wiring,
    no_print,
    a_module_says_what_it_owns,
    a_module_is_short,
]


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield every call in a module."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of everything a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def modules() -> Iterator[Path]:
    """Yield the modules of the product and its tools; tests and migrations have their own manners."""
    yield from ROOT.glob("*.py")
    for package in [*PACKAGES, "tools", "bench"]:
        yield from (ROOT / package).rglob("*.py")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_code_keeps_the_rule(rule):
    offences = []
    for module in sorted(set(modules())):
        path = module.relative_to(ROOT).as_posix()
        found = rule(path, ast.parse(module.read_text("utf-8"), filename=path))
        offences += [f"{path}:{line} {reason}" for line, reason in found]
    assert not offences, "\n".join(["", *offences])


@pytest.mark.parametrize(
    ("rule", "path", "code", "line"),
    [
        (no_commit_outside_the_doors, "subscribers/signup.py", '"""A."""\ndb.session.commit()', 2),
        (no_commit_outside_the_doors, "delivery/outbox.py", "session = db.session\nsession.commit()", 2),
        (no_commit_outside_the_doors, "digests/waves.py", "with database.writing(engine) as connection:\n    pass", 1),
        (no_commit_outside_the_doors, "core/fetch.py", "with engine.begin():\n    pass", 1),
        (time_is_asked_of_the_clock, "web/pages.py", "from datetime import *\ndatetime.now(UTC)", 2),
        (time_is_asked_of_the_clock, "digests/waves.py", "import datetime\ndatetime.datetime.utcnow()", 2),
        (time_is_asked_of_the_clock, "digests/waves.py", "import time\n\ntime.time()", 3),
        (time_is_asked_of_the_clock, "digests/waves.py", "from time import time", 1),
        (one_module_for_each_kind_of_socket, "delivery/pump.py", "import smtplib", 1),
        (one_module_for_each_kind_of_socket, "tasks/mailbox.py", "import imaplib", 1),
        (one_module_for_each_kind_of_socket, "articles/feeds.py", "from urllib.request import urlopen", 1),
        (one_module_for_each_kind_of_socket, "articles/feeds.py", "def f():\n    from http import client", 2),
        (one_module_for_each_kind_of_socket, "core/hosts.py", "from urllib3.util import Timeout", 1),
        (one_module_for_each_kind_of_socket, "checkup/spf.py", "import dns.resolver", 1),
        (nobody_imports_the_wiring, "commands/demo.py", "from app import create_app", 1),
        (nobody_imports_the_wiring, "app.py", "import embedded", 1),
        (no_print, "core/logs.py", "print('hello')", 1),
        (a_module_says_what_it_owns, "core/logs.py", "import sys", 1),
    ],
)
def test_the_rule_sees_an_offence(rule, path, code, line):
    assert [found for found, _ in rule(path, ast.parse(code))] == [line]


@pytest.mark.parametrize(
    ("rule", "path", "code"),
    [
        (no_commit_outside_the_doors, "web/signup.py", "db.session.commit()"),
        (no_commit_outside_the_doors, "delivery/batches.py", "session.commit()"),
        (no_commit_outside_the_doors, "core/startup.py", "database.writing(engine)"),
        (time_is_asked_of_the_clock, "core/clock.py", "datetime.now(UTC)"),
        (time_is_asked_of_the_clock, "delivery/pump.py", "time.monotonic()\nselect(func.now())"),
        (one_module_for_each_kind_of_socket, "delivery/smtp.py", "import smtplib"),
        (one_module_for_each_kind_of_socket, "core/names.py", "import dns.resolver"),
        (one_module_for_each_kind_of_socket, "returns/imap.py", "import imaplib"),
        (
            one_module_for_each_kind_of_socket,
            "web/errors.py",
            "from http import HTTPStatus\nimport urllib.parse",
        ),
        (nobody_imports_the_wiring, "worker.py", "from app import create_app"),
        (no_print, "tools/programs.py", "print('hello')"),
        (a_module_says_what_it_owns, "core/logs.py", '"""What the service says."""'),
    ],
)
def test_the_rule_lets_through_what_it_allows(rule, path, code):
    assert not list(rule(path, ast.parse(code)))


def test_a_long_module_is_seen(tmp_path, monkeypatch):
    monkeypatch.setitem(a_module_is_short.__globals__, "ROOT", tmp_path)
    (tmp_path / "long.py").write_text("x = 1\n" * (LONGEST + 1))
    (tmp_path / "fits.py").write_text("x = 1\n" * LONGEST)
    assert [line for line, _ in a_module_is_short("long.py", ast.parse(""))] == [LONGEST + 1]
    assert not list(a_module_is_short("fits.py", ast.parse("")))


def test_imports_point_down(capfd):
    kept = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True) == 0
    assert kept, capfd.readouterr().out


def test_every_package_is_in_the_picture():
    assert sorted(LINTER["root_packages"]) == PACKAGES


@pytest.mark.parametrize("folder", sorted(path.name for path in ROOT.glob("templates/mail/*/")))
def test_a_mail_has_a_subject_a_text_and_an_html_body(folder):
    missing = MAIL_PARTS - {file.name for file in (ROOT / "templates" / "mail" / folder).iterdir()}
    assert not missing, f"templates/mail/{folder}/ lacks {', '.join(sorted(missing))}"
