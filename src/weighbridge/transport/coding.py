"""Content codings: what we ask for, and undoing what came."""

from __future__ import annotations

import importlib.util
import zlib
from typing import Protocol

from weighbridge.transport.faults import LimitExceeded, ProtocolViolation

_BROTLI = importlib.util.find_spec("brotli") is not None
ACCEPTED = "gzip, deflate, br" if _BROTLI else "gzip, deflate"


class Decoder(Protocol):
    def decode(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class _Zlib:
    """gzip or deflate. `limit` bounds what one reply may grow to, so that a small body cannot fill the memory."""

    def __init__(self, wbits: int, limit: int) -> None:
        self._wbits = wbits
        self._inflate = zlib.decompressobj(wbits)
        self._left = limit
        self._begun = False

    def decode(self, data: bytes) -> bytes:
        if not self._begun and data:
            self._begun = True
            if self._wbits == zlib.MAX_WBITS and data[0] & 0x0F != zlib.DEFLATED:
                self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)  # some servers send raw deflate by that name
        try:
            out = self._inflate.decompress(data, self._left + 1)
        except zlib.error as error:
            raise ProtocolViolation(f"the body does not decompress: {error}") from error
        self._left -= len(out)
        if self._left < 0:
            raise LimitExceeded("the decompressed body is larger than we take")
        return out

    def finish(self) -> bytes:
        if self._begun and not self._inflate.eof:
            raise ProtocolViolation("the compressed body ends too early")
        return b""


class _Brotli:
    def __init__(self, limit: int) -> None:
        import brotli  # noqa: PLC0415 - an extra

        self._error: type[Exception] = brotli.error
        self._inflate = brotli.Decompressor()
        self._left = limit
        self._begun = False

    def decode(self, data: bytes) -> bytes:
        self._begun = True
        try:
            out: bytes = self._inflate.process(data, output_buffer_limit=min(self._left + 1, 2**31 - 1))
            pieces = [out]
            self._left -= len(out)
            while self._left >= 0 and not self._inflate.can_accept_more_data():
                out = self._inflate.process(b"", output_buffer_limit=min(self._left + 1, 2**31 - 1))
                self._left -= len(out)
                pieces.append(out)
        except self._error as error:
            raise ProtocolViolation(f"the body does not decompress: {error}") from error
        if self._left < 0:
            raise LimitExceeded("the decompressed body is larger than we take")
        return b"".join(pieces)

    def finish(self) -> bytes:
        if self._begun and not self._inflate.is_finished():
            raise ProtocolViolation("the compressed body ends too early")
        return b""


def decoder(coding: str, limit: int) -> Decoder | None:
    """What undoes a Content-Encoding; None for identity. Raises ProtocolViolation for one we did not ask for."""
    name = coding.strip().lower()
    if name in {"", "identity"}:
        return None
    if name in {"gzip", "x-gzip"}:
        return _Zlib(zlib.MAX_WBITS | 16, limit)
    if name == "deflate":
        return _Zlib(zlib.MAX_WBITS, limit)
    if name == "br" and _BROTLI:
        return _Brotli(limit)
    raise ProtocolViolation(f"the reply is in the coding {name[:40]!r}, which we did not ask for")
