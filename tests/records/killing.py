"""A program for test_kill.py: forks a recording process, kills it at a random moment, again and again.

Says of each round, as JSON: the folder, when it was killed, how long it had lately waited for a processor, and
when each exchange had been appended.
"""

import asyncio
import contextlib
import json
import mmap
import os
import random
import signal
import struct
import sys
import time
from pathlib import Path

from weighbridge.records.exchange import Exchange
from weighbridge.records.noting import new_id
from weighbridge.records.recorder import Recorder

_MOST = 200_000
_LATELY = 0.15


async def load(home: Path, notes: mmap.mmap, pause: float) -> None:
    """Appends in bursts until it is killed; notes the time after each append where a kill cannot take it away. Without
    a pause the loop is never idle, so that the recorder's thread has to fight for its turn."""
    recorder = Recorder(home, "w1", rotate_bytes=200_000)
    for number in range(_MOST):
        at = time.time()
        exchange = Exchange(id=new_id(at), at=at, endpoint=str(number), api="chat", outcome="ok", request="x" * 300)
        recorder.append(exchange)
        notes[number * 8 : number * 8 + 8] = struct.pack("d", time.monotonic())
        if number % 20 == 19:
            sum(range(20_000))  # what serving them would cost
            await asyncio.sleep(pause)


def waited(process: int) -> float:
    """Seconds that the threads of a process were ready to run while the system ran others."""
    total = 0
    for task in Path(f"/proc/{process}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):  # the thread has ended, or this system does not count
            total += int(task.read_text().split()[1])
    return total / 1e9


def killed(home: Path, notes_file: Path, after: float, pause: float) -> dict[str, object]:
    notes_file.write_bytes(bytes(_MOST * 8))
    with notes_file.open("r+b") as file, mmap.mmap(file.fileno(), 0) as notes:
        child = os.fork()
        if child == 0:
            asyncio.run(load(home, notes, pause))
            os._exit(0)
        time.sleep(max(0.0, after - _LATELY))
        before = waited(child)
        time.sleep(min(after, _LATELY))
        starved = waited(child) - before
        moment = time.monotonic()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        times = struct.unpack(f"{_MOST}d", notes[:])
    return {"home": str(home), "killed": moment, "starved": starved, "appended": [each for each in times if each]}


def main() -> None:
    folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
    dice = random.Random(int(sys.argv[3]))
    for number in range(rounds):
        home = folder / str(number)
        told = killed(home, folder / "notes", dice.uniform(0.02, 0.3), float(sys.argv[4]))
        sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
