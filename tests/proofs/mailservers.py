"""A private Postfix that bounces in every way, and a private Dovecot over its bounce mailbox, on 127.0.0.1 only."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests import servers
from tests.delivery.certificates import Authority

CURE = (
    "make proof-mailbox needs Postfix and Dovecot, and to be run as root. Install them (Debian: "
    "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postfix postfix-pcre dovecot-imapd; say "
    "before: echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections)."
)
BOUNCES = "bounces.monsoon.example.org"
USER, PASSWORD = "bounces", "a-passw@rd/with?all"
EXPIRES_S, WARNS_S = 25, 6
MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/state
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = {folder}/etc
maillog_file = {folder}/log/postfix
maillog_file_prefixes = {folder}
myhostname = mx.monsoon.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
disable_dns_lookups = yes
smtputf8_enable = yes
recipient_delimiter =
local_recipient_maps =
alias_maps =
alias_database =
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_reject_unlisted_recipient = no
virtual_mailbox_domains = {bounces}
virtual_mailbox_base = {folder}
virtual_mailbox_maps = pcre:{folder}/etc/boxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
transport_maps = pcre:{folder}/etc/transports
queue_run_delay = 3s
minimal_backoff_time = 3s
maximal_backoff_time = 5s
maximal_queue_lifetime = {expires}s
bounce_queue_lifetime = {expires}s
delay_warning_time = {warns}s
bounce_size_limit = 50000
"""
TRANSPORTS = r"""
/@unknown\.readers\.test$/ error:5.1.1 user unknown in virtual mailbox table
/@full\.readers\.test$/ error:5.2.2 mailbox full: over quota
/@expired\.readers\.test$/ retry:4.4.1 connect to mx.readers.test[192.0.2.9]:25: Connection timed out
/@refused\.readers\.test$/ smtp:[127.0.0.1]:{refusing}
/@policy\.readers\.test$/ smtp:[127.0.0.1]:{policy}
/@ascii\.readers\.test$/ smtp:[127.0.0.1]:{taking}
/@taken\.readers\.test$/ smtp:[127.0.0.1]:{taking}
/./ virtual:
"""


@dataclass(frozen=True, slots=True)
class MailServers:
    """Where mail is handed over, where its bounces lie, and the MAILBOX_URL that reads them."""

    smtp_port: int
    maildir: Path
    mailbox_url: str
    versions: str


@contextlib.contextmanager
def running() -> Iterator[MailServers]:
    """Run both. Raises ServerMissingError with the sentence what to install."""
    missing = [name for name in ("postfix", "dovecot", "smtp-sink") if shutil.which(name) is None]
    if missing or os.geteuid() != 0 or not Path("/usr/share/postfix/master.cf.dist").exists():
        raise servers.ServerMissingError(CURE)
    with servers.run_folder() as folder, servers.run_folder() as guarded_folder, contextlib.ExitStack() as stack:
        folder.chmod(0o755)
        nobody = pwd.getpwnam("nobody")
        port, imap_port = servers.free_port(), servers.free_port()
        hops = {name: servers.free_port() for name in ("refusing", "policy", "taking")}
        for name, words in {
            "refusing": ("-f", "RCPT", "-B", "550 5.1.1 <***>: no such user here"),
            "policy": ("-f", "RCPT", "-B", "554 5.7.1 Service unavailable; client host blocked by a list"),
            "taking": (),
        }.items():
            stack.enter_context(_sink(hops[name], words))
        maildir = _postfix_files(folder, port, hops, nobody)
        _postfix(folder, "start")
        stack.callback(_postfix, folder, "stop")
        _wait_for_port(port, folder / "log" / "postfix")
        authority = Authority(folder, "ca")
        authority.server("127.0.0.1")
        config = _dovecot_file(folder, imap_port, folder / "127.0.0.1.10.pem", maildir, nobody)
        stack.enter_context(
            servers.guarded(["dovecot", "-c", str(config), "-F"], guarded_folder, stop="TERM", owner={})
        )
        _wait_for_port(imap_port, folder / "log" / "dovecot")
        user = f"{USER}:{quote(PASSWORD, safe='')}"
        url = f"imaps://{user}@127.0.0.1:{imap_port}/INBOX?ca={authority.file}"
        yield MailServers(port, maildir, url, _versions())


