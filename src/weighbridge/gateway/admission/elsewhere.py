"""What other machines counted, written into seat 0 of this machine's board."""

from __future__ import annotations

from typing import Final

from weighbridge.gateway.admission.limits import RING, SLICES, Limits
from weighbridge.gateway.admission.valkey import Reply, Script, Valkey, Word

_HEAD: Final = 3
"""Words before the counts."""
_GONE_S: Final = 5
"""A machine that was silent for so long has nothing in flight."""
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
redis.call('HSET', KEYS[1], 'c:' .. ARGV[1], ARGV[2], 't:' .. ARGV[1], ARGV[3])
local all, counts, times, sum = redis.call('HGETALL', KEYS[1]), {}, {}, 0
for at = 1, #all, 2 do
  local who = string.sub(all[at], 3)
  if string.sub(all[at], 1, 1) == 'c' then counts[who] = tonumber(all[at + 1])
  else times[who] = tonumber(all[at + 1]) end
end
for who, count in pairs(counts) do
  if times[who] < tonumber(ARGV[3]) - tonumber(ARGV[4]) then redis.call('HDEL', KEYS[1], 'c:' .. who, 't:' .. who)
  elseif who ~= ARGV[1] then sum = sum + count end
end
redis.call('EXPIRE', KEYS[1], 60)
return sum
""")


class Elsewhere:
    """Tells the server what this machine counted, and asks what the others did."""

    def __init__(self, limits: Limits, server: Valkey, machine: str, name: str) -> None:
        self._limits = limits
        self._server = server
        self._machine = machine
        self._name = name
        self._flying: dict[str, int] = {}

    async def sync(self, now: float) -> None:
        """Raises ValkeyFailed. Limits that this machine does not use at the moment cost nothing."""
        windows = self._limits.board.rows("w:")
        words = {name: self._window_words(name, row, now) for name, row in windows.items()}
        used = {name: told for name, told in words.items() if len(told) > _HEAD}
        replies = await self._server.run(_WINDOW, [(f"{self._name}:{name}", told) for name, told in used.items()])
        for name, reply in zip(used, replies, strict=True):
            self._write(windows[name], _slice(name, now), reply)
        await self._sync_gates(self._limits.board.rows("c:"), now)

    async def _sync_gates(self, gates: dict[str, memoryview[int]], now: float) -> None:
        counts = {name: sum(row[1:]) for name, row in gates.items()}
        told = {name: count for name, count in counts.items() if count or self._flying.get(name)}
        calls: list[tuple[str, list[Word]]] = [
            (f"{self._name}:{name}", [self._machine, count, int(now), _GONE_S]) for name, count in told.items()
        ]
        replies = await self._server.run(_GATE, calls)
        self._flying = counts
        for name in gates.keys() - told.keys():
            gates[name][0] = 0  # not asked about: what was heard of it may be long over
        for name, reply in zip(told, replies, strict=True):
            if isinstance(reply, int):
                gates[name][0] = max(reply, 0)

    def _window_words(self, name: str, row: memoryview[int], now: float) -> list[Word]:
        """What this machine counted in each slice that counts still."""
        seats, current, sums = self._limits.board.seats, _slice(name, now), dict[int, int]()
        for seat in range(1, seats):
            if not row[seat]:
                continue
            begins = seats + seat * 2 * RING
            for at in range(begins, begins + RING):
                if current - SLICES <= row[at] <= current + 1:
                    sums[row[at]] = sums.get(row[at], 0) + row[at + RING]
        told = [word for slice_, count in sums.items() for word in (slice_, count)]
        return [self._machine, current - SLICES, 2 * _seconds(name), *told]

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
