"""A request that was refused for want of money on this machine is looked at again once the fleet was asked for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.fleet import Fleet
from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.refusal import Refusal, refuse
from weighbridge.transport.responder import Responder

log = logging.getLogger(__name__)

_FAILED = Refusal(500, "internal error")


class SecondLook:
    """Requests that wait for the fleet. Nothing else ever does."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._under_way: set[asyncio.Task[None]] = set()

    @staticmethod
    def helps(error: Denied | Refusal) -> bool:
        """Whether this is a refusal for want of money."""
        return isinstance(error, Denied) and error.status == 429 and error.type in {"budget", "insufficient_quota"}

    def take(
        self,
        grant: Grant,
        endpoint: str,
        usd: float | None,
        now: float,
        *,
        responder: Responder,
        again: Callable[[], Awaitable[None] | None],
        gone: Callable[[], None],
    ) -> bool:
        """Asks the fleet, and then serves the request `again`, whatever came of it, or says that its client is `gone`.
        False where there is no use in asking."""
        if not self.fleet.may_have(grant, endpoint, usd, now):
            return False
        asking = self.fleet.replenish(grant, endpoint, usd, now)
        task = asyncio.get_running_loop().create_task(_look(asking, responder, again, gone))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return True


async def _look(
    asking: Awaitable[None],
    responder: Responder,
    again: Callable[[], Awaitable[None] | None],
    gone: Callable[[], None],
) -> None:
    """Nobody comes between asking and serving and takes what was got. This is no task of the connection's: whoever
    serves the request may answer in a callback, long after this has ended."""
    try:
        await asking
        if responder.disconnected:
            gone()
            return
        pending = again()
    except Exception:
        log.exception("the second look at a request failed")
        refuse(responder, _FAILED)
        return
    if pending is not None:
        responder.go_on(pending)
