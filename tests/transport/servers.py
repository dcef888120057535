"""Small raw servers: they say exactly the bytes they are told to, and keep what they were sent."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Talk = Callable[["Peer"], Awaitable[None]]


@dataclass
class Peer:
    """One connection, as the server sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int

    async def request(self) -> bytes:
        """The next request, head and body; b"" where the client has gone."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return head + (await self.reader.readexactly(length) if length else b"")

    async def say(self, *pieces: bytes, pause: float = 0.0) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            if pause:
                await asyncio.sleep(pause)

    def close(self) -> None:
        self.writer.close()


@dataclass
class Raw:
    """A running server. `requests` are what came, `connections` how many there were, `gone` is set once a client has
    closed its side."""

    port: int = 0
    scheme: str = "http"
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/path"


@asynccontextmanager
async def raw(talk: Talk, *, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Raw]:
    """A server that hands each connection to `talk`."""
    it = Raw(scheme="https" if context else "http")
    running: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        it.connections += 1
        try:
            await talk(Peer(reader, writer, it.connections))
            if not await reader.read(1):
                it.gone.set()
        except (ConnectionError, asyncio.IncompleteReadError):
            it.gone.set()
        finally:
            running.discard(task)
            if context is None:
                writer.close()
            else:
                writer.transport.abort()  # nobody waits for the other side's close_notify

    server = await asyncio.start_server(connected, host, 0, ssl=context)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def saying(*pieces: bytes, pause: float = 0.0, close: bool = False) -> Talk:
    """Answers every request of a connection with the same bytes."""

    async def talk(peer: Peer) -> None:
        while await peer.request():
            await peer.say(*pieces, pause=pause)
            if close:
                peer.close()
                return

    return talk
