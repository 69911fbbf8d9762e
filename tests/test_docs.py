"""The documentation is whole and true: what can be set, called or seen stands there, and what it names exists."""

import ast
import importlib
import importlib.util
import re
import tomllib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

import app as wiring
from articles import feeds, rules, topics
from core import checkups, dkimkeys, identity, limits, relays, settings, shares, signups
from core.database import Base
from core.settings import ROOT
from delivery import content, loop, retries, supplier, tally
from digests import cohorts, editions, histories
from subscribers import definition, mails, preferences
from tasks import nudge, schedule
from tasks.celery_app import MODULES
from tests import test_architecture
from tests.installation import settings_for

WRITTEN = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BY_PATH = {path.relative_to(ROOT).as_posix(): path for path in WRITTEN}
OTHERS = {"db"}
"""The groups of `flask` that a library brings."""
SET_BY_OTHERS = {"FLASK_RUN_FROM_CLI"}
"""What we ask the environment for, but nobody sets by hand."""
MADE_LATER = (".venv", "var", "postrider.toml")
"""What stands in the folder only once the commands have run, or once somebody has made it."""
LEVELS = {"INFO", "WARNING"}

NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
FENCE = re.compile(r"^( *)```.*?^\1```\n", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"[\w.-]+(?:/[\w.*-]+)*/?")
ENDINGS = (".py", ".md", ".toml", ".txt", ".in", ".html", ".css", ".js", ".po", ".png")


@cache
def text_of(path: str) -> str:
    """Return a page of ours."""
    return BY_PATH[path].read_text("utf-8")


def rows(path: str, *, below: str = "") -> dict[str, list[str]]:
    """Return the cells of a page's table rows by the code in the first cell, of all sections or one."""
    text = text_of(path)
    if below:
        start = text.index(f"\n{below}\n") + len(below) + 2
        following = re.compile("^#+ ", re.MULTILINE).search(text, start)
        text = text[start : following.start() if following else len(text)]
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        for name in CODE_SPAN.findall(cells[0]) if line.startswith("| `") else ():
            found[name] = cells[1:]
    return found


def same(documented: Iterable[str], there: Iterable[str], where: str) -> None:
    """Fail with the names that stand on one side only."""
    documented, there = set(documented), set(there)
    assert there, "nothing was found in the code: this test looks in the wrong place"
    assert not there - documented, f"{where} lacks {', '.join(sorted(there - documented))}"
    assert not documented - there, f"{where} names what is not there: {', '.join(sorted(documented - there))}"


