"""Unfold gzip piece by piece and never further than asked: one kilobyte can hold a megabyte (RFC 1952)."""

import zlib


class Unfolding:
    """One gzip stream on its way in; it may have several members."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    @property
    def ended(self) -> bool:
        """Say whether the stream is whole so far."""
        return self._member.eof

    def unfold(self, chunk: bytes, most: int) -> bytes:
        """Return what `chunk` holds, at most `most` + 1 bytes of it. Raises zlib.error when it is no gzip."""
        unfolded = bytearray()
        while chunk and len(unfolded) <= most:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            unfolded += self._member.decompress(chunk, most + 1 - len(unfolded))
            chunk = self._member.unused_data
        return bytes(unfolded)
