"""How fast signed mail leaves, beside what OpenSSL itself makes of RSA-2048 signatures, all in one run."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench import sending
from bench.ground import BenchError, Ground
from bench.sending import Sent
from bench.sizes import Sizes
from bench.speed import Keep
from core import dkimkeys
from core.dkimkeys import ED25519, RSA, Key
from tests import servers

DOMAIN = "monsoon.example.org"
SECONDS = 3
RUNS = (
    ("not signed", (), 1, 1),
    ("RSA-2048, a sender with one signing thread", (RSA,), 1, 1),
    ("RSA-2048 and Ed25519, a sender with one signing thread", (RSA, ED25519), 1, 1),
    ("RSA-2048, a sender with two signing threads", (RSA,), 1, 2),
    ("RSA-2048, two senders with one signing thread each", (RSA,), 2, 1),
)
"""What is sent: the name of the run, the keys, how many senders, and the signing threads of each."""


def measure(ground: Ground, sizes: Sizes, keep: Keep) -> None:
    """Measure OpenSSL alone, then lists that leave unsigned and signed."""
    found: dict[str, object] = {"openssl": openssl()}
    keep(found)
    for name, kinds, senders, threads in RUNS:
        with keys(kinds, threads) as settings:
            run = sending.send_list(
                ground, sizes, name=name, readers=sizes.signed, kind="pump", senders=senders, settings=settings
            )
        _check(run, kinds, found)
        found[name] = run.table()
        keep(found)


def openssl() -> dict[str, float]:
    """Return the RSA-2048 signatures that a core makes in a second: by `openssl speed`, and by a loop in Python."""
    found = {"in Python": _in_python()}
    if shutil.which("openssl"):
        command = ["openssl", "speed", "-seconds", str(SECONDS), "rsa2048"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout
        rate = re.search(r"^rsa\s+2048 bits\s+\S+\s+\S+\s+([\d.]+)", said, re.MULTILINE)
        if rate:
            found["openssl speed"] = float(rate[1])
    print("  " + ", ".join(f"{name}: {rate:,.0f}/s a core" for name, rate in found.items()), flush=True)
    return found


def _in_python() -> float:
    """Return how many signatures a second of CPU makes. `openssl speed` counts CPU time, too."""
    key = Key(DOMAIN, "rsa", dkimkeys.made(RSA))
    text, count, started, until = os.urandom(1500), 0, time.thread_time(), time.monotonic() + SECONDS
    while time.monotonic() < until:
        key.sign(text)
        count += 1
    return count / (time.thread_time() - started)


@contextmanager
def keys(kinds: tuple[str, ...], threads: int) -> Iterator[str]:
    """Write key files of some kinds; give the settings that name them."""
    if not kinds:
        yield ""
        return
    with servers.run_folder() as folder:
        for kind in kinds:
            path = folder / f"{kind}.pem"
            path.write_bytes(dkimkeys.pem(dkimkeys.made(kind)))
            path.chmod(0o600)
        yield f'[dkim]\nthreads = {threads}\n[dkim."{DOMAIN}"]\nfolder = "{folder}"\nsigning = {list(kinds)}\n'


def _check(run: Sent, kinds: tuple[str, ...], found: dict[str, object]) -> None:
    """Raise BenchError when mails cannot have been signed: they took less time than their signatures."""
    rates = found["openssl"]
    assert isinstance(rates, dict)
    if kinds and run.cpu["senders"] < 0.8e6 / max(rates.values()):
        raise BenchError(f"The senders used {run.cpu['senders']:.0f} µs for a mail: too little for an RSA signature.")