@contextlib.contextmanager
def _sink(port: int, words: tuple[str, ...]) -> Iterator[None]:
    """Run a next hop of Postfix' own kind: it refuses every recipient, or takes all. It offers no SMTPUTF8."""
    command = ["smtp-sink", "-u", "nobody", "-4", "-h", "mx.readers.test", *words, f"127.0.0.1:{port}", "100"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def _postfix_files(folder: Path, port: int, hops: dict[str, int], owner: pwd.struct_passwd) -> Path:
    for name in ("etc", "queue", "state", "log", "box"):
        (folder / name).mkdir()
    shutil.chown(folder / "state", "postfix")
    shutil.chown(folder / "box", owner.pw_uid, owner.pw_gid)
    values = {"folder": folder, "bounces": BOUNCES, "uid": owner.pw_uid, "gid": owner.pw_gid}
    etc = folder / "etc"
    (etc / "main.cf").write_text(MAIN.format(**values, expires=EXPIRES_S, warns=WARNS_S), "ascii")
    (etc / "transports").write_text(TRANSPORTS.format(**hops), "ascii")
    (etc / "boxes").write_text(f"/@{BOUNCES.replace('.', '[.]')}$/ box/\n", "ascii")
    (etc / "master.cf").write_text(_services(port), "ascii")
    shutil.copy("/etc/postfix/dynamicmaps.cf", etc)
    for other in ("postfix-files", "dynamicmaps.cf.d", "postfix-files.d"):
        source = Path("/etc/postfix") / other
        if source.is_dir():
            shutil.copytree(source, etc / other)
        elif source.exists():
            shutil.copy(source, etc / other)
    return folder / "box"


def _services(port: int) -> str:
    """Return Debian's own services, on our port, with no change of the root folder and no foreign program."""
    lines = []
    for line in Path("/usr/share/postfix/master.cf.dist").read_text("ascii").splitlines():
        words = line.split()
        if not line or line.startswith(("#", " ")) or len(words) < 8 or words[7] in ("pipe", "local"):
            continue
        if words[0] == "smtp" and words[1] == "inet":
            words[0] = f"127.0.0.1:{port}"
        words[4] = "n"
        lines.append(" ".join(words))
    return "\n".join(lines) + "\n"


def _postfix(folder: Path, word: str) -> None:
    done = subprocess.run(["postfix", "-c", str(folder / "etc"), word], capture_output=True, text=True, check=False)
    if done.returncode and word == "start":
        raise servers.ServerMissingError(f"Postfix does not start: {done.stderr[-600:]}")


def _dovecot_file(folder: Path, port: int, certificate: Path, maildir: Path, owner: pwd.struct_passwd) -> Path:
    config = folder / "dovecot.conf"
    config.write_text(
        f"""
base_dir = {folder}/dovecot
state_dir = {folder}/dovecot
log_path = {folder}/log/dovecot
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{certificate}
ssl_key = <{certificate}
mail_location = maildir:{maildir}
first_valid_uid = 1
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={owner.pw_uid} gid={owner.pw_gid} home={folder}/box
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
""",
        "utf-8",
    )
    return config


def _versions() -> str:
    postfix = subprocess.run(["postconf", "-d", "-h", "mail_version"], capture_output=True, text=True, check=False)
    dovecot = subprocess.run(["dovecot", "--version"], capture_output=True, text=True, check=False)
    return f"Postfix {postfix.stdout.strip()}, Dovecot {dovecot.stdout.split()[0] if dovecot.stdout else 'unknown'}"


def _wait_for_port(port: int, log: Path) -> None:
    def attempt() -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            time.sleep(0)

    servers.wait_for(attempt, OSError, log=log)
