"""Machines of a fleet, without their gateways."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.gateway.admission.servers import Server

from weighbridge.gateway.admission.admission import Admission
from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.fleet import Fleet
from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.admission.rules import Rules, budget
from weighbridge.gateway.admission.ticket import Ticket
from weighbridge.gateway.admission.valkey import Valkey

NOW = 1_800_000_000.0
TEN = Grant("app", "app", rules=Rules((), (budget("$10/day"),)))


def machine(server: Server, home: Path | None = None, *, patience_s: float = 20) -> tuple[Admission, Fleet]:
    admission = Admission(home=home)
    return admission, Fleet(admission, Valkey(server.url, limit_s=20), home=home, patience_s=patience_s)


@contextlib.asynccontextmanager
async def machines(server: Server, count: int) -> AsyncIterator[list[Fleet]]:
    found = [machine(server) for _ in range(count)]
    try:
        yield [fleet for _, fleet in found]
    finally:
        for admission, fleet in found:
            await fleet.close()
            admission.close()


async def admit(fleet: Fleet, grant: Grant, endpoint: str, *, tokens: int, usd: float, now: float) -> Ticket:
    """As the gateway does: where this machine has no money, the server is asked, and the request looked at again."""
    try:
        return fleet._admission.admit(grant, endpoint, tokens=tokens, usd=usd, now=now)
    except Denied as error:
        if error.type not in {"budget", "insufficient_quota"} or not fleet.may_have(grant, endpoint, usd, now):
            raise
    await fleet.replenish(grant, endpoint, usd, now)
    return fleet._admission.admit(grant, endpoint, tokens=tokens, usd=usd, now=now)


async def spend(fleet: Fleet, usd: float, now: float = NOW) -> None:
    """A request that costs what it may. Raises Denied."""
    (await admit(fleet, TEN, "e", tokens=0, usd=usd, now=now)).settle(0, usd)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())
