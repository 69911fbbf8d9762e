"""What the Procfile starts refuses to start unfit, with one sentence and no half-started service."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.houses import KEYS, ROOT
from tests.servers import free_port

COMMANDS = {
    "web": ["-m", "gunicorn", "-c", "gunicorn.conf.py", "app:site()"],
    "worker": ["-m", "celery", "-A", "worker", "worker"],
    "beat": ["-m", "celery", "-A", "worker", "beat"],
    "sender": ["-m", "flask", "--app", "app", "delivery", "pump"],
}


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which everything is right but the database, which has no tables yet."""
    return KEYS | {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": f"sqlite:///{folder / 'p.db'}",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SMTP_URL": "smtp://127.0.0.1:1",
        "POSTRIDER_CONFIG": str(ROOT / "demo" / "postrider.toml"),
        "PORT": str(free_port()),
        "STATE_DIR": str(folder / "state"),
    }


def start(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run one of the service's processes; return how it ended."""
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_a_default_secret_is_refused_by_every_process(tmp_path: Path, name: str) -> None:
    ended = start(COMMANDS[name], environment(tmp_path) | {"SECRET_KEY": "change-me-change-me-change-me-change-me"})
    assert ended.returncode != 0
    assert "SECRET_KEY is a default or too weak" in ended.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_a_database_without_tables_is_refused_with_the_command_that_makes_them(tmp_path: Path, name: str) -> None:
    ended = start(COMMANDS[name], environment(tmp_path))
    assert ended.returncode != 0 and "flask db upgrade" in ended.stderr and "Traceback" not in ended.stderr


def test_a_missing_postal_address_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "postrider.toml"
    text = (ROOT / "postrider.example.toml").read_text("utf-8")
    config.write_text(text, "utf-8")
    ended = start(COMMANDS["web"], environment(tmp_path) | {"POSTRIDER_CONFIG": str(config)})
    assert ended.returncode != 0 and "postal_address" in ended.stderr and "Traceback" not in ended.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_a_state_folder_that_cannot_be_written_is_refused_by_every_process(tmp_path: Path, name: str) -> None:
    (tmp_path / "state").write_text("not a folder")
    env = environment(tmp_path)
    start(["-m", "flask", "--app", "app", "db", "upgrade"], env)
    ended = start(COMMANDS[name], env)
    assert ended.returncode != 0 and "STATE_DIR" in ended.stderr and "Traceback" not in ended.stderr
