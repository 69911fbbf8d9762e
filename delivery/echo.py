"""The header by which a mail service gives the token of the envelope sender back in what it tells by webhook.

Most services put an envelope sender of their own in the place of ours. What stands in these headers they repeat, under
the name `postrider`. The header is of one delivery, holds the token and nothing else, and is not signed: a service may
take it out. No other service gets it.
"""

from collections.abc import Mapping

from core.services import Services
from delivery import verp

HEADERS: Mapping[str, tuple[str, str]] = {
    "sendgrid": ("X-SMTPAPI", '{"unique_args": {"postrider": "%s"}}'),
    "mailgun": ("X-Mailgun-Variables", '{"postrider": "%s"}'),
    "postmark": ("X-PM-Metadata-postrider", "%s"),
}
"""Name and value by service. Amazon SES needs none: it repeats the envelope sender itself."""


def line(delivery_id: int, lane: str, services: Services) -> bytes:
    """Return the header line of a delivery, empty where its relay needs none."""
    header = HEADERS.get(services.identity.mail_service_of(lane) or "")
    if header is None:
        return b""
    name, value = header
    return f"{name}: {value % verp.token(delivery_id, tokens=services.links.tokens)}\r\n".encode("ascii")
