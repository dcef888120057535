"""Machines that spend, are killed and come again, and a server that is cut off and loses its data, in any order."""

import asyncio
import random
from pathlib import Path

import pytest
from tests.gateway.admission.servers import Server

from weighbridge.gateway.admission.admission import Admission
from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.fleet import Fleet
from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.admission.rules import Rules, budget
from weighbridge.gateway.admission.ticket import Ticket
from weighbridge.gateway.admission.valkey import Valkey

NOW = 1_800_000_000.0
WHO = Grant("app", "app", rules=Rules((), (budget("$10/day"),)))
STEPS = 250


class Machine:
    """`spent` is what its requests came to; one under way when it is killed may have been billed, so it counts."""

    def __init__(self, server: Server, home: Path) -> None:
        self.spent = 0.0
        self._flying: list[tuple[Ticket, float]] = []
        self._server, self._home = server, home
        self._begin()

    def _begin(self) -> None:
        self._admission = Admission(home=self._home)
        self.fleet = Fleet(self._admission, Valkey(self._server.url, limit_s=20), home=self._home, patience_s=20)

    async def ask(self, usd: float, now: float) -> bool:
        """Begins a request, if there is money for it."""
        for again in (False, True):
            try:
                self._flying.append((self._admission.admit(WHO, "e", tokens=0, usd=usd, now=now), usd))
            except Denied:
                if again or not self.fleet.may_have(WHO, "e", usd, now):
                    return False
                await self.fleet.replenish(WHO, "e", usd, now)
            else:
                return True
        return False

    def settle(self, share: float) -> None:
        if self._flying:
            ticket, usd = self._flying.pop(0)
            ticket.settle(0, usd * share)
            self.spent += usd * share

    async def keep(self, now: float) -> bool:
        self._admission.tick(now)
        return await self.fleet.sync(now)

    async def killed(self) -> None:
        """Nothing is given back or said, and it comes again."""
        self.spent += sum(usd for _, usd in self._flying)
        self._flying = []
        await self.leave(in_order=False)
        self._begin()

    async def leave(self, *, in_order: bool = True) -> None:
        if in_order:
            await self.fleet.close()
            self._admission.close()
            return
        await self.fleet._server.close()
        self._admission.limits.board.close()
        self._admission.budgets.board.close()
        assert self._admission._seat is not None
        self._admission._seat.leave()


async def lost(chance: random.Random, server: Server, machines: list[Machine], now: float) -> None:
    """The server comes back with nothing, and gives nothing until all have told it what they have."""
    server.say("FLUSHALL")
    for machine in machines:
        machine.fleet._server._drop()
        if chance.random() < 0.5:
            await machine.ask(1.0, now)
    for machine in machines:
        assert await machine.keep(now)
    server.say("SET wb:since 1")


async def step(chance: random.Random, server: Server, machines: list[Machine], now: float) -> None:
    machine = chance.choice(machines)
    match chance.choices(("ask", "settle", "keep", "cut", "kill", "lose"), (40, 30, 20, 4, 2, 1))[0]:
        case "ask":
            await machine.ask(chance.choice((0.01, 0.1, 0.5)), now)
        case "settle":
            machine.settle(chance.random())
        case "keep":
            await machine.keep(now)
        case "cut":
            machine.fleet._server._drop()
        case "kill":
            await machine.killed()
        case _:
            await lost(chance, server, machines, now)


@pytest.mark.parametrize("seed", range(8))
def test_no_budget_is_overspent_and_none_is_lost(server: Server, tmp_path: Path, seed: int) -> None:
    """At the end, what nobody spent is to be had by any of them."""
    chance = random.Random(seed)

    async def main() -> None:
        machines = [Machine(server, tmp_path / str(number)) for number in range(3)]
        for turn in range(STEPS):
            await step(chance, server, machines, NOW + turn / 4)
            assert sum(machine.spent for machine in machines) <= 10
        for machine in machines:
            while machine._flying:
                machine.settle(1.0)
        left = 10 - sum(machine.spent for machine in machines)
        assert left >= 0
        for turn in range(20):
            for machine in machines:
                await machine.keep(NOW + 100 + turn / 2)
            if await machines[-1].ask(left * 0.999, NOW + 100 + turn / 2):
                break
        else:
            pytest.fail(f"{left} is left, and not to be had")
        for machine in machines:
            await machine.leave()

    asyncio.run(main())
