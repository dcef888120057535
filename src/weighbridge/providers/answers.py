"""From a whole reply of any dialect, streamed or not, to an Answer: what evaluation scores and prices."""

from __future__ import annotations

from typing import Final

import msgspec

from weighbridge.providers.candidate import Api
from weighbridge.providers.dialect import Dialect, FailedCall, reader_of
from weighbridge.transport.reply import Reply
from weighbridge.transport.sse import Event, EventTooLong, stamped_events
from weighbridge.wire.answer import Answer, Latency
from weighbridge.wire.failure import Failure
from weighbridge.wire.reading import StreamFailed, Unreadable, answer_from_events, answer_from_reply, shown

_DONE: Final = b"[DONE]"
Stamped = list[tuple[float, bytes]]


def read(dialect: Dialect, reply: Reply, api: Api, *, streamed: bool) -> Answer:
    """The answer in a reply. Raises FailedCall for an HTTP error, an error inside a 200, what is no reply of this API,
    and a stream that was cut."""
    if not 200 <= reply.status < 300:
        raise FailedCall(dialect.failure(reply.status, reply.headers, reply.body))
    media = reply.header("content-type") or ""
    try:
        if streamed and not media.startswith("application/json"):
            return _streamed(dialect, reply, api)
        return _whole(dialect, reply, api)
    except StreamFailed as error:
        raise FailedCall(dialect.in_band(error.body, reply.headers), error.partial) from None
    except (Unreadable, EventTooLong) as error:
        said = "".join(char if char.isprintable() else " " for char in str(error))
        message = dialect.provider.redacted(said)[:500]
        raise FailedCall(Failure("protocol", message, status=reply.status)) from None


def partial(dialect: Dialect, reply: Reply | None, api: Api, intended: float) -> Answer | None:
    """What of a streamed answer had come before the call failed; None where nothing was readable."""
    if reply is None or reply.status != 200 or not reply.reads:
        return None
    try:
        answer = answer_from_events(_events(dialect, reply, api), intended=intended)
    except (Unreadable, StreamFailed, EventTooLong, FailedCall):
        return None
    return answer if answer.chunks else None


def _whole(dialect: Dialect, reply: Reply, api: Api) -> Answer:
    body = reply.body
    answer = answer_from_reply(body if dialect.verbatim else dialect.whole(api, body))
    timing = reply.timing
    end = timing.end if timing.end is not None else timing.started
    latency = Latency(
        total=end - timing.intended,
        ttfb=timing.first_byte - timing.intended if timing.first_byte is not None else None,
        lateness=timing.started - timing.intended,
    )
    return msgspec.structs.replace(answer, latency=latency)


def _streamed(dialect: Dialect, reply: Reply, api: Api) -> Answer:
    timing = reply.timing
    events = _events(dialect, reply, api)
    if not events:
        raise Unreadable(f"a stream without events: {shown(reply.body)}")
    answer = answer_from_events(events, intended=timing.intended)
    if answer.latency is not None:
        end = timing.end if timing.end is not None else events[-1][0]
        answer = msgspec.structs.replace(
            answer,
            latency=msgspec.structs.replace(
                answer.latency,
                total=end - timing.intended,
                ttfb=timing.first_byte - timing.intended if timing.first_byte is not None else None,
                lateness=timing.started - timing.intended,
            ),
        )
    if not answer.complete:
        said = f"the stream ended after {answer.chunks} chunks without a finish reason"
        raise FailedCall(Failure("network", said, status=reply.status), answer)
    return answer


def _events(dialect: Dialect, reply: Reply, api: Api) -> Stamped:
    """(arrival, chunk) of a stream in OpenAI's words. Raises FailedCall, StreamFailed and EventTooLong."""
    if not dialect.verbatim:
        return _translated(dialect, reply, api)
    return stamped_events(reply.reads, _said)


def _said(event: Event) -> bytes:
    """An event called `error` is an error, whatever its data looks like. Raises StreamFailed."""
    if event.event == b"error" and b'"error"' not in event.data:
        raise StreamFailed(shown(event.data), b'{"error":%b}' % event.data)
    return event.data


def _translated(dialect: Dialect, reply: Reply, api: Api) -> Stamped:
    streaming = dialect.streaming(api)
    reader, found, at = reader_of(streaming), [], 0.0
    for at, data in reply.reads:
        found += [(at, chunk) for event in reader.feed(data) for chunk in streaming.feed(event)]
    found += [(at, chunk) for event in reader.finish() for chunk in streaming.feed(event)]
    found += [(at, chunk) for chunk in streaming.finish()]
    return [*found, (at, _DONE)] if streaming.finished else found
