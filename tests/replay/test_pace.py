"""A provider's gate: never more inside than allowed, fewer after a 429."""

import asyncio
from time import monotonic

from weighbridge.replay.pace import Pace


def test_no_more_are_inside_than_the_ceiling() -> None:
    """inference-perf#319: 45 configured, 74.5 observed."""

    async def main() -> Pace:
        pace = Pace(5)

        async def one() -> None:
            await pace.enter()
            await asyncio.sleep(0)
            pace.leave()

        await asyncio.gather(*(one() for _ in range(100)))
        return pace

    pace = asyncio.run(main())
    assert pace.most_inside == 5
    assert pace.inside == 0


def test_a_429_halves_the_limit_once_for_its_window() -> None:
    """Ten 429s to requests that were all sent before the first of them came are one piece of news."""
    pace = Pace(16)
    before = monotonic() - 1
    for _ in range(10):
        pace.told_to_slow_down(before, None)
    assert (pace.limit, pace.cuts) == (8.0, 1)
    pace.told_to_slow_down(monotonic() + 1, None)
    assert (pace.limit, pace.cuts) == (4.0, 2)


def test_the_limit_never_falls_below_one_and_grows_back_to_the_ceiling() -> None:
    pace = Pace(4)
    for number in range(10):
        pace.told_to_slow_down(monotonic() + number, None)
    assert pace.limit == 1.0
    for _ in range(100):
        pace.went_well()
    assert pace.limit == 4.0


def test_nobody_enters_while_the_provider_asks_to_wait() -> None:
    """Retry-After is honoured: a request that comes meanwhile enters only afterwards."""

    async def main() -> float:
        pace = Pace(4)
        began = monotonic()
        pace.told_to_slow_down(began, 0.05)
        await pace.enter()
        return monotonic() - began

    assert asyncio.run(main()) >= 0.05


def test_a_waiter_that_is_cancelled_leaves_no_slot_behind() -> None:
    async def main() -> int:
        pace = Pace(1)
        await pace.enter()
        waiting = asyncio.create_task(pace.enter())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        pace.leave()
        await pace.enter()
        return pace.inside

    assert asyncio.run(main()) == 1


def test_one_that_is_let_in_and_cancelled_in_the_same_moment_gives_its_slot_back() -> None:
    async def main() -> int:
        pace = Pace(1)
        await pace.enter()
        waiting = asyncio.create_task(pace.enter())
        await asyncio.sleep(0)
        pace.leave()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return pace.inside

    assert asyncio.run(main()) == 0
