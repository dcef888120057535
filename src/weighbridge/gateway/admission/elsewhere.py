"""What other machines counted, written into seat 0 of this machine's board."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Final, TypeVar

from weighbridge.gateway.admission.limits import RING, SLICES, Limits
from weighbridge.gateway.admission.valkey import Call, Reply, Script, Valkey

T = TypeVar("T")

_GONE_S: Final = 5
"""A machine that was silent for so long has nothing in flight."""
_IDLE_MOST: Final = 200
_SLICE: Final = 100
"""Rows read before others on the event loop get their turn."""
_WINDOW: Final = Script("""
local me, first = ARGV[1], tonumber(ARGV[2])
for at = 4, #ARGV, 2 do redis.call('HSET', KEYS[1], me .. ':' .. ARGV[at], ARGV[at + 1]) end
local sums, all = {}, redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local who, slice = string.match(all[at], '^(.*):(%d+)$')
  if tonumber(slice) < first then
    redis.call('HDEL', KEYS[1], all[at])
  elseif who ~= me then
    sums[slice] = (sums[slice] or 0) + tonumber(all[at + 1])
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
local found = {}
for slice, sum in pairs(sums) do
  found[#found + 1] = tonumber(slice)
  found[#found + 1] = sum
end
return found
""")
_GATE: Final = Script("""
local me, count, now = ARGV[1], tonumber(ARGV[2]), tonumber(redis.call('TIME')[1])
if count > 0 then
  redis.call('HSET', KEYS[1], 'c:' .. me, count, 't:' .. me, now)
else
  redis.call('HDEL', KEYS[1], 'c:' .. me, 't:' .. me)
end
local all, counts, times, sum = redis.call('HGETALL', KEYS[1]), {}, {}, 0
for at = 1, #all, 2 do
  local who = string.sub(all[at], 3)
  if string.sub(all[at], 1, 1) == 'c' then counts[who] = tonumber(all[at + 1])
  else times[who] = tonumber(all[at + 1]) end
end
for who, others in pairs(counts) do
  if times[who] < now - tonumber(ARGV[3]) then redis.call('HDEL', KEYS[1], 'c:' .. who, 't:' .. who)
  elseif who ~= me then sum = sum + others end
end
redis.call('EXPIRE', KEYS[1], 60)
return sum
""")


class Turns:
    """What is idle is seen to as well, but never too much of it at once."""

    def __init__(self, most: int = _IDLE_MOST) -> None:
        self._most = most
        self._at = 0

    def of(self, idle: Sequence[T]) -> list[T]:
        """Those whose turn it is: all of a few, the next ones of many."""
        if len(idle) <= self._most:
            return list(idle)
        begins = self._at % len(idle)
        self._at = begins + self._most
        return [*idle, *idle][begins : self._at]


class Elsewhere:
    """Tells the server what this machine counted, and asks what the others did."""

    def __init__(self, limits: Limits, server: Valkey, machine: str, name: str) -> None:
        self._limits = limits
        self._server = server
        self._machine = machine
        self._name = name
        self._heard: float | None = None
        self._flying: set[str] = set()
        self._seen: dict[str, tuple[float, list[int]]] = {}
        self._turns = Turns(), Turns()

    async def sync(self, now: float) -> None:
        """Raises ValkeyFailed."""
        await self._sync_windows(self._limits.board.rows("w:"), now)
        await self._sync_gates(self._limits.board.rows("c:"))
        self._heard = now

    def lost(self, now: float) -> None:
        """The server is away: what others had in flight is over by and by. What they counted leaves its window. Raises
        Busy."""
        if self._heard is None:
            self._heard = now
        elif now - self._heard > _GONE_S:
            self._limits.free(0)
            self._heard = math.inf  # once is enough

    async def _sync_windows(self, windows: dict[str, memoryview[int]], now: float) -> None:
        busy: dict[str, dict[int, int]] = {}
        for number, (name, row) in enumerate(windows.items()):
            if number % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
            counts = self._counted(name, row, now)
            if counts:
                busy[name] = counts
        idle = self._turns[0].of([name for name in windows if name not in busy])
        asked = {**busy, **{name: {} for name in idle}}
        calls = [self._window_call(name, counts, now) for name, counts in asked.items()]
        for name, reply in zip(asked, await self._server.run(_WINDOW, calls), strict=True):
            self._write(windows[name], _slice(name, now), reply)

    async def _sync_gates(self, gates: dict[str, memoryview[int]]) -> None:
        counts = {name: sum(row[1:]) for name, row in gates.items()}
        busy = {name for name, count in counts.items() if count}
        told = sorted(busy | self._flying & gates.keys())
        told += self._turns[1].of([name for name in gates if name not in busy and name not in self._flying])
        calls: list[Call] = [((f"{self._name}:{name}",), (self._machine, counts[name], _GONE_S)) for name in told]
        replies = await self._server.run(_GATE, calls)
        self._flying = busy
        for name in gates.keys() - set(told):
            gates[name][0] = 0  # not asked about: what was heard of it may be long over
        for name, reply in zip(told, replies, strict=True):
            if isinstance(reply, int):
                gates[name][0] = max(reply, 0)

    def _window_call(self, name: str, counts: dict[int, int], now: float) -> Call:
        words = [word for slice_, count in counts.items() for word in (slice_, count)]
        first = _slice(name, now) - SLICES
        return (f"{self._name}:{name}",), (self._machine, first, 2 * _seconds(name), *words)

    def _counted(self, name: str, row: memoryview[int], now: float) -> dict[int, int]:
        """What this machine counted in each slice that counts still. A row that nobody writes is not read for long."""
        seats, current = self._limits.board.seats, _slice(name, now)
        totals = row[1:seats].tolist()
        since, before = self._seen.get(name, (now, []))
        if totals != before:
            since = now
            self._seen[name] = since, totals
        elif since <= now - 2 * _seconds(name):
            return {}
        sums: dict[int, int] = {}
        for seat, total in enumerate(totals, 1):
            if not total:
                continue
            begins = seats + seat * 2 * RING
            ids, counts = row[begins : begins + RING].tolist(), row[begins + RING : begins + 2 * RING].tolist()
            for slice_, count in zip(ids, counts, strict=True):
                if current - SLICES <= slice_ <= current + 1:
                    sums[slice_] = sums.get(slice_, 0) + count
        return sums

    def _write(self, row: memoryview[int], current: int, reply: Reply) -> None:
        """The others' counts as those of seat 0. Its total moves by what changed, so that it is seen at once."""
        if not isinstance(reply, list):
            return
        numbers = [number for number in reply if isinstance(number, int)]
        told = dict(zip(numbers[::2], numbers[1::2], strict=True))
        begins, moved = self._limits.board.seats, 0
        for slice_ in range(current - SLICES, current + 2):
            at, count = begins + slice_ % RING, told.get(slice_, 0)
            before = row[at + RING] if row[at] == slice_ else 0
            if row[at] != slice_:
                row[at + RING] = 0
                row[at] = slice_
            row[at + RING] = count
            moved += count - before
        row[0] += moved


def _seconds(name: str) -> int:
    return int(name.split(":", 3)[2])


def _slice(name: str, now: float) -> int:
    return int(now // (_seconds(name) / SLICES))
