"""A scripted relay on loopback: the recipient's local part says what happens to the mail, phase by phase."""

import re
import socket
import threading
from dataclasses import dataclass, field
from typing import Self

RCPT_REPLIES = {
    "rcpt-4xx": "450 4.2.1 later",
    "rcpt-5xx": "550 5.1.1 unknown",
    "rcpt-421": "421 closing",
    "rcpt-policy": "554 5.7.1 Relay access denied",
    "rcpt-login": "530 5.7.0 Authentication required",
}
DOT_REPLIES = {"dot-4xx": "451 4.3.0 later", "dot-5xx": "554 5.6.0 no", "dot-421": "421 4.3.2 closing"}
SCRIPTS = re.compile(rf"^({'|'.join([*RCPT_REPLIES, *DOT_REPLIES])}|data-5xx|drop-before-dot|drop-after-dot)")


@dataclass
class Relay:
    """A thread for each connection. `accepted` are the mails it has taken responsibility for, in order."""

    accepted: list[tuple[str, str, bytes]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    on_dot: threading.Event | None = None
    mails_per_line: int = 1000

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                line, _address = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(line,), daemon=True).start()

    def _talk(self, line: socket.socket) -> None:
        with line, line.makefile("rwb") as stream:
            self._reply(stream, "220 relay.test")
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
                if verb == "MAIL":
                    sender = command[11:].split(">")[0]
                    self._reply(stream, "250 ok")
                elif verb == "RCPT":
                    recipient = command[9:].split(">")[0]
                    self._reply(stream, RCPT_REPLIES.get(self._script(recipient), "250 ok"))
                elif verb != "DATA":
                    self._reply(stream, "221 bye" if verb == "QUIT" else "250 ok")

    @staticmethod
    def _script(recipient: str) -> str:
        match = SCRIPTS.match(recipient)
        return match[1] if match else "ok"

    @staticmethod
    def _reply(stream, text: str) -> None:
        stream.write(text.encode() + b"\r\n")
        stream.flush()

    def _data(self, stream, sender: str, recipient: str) -> bool:
        """Take a message; return whether the connection goes on."""
        script = self._script(recipient)
        if script == "data-5xx":
            self._reply(stream, "554 5.5.1 no")
            return True
        self._reply(stream, "354 go on")
        if script == "drop-before-dot":
            return False
        body = b""
        while not body.endswith(b"\r\n.\r\n"):
            body += stream.readline()
        if script in DOT_REPLIES:
            self._reply(stream, DOT_REPLIES[script])
            return script != "dot-421"
        self.accepted.append((sender, recipient, body[:-3]))
        if self.on_dot is not None:
            self.on_dot.wait(10)
        if script == "drop-after-dot":
            return False
        self._reply(stream, "250 2.0.0 taken")
        return True
