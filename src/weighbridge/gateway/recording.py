"""The record of a request that has ended."""

from __future__ import annotations

import msgspec

from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.came import Came
from weighbridge.gateway.refusal import Refusal
from weighbridge.gateway.serving import Serving
from weighbridge.records.capture import Capture
from weighbridge.records.exchange import Attempt, Exchange, Features, Route
from weighbridge.wire.failure import Failure


def served(came: Came, serving: Serving, ttft: float | None, total: float) -> Exchange:
    """Of one that was let in, however it ended, `total` seconds after it had come."""
    calls = serving.calls
    attempts = tuple(calls.attempts)
    asked, grant = serving.asked, came.grant
    won = _won(attempts, serving.target)
    record = Exchange(
        id=came.id,
        at=came.at,
        endpoint=serving.endpoint.name,
        api=came.recorded_as,
        outcome=serving.outcome,
        key=grant.name if grant is not None else None,
        tenant=grant.tenant if grant is not None else None,
        streamed=asked.stream,
        status=serving.status,
        failure=serving.failure,
        route=Route(serving.target, serving.reason),
        attempts=attempts,
        usage=calls.usage,
        cost=calls.cost,
        ttft=ttft,
        total=total,
        finish_reason=won.finish_reason if won is not None else None,
        trace=came.trace,
        features=Features((), asked.size, None, asked.limit),
    )
    capture = came.setup.captures.get(record.endpoint)
    if capture is None:
        return record
    body = serving.body
    if body is None and serving.tape is not None and capture.wants(record.id):
        body = serving.tape.reply(record.usage)
    return captured(record, capture, asked.body, body)


def refused(came: Came, error: Denied | Refusal) -> Exchange:
    """Of one that was not let in."""
    asked, grant = came.asked, came.grant
    return Exchange(
        id=came.id,
        at=came.at,
        endpoint=asked.name[:200] if asked is not None else "",
        api=came.recorded_as,
        outcome="refused",
        key=grant.name if grant is not None else None,
        tenant=grant.tenant if grant is not None else None,
        streamed=asked.stream if asked is not None else False,
        status=error.status,
        failure=Failure("invalid_request", error.message[:500], status=error.status, code=error.code),
    )


def captured(record: Exchange, capture: Capture, request: bytes, reply: bytes | None) -> Exchange:
    """The record with its bodies, where it is one of those that are captured."""
    if not capture.wants(record.id):
        return record
    bodies = capture.bodies(request, reply)
    return msgspec.structs.replace(record, request=bodies.request, reply=bodies.reply, capture=bodies.mark)


def _won(attempts: tuple[Attempt, ...], target: str | None) -> Attempt | None:
    """The attempt whose answer the client got."""
    for one in reversed(attempts):
        if one.target == target and one.failure is None:
            return one
    return None