class Noting(dict[str, Any]):
    """A table that remembers which of its keys were asked for."""

    def __init__(self, values: dict[str, Any], asked: set[str], prefix: str = "") -> None:
        super().__init__(values)
        self._asked, self._prefix = asked, prefix

    def get(self, key: str, default: Any = None) -> Any:
        self._asked.add(self._prefix + key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        self._asked.add(self._prefix + key)
        return super().__getitem__(key)


@pytest.fixture
def asked(monkeypatch):
    """What settings.load asks for, of the environment and of the TOML file."""
    environment: set[str] = set()
    keys: set[str] = set()
    values = {
        "POSTRIDER_CONFIG": str(ROOT / "demo" / "postrider.toml"),
        "DATABASE_URL": "sqlite:///postrider.db",
        "SMTP_URL": "smtp://127.0.0.1:25",
        "SECRET_KEY": "0123456789abcdefghijklmnopqrstuv",
        "HASH_KEY": "vutsrqponmlkjihgfedcba9876543210",
        "CONSENT_KEY": "0a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p",
    }

    def loads(text: str) -> dict[str, Noting]:
        table = tomllib.loads(text).items()
        return {name: Noting(section, keys, f"{name}.") for name, section in table if name in ("publication", "mail")}

    monkeypatch.setattr("core.settings.tomllib", SimpleNamespace(loads=loads, TOMLDecodeError=ValueError))
    settings.load(Noting(values, environment))
    return SimpleNamespace(environment=environment, keys=keys)


def names_of_the_environment(file: Path) -> set[str]:
    """Return the names that a module asks the environment for: the capitals that a call or a subscript begins with."""
    found = set[str]()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        values: list[ast.expr] = []
        if isinstance(node, ast.Call):
            values = node.args
        elif isinstance(node, ast.Subscript):
            values = [node.slice]
        texts = [one.value for one in values if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        found |= {text for text in texts[:2] if NAME.fullmatch(text)}
    return found - LEVELS


def modules_that_ask_the_environment() -> Iterator[Path]:
    folders = [path.parent for path in ROOT.glob("[a-z]*/__init__.py") if path.parent.name != "tests"]
    for file in [*ROOT.glob("*.py"), *(file for folder in [*folders, ROOT / "tools"] for file in folder.rglob("*.py"))]:
        if re.search(r"\bos\.(environ|getenv)\b", file.read_text("utf-8")):
            yield file


def test_every_setting_of_the_environment_is_explained(asked):
    there = set(asked.environment)
    for file in modules_that_ask_the_environment():
        there |= names_of_the_environment(file)
    documented = {name for name in rows("docs/settings.md") if NAME.fullmatch(name)}
    same(documented, there - SET_BY_OTHERS, "docs/settings.md")


def test_every_key_of_the_toml_file_is_explained(asked):
    same(rows("docs/settings.md", below="## The TOML file"), asked.keys, "docs/settings.md, The TOML file")


def test_every_key_of_lanes_relays_and_delivery_is_explained():
    there = [*relays.LANE_KEYS, *relays.RELAY_KEYS, *relays.TIMING_KEYS]
    told = rows("docs/settings.md", below="### Lanes and relays")
    same(told, there, "docs/settings.md, Lanes and relays")
    assert all(f"{key} = " in told["warm_up"][1] for key in relays.WARM_UP_KEYS)


def test_every_key_of_records_is_explained():
    same(rows("docs/settings.md", below="### The look at our own records"), checkups.KEYS, "docs/settings.md, records")


def test_every_key_of_the_sign_up_form_is_explained_with_its_default():
    told = rows("docs/settings.md", below="### The sign-up form")
    same(told, signups.KEYS, "docs/settings.md, The sign-up form")
    given = signups.SignupSettings()
    for key in signups.NUMBERS:
        assert told[key][0] == f"`{getattr(given, key)}`"
    assert (told["proof_of_work"][0], told["frame_ancestors"][0]) == ("`true`", "`[]`")


def test_every_key_of_sharing_is_explained_with_its_default():
    told = rows("docs/settings.md", below="### Send to a friend")
    same(told, shares.KEYS, "docs/settings.md, Send to a friend")
    given = shares.ShareSettings()
    for key in shares.KEYS:
        assert told[key][0] == f"`{str(getattr(given, key)).lower()}`"


def test_every_key_of_signing_is_explained():
    same(rows("docs/settings.md", below="### Signing"), [*dkimkeys.DOMAIN_KEYS, "threads"], "docs/settings.md, Signing")


def test_every_limit_is_explained_with_its_default():
    told = rows("docs/settings.md", below="### Limits")
    same(told, limits.LIMIT_KEYS, "docs/settings.md, Limits")
    given = limits.ReturnLimits()
    for kind, limit in (("complaints", given.complaints), ("bounces", given.bounces)):
        shown = (f"{limit.warn * 100:g}", f"{limit.stop * 100:g}", str(limit.least_mails))
        keys = (f"{kind}_warn_percent", f"{kind}_stop_percent", f"{kind}_least_mails")
        assert tuple(told[key][0].strip("`") for key in keys) == shown


def test_every_key_of_the_toml_file_stands_in_the_example(asked):
    table = tomllib.loads((ROOT / "postrider.example.toml").read_text("utf-8"))
    same({f"{name}.{key}" for name in table for key in table[name]}, asked.keys, "postrider.example.toml")


def test_every_field_of_a_digest_is_explained():
    fields = [*definition.MUST, *definition.MAY]
    same(rows("docs/settings.md", below="## The file of digests"), fields, "docs/settings.md")


def test_the_defaults_of_a_digest_are_those_that_are_explained():
    told = rows("docs/settings.md", below="## The file of digests")
    for field, default in definition.MAY.items():
        if isinstance(default, bool | int) or (isinstance(default, str) and default):
            shown = str(default).lower() if isinstance(default, bool) else default
            assert told[field][0].strip("`\"'") == str(shown), f"docs/settings.md: {field} has the default {shown}"


def test_every_field_of_a_topic_is_explained():
    fields: set[str] = set()
    topics._check(Noting({"key": "climate", "kind": "theme", "names": {"en": "Climate"}}, fields))
    same(rows("docs/settings.md", below="## The file of topics"), fields, "docs/settings.md, The file of topics")


def test_every_field_of_a_rule_is_explained():
    same(rows("docs/settings.md", below="## Rules for topics"), rules.FIELDS, "docs/settings.md, Rules for topics")


@pytest.fixture(scope="module")
def service():
    """The application, wired; nothing asks its database."""
    return wiring.create_app(settings_for("sqlite://"))


def leaves(service) -> Iterator[tuple[str, click.Command]]:
    for name, group in service.cli.commands.items():
        if name not in OTHERS:
            yield from below(f"flask {name}", group)


def below(path: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from below(f"{path} {name}", command)


def test_every_command_is_explained_with_its_arguments_and_options(service):
    headings = re.findall(r"^### `(flask (?!db )[^`]+)`$", text_of("docs/commands.md"), re.MULTILINE)
    there = {}
    for name, command in leaves(service):
        arguments = [param.human_readable_name.upper() for param in command.params if isinstance(param, click.Argument)]
        there[" ".join([name, *arguments])] = command
    same(headings, there, "docs/commands.md")
    for heading, command in there.items():
        section = text_of("docs/commands.md").partition(f"### `{heading}`")[2].partition("\n### ")[0]
        options = [param.opts[0] for param in command.params if isinstance(param, click.Option)]
        missing = [option for option in options if f"`{option}`" not in section]
        assert not missing, f"docs/commands.md: {heading} has also {', '.join(missing)}"


def test_every_command_that_a_page_names_is_there(service):
    there = {name for name, _command in leaves(service)}
    for path in BY_PATH:
        for group, command in re.findall(r"\bflask (\w[\w-]*) (\w[\w-]*)", text_of(path)):
            if group in service.cli.commands and group not in OTHERS:
                assert f"flask {group} {command}" in there, f"{path} names flask {group} {command}"


def test_every_target_of_make_is_explained():
    there = re.findall(r"^([a-z][a-z-]*):[^#\n]*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    same(rows("docs/commands.md", below="## `make`"), [f"make {target}" for target in there], "docs/commands.md")


def test_every_target_of_make_that_a_page_names_is_there():
    there = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for path in BY_PATH:
        for target in re.findall(r"(?:`|^ *)make ([a-z][a-z-]*)", text_of(path), re.MULTILINE):
            assert target in there, f"{path} names make {target}"


def test_every_task_is_explained(service):
    for module in MODULES:
        importlib.import_module(module)
    celery = service.extensions["celery"]
    there = {name: task for name, task in celery.tasks.items() if name.startswith("tasks.")}
    told = rows("docs/tasks.md", below="## The tasks")
    same(told, there, "docs/tasks.md, The tasks")
    for name, (queue, *_rest) in told.items():
        route = celery.amqp.router.route({}, name)["queue"].name
        assert queue == f"`{route}`", f"docs/tasks.md: {name} goes to the queue {route}"


def test_every_entry_of_beat_is_explained():
    told = rows("docs/tasks.md", below="## What beat asks")
    same(told, schedule.BEAT, "docs/tasks.md, What beat asks")
    for name, entry in schedule.BEAT.items():
        assert told[name][:2] == [f"{entry['schedule']:g} s", f"`{entry['task']}`"], f"docs/tasks.md: {name}"


def test_every_nudge_is_explained():
    there = {f"tasks.nudge.{name}" for name in vars(nudge) if not name.startswith("_") and callable_of(nudge, name)}
    same(rows("docs/tasks.md", below="## Nudges"), there, "docs/tasks.md, Nudges")


def callable_of(module, name: str) -> bool:
    return getattr(getattr(module, name), "__module__", None) == module.__name__


def test_every_table_and_column_is_explained(service):
    tables = Base.metadata.tables
    same(re.findall(r"^### `(\w+)`$", text_of("docs/data-model.md"), re.MULTILINE), tables, "docs/data-model.md")
    for name, table in tables.items():
        told = rows("docs/data-model.md", below=f"### `{name}`")
        same(told, table.columns.keys(), f"docs/data-model.md, {name}")
        for column in table.columns:
            for key in column.foreign_keys:
                parent = key.target_fullname.partition(".")[0]
                assert f"→ `{parent}`" in told[column.name][0], f"docs/data-model.md: {name}.{column.name} → {parent}"


def test_the_glossary_has_a_word_for_every_table(service):
    named = re.findall(r"^\| [^|`]+ \| [^|]+ \| ([^|]+) \|$", text_of("docs/glossary.md"), re.MULTILINE)
    same({table for cell in named for table in CODE_SPAN.findall(cell)}, Base.metadata.tables, "docs/glossary.md")


def test_no_word_stands_twice_in_the_glossary():
    words = re.findall(r"^\| ([a-z][^|]*?) \|", text_of("docs/glossary.md"), re.MULTILINE)
    words = [word for word in words if word != "word"]
    assert words
    assert len(words) == len(set(words))


def test_every_warning_in_the_logs_is_explained():
    events = [
        event
        for file in ROOT.glob("[a-z]*/*.py")
        if file.parent.name not in ("inbox", "tests")
        for event in re.findall(r"\blog\.(\w+)\(\s*\"([^\"]+)\"", file.read_text("utf-8"))
    ]
    told = rows("docs/operations.md", below="## Logs").keys()
    warnings = {event for level, event in events if level in ("warning", "error")}
    assert warnings
    assert not warnings - told, f"docs/operations.md, Logs, lacks {', '.join(sorted(warnings - told))}"
    assert not told - {event for _level, event in events}


def minutes(time: timedelta | float) -> str:
    seconds = time.total_seconds() if isinstance(time, timedelta) else time
    return f"{seconds / 60:g} minutes"


TIMING = identity.Timing()
RELAY = identity.Relay("127.0.0.1", 25, "none")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("docs/adr/0003-a-mail-that-may-have-gone-out.md", f"waits up to {minutes(TIMING.lease_s)}"),
        ("docs/operations.md", f"up to {minutes(TIMING.lease_s)} until its mails are called doubtful"),
        ("docs/operations.md", f"{minutes(TIMING.doubt_grace_s)} after it became doubtful"),
        ("docs/tasks.md", f"Every {TIMING.look_s:g} seconds it sweeps"),
        ("docs/tasks.md", f"claim up to {supplier.AHEAD} mails ahead"),
        ("docs/tasks.md", f"leases of {TIMING.lease_s:g} seconds"),
        ("docs/tasks.md", f"nothing for {loop.IDLE_S:g} seconds"),
        ("docs/tasks.md", f"about {retries.THROTTLED:g} seconds, without"),
        ("docs/tasks.md", f"alone for about {minutes(retries.PROVIDER_FIRST)}"),
        ("docs/tasks.md", f"waits about {minutes(retries.POLICY)}"),
        ("docs/tasks.md", f"when {tally.MOST_FAULTS * 100:g} % of a mailing's last {tally.SAMPLE} mails"),
        ("docs/settings.md", f"| `connections` | `{RELAY.connections}` |"),
        ("docs/settings.md", f"| `urgent_connections` | `{RELAY.urgent_connections}` |"),
        ("docs/settings.md", f"| `mails_per_connection` | `{RELAY.mails_per_connection}` |"),
        ("docs/settings.md", f"| `threads` | `{dkimkeys.THREADS}` |"),
        ("docs/settings.md", f"{dkimkeys.RSA_BITS} to {dkimkeys.MOST_BITS} bits"),
        ("docs/mail.md", f"{dkimkeys.RSA_BITS} to {dkimkeys.MOST_BITS} bits"),
        ("docs/settings.md", f"| `lease_seconds` | `{TIMING.lease_s:g}` |"),
        ("docs/settings.md", f"| `doubt_grace_seconds` | `{TIMING.doubt_grace_s:g}` |"),
        ("docs/settings.md", f"| `look_seconds` | `{TIMING.look_s:g}` |"),
        ("docs/tasks.md", f"waits {retries.RELAY_FIRST} seconds, then twice as long"),
        ("docs/tasks.md", f"about {minutes(retries.RECIPIENT_FIRST)}"),
        ("docs/tasks.md", f"for {editions.LEASE.total_seconds():g} seconds, composes {cohorts.CHUNK} readers"),
        ("docs/tasks.md", f"read again {minutes(feeds.INTERVAL)} after"),
        ("docs/tasks.md", f"within {nudge.APART_S} seconds of the last one waits"),
        ("docs/mail.md", f"| confirm | {mails.CONFIRM_WITHIN.days} days |"),
        ("docs/mail.md", f"| preferences | {preferences.LINK_DAYS} days |"),
        ("docs/mail.md", f"of {content.ROW + 1} columns"),
        ("docs/glossary.md", f"in the last {histories.KEPT_DAYS} days"),
        ("CONTRIBUTING.md", f"It has {test_architecture.LONGEST} lines at most"),
    ],
)
def test_a_number_that_a_page_gives_is_that_of_the_code(path, sentence):
    assert sentence in " ".join(text_of(path).split()), f"{path} should say: {sentence}"


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are commonly made of them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", BY_PATH)
def test_no_code_span_is_broken_over_two_lines(path):
    lines = FENCE.sub("", text_of(path)).splitlines()
    assert not [line for line in lines if line.count("`") % 2]


@pytest.mark.parametrize("path", BY_PATH)
def test_no_link_is_dead(path):
    here = BY_PATH[path]
    dead = []
    for target in LINK.findall(FENCE.sub("", text_of(path))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _hash, anchor = target.partition("#")
        there = (here.parent / name).resolve() if name else here
        if not there.exists() or (anchor and anchor not in anchors(there)):
            dead.append(target)
    assert not dead, f"{path} links to {', '.join(dead)}"


def paths_in(text: str) -> set[str]:
    """Return what looks like a path of ours in the code spans of a page."""
    top = {path.name for path in ROOT.iterdir()}
    found = set()
    for span in CODE_SPAN.findall(FENCE.sub("", text)):
        for word in span.split():
            first = word.partition("/")[0]
            is_path = ("/" in word and first in top) or (word.endswith(ENDINGS) and "/" not in word)
            if is_path and PATH.fullmatch(word) and first not in MADE_LATER:
                found.add(word)
    return found


@pytest.mark.parametrize("path", BY_PATH)
def test_every_file_that_a_page_names_exists(path):
    missing = []
    for name in paths_in(text_of(path)):
        mails = ROOT / "templates" / "mail"
        places = [ROOT, BY_PATH[path].parent, mails, mails / "fresh-link", mails / "digest"]
        if not any(list(place.glob(name.rstrip("/"))) for place in places):
            missing.append(name)
    assert not missing, f"{path} names {', '.join(sorted(missing))}"


def dotted(text: str) -> set[str]:
    """Return what looks like a name of our code in the code spans of a page, such as `delivery.pump`."""
    packages = {path.parent.name for path in ROOT.glob("[a-z]*/__init__.py")} - {"tests"}
    spans = (span.partition("(")[0] for span in CODE_SPAN.findall(FENCE.sub("", text)))
    return {
        span
        for span in spans
        if re.fullmatch(r"[a-z]+(\.\w+)+", span) and span.partition(".")[0] in packages and not span.endswith(ENDINGS)
    }


@pytest.mark.parametrize("path", BY_PATH)
def test_every_name_of_the_code_that_a_page_names_exists(path):
    for name in dotted(text_of(path)):
        table, _dot, column = name.partition(".")
        if table in Base.metadata.tables and column in Base.metadata.tables[table].columns:
            continue
        module, _dot, attribute = name.rpartition(".")
        found = getattr(importlib.import_module(module), attribute, None)
        assert found is not None or importlib.util.find_spec(name), f"{path} names {name}"


def test_the_readme_has_the_two_commands_and_both_pictures():
    text = text_of("README.md")
    commands = re.search(r"## The two commands\n\n```sh\n(.*?)```", text, re.DOTALL)
    assert commands
    assert [line.partition("#")[0].strip() for line in commands[1].splitlines()] == ["make run", "make test"]
    for picture in ("docs/images/site.png", "docs/images/digest.png"):
        assert f"]({picture})" in text
        file = ROOT / picture
        assert file.read_bytes().startswith(b"\x89PNG")
        assert file.stat().st_size < 300_000


def test_the_readme_names_every_folder_and_every_page_of_the_documentation():
    text = text_of("README.md")
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name.isalpha()}
    folders -= {"docs", *MADE_LATER}
    assert not [name for name in sorted(folders) if f"]({name}/)" not in text]
    pages = [path for path in BY_PATH if path.count("/") < 2 and path != "README.md"]
    assert not [path for path in pages if f"]({path})" not in text]


def test_what_the_procfile_starts_is_what_the_pages_say():
    lines = (ROOT / "Procfile").read_text("utf-8").splitlines()
    commands = {line.partition(": ")[2] for line in lines}
    assert commands
    assert not commands - rows("docs/operations.md", below="## The processes").keys()
    told = rows("README.md", below="## Running it for real")
    assert {name for name in told if name.startswith(("gunicorn", "celery"))} == {
        command for command in commands if not command.startswith("flask")
    }


def test_every_proof_has_its_page() -> None:
    proofs = re.findall(r"^proof-([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert proofs
    for name in proofs:
        page = ROOT / "docs" / "proofs" / f"{name}.md"
        assert page.is_file(), f"make proof-{name} writes it"
        assert "**The proof holds.**" in page.read_text("utf-8")
