"""Limits and budgets of several machines, by way of a Valkey or Redis server that no request waits for.

Money: the server holds what each machine may spend of a budget (its part), and a script raises a part only while the
sum of parts stays within the budget. On the machine the part is what its workers lease from, so the same rules hold
there as on a single machine: whatever dies when, nothing is overspent. A machine that is gone for good keeps its part
until the day or month is over. Only a request that this machine has no money for may ask the server, once.

The server must not lose its data (`appendonly yes`). One that has lost all of it is known by its new `since`: it gives
nothing for a moment, in which the machines that live tell it their parts again.

Requests, tokens, requests at the same time: each machine tells the server what it counted, twice a second, and writes
what the others counted into seat 0 of its board. So between machines a limit may be exceeded by what the others let in
since (about a second's requests, and more while the server is away).

Every message carries a growing number, and the server ignores one that arrives late. Its clock is the one that counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Final

from weighbridge.errors import MeasurementError
from weighbridge.gateway.admission.admission import Admission
from weighbridge.gateway.admission.board import Busy
from weighbridge.gateway.admission.budgets import Purse
from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.elsewhere import Elsewhere, Turns, sliced
from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.admission.rules import NANO, Budget
from weighbridge.gateway.admission.valkey import Call, Reply, Script, Valkey, ValkeyFailed

_TURN_S: Final = 0.25
_KEEP_S: Final = 86400
_AGAIN_S: Final = 0.2
"""A budget that was empty is not asked for again sooner: a storm of refusals must not reach the server."""
_LATELY_S: Final = 0.4
_DIGITS: Final = 20
_NUMBER_AT, _LATELY_AT = 0, _DIGITS
_SETTLING_S: Final = 3
"""How long a server that has lost its data gives no money: machines tell it their parts twice a second."""
_SINCE: Final = Script("""
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SET', KEYS[1], redis.call('TIME')[1]) end
return tonumber(redis.call('GET', KEYS[1]))
""")
_PART: Final = Script("""
local me, number, part = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local need, limit, must = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6] == '1'
local now, since = tonumber(redis.call('TIME')[1]), redis.call('GET', KEYS[2])
if not since then
  since = now
  redis.call('SET', KEYS[2], now)
end
local all = redis.call('HGETALL', KEYS[1])
local others, machines, lacking = 0, 1, 0
for at = 1, #all, 2 do
  local kind, who, value = string.sub(all[at], 1, 1), string.sub(all[at], 3), tonumber(all[at + 1])
  if who == me then
    if kind == 'n' and number <= value then return {-1, 0, 0} end
  elseif kind == 'p' then
    others, machines = others + value, machines + 1
  elseif kind == 'w' and value > now - 3 then
    lacking = 1
  end
end
local left, more = limit - others - part, 0
if now < tonumber(since) + tonumber(ARGV[8]) then left = 0 end
if need > 0 and need <= left then
  more = need
  if lacking == 0 then more = math.max(need, math.floor(left / (2 * machines))) end
elseif need > 0 and must then
  redis.call('HSET', KEYS[1], 'w:' .. me, now)
