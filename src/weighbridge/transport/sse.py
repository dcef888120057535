"""Server-sent events, read incrementally: any split of the bytes gives the same events.

Source: WHATWG HTML, 9.2 Server-sent events. Kept as bytes: a character cut by a read is whole again once its line is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from weighbridge.errors import TransportError

MAX_EVENT_BYTES = 16 * 2**20


class EventTooLong(TransportError):
    """One event, or one line of it, is larger than we hold."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """`data` lines are joined by a newline; `event` is empty for a plain message; `id` is this event's own."""

    data: bytes
    event: bytes = b""
    id: bytes = b""


class EventReader:
    """Feed it bytes as they come; it gives each event once the blank line after it is there."""

    __slots__ = ("_data", "_event", "_fresh", "_id", "_limit", "_rest", "_size")

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._event = b""
        self._id = b""
        self._fresh = True
        self._limit = limit
        self._size = 0

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes. Raises EventTooLong."""
        # Nearly every read is one or more whole `data: …` events: those need no line-by-line state.
        if data[:6] == b"data: " and data[-2:] == b"\n\n" and self.between_events and b"\r" not in data:
            pieces = data[:-2].split(b"\n\n")
            if all(piece[:6] == b"data: " and b"\n" not in piece for piece in pieces):
                self._fresh = False
                return [Event(piece[6:]) for piece in pieces]
        return self._feed_lines(data)

    @property
    def between_events(self) -> bool:
        """True where nothing of an event is held back."""
        return not (self._rest or self._data or self._event or self._id)

    def finish(self) -> list[Event]:
        """The last event, where its blank line never came."""
        events = self._feed_lines(b"\n\n") if self._rest else []
        last = self._dispatch()
        return [*events, last] if last is not None else events

    def _feed_lines(self, data: bytes) -> list[Event]:
        whole = self._rest + data if self._rest else data
        if self._fresh:
            if len(whole) < 3 and b"\xef\xbb\xbf".startswith(whole):
                self._rest = whole
                return []
            whole = whole.removeprefix(b"\xef\xbb\xbf")
            self._fresh = False
        if b"\r" in whole:
            held = whole.endswith(b"\r")  # its \n may come with the next read
            whole = whole[:-1] if held else whole
            whole = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + (b"\r" if held else b"")
        *lines, self._rest = whole.split(b"\n")
        if len(self._rest) > self._limit:
            raise EventTooLong(f"an event line of more than {self._limit} bytes")
        return [event for line in lines if (event := self._line(line)) is not None]

    def _line(self, line: bytes) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._size += len(value)
            if self._size > self._limit:
                raise EventTooLong(f"an event of more than {self._limit} bytes")
            self._data.append(value)
        elif name == b"event":
            self._event = value
        elif name == b"id" and b"\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> Event | None:
        event = Event(b"\n".join(self._data), self._event, self._id) if self._data else None
        self._data = []
        self._event = self._id = b""
        self._size = 0
        return event


def _plain(event: Event) -> bytes:
    return event.data


def stamped_events(
    reads: Iterable[tuple[float, bytes]], said: Callable[[Event], bytes] = _plain
) -> list[tuple[float, bytes]]:
    """(arrival, data) of every event; an event arrives with the read that completes it. `said` makes the data of an
    event that may have a name. Raises EventTooLong."""
    reader = EventReader()
    found: list[tuple[float, bytes]] = []
    between = True  # no event is begun and not ended
    at = 0.0
    for at, data in reads:
        # One or more whole `data: …` events a read are what nearly every provider sends; they need no reader.
        if between and data[:6] == b"data: " and data[-2:] == b"\n\n" and b"\r" not in data:
            lines = data.count(b"\n")
            if lines == 2:
                found.append((at, data[6:-2]))
                continue
            pieces = data[6:-2].split(b"\n\ndata: ")
            if lines == 2 * len(pieces):
                found += [(at, piece) for piece in pieces]
                continue
        found.extend((at, said(event)) for event in reader.feed(data))
        between = reader.between_events
    found.extend((at, said(event)) for event in reader.finish())
    return found
