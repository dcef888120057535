"""AWS's binary event stream, read incrementally: any split of the bytes gives the same events.

A message is a prelude (its length, that of its headers, a CRC of both), headers, a payload and a CRC of all of it.
Source: https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html (event stream encoding)
"""

from __future__ import annotations

import struct
from typing import Final
from zlib import crc32

import msgspec

from weighbridge.errors import TransportError
from weighbridge.transport.sse import Event

MAX_MESSAGE_BYTES: Final = 24 * 2**20
MAX_HEADER_BYTES: Final = 128 * 2**10
_PRELUDE: Final = struct.Struct(">III")
_CRC: Final = struct.Struct(">I")
_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_TEXT: Final = 7
_BYTES: Final = 6


class BrokenFrame(TransportError):
    """A message whose checksums or lengths do not agree, or that is larger than we hold."""


class EventStreamReader:
    """Feed it bytes as they come; it gives each message once the whole of it is there.

    A message becomes an Event: `event` is its event or exception type, `id` its message type (event, exception or
    error), `data` its payload; an error, which has none, gets one of its code and message.
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes. Raises BrokenFrame."""
        self._rest = rest = self._rest + data if self._rest else data
        events = []
        start = 0
        while (length := _length(rest, start)) is not None and len(rest) - start >= length:
            events.append(_event(rest[start : start + length]))
            start += length
        self._rest = rest[start:]
        return events

    def finish(self) -> list[Event]:
        """Nothing: what is left of a message that was cut is none."""
        return []


def _length(data: bytes, start: int) -> int | None:
    """Bytes of the message at `start`; None where its prelude is not there yet. Checked before anything is held."""
    if len(data) - start < _PRELUDE.size:
        return None
    length, headers, checksum = _PRELUDE.unpack_from(data, start)
    if crc32(data[start : start + 8]) != checksum:
        raise BrokenFrame("an event stream message whose prelude does not match its checksum")
    if length > MAX_MESSAGE_BYTES or headers > MAX_HEADER_BYTES or length < headers + _PRELUDE.size + _CRC.size:
        raise BrokenFrame(f"an event stream message of {length} bytes with headers of {headers}")
    return int(length)


def _event(message: bytes) -> Event:
    _, size, _ = _PRELUDE.unpack_from(message)
    if crc32(message[: -_CRC.size]) != _CRC.unpack_from(message, len(message) - _CRC.size)[0]:
        raise BrokenFrame("an event stream message that does not match its checksum")
    start = _PRELUDE.size
    headers = _headers(message[start : start + size])
    payload = message[start + size : -_CRC.size]
    kind = headers.get(b":message-type", b"event")
    if kind == b"error":
        said = {"code": headers.get(b":error-code", b""), "message": headers.get(b":error-message", b"")}
        told = {name: value.decode("utf-8", "replace") for name, value in said.items()}
        return Event(msgspec.json.encode(told), headers.get(b":error-code", b""), kind)
    return Event(payload, headers.get(b":event-type") or headers.get(b":exception-type", b""), kind)


def _headers(data: bytes) -> dict[bytes, bytes]:
    """Headers whose values are text; those of other types are stepped over."""
    found: dict[bytes, bytes] = {}
    place = 0
    try:
        while place < len(data):
            name_end = place + 1 + data[place]
            name, kind = data[place + 1 : name_end], data[name_end]
            place = name_end + 1
            if kind in {_TEXT, _BYTES}:
                place += 2
                size = int.from_bytes(data[place - 2 : place])
            else:
                size = _SIZES[kind]
            if kind == _TEXT:
                found[name] = data[place : place + size]
            place += size
    except (IndexError, KeyError):
        raise BrokenFrame("an event stream message with unreadable headers") from None
    if place != len(data):
        raise BrokenFrame("an event stream message whose headers end early")
    return found
