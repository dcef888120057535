"""The verdict on the client itself."""

import asyncio
import time

from weighbridge.replay.saturation import Saturation, Watch


def test_a_loop_that_is_blocked_is_called_saturated() -> None:
    """A client that computes while replies come in measures itself: the watch sees its timers run late."""

    async def main() -> Saturation:
        watch = Watch()
        watch.start()
        for _ in range(4):
            await asyncio.sleep(0.04)
            time.sleep(0.08)  # noqa: ASYNC251 - blocking the loop is the point
        return watch.stop()

    found = asyncio.run(main())
    assert found.saturated
    assert found.verdict.startswith("client saturated")


def test_late_sends_are_enough_to_be_called_saturated() -> None:
    async def main() -> Saturation:
        watch = Watch()
        watch.start()
        for _ in range(100):
            watch.late(0.5)
        return watch.stop()

    assert asyncio.run(main()).saturated


def test_a_client_with_nothing_to_do_is_not_saturated() -> None:
    assert not Saturation(0.0001, 0.0005, saturated=False).verdict.startswith("client saturated")
