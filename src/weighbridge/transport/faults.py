"""What can go wrong below HTTP status codes.

TransportError              carries `timing` and, where bytes had come, the partial `reply`
├── ConnectFailed           name not found, refused, no route, proxy said no
├── TLSFailed               certificate does not verify, handshake failed
├── TimedOut                `phase` is connect, first_byte, idle or total
├── ConnectionLost          closed or reset by the peer before the reply was complete
├── ProtocolViolation       what came is not HTTP/1.1 as we accept it, or a coding we refuse
└── LimitExceeded           headers or body larger than we take
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from weighbridge.errors import TransportError

if TYPE_CHECKING:
    from weighbridge.transport.reply import Reply
    from weighbridge.transport.timing import Timing

Phase = Literal["connect", "first_byte", "idle", "total"]


class CallFailed(TransportError):
    """One call failed; `timing` says how far it got, `reply` holds what had come of an answer."""

    timing: Timing | None = None
    reply: Reply | None = None


class ConnectFailed(CallFailed):
    pass


class TLSFailed(CallFailed):
    pass


class ConnectionLost(CallFailed):
    pass


class ProtocolViolation(CallFailed):
    pass


class LimitExceeded(CallFailed):
    pass


class TimedOut(CallFailed):
    def __init__(self, phase: Phase, seconds: float, *, where: str = "") -> None:
        names = {"connect": "no connection", "first_byte": "no answer", "idle": "silence", "total": "not done"}
        super().__init__(f"{names[phase]} after {seconds:g} s ({phase} time-out)", where=where)
        self.phase = phase
        self.seconds = seconds
