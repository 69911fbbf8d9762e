"""A network of the proof's own, in which public addresses are here: a namespace that nothing leads out of.

The product refuses every address that is not public, and no setting changes that. So the proof runs itself again where
the loopback interface carries public addresses, with ports 80 and 443 and a resolver of its own. Linux gives that to
root, and to others too where it lets them have namespaces.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

PUBLIC4, OTHER4 = "93.184.215.14", "93.184.215.15"
PUBLIC6, OTHER6 = "2606:2800:21f::14", "2606:2800:21f::15"
SECOND_LOOPBACK = "127.0.0.2"
METADATA = "169.254.169.254"
PRIVATE = ("10.0.0.5", "172.16.0.5", "192.168.0.10", "100.64.0.5", METADATA, "198.18.0.5")
PRIVATE6 = ("fd00::5", "fe80::5")
_INSIDE = "POSTRIDER_PROOF_NETWORK"
CURE = (
    "This proof needs network namespaces of Linux, and the programs unshare and ip (Debian: util-linux, iproute2). "
    "Run it as root, or where others may make namespaces."
)


def inside(module: str, arguments: Sequence[str], *, names: str = "") -> int | None:
    """Return None in the network; outside, run the module again in it, and return its exit status.

    `names` are the lines of its hosts file; names that are not there are asked for at 127.0.0.1, port 53.
    """
    if os.environ.get(_INSIDE):
        return None
    ours = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
    unshare = ["unshare", *ours, "--net", "--mount"]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        for file, text in _files(names).items():
            (folder / file).write_text(text, "utf-8")
            (folder / file).chmod(0o644)
        script = folder / "in.sh"
        script.write_text(_script(folder), "utf-8")
        try:
            subprocess.run([*unshare, "sh", "-e", script, "true"], check=True, capture_output=True)
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            sys.stderr.write(f"{CURE}\n{getattr(error, 'stderr', b'').decode()}\n")
            return 1
        command = [*unshare, "sh", "-e", str(script), sys.executable, "-m", module, *arguments]
        return subprocess.run(command, env=os.environ | {_INSIDE: "1"}, check=False).returncode


def _files(names: str) -> dict[str, str]:
    return {
        "hosts": f"127.0.0.1 localhost\n::1 localhost\n{names}",
        "resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
        "nsswitch.conf": "hosts: files dns\n",
    }


def _script(folder: Path) -> str:
    lines = ["ip link set lo up"]
    for address in (PUBLIC4, OTHER4, *PRIVATE):
        lines.append(f"ip addr add {address}/32 dev lo")
    for address in (PUBLIC6, OTHER6, *PRIVATE6):
        lines.append(f"ip -6 addr add {address}/128 dev lo nodad")
    for file in ("hosts", "resolv.conf", "nsswitch.conf"):
        lines.append(f"[ ! -e /etc/{file} ] || mount --bind {folder / file} /etc/{file}")
    return "\n".join([*lines, 'exec "$@"', ""])
