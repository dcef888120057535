"""Getting a connected socket: names to addresses, IPv6 and IPv4 side by side, and through a proxy's tunnel."""

from __future__ import annotations

import asyncio
import socket
from itertools import chain, zip_longest
from typing import Any

from weighbridge.transport.faults import ConnectFailed
from weighbridge.transport.proxy import Proxy
from weighbridge.transport.route import Origin

_NEXT_ADDRESS_S = 0.25  # RFC 8305, section 5
_MAX_PROXY_HEAD = 16_384

_Address = tuple[Any, ...]


async def tcp(origin: Origin) -> socket.socket:
    """A connected socket. Raises OSError, socket.gaierror included."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    addresses = _alternating(found)
    if len(addresses) == 1:
        return await _connected(addresses[0])
    return await _race(addresses)


def _alternating(found: list[_Address]) -> list[_Address]:
    """The first family the resolver prefers, then the other, in turn (RFC 8305, section 4)."""
    first = [entry for entry in found if entry[0] == found[0][0]]
    other = [entry for entry in found if entry[0] != found[0][0]]
    return [entry for entry in chain.from_iterable(zip_longest(first, other)) if entry is not None]


async def _connected(entry: _Address) -> socket.socket:
    family, kind, protocol, _, address = entry
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


async def _race(addresses: list[_Address]) -> socket.socket:
    """The first address that answers; another is tried each 250 ms, or as soon as one refuses."""
    tasks: set[asyncio.Task[socket.socket]] = set()
    failure: BaseException = ConnectFailed("no address could be reached")
    waiting = list(addresses)
    try:
        while tasks or waiting:
            if waiting:
                tasks.add(asyncio.create_task(_connected(waiting.pop(0))))
            done, tasks = await asyncio.wait(
                tasks, timeout=_NEXT_ADDRESS_S if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            winners = [task for task in done if task.exception() is None]
            for late in winners[1:]:
                late.result().close()
            if winners:
                return winners[0].result()
            failure = next((error for task in done if (error := task.exception())), failure)
        raise failure
    finally:
        for task in tasks:
            task.cancel()
            task.add_done_callback(_close_late)


def _close_late(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def tunnel(sock: socket.socket, origin: Origin, proxy: Proxy) -> None:
    """CONNECT through a proxy. Raises ConnectFailed where it says no."""
    loop = asyncio.get_running_loop()
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    signed = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
    asked = f"CONNECT {host}:{origin.port} HTTP/1.1\r\nHost: {host}:{origin.port}\r\n{signed}\r\n"
    await loop.sock_sendall(sock, asked.encode("latin-1"))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        # Byte by byte: what follows the head belongs to TLS, and must stay in the socket.
        byte = await loop.sock_recv(sock, 1)
        if not byte or len(head) > _MAX_PROXY_HEAD:
            raise ConnectFailed("the proxy closed the connection instead of opening a tunnel", where=str(proxy.origin))
        head += byte
    status = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(status) < 2 or not status[1].startswith(b"2"):
        said = b" ".join(status[1:]).decode("latin-1")[:100]
        raise ConnectFailed(f"the proxy refused a tunnel: {said}", where=str(proxy.origin))
