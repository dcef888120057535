"""The ticker: every piece in order, none early."""

import asyncio
from functools import partial
from time import monotonic

from weighbridge.simulator.ticks import Stream, Ticker


def test_many_streams_get_their_pieces_in_order_and_never_early() -> None:
    async def main() -> list[tuple[Stream, list[bytes]]]:
        ticker = Ticker()
        began = monotonic()
        made: list[tuple[Stream, list[bytes]]] = []
        ends = []
        for number in range(50):
            got: list[bytes] = []
            end = asyncio.get_running_loop().create_future()
            due = [began + 0.002 * place + 0.0001 * number for place in range(10)]
            pieces = [bytes([place]) for place in range(10)]
            stream = Stream(got.append, pieces, due, partial(end.set_result, None))
            made.append((stream, got))
            ends.append(end)
            ticker.add(stream)
        await asyncio.gather(*ends)
        return made

    for stream, got in asyncio.run(main()):
        assert got == [bytes([place]) for place in range(10)]
        assert all(sent >= due - 0.0003 for sent, due in zip(stream.sent, stream.due, strict=True))


def test_a_stopped_stream_sends_nothing_more() -> None:
    async def main() -> list[bytes]:
        ticker = Ticker()
        got: list[bytes] = []
        end = asyncio.get_running_loop().create_future()

        def write(piece: bytes) -> None:
            got.append(piece)
            stream.stop()

        stream = Stream(write, [b"a", b"b"], [monotonic(), monotonic() + 0.02], lambda: end.set_result(None))
        ticker.add(stream)
        await end
        return got

    assert asyncio.run(main()) == [b"a"]
