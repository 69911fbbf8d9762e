"""A worker ends in order, and in time when something does not let go."""

import subprocess
import sys

import pytest

# A process whose sender ends like this, and which then goes on like that.
PROCESS = """
import time
from tasks.ending import Ending

def stop(seconds):
    {stop}

ending = Ending(stop, limit_s={limit})
ending.ask()
ending.ask()
ending.wait()
print("the rest", flush=True)
{rest}
"""


def run(*, stop: str, limit: float, rest: str) -> subprocess.CompletedProcess[str]:
    process = PROCESS.format(stop=stop, limit=limit, rest=rest)
    return subprocess.run([sys.executable, "-c", process], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("stop", "status"),
    [("return True", 0), ("return False", 1), ("raise OSError", 1)],
    ids=["in order", "not in time", "by an error"],
)
def test_a_process_that_hangs_is_ended_and_its_status_says_how_its_sender_ended(stop, status):
    done = run(stop=stop, limit=0.2, rest="time.sleep(100)")
    assert done.returncode == status, done.stderr
    assert "the rest\n" in done.stdout
    assert "ended by force" in done.stdout


def test_a_process_stays_until_its_sender_has_stopped():
    done = run(stop="time.sleep(0.3); print('last words', flush=True)", limit=50, rest="")
    assert (done.stdout, done.returncode) == ("last words\nthe rest\n", 0), done.stderr
