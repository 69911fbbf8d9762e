"""How fast signed mail leaves, beside what OpenSSL itself makes of RSA-2048 signatures, all in one run."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from bench import sending
from bench.ground import BenchError, Ground
from bench.sending import Sent
from bench.sizes import Sizes
from bench.speed import Keep
from core import dkimkeys
from core.dkimkeys import ED25519, MOST_BITS, RSA, RSA_BITS, Key
from tests import servers

DOMAIN = "monsoon.example.org"
SECONDS = 3
STRONG = "rsa-4096"
"""An RSA key of 4096 bits, the longest that DKIM allows (RFC 8301, section 3.2)."""
ALONE = "RSA-2048, a sender with one signing thread"
LIMIT = "RSA-4096, a sender with one signing thread: signing is the limit"
RUNS = (
    ("not signed", (), 1, 1, 1.0),
    (ALONE, (RSA,), 1, 1, 1.0),
    ("RSA-2048 and Ed25519, a sender with one signing thread", (RSA, ED25519), 1, 1, 1.0),
    ("RSA-2048, a sender with two signing threads", (RSA,), 1, 2, 1.0),
    ("RSA-2048, two senders with one signing thread each", (RSA,), 2, 1, 1.0),
    (LIMIT, (STRONG,), 1, 1, 0.25),
)
"""What is sent: the name of the run, the keys, how many senders, the signing threads of each, how much of the list."""


def measure(ground: Ground, sizes: Sizes, keep: Keep) -> None:
    """Measure OpenSSL alone, then lists that leave unsigned and signed."""
    found: dict[str, object] = {"openssl": openssl(RSA_BITS), "openssl 4096": openssl(MOST_BITS)}
    keep(found)
    for name, kinds, senders, threads, share in RUNS:
        with keys(kinds, threads) as settings:
            run = sending.send_list(
                ground,
                sizes,
                name=name,
                readers=round(sizes.signed * share),
                kind="pump",
                senders=senders,
                settings=settings,
            )
        _check(run, kinds, found)
        found[name] = run.table()
        keep(found)


def openssl(bits: int) -> dict[str, float]:
    """Return the RSA signatures that a core makes in a second: by `openssl speed`, and by a loop in Python."""
    found = {"in Python": _in_python(bits)}
    if shutil.which("openssl"):
        command = ["openssl", "speed", "-seconds", str(SECONDS), f"rsa{bits}"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout
        rate = re.search(rf"^rsa\s+{bits} bits\s+\S+\s+\S+\s+([\d.]+)", said, re.MULTILINE)
        if rate:
            found["openssl speed"] = float(rate[1])
    told = ", ".join(f"{name}: {rate:,.0f}/s a core" for name, rate in found.items())
    print(f"  RSA-{bits}: {told}", flush=True)
    return found


def _in_python(bits: int) -> float:
    """Return how many signatures a second of CPU makes. `openssl speed` counts CPU time, too."""
    key = Key(DOMAIN, "rsa", _made(bits))
    text, count, started, until = os.urandom(1500), 0, time.thread_time(), time.monotonic() + SECONDS
    while time.monotonic() < until:
        key.sign(text)
        count += 1
    return count / (time.thread_time() - started)


def _made(bits: int) -> RSAPrivateKey:
    return generate_private_key(public_exponent=65_537, key_size=bits)


@contextmanager
def keys(kinds: tuple[str, ...], threads: int) -> Iterator[str]:
    """Write key files of some kinds; give the settings that name them."""
    if not kinds:
        yield ""
        return
    with servers.run_folder() as folder:
        for kind in kinds:
            path = folder / f"{kind}.pem"
            path.write_bytes(dkimkeys.pem(_made(MOST_BITS) if kind == STRONG else dkimkeys.made(kind)))
            path.chmod(0o600)
        yield f'[dkim]\nthreads = {threads}\n[dkim."{DOMAIN}"]\nfolder = "{folder}"\nsigning = {list(kinds)}\n'


def _check(run: Sent, kinds: tuple[str, ...], found: dict[str, object]) -> None:
    """Raise BenchError when mails cannot have been signed: they took less time than their signatures."""
    rates = found["openssl 4096" if STRONG in kinds else "openssl"]
    assert isinstance(rates, dict)
    if kinds and run.cpu["senders"] < 0.8e6 / max(rates.values()):
        raise BenchError(f"The senders used {run.cpu['senders']:.0f} µs for a mail: too little for an RSA signature.")