end
part = string.format('%.0f', part + more)
redis.call('HSET', KEYS[1], 'p:' .. me, part, 'n:' .. me, ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[7])
return {tonumber(part), lacking, others}
""")


class Fleet:
    """One worker's link to the other machines. `sync` twice a second; `replenish` where Admission found no money."""

    def __init__(
        self,
        admission: Admission,
        server: Valkey,
        *,
        home: Path | None = None,
        name: str = "wb",
        patience_s: float = 0.25,
    ) -> None:
        """Raises MeasurementError where the disk refuses."""
        self.up: bool | None = None
        """Whether the server answered when it was last asked; None: it was not asked yet."""
        self.trouble: ValkeyFailed | None = None
        """Why it did not, the last time."""
        self._admission = admission
        self._budgets = admission.budgets
        self._server = server
        self._name = name
        self._patience_s = patience_s
        self._lock = asyncio.Lock()
        self._number = 0
        self._since: Reply = None
        self._used: dict[str, int] = {}
        self._spent: dict[str, int] = {}
        self._asked: dict[str, float] = {}
        self._turns = Turns()
        self._fd = -1
        self.machine = secrets.token_hex(8)
        if home is not None:
            self._settle_in(home / "admission")
        self._budgets.share()
        self._elsewhere = Elsewhere(admission.limits, server, self.machine, name)

    def may_have(self, grant: Grant, endpoint: str, usd: float | None, now: float) -> bool:
        """Whether it is worth asking the server for a request that was refused for want of money."""
        try:
            return self.up is not False and bool(self._short(grant, endpoint, self._amount(usd), now))
        except Denied:
            return False

    async def replenish(self, grant: Grant, endpoint: str, usd: float | None, now: float) -> None:
        """Asks for what this machine's parts are short of for a request. Never raises, and is over in `patience_s`."""
        amount = self._amount(usd)
        try:
            async with asyncio.timeout(self._patience_s), self._alone():
                short = self._short(grant, endpoint, amount, now)
                if short and self.up is not False:
                    await self._ask(short, now, amount)
                    self._asked |= {purse.name: now for purse in short if purse.lacks(amount, now) > 0}
        except ValkeyFailed as error:
            self._away(error)  # until the next sync finds it again: who comes now is not kept waiting
        except (TimeoutError, Busy, Denied):
            pass

    def _amount(self, usd: float | None) -> int:
        price = self._admission.unpriced if usd is None else usd
        return round((price or 0.0) * NANO)

    def _short(self, grant: Grant, endpoint: str, amount: int, now: float) -> list[Purse]:
        """The purses that lack money for this amount; none where one of them cannot have it, or not yet again."""
        short = [purse for purse in self._admission.purses(grant, endpoint) if purse.lacks(amount, now) > 0]
        able = [
            purse
            for purse in short
            if amount <= purse.limit and not 0 <= now - self._asked.get(purse.name, -1.0) < _AGAIN_S
        ]
        return short if len(able) == len(short) else []

    async def sync(self, now: float) -> bool:
        """Parts ahead of need and back where idle; counts to and from the others. False where the server is away."""
        try:
            await self._tell(now)
            if self._told_lately(now):
                self._elsewhere.heard(now)
            else:
                await self._elsewhere.sync(now, self._alone)
                self._note(_LATELY_AT, int(now * 1000))
        except ValkeyFailed as error:
            self._away(error)
            with contextlib.suppress(Busy):
                self._elsewhere.lost(now)
        except Busy:
            pass  # another worker of this machine is at it
        else:
            self.up = True
        return self.up is not False

    async def close(self) -> None:
        """Gives this machine's idle money back; closes the connection. Nothing is admitted afterwards."""
        now = self._admission.now
        purses = [purse for purse in self._budgets.purses.values() if purse.ends > now]
        for purse in purses:
            purse.give_back()
        with contextlib.suppress(ValkeyFailed, Busy):
            for some in sliced(purses):
                async with self._alone():
                    await self._ask(some, now, 0, last=True)
        await self._server.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def _since_key(self) -> str:
        return f"{self._name}:since"

    def _away(self, error: ValkeyFailed) -> None:
        self.up, self.trouble = False, error

    async def _tell(self, now: float) -> None:
        async with self._alone():
            (since,) = await self._server.run(_SINCE, [((self._since_key,), ())])
        fresh = since != self._since
        if fresh:
            self._recall()
            self._elsewhere.forget()
        for some in sliced(self._due(now, all_=fresh)):
            async with self._alone():
                await self._ask(some, now, 0)
        self._since = since

    def _told_lately(self, now: float) -> bool:
        """Whether another worker of this machine told what the machine counts."""
        return 0 <= now - self._noted(_LATELY_AT) / 1000 < _LATELY_S

    def _recall(self) -> None:
        """Budgets that this machine has a part of, and that nobody has asked for since it was started."""
        for name in self._budgets.board.rows("b:").keys() - self._budgets.purses.keys():
            _, span, owner = name.split(":", 2)
            self._budgets.purse(owner, Budget(0.0, "day" if span == "day" else "month"))  # as much as is known of it

    def _due(self, now: float, *, all_: bool) -> list[Purse]:
        """The purses to tell of: those this worker spends from, and of the others those whose turn it is."""
        purses = [purse for purse in self._budgets.purses.values() if purse.current(now)]
        if all_:
            return purses
        before, self._used = self._used, {purse.name: purse.used for purse in purses}
        idle = [purse for purse in purses if before.get(purse.name) == purse.used]
        busy = [purse for purse in purses if before.get(purse.name) != purse.used]
        return busy + self._turns.of(idle)

    async def _ask(self, purses: Iterable[Purse], now: float, amount: int, *, last: bool = False) -> None:
        """Tells the server each purse's part, and asks for more: what `amount` lacks, or ahead of what is spent."""
        asked: list[tuple[Purse, int, int]] = []
        calls: list[Call] = []
        for purse in purses:
            if not purse.current(now):
                continue
            part = purse.trim() if last or purse.others_lack() else purse.part()
            over = max(purse.committed() - part, 0)  # spent before there was a fleet, or more than was reserved
            need = purse.lacks(amount, now) - over if amount else 0 if last else self._ahead(purse)
            part += over
            asked.append((purse, purse.period, part))
            words = self.machine, self._next(), part, max(need, 0), purse.limit, int(amount > 0)
            key = f"{self._name}:{purse.name}:{purse.period}"
            calls.append(((key, self._since_key), (*words, int(purse.ends - now) + _KEEP_S, _SETTLING_S)))
        for (purse, period, part), reply in zip(asked, await self._server.run(_PART, calls), strict=True):
            self._told(purse, period, part, reply)

    def _told(self, purse: Purse, period: int, part: int, reply: Reply) -> None:
        if not isinstance(reply, list) or len(reply) != 3:
            return
        new, lacking, others = reply
        if isinstance(new, int) and isinstance(others, int) and new >= part:
            purse.allow(period, new, others, lacking=bool(lacking))

    def _ahead(self, purse: Purse) -> int:
        """Twice what was spent since the last time, if that much is not there."""
        spent = purse.spent()
        before = self._spent.get(purse.name, spent)
        self._spent[purse.name] = spent
        wish = 2 * max(spent - before, 0)
        rest = purse.part() - purse.committed()
        return wish if rest < wish else 0

    def _settle_in(self, folder: Path) -> None:
        try:
            self.machine = _machine(folder / "machine")
            self._fd = os.open(folder / "fleet.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise MeasurementError((error.strerror or str(error)).lower(), where=str(folder)) from error

    def _next(self) -> int:
        """A number above every one that this machine ever sent."""
        self._number = max(self._number, time.time_ns() // 1000, self._noted(_NUMBER_AT)) + 1
        self._note(_NUMBER_AT, self._number)
        return self._number

    def _noted(self, at: int) -> int:
        """What a worker of this machine noted for all; 0 where there is none, or a power cut left something else."""
        with contextlib.suppress(ValueError, OSError):
            return int(os.pread(self._fd, _DIGITS, at) or b"0") if self._fd >= 0 else 0
        return 0

    def _note(self, at: int, number: int) -> None:
        with contextlib.suppress(OSError):  # a disk that is full
            if self._fd >= 0:
                os.pwrite(self._fd, b"%*d" % (_DIGITS, number), at)

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One worker of a machine at a time speaks for it. Raises Busy."""
        async with self._lock:
            end = time.monotonic() + _TURN_S
            while self._fd >= 0:
                try:
                    fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise Busy(Path("fleet.lock")) from None
                    await asyncio.sleep(0.002)
            try:
                yield
            finally:
                if self._fd >= 0:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)


def _machine(path: Path) -> str:
    """This machine's name for the server: made once, and kept, so that its parts are found again."""
    if path.exists() and not path.read_bytes().strip(b"\0\n "):  # what a power cut left
        path.unlink()
    with contextlib.suppress(FileExistsError):
        fresh = path.with_name(f"machine.{os.getpid()}")
        fresh.write_text(secrets.token_hex(8))
        try:
            os.link(fresh, path)  # with its content, and only if nobody was first
        finally:
            fresh.unlink()
    return path.read_text().strip()
