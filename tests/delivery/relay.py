"""A scripted relay on loopback: the recipient's local part says what happens to the mail, phase by phase."""

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

RCPT_REPLIES = {
    "rcpt-4xx": "450 4.2.1 later",
    "rcpt-5xx": "550 5.1.1 unknown",
    "rcpt-421": "421 closing",
    "rcpt-policy": "554 5.7.1 Relay access denied",
    "rcpt-login": "530 5.7.0 Authentication required",
}
DOT_REPLIES = {"dot-4xx": "451 4.3.0 later", "dot-5xx": "552 5.2.2 mailbox full", "dot-421": "421 4.3.2 closing"}
SCRIPTS = re.compile(rf"^({'|'.join([*RCPT_REPLIES, *DOT_REPLIES])}|data-5xx|drop-before-dot|drop-after-dot)")
Answer = Callable[[str, str], str | None]


@dataclass
class Relay:
    """A thread for each connection. `accepted` are the mails it has taken responsibility for, in order.

    `offers` is what it says to EHLO. `answer` may say something else than the script: it is asked with the command and
    the recipient, at the greeting with an empty command and after a message with `.`; an empty answer hangs up.
    While `on_dot` is not set, messages are taken and not answered.
    """

    accepted: list[tuple[str, str, bytes]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    on_dot: threading.Event | None = None
    mails_per_line: int = 1000
    offers: tuple[str, ...] = ()
    answer: Answer = lambda _verb, _recipient: None
    lines: int = 0
    holding: int = 0
    open_lines: list[socket.socket] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._socket.getsockname()[1]
        self._lock = threading.Lock()
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def readers(self) -> list[str]:
        """Return the recipients of the accepted mails, in order."""
        return [recipient for _sender, recipient, _mail in self.accepted]

    def _serve(self) -> None:
        while True:
            try:
                line, _address = self._socket.accept()
            except OSError:
                return
            self.lines += 1
            threading.Thread(target=self._talk, args=(line,), daemon=True).start()

    def _talk(self, line: socket.socket) -> None:
        self.open_lines.append(line)
        with line, line.makefile("rwb") as stream, contextlib.suppress(OSError):
            self._carry(stream)
        self.open_lines.remove(line)

    def _carry(self, stream: Any) -> None:
        """Take mail after mail until either side hangs up."""
        if not self._reply(stream, "", "", "220 relay.test"):
            return
        sender = recipient = ""
        taken = 0
        for raw in stream:
            command = raw.decode().rstrip("\r\n")
            self.commands.append(command)
            verb = command.split(" ")[0].upper()
            if verb == "DATA":
                taken += 1
                if not self._data(stream, sender, recipient) or taken == self.mails_per_line:
                    return
                continue
            if verb == "MAIL":
                sender = command[11:].split(">")[0]
            elif verb == "RCPT":
                recipient = command[9:].split(">")[0]
            if not self._reply(stream, verb, recipient, self._says(verb, recipient)):
                return

    def _says(self, verb: str, recipient: str) -> str:
        if verb == "EHLO":
            return "\r\n".join([*(f"250-{offer}" for offer in ("relay.test", *self.offers)), "250 HELP"])
        if verb == "RCPT":
            return RCPT_REPLIES.get(self._script(recipient), "250 ok")
        return "221 bye" if verb == "QUIT" else "250 ok"

    @staticmethod
    def _script(recipient: str) -> str:
        match = SCRIPTS.match(recipient)
        return match[1] if match else "ok"

    def _reply(self, stream: Any, verb: str, recipient: str, text: str) -> bool:
        """Say what `answer` says, else `text`; return whether the connection goes on."""
        said = self.answer(verb, recipient)
        return self._say(stream, text if said is None else said) or verb == ""

    @staticmethod
    def _say(stream: Any, text: str) -> bool:
        if text:
            stream.write(text.encode() + b"\r\n")
            stream.flush()
        return bool(text) and not text.startswith("421")

    def _data(self, stream: Any, sender: str, recipient: str) -> bool:
        """Take a message; return whether the connection goes on."""
        script = self._script(recipient)
        said = self.answer("DATA", recipient) or ("554 5.3.0 no" if script == "data-5xx" else "354 go on")
        if not self._say(stream, said) or not said.startswith("354"):
            return not said.startswith("421")
        if script == "drop-before-dot":
            return False
        lines: list[bytes] = []
        while (line := stream.readline()) != b".\r\n":
            if not line:
                return False
            lines.append(line)
        if script in DOT_REPLIES:
            return self._reply(stream, ".", recipient, DOT_REPLIES[script])
        return self._take(stream, sender, recipient, b"".join(lines), script)

    def _take(self, stream: Any, sender: str, recipient: str, body: bytes, script: str) -> bool:
        said = self.answer(".", recipient)
        if said is None or said.startswith("2"):
            self.accepted.append((sender, recipient, body))
        if self.on_dot is not None:
            with self._lock:
                self.holding += 1
            self.on_dot.wait(20)
            with self._lock:
                self.holding -= 1
        if script == "drop-after-dot":
            return False
        return self._say(stream, "250 2.0.0 taken" if said is None else said)
