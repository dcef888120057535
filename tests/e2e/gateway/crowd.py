"""Many clients at once: as many connections, each with one request, in one loop."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from tests.e2e.gateway.conftest import PATIENCE_S, Served


class Said(NamedTuple):
    """A reply; status 0: none came."""

    status: int
    headers: dict[str, str]
    body: bytes


def crowd(served: Served, count: int, *, key: str = "k", **more: Any) -> list[Said]:
    """So many equal requests at the same time."""
    return asyncio.run(crowded(served, count, key=key, **more))


async def crowded(
    served: Served, count: int, *, key: str = "k", heard: Callable[[Said], None] = lambda said: None, **more: Any
) -> list[Said]:
    """The same beside what else goes on in the loop; `heard` is told of each reply when it is there."""
    request = _request(key, more)

    async def one() -> Said:
        said = await _one(served, request)
        heard(said)
        return said

    return list(await asyncio.gather(*(one() for _ in range(count))))


def _request(key: str, more: dict[str, object]) -> bytes:
    body = json.dumps({"model": "it", "messages": [{"role": "user", "content": "Say something"}], **more}).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _one(served: Served, request: bytes) -> Said:
    port = int(served.origin.rpartition(":")[2])
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return Said(0, {}, b"")
    try:
        writer.write(request)
        async with asyncio.timeout(PATIENCE_S):
            return read(await reader.read())
    except OSError:  # a time-out is one too
        return Said(0, {}, b"")
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def read(data: bytes) -> Said:
    """A reply as it came over the wire, to its end."""
    head, _, body = data.partition(b"\r\n\r\n")
    if not head:
        return Said(0, {}, b"")
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
    return Said(int(line.split()[1]), headers, body)
