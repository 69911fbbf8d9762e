"""Starting and stopping `make run`'s one process, as a person at a terminal sees it."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys import houses, readers
from tests.journeys.houses import ROOT, House
from tests.servers import free_port


def start_once(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Start the service where it cannot start; return how it ended."""
    ports = {name: str(free_port()) for name in ("PORT", "INBOX_PORT", "INBOX_SMTP_PORT")}
    own = {"PATH": os.environ["PATH"], "VAR_DIR": str(folder)} | ports | environment
    return subprocess.run(
        [sys.executable, "embedded.py"], cwd=ROOT, env=own, capture_output=True, text=True, timeout=60, check=False
    )


def assert_one_sentence(ended: subprocess.CompletedProcess[str], *cures: str) -> None:
    """The process ended with status 1 and said one line that names the cure."""
    assert ended.returncode == 1
    said = [line for line in ended.stderr.splitlines() if line.startswith("Postrider does not start: ")]
    assert len(said) == 1 and "Traceback" not in ended.stderr
    assert all(cure in said[0] for cure in cures), said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_ends_everything_with_status_0_and_without_a_traceback(local_house: House, number: int) -> None:
    process = local_house.processes["postrider"]
    assert local_house.stop("postrider", number) == 0
    assert "Traceback" not in local_house.logs()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_a_second_start_keeps_all_data(local_house: House) -> None:
    readers.join(local_house, "reader@example.org", "asia-daily")
    local_house.stop("postrider", signal.SIGINT)
    houses.start_local(local_house)
    assert len(local_house.mails("reader@example.org")) == 2
    local_house.flask("demo", "tomorrow")
    assert len(local_house.wait_for_mails(3, to="reader@example.org")) == 3


def test_everything_listens_on_loopback_only(local_house: House) -> None:
    own = {int(local_house.environment[name]) for name in ("PORT", "INBOX_PORT", "INBOX_SMTP_PORT")}
    elsewhere = socket.gethostbyname_ex(socket.gethostname())[2]
    for address in {*elsewhere, "127.0.0.2"} - {"127.0.0.1"}:
        for port in own:
            with socket.socket() as probe:
                probe.settimeout(2)
                assert probe.connect_ex((address, port)) != 0, (address, port)


def test_a_second_run_in_the_same_folder_says_that_one_is_running(local_house: House) -> None:
    assert_one_sentence(start_once(local_house.folder), "running already", "Ctrl-C", "VAR_DIR")


@pytest.mark.parametrize("name", ["PORT", "INBOX_PORT", "INBOX_SMTP_PORT"])
def test_a_taken_port_is_named_with_the_cure(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_one_sentence(start_once(tmp_path, **{name: port}), f"Port {port}", "another port")


def test_a_port_that_is_no_number_is_named(tmp_path: Path) -> None:
    assert_one_sentence(start_once(tmp_path, PORT="eighty"), "PORT", "eighty", "65535")


def test_a_folder_that_cannot_be_written_is_named_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert_one_sentence(start_once(tmp_path / "file" / "var"), "cannot be written", "VAR_DIR")


def test_a_changed_hash_key_is_refused(local_house: House) -> None:
    local_house.stop("postrider", signal.SIGINT)
    assert_one_sentence(start_once(local_house.folder, HASH_KEY="another-key-0123456789-abcdefghijk"), "HASH_KEY")
