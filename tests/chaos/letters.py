"""What the relay reads in a mail that it took: enough to tell whose it is, without any of the product's code."""

import binascii
import hashlib
import re
from typing import Any

_TOKEN = re.compile(rb"/t/([a-z2-7]+)")
_MARK = re.compile(rb"\[\[([\w:-]+)\]\]")
_ADDRESS = re.compile(r"<?([^<>\s]+@[^<>\s]+?)>?$")


def read(source: bytes) -> dict[str, Any]:
    """Return what is written down of a mail.

    `tokens` are the personal links in the body, `header_tokens` those in the headers, `marks` what stands in double
    brackets; `shape` is the hash of the body with every token taken out, so it is the same for all with one content.
    """
    head, _blank, body = source.partition(b"\r\n\r\n")
    headers = _headers(head)
    # Quoted-printable in both parts; the few lines between them come to no harm by it.
    plain = binascii.a2b_qp(body)
    tokens = sorted({one.decode() for one in _TOKEN.findall(plain)})
    to = _ADDRESS.search(headers.get("to", ""))
    return {
        "header_to": to[1] if to else "",
        "id": headers.get("message-id", ""),
        "date": headers.get("date", ""),
        "subject": headers.get("subject", ""),
        "sha256": hashlib.sha256(body).hexdigest(),
        "shape": hashlib.sha256(_TOKEN.sub(b"/t/", plain)).hexdigest(),
        "tokens": tokens,
        "header_tokens": sorted({one.decode() for one in _TOKEN.findall(head)}),
        "marks": [one.decode() for one in _MARK.findall(plain)],
        "size": len(source),
    }


def _headers(head: bytes) -> dict[str, str]:
    """Return the headers by lower-case name, unfolded; the last one of a name wins."""
    unfolded = head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").decode("utf-8", "replace")
    pairs = (line.partition(":") for line in unfolded.split("\r\n"))
    return {name.strip().lower(): value.strip() for name, _colon, value in pairs}
