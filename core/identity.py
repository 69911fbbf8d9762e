"""As whom we mail, and through whose server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Relay:
    """The SMTP server we hand mail to. `security` is `none`, `starttls` or `tls`; `ca_file` is for a private CA."""

    host: str
    port: int
    security: str
    username: str | None = None
    password: str | None = None
    ca_file: str | None = None

    def __repr__(self) -> str:
        """Show everything but the password."""
        return f"Relay({self.host}:{self.port}, {self.security}, username={self.username!r})"


@dataclass(frozen=True, slots=True)
class MailIdentity:
    """As whom we send: the From address, the domains of Message-ID and List-Id and of bounces, the Feedback-ID name."""

    sender: str
    domain: str
    bounce_domain: str
    feedback_sender: str
