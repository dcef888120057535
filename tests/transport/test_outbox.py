"""Writes of one turn that leave together: in order, none lost, none after the end."""

import asyncio
from typing import Any

from weighbridge.transport.outbox import Outbox
from weighbridge.transport.responder import Responder
from weighbridge.transport.server import ServerRequest, serve

ASK = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"


class Socket(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed


def answer(request: ServerRequest, responder: Responder) -> None:
    responder.reply(200, {}, b"<" + request.body + b">")


def test_what_is_put_in_one_turn_leaves_at_its_end_in_order() -> None:
    async def main() -> None:
        outbox, one, other = Outbox(), Socket(), Socket()
        for transport, data in [(one, b"a"), (one, b"b"), (other, b"c"), (one, b"d")]:
            outbox.put(transport, data)
        assert one.written == other.written == []
        await asyncio.sleep(0)
        assert (one.written, other.written) == ([b"ab", b"d"], [b"c"])
        outbox.put(one, b"e")
        await asyncio.sleep(0)
        assert one.written[2:] == [b"e"]

    asyncio.run(main())


def test_what_was_flushed_is_not_written_again() -> None:
    async def main() -> None:
        outbox, one = Outbox(), Socket()
        outbox.put(one, b"a")
        outbox.flush()
        assert one.written == [b"a"]
        await asyncio.sleep(0)
        assert one.written == [b"a"]

    asyncio.run(main())


def test_nothing_is_written_to_who_has_gone_meanwhile() -> None:
    async def main() -> None:
        outbox, one, other = Outbox(), Socket(), Socket()
        outbox.put(one, b"a")
        outbox.put(other, b"b")
        one.closed = True
        await asyncio.sleep(0)
        assert (one.written, other.written) == ([], [b"b"])

    asyncio.run(main())


def test_a_refusal_comes_after_the_replies_before_it() -> None:
    """Two requests and a bad one in one read: the error line must not overtake the answers."""

    async def main() -> bytes:
        server = await serve(answer, outbox=Outbox())
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(ASK + ASK + b"GARBAGE\r\n\r\n")
        said = await reader.read()
        writer.close()
        await server.close()
        return said

    said = asyncio.run(main())
    assert said.count(b"200 OK") == said.count(b"<hi>") == 2
    assert 0 < said.rindex(b"<hi>") < said.index(b"HTTP/1.1 400")


def test_a_reply_of_the_turn_in_which_the_server_closes_is_not_lost() -> None:
    async def main() -> bytes:
        closing: list[asyncio.Task[None]] = []

        def last(request: ServerRequest, responder: Responder) -> None:
            answer(request, responder)
            for connection in list(server.connections):
                connection.close_when_idle()
            closing.append(asyncio.ensure_future(server.close()))

        server = await serve(last, outbox=Outbox())
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(ASK)
        said = await reader.read()
        writer.close()
        await asyncio.gather(*closing)
        return said

    assert asyncio.run(main()).endswith(b"\r\n\r\n<hi>")


def test_a_stream_leaves_whole_and_in_order() -> None:
    async def stream(request: ServerRequest, responder: Responder) -> None:
        del request
        responder.start(200, {})
        for number in range(50):
            responder.write(b"%d;" % number)
            if number % 7 == 0:
                await asyncio.sleep(0)
        responder.end()

    async def main() -> bytes:
        server = await serve(stream, outbox=Outbox())
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(ASK)
        said = await reader.readuntil(b"0\r\n\r\n")
        writer.close()
        await server.close()
        return said

    pieces = asyncio.run(main()).partition(b"\r\n\r\n")[2].split(b"\r\n")[1::2]
    assert b"".join(pieces) == b"".join(b"%d;" % number for number in range(50))
