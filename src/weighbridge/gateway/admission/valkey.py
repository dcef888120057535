"""A Valkey or Redis server, spoken to in RESP2 with asyncio: what pipelined commands and scripts need, and no more."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from weighbridge.errors import TransportError, UsageError

Reply = int | bytes | None | list["Reply"]
Word = str | bytes | int
Call = tuple[Sequence[str], Sequence[Word]]
"""The keys and arguments of a script."""
_PORT: Final = 6379
_MOST_BYTES: Final = 1 << 26
_DEPTH: Final = 8
_LINE_MOST: Final = 1 << 16
_SCHEMES: Final = {"redis": False, "valkey": False, "rediss": True, "valkeys": True}
_ECHO: Final = ", with args"
"""What follows in an error is the command as it was sent: a password, perhaps."""


class ValkeyFailed(TransportError):
    """The server could not be reached in time, or answered with an error."""


class Script:
    """A script that the server runs in one step, sent whole only to a server that does not know it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Valkey:
    """One connection, made when it is first needed and again after any failure. `valkey://[user:password@]host[:port][/db]`,
    or `valkeys://` for TLS. Every call ends within `limit_s`, in its reply or in ValkeyFailed."""

    def __init__(self, url: str, *, limit_s: float = 1.0) -> None:
        """Raises UsageError, which never holds a part of the URL: any may be the password."""
        found = _read(url)
        if found is None:
            mend = "Write it as valkey://host:6379, or valkey://:password@host:6379/1 with the password percent-encoded"
            raise UsageError("is no URL of a Valkey or Redis server", mend=mend)
        parts, port = found
        self._address = (parts.hostname or "", port)
        self.where = f"{parts.hostname}:{port}"
        self._tls = ssl.create_default_context() if _SCHEMES[parts.scheme] else None
        self._hello: list[list[Word]] = []
        if parts.password:
            self._hello.append(["AUTH", *filter(None, [unquote(parts.username or "")]), unquote(parts.password)])
        if parts.path.strip("/"):
            self._hello.append(["SELECT", parts.path.strip("/")])
        self._limit_s = limit_s
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()

    async def call(self, *command: Word) -> Reply:
        """One command."""
        return (await self.pipeline([command]))[0]

    async def run(self, script: Script, calls: Sequence[Call]) -> list[Reply]:
        """A script many times in one round trip."""
        commands = [["EVALSHA", script.digest, len(keys), *keys, *words] for keys, words in calls]
        try:
            return await self.pipeline(commands)
        except ValkeyFailed as error:
            if "NOSCRIPT" not in error.what:
                raise
        await self.call("SCRIPT", "LOAD", script.text)
        return await self.pipeline(commands)

    async def pipeline(self, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        """Many commands in one round trip. Where one fails, all count as failed, though others may have been done."""
        if not commands:
            return []
        try:
            async with asyncio.timeout(self._limit_s), self._turn:
                return await self._exchange(commands)
        except ValkeyFailed:
            raise
        except TimeoutError as error:
            raise ValkeyFailed(f"did not answer within {self._limit_s:g} s", where=self.where) from error
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise ValkeyFailed(str(error).lower() or "closed the connection", where=self.where) from error

    async def close(self) -> None:
        """Closes the connection; another call makes a new one."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with contextlib.suppress(OSError, TimeoutError):
                await streams[1].wait_closed()

    async def _exchange(self, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        try:
            reader, writer = self._streams or await self._connect()
            replies = await self._ask(reader, writer, commands)
        except BaseException:  # a time-out too: what is still under way must not be read as the answer to the next call
            self._drop()
            raise
        for reply in replies:
            if isinstance(reply, ValkeyFailed):
                if "NOSCRIPT" not in reply.what:
                    self._drop()  # by its name, another server may be found by now: this one may be a replica
                raise reply
        return [reply for reply in replies if not isinstance(reply, ValkeyFailed)]

    def _drop(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._address
        streams = await asyncio.open_connection(host, port, ssl=self._tls, limit=_LINE_MOST)
        self._streams = streams
        for reply in await self._ask(*streams, self._hello):
            if isinstance(reply, ValkeyFailed):
                raise reply
        return streams

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, commands: Sequence[Sequence[Word]]
    ) -> list[Reply | ValkeyFailed]:
        writer.write(b"".join(_coded(command) for command in commands))
        await writer.drain()
        return [await self._reply(reader) for _ in commands]

    async def _reply(self, reader: asyncio.StreamReader, depth: int = 0) -> Reply | ValkeyFailed:
        line = (await reader.readuntil(b"\r\n"))[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return ValkeyFailed(rest.decode(errors="replace").partition(_ECHO)[0], where=self.where)
        number = int(rest)
        if kind == b":":
            return number
        if number > _MOST_BYTES or depth > _DEPTH:
            raise ValueError("its answer is too long")
        if kind == b"$":
            return None if number < 0 else (await reader.readexactly(number + 2))[:-2]
        if kind != b"*":
            raise ValueError("it does not speak RESP2")
        found: list[Reply] = []
        for _ in range(number):
            part = await self._reply(reader, depth + 1)
            if isinstance(part, ValkeyFailed):
                raise part
            found.append(part)
        return found


def _read(url: str) -> tuple[SplitResult, int] | None:
    """A URL's parts and port; None where it is none that we know what to do with."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
    except ValueError:
        return None
    known = parts.scheme in _SCHEMES and parts.hostname and not parts.query and not parts.fragment
    number = parts.path.strip("/")
    return (parts, port) if known and (not number or number.isdecimal()) else None


def _coded(command: Sequence[Word]) -> bytes:
    parts = [b"*%d\r\n" % len(command)]
    for word in command:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)
