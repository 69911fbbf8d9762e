"""Quoted-printable made one character at a time: slow, and plain enough to be read against docs/mail.md.

What leaves today must be the bytes that left before, so the quick encoder of the product is compared with this one.
"""

COLUMNS = 75
PLAIN = frozenset(range(33, 127)) - {ord("=")}


def encode(text: str) -> bytes:
    """Return `text` in whole lines of quoted-printable; the last one ends hard or in a soft break."""
    *lines, tail = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    whole = b"".join(_line(line) + b"\r\n" for line in lines)
    return whole + (_line(tail) + b"=\r\n" if tail else b"")


def _line(line: str) -> bytes:
    rows, row = [], b""
    for index, char in enumerate(line):
        last = index == len(line) - 1
        token = _token(char, row, last=last)
        if len(row) + len(token) > COLUMNS:
            rows.append(row)
            row = b""
            token = _token(char, row, last=last)
        row += token
        if row == b"From":
            row = b"=46rom"
    return b"=\r\n".join([*rows, row])


def _token(char: str, row: bytes, *, last: bool) -> bytes:
    if char == " ":
        return b"=20" if last or not row or row.endswith(b" ") else b" "
    if char == "." and not row:
        return b"=2E"
    octets = char.encode("utf-8")
    return octets if octets[0] in PLAIN else b"".join(b"=%02X" % octet for octet in octets)
