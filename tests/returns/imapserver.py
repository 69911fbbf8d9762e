"""A small IMAP server over TLS on loopback: as much of RFC 9051 as reading a mailbox needs, and faults on demand."""

import base64
import re
import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import Self

USER, PASSWORD = "bounces", 'pass"word\\ with all'


@dataclass
class Kept:
    """One mail in a folder."""

    uid: int
    raw: bytes
    flags: set[str] = field(default_factory=set)
    came_at: str = ""


@dataclass
class ImapServer:
    """One folder and what was moved out of it. `hang_up_on` is the command that breaks the line.

    Of what is in `refused` a FETCH answers NO; what is in `withheld` is missing in an answer that says OK.
    """

    context: ssl.SSLContext
    capabilities: str = "IMAP4rev1 AUTH=PLAIN NAMESPACE MOVE UIDPLUS"
    prefix: str = ""
    validity: int = 7
    mails: list[Kept] = field(default_factory=list)
    folders: dict[str, list[bytes]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    hang_up_on: str = ""
    following: int = 1
    refused: set[int] = field(default_factory=set)
    withheld: set[int] = field(default_factory=set)

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def put(self, raw: bytes | str) -> int:
        """Deliver a mail; return its UID."""
        uid, self.following = self.following, self.following + 1
        self.mails.append(Kept(uid, raw.encode() if isinstance(raw, str) else raw))
        return uid

    def _serve(self) -> None:
        while True:
            try:
                line, _address = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(line,), daemon=True).start()

    def _talk(self, plain: socket.socket) -> None:
        try:
            with self.context.wrap_socket(plain, server_side=True) as line, line.makefile("rwb") as file:
                self._say(file, f"* OK [CAPABILITY {self.capabilities}] ready")
                while words := file.readline().decode().strip():
                    tag, _space, command = words.partition(" ")
                    self.commands.append(command)
                    if self.hang_up_on and self.hang_up_on in command:
                        return
                    self._say(file, f"{tag} {self._answer(file, command)} .")
        except OSError:
            return

    @staticmethod
    def _say(file, text: str) -> None:
        file.write(text.encode() + b"\r\n")
        file.flush()

    def _answer(self, file, command: str) -> str:
        word, _space, rest = command.partition(" ")
        if word == "UID":
            word, _space, rest = rest.partition(" ")
            word = f"UID {word}"
        act = getattr(self, "_" + word.lower().replace(" ", "_"), None)
        return act(file, rest) if act else "BAD what"

    def _capability(self, file, _rest: str) -> str:
        self._say(file, f"* CAPABILITY {self.capabilities}")
        return "OK"

    def _authenticate(self, file, _rest: str) -> str:
        self._say(file, "+ ")
        said = base64.b64decode(file.readline()).decode()
        return "OK" if said == f"\0{USER}\0{PASSWORD}" else "NO [AUTHENTICATIONFAILED] wrong"

    def _login(self, _file, rest: str) -> str:
        quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
        return "OK" if rest == f'"{USER}" "{quoted}"' else "NO [AUTHENTICATIONFAILED] wrong"

    def _select(self, file, rest: str) -> str:
        if rest != '"INBOX"':
            return "NO there is no such folder"
        self._say(file, f"* {len(self.mails)} EXISTS")
        self._say(file, f"* OK [UIDVALIDITY {self.validity}] UIDs valid")
        self._say(file, f"* OK [UIDNEXT {self.following}] predicted")
        return "OK [READ-WRITE]"

    def _namespace(self, file, _rest: str) -> str:
        self._say(file, f'* NAMESPACE (("{self.prefix}" ".")) NIL NIL')
        return "OK"

    def _uid_search(self, file, rest: str) -> str:
        first, last = map(int, re.findall(r"\d+", rest))
        self._say(file, "* SEARCH " + " ".join(str(one.uid) for one in self.mails if first <= one.uid <= last))
        return "OK"

    def _uid_fetch(self, file, rest: str) -> str:
        uids, most = rest.partition(" ")[0], int(re.findall(r"<0\.(\d+)>", rest)[0])
        if self.refused & {mail.uid for mail in self._chosen(uids)}:
            return "NO [SERVERBUG] it is broken"
        for number, mail in enumerate(self._chosen(uids), 1):
            if mail.uid in self.withheld:
                continue
            part = mail.raw[:most]
            if mail.came_at:
                file.write(b'* %d FETCH (UID %d INTERNALDATE "%b" ' % (number, mail.uid, mail.came_at.encode()))
                file.write(b"RFC822.SIZE %d BODY[]<0> {%d}\r\n%b)\r\n" % (len(mail.raw), len(part), part))
                continue
            file.write(b"* %d FETCH (UID %d RFC822.SIZE %d " % (number, mail.uid, len(mail.raw)))
            file.write(b"BODY[]<0> {%d}\r\n%b)\r\n" % (len(part), part) if part else b'BODY[]<0> "")\r\n')
        file.flush()
        return "OK"

    def _uid_store(self, _file, rest: str) -> str:
        for mail in self._chosen(rest.partition(" ")[0]):
            mail.flags |= set(re.findall(r"\\\w+", rest))
        return "OK"

    def _create(self, _file, rest: str) -> str:
        name = rest.strip('"')
        if name in self.folders:
            return "NO it exists"
        self.folders[name] = []
        return "OK"

    def _uid_copy(self, _file, rest: str) -> str:
        uids, _space, name = rest.partition(" ")
        self.folders[name.strip('"')] += [mail.raw for mail in self._chosen(uids)]
        return "OK"

    def _uid_move(self, file, rest: str) -> str:
        gone = self._chosen(rest.partition(" ")[0])
        self._uid_copy(file, rest)
        self.mails = [mail for mail in self.mails if mail not in gone]
        return "OK"

    def _uid_expunge(self, _file, rest: str) -> str:
        self.mails = [mail for mail in self.mails if mail not in self._chosen(rest) or r"\Deleted" not in mail.flags]
        return "OK"

    def _logout(self, file, _rest: str) -> str:
        self._say(file, "* BYE")
        return "OK"

    def _chosen(self, uids: str) -> list[Kept]:
        wanted = set(map(int, uids.split(",")))
        return [mail for mail in self.mails if mail.uid in wanted]
