"""What other machines counted, written into seat 0 of this machine's board.

On the server every limit is one hash: for each machine one text, of when it was written (by the server's clock) and of
what the machine counts. So the server only hands texts on.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import islice
from typing import Final, TypeVar

from weighbridge.gateway.admission.limits import RING, SLICES, Limits
from weighbridge.gateway.admission.valkey import Call, Reply, Script, Valkey, ValkeyFailed

T = TypeVar("T")
Alone = Callable[[], AbstractAsyncContextManager[None]]

SLICE: Final = 50
"""So much is done at a time; then requests, and others on the event loop, have their turn."""
_IDLE_MOST: Final = 50
_GONE_S: Final = 5
"""A machine that was silent for so long has nothing in flight."""
_TELL: Final = Script("""
local me, said, old = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = tonumber(redis.call('TIME')[1])
if said ~= '' then
  redis.call('HSET', KEYS[1], me, now .. ' ' .. said)
  redis.call('EXPIRE', KEYS[1], 2 * old)
end
local all, found = redis.call('HGETALL', KEYS[1]), {}
for at = 1, #all, 2 do
  local when, what = string.match(all[at + 1], '^(%d+) (.*)$')
  if tonumber(when) < now - old then
    redis.call('HDEL', KEYS[1], all[at])
  elseif all[at] ~= me then
    found[#found + 1] = what
  end
end
return table.concat(found, ' ')
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
        self._heard_at: float | None = None
        self._flying: set[str] = set()
        self._counts: dict[str, _Counted] = {}
        self._said: dict[str, str] = {}
        self._heard: dict[str, Reply] = {}
        self._turns = Turns(), Turns()

    async def sync(self, now: float, alone: Alone) -> None:
        """`alone` is entered for each step. Raises ValkeyFailed and Busy."""
        await self._sync_windows(self._limits.board.rows("w:"), now, alone)
        await self._sync_gates(self._limits.board.rows("c:"), alone)
        self.heard(now)

    def heard(self, now: float) -> None:
        """This worker, or another one of this machine, has asked."""
        self._heard_at = now

    def forget(self) -> None:
        """The server may know nothing of what was said."""
        self._said.clear()

    def lost(self, now: float) -> None:
        """The server is away: what others had in flight is over by and by. What they counted leaves its window. Raises
        Busy."""
        if self._heard_at is None:
            self._heard_at = now
        elif now - self._heard_at > _GONE_S:
            self._limits.free(0)
            self._heard_at = math.inf  # once is enough

    async def _sync_windows(self, rows: dict[str, memoryview[int]], now: float, alone: Alone) -> None:
        counted: dict[str, str] = {}
        for read in sliced(rows.items()):
            counted |= {name: self._counted(name, row, now) for name, row in read}
            await asyncio.sleep(0)
        busy = [name for name, text in counted.items() if text != self._said.get(name, "")]
        idle = self._turns[0].of([name for name, text in counted.items() if text == self._said.get(name, "")])
        for some in sliced(busy + idle):
            calls = [self._call(name, counted[name], 2 * _seconds(name)) for name in some]
            async with alone():
                for name, reply in zip(some, await self._server.run(_TELL, calls), strict=True):
                    self._said[name] = counted[name]
                    if reply != self._heard.get(name):
                        _write(rows[name], self._limits.board.seats, _slice(name, now), _numbers(reply))
                        self._heard[name] = reply

    async def _sync_gates(self, rows: dict[str, memoryview[int]], alone: Alone) -> None:
        counts = {name: sum(row[1:]) for name, row in rows.items()}
        told = {name: str(count) for name, count in counts.items() if count or name in self._flying}
        told |= dict.fromkeys(self._turns[1].of([name for name in rows if name not in told]), "")
        self._flying = {name for name, count in counts.items() if count}
        for name in rows.keys() - told.keys():
            rows[name][0] = 0  # not asked about: what was heard of it may be long over
        for some in sliced(told.items()):
            calls = [self._call(name, text, _GONE_S) for name, text in some]
            async with alone():
                for (name, _), reply in zip(some, await self._server.run(_TELL, calls), strict=True):
                    rows[name][0] = max(sum(_numbers(reply)), 0)

    def _call(self, name: str, text: str, old: int) -> Call:
        return (f"{self._name}:{name}",), (self._machine, text, old)

    def _counted(self, name: str, row: memoryview[int], now: float) -> str:
        """What this machine counted in each slice, as `slice count slice count …`. A row that nobody wrote to since is
        not read again; one whose window is long over counts nothing."""
        seats = self._limits.board.seats
        totals = row[1:seats].tolist()
        known = self._counts.get(name)
        if known is not None and known.totals == totals:
            if known.since < now - 2 * _seconds(name):
                known.text = ""
            return known.text
        current, sums = _slice(name, now), dict[int, int]()
        for seat, total in enumerate(totals, 1):
            if not total:
                continue
            begins = seats + seat * 2 * RING
            ids, counts = row[begins : begins + RING].tolist(), row[begins + RING : begins + 2 * RING].tolist()
            for slice_, count in zip(ids, counts, strict=True):
                if current - SLICES <= slice_ <= current + 1:
                    sums[slice_] = sums.get(slice_, 0) + count
        text = " ".join(f"{slice_} {count}" for slice_, count in sums.items())
        self._counts[name] = _Counted(totals, text, now)
        return text


class _Counted:
    """What was found in a row, and when."""

    __slots__ = ("since", "text", "totals")

    def __init__(self, totals: list[int], text: str, since: float) -> None:
        self.totals = totals
        self.text = text
        self.since = since


def sliced(items: Iterable[T]) -> Iterator[list[T]]:
    """Not too many at a time."""
    left = iter(items)
    while some := list(islice(left, SLICE)):
        yield some


def _write(row: memoryview[int], seats: int, current: int, numbers: list[int]) -> None:
    """The others' counts as those of seat 0. Its total moves by what changed, so that it is seen at once."""
    told: dict[int, int] = {}
    for slice_, count in zip(numbers[::2], numbers[1::2], strict=False):
        told[slice_] = told.get(slice_, 0) + count
    moved = 0
    for slice_ in range(current - SLICES, current + 2):
        at, count = seats + slice_ % RING, told.get(slice_, 0)
        before = row[at + RING] if row[at] == slice_ else 0
        if row[at] != slice_:
            row[at + RING] = 0
            row[at] = slice_
        row[at + RING] = count
        moved += count - before
    row[0] += moved


def _numbers(reply: Reply) -> list[int]:
    """Raises ValkeyFailed for what none of us wrote."""
    try:
        return [int(word) for word in reply.split()] if isinstance(reply, bytes) else []
    except ValueError:
        raise ValkeyFailed("holds something else under a key of the fleet", mend="Give gateway.fleet a name") from None


def _seconds(name: str) -> int:
    return int(name.split(":", 3)[2])


def _slice(name: str, now: float) -> int:
    return int(now // (_seconds(name) / SLICES))
