"""A private Postfix on 127.0.0.1 that takes every mail and keeps it in one Maildir: a real relay to travel through.

It has its own configuration, queue and data, asks no DNS, and is stopped at the end.
"""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import servers

DAEMONS = Path("/usr/lib/postfix/sbin")
SERVICES = Path("/usr/share/postfix/master.cf.dist")
WITHIN_S = 60.0
BOX = "taken"


class ProgramMissing(Exception):
    """A program that the proof needs is not here; says what to install."""


@dataclass(frozen=True, slots=True)
class Relay:
    """A running Postfix: its port, and where it keeps what it took."""

    port: int
    folder: Path

    def taken(self) -> list[bytes]:
        """Return the mails that arrived, with CRLF line ends again, oldest first."""
        files = sorted((self.folder / "mail" / BOX / "new").glob("*"), key=lambda file: file.name)
        return [file.read_bytes().replace(b"\n", b"\r\n") for file in files]

    def wait_for(self, count: int) -> list[bytes]:
        """Return so many mails when they are there; raises TimeoutError, with the relay's last words."""
        deadline = time.monotonic() + WITHIN_S
        while len(found := self.taken()) < count:
            if time.monotonic() > deadline:
                words = (self.folder / "maillog").read_text("utf-8", "replace")[-2000:]
                raise TimeoutError(f"{len(found)} of {count} mails arrived. Postfix says: {words}")
            time.sleep(0.05)
        return found


def needed(*programs: str) -> None:
    """Raise ProgramMissing unless all these programs are here, and Postfix can be run."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        raise ProgramMissing(
            f"The proof needs {' and '.join(missing)}. Install them (Debian: "
            "apt-get install -y --no-install-recommends postfix opendkim opendkim-tools)."
        )
    if os.geteuid() != 0:
        raise ProgramMissing("The proof needs root: Postfix gives its own processes other users.")


@contextmanager
def relay() -> Iterator[Relay]:
    """Run a Postfix for as long as the block takes."""
    needed("postfix")
    with servers.run_folder() as folder:
        folder.chmod(0o755)  # its processes are other users
        made = Relay(servers.free_port(), folder)
        _configure(made)
        _postfix(folder, "start")
        try:
            yield made
        finally:
            _postfix(folder, "stop")


def _postfix(folder: Path, order: str) -> None:
    done = subprocess.run(["postfix", "-c", folder / "etc", order], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise ProgramMissing(f"postfix {order} failed: {(done.stderr or done.stdout)[-1000:]}")


def _configure(made: Relay) -> None:
    nobody = pwd.getpwnam("nobody")
    for name, owner in (("etc", None), ("queue", None), ("data", pwd.getpwnam("postfix")), ("mail", nobody)):
        place = made.folder / name
        place.mkdir()
        if owner is not None:
            os.chown(place, owner.pw_uid, owner.pw_gid)
    settings = {
        "compatibility_level": "3.6",
        "queue_directory": made.folder / "queue",
        "data_directory": made.folder / "data",
        "command_directory": "/usr/sbin",
        "daemon_directory": DAEMONS,
        "maillog_file": made.folder / "maillog",
        "maillog_file_prefixes": made.folder,
        "inet_interfaces": "127.0.0.1",
        "inet_protocols": "ipv4",
        "disable_dns_lookups": "yes",
        "myhostname": "relay.test",
        "mydestination": "",
        "alias_maps": "",
        "mynetworks": "127.0.0.0/8",
        "virtual_mailbox_domains": "static:all",
        "virtual_mailbox_base": made.folder / "mail",
        "virtual_mailbox_maps": f"static:{BOX}/",
        "virtual_uid_maps": f"static:{nobody.pw_uid}",
        "virtual_gid_maps": f"static:{nobody.pw_gid}",
    }
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    (made.folder / "etc" / "main.cf").write_text(lines, "utf-8")
    (made.folder / "etc" / "master.cf").write_text(_services(made.port), "utf-8")


def _services(port: int) -> str:
    """Return Debian's services without a change of root, and with SMTP at our port."""
    lines = []
    for line in SERVICES.read_text("utf-8").splitlines():
        words = line.split()
        if line[:1].isalpha() and len(words) >= 8:
            name = f"127.0.0.1:{port}" if words[:2] == ["smtp", "inet"] else words[0]
            lines.append(" ".join([name, *words[1:4], "n", *words[5:]]))
        elif line[:1] == " " and lines:
            lines.append(line)
    return "\n".join(lines) + "\n"
