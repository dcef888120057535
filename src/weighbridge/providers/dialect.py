"""What every dialect does: say a chat or completion request as its provider wants it, and read back OpenAI's words.

Above this line only OpenAI's chat completions (and text completions) are spoken. One implementation a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from weighbridge.errors import WeighbridgeError
from weighbridge.providers.candidate import Api
from weighbridge.providers.provider import Model, Provider
from weighbridge.transport.client import Route
from weighbridge.transport.faults import CallFailed
from weighbridge.transport.sse import Event, EventReader
from weighbridge.wire.answer import Answer
from weighbridge.wire.failure import Failure


class Outgoing:
    """A request ready for the wire."""

    __slots__ = ("body", "route")

    def __init__(self, route: Route, body: bytes) -> None:
        self.route = route
        self.body = body


class FailedCall(WeighbridgeError):
    """The call was answered, and the answer is a failure; `partial` is what of an answer had come, and is paid for."""

    def __init__(self, failure: Failure, partial: Answer | None = None) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.partial = partial


class Streaming(Protocol):
    """One stream of one provider, event by event, in OpenAI's words."""

    @property
    def finished(self) -> bool:
        """True once the vendor's own end was seen ([DONE], message_stop, …). A stream that stops without it was cut."""
        ...

    def feed(self, event: Event) -> list[bytes]:
        """The chunks an event makes, each OpenAI's JSON; never [DONE]. Raises FailedCall for an error in the stream
        and for what is no event of this provider."""
        ...

    def finish(self) -> list[bytes]:
        """What is still to be said when the provider has closed the stream; nothing is made up for a cut one."""
        ...


class Reader(Protocol):
    """Cuts a stream's bytes into events. Raises EventTooLong, or FailedCall for bytes that are none."""

    def feed(self, data: bytes) -> list[Event]: ...

    def finish(self) -> list[Event]: ...


@runtime_checkable
class Framed(Protocol):
    """A Streaming whose bytes are no server-sent events: it brings what cuts them."""

    def reader(self) -> Reader: ...


def reader_of(streaming: object) -> Reader:
    """What cuts the bytes of a stream into the events that its Streaming takes; None stands for OpenAI's own."""
    return streaming.reader() if isinstance(streaming, Framed) else EventReader()


class Dialect(Protocol):
    """One provider, spoken to as it speaks."""

    @property
    def provider(self) -> Provider: ...

    @property
    def verbatim(self) -> bool:
        """True where OpenAI's words are this provider's own: `outgoing` takes msgspec.Raw values, and replies and
        chunks need no translation, so whoever is in a hurry may skip `whole` and `streaming`."""
        ...

    def cannot(self, model: Model, api: Api, body: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of what the body asks for and this provider cannot do; empty: all of it can be had.

        Names are the request's own ("logprobs", "n", "response_format", …), so a message can say them.
        """
        ...

    def outgoing(self, model: Model, api: Api, body: dict[str, Any], *, stream: bool) -> Outgoing:
        """The request for one call; `body` is OpenAI's, without `model`. What `cannot` names is left out of it.

        Raises UsageError where the body is no request of this API.
        """
        ...

    def whole(self, api: Api, body: bytes) -> bytes:
        """The body of a 200, not streamed, as OpenAI's reply. Raises FailedCall for an error in it or what is none."""
        ...

    def streaming(self, api: Api) -> Streaming:
        """A reader for one stream."""
        ...

    def failure(self, status: int | None, headers: Sequence[tuple[str, str]], body: bytes) -> Failure:
        """What an HTTP error was."""
        ...

    def in_band(self, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> Failure:
        """What an error inside a 200 was; `body` is OpenAI's error object, alone or in a chunk."""
        ...

    def failure_of(self, error: CallFailed) -> Failure:
        """What a failure below HTTP was."""
        ...
