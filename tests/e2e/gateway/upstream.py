"""A provider that sends exactly the bytes a test wants, in exactly its pieces, and tells what it saw."""

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE_S = 30.0
JSON = "application/json"
SSE = "text/event-stream"


class Call:
    """One request that came, and its connection."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self._sock = sock
        self.number = number
        sock.settimeout(PATIENCE_S)
        head, _, body = _until(sock, b"", b"\r\n\r\n").partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        self.path = line.split()[1]
        self.headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
        while len(body) < int(self.headers.get("content-length", "0")):
            body += _read(sock)
        self.body: dict[str, Any] = json.loads(body) if body else {}
        self.left = threading.Event()

    def send(self, data: bytes) -> None:
        """As one write."""
        self._sock.sendall(data)

    def head(self, status: int = 200, media: str = JSON, **more: str) -> None:
        lines = {"Content-Type": media, "Connection": "close", **{k.replace("_", "-"): v for k, v in more.items()}}
        said = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.send(f"HTTP/1.1 {status} Said\r\n{said}\r\n".encode())

    def reply(self, document: Any, status: int = 200, **headers: str) -> None:
        """A whole JSON reply."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.head(status, Content_Length=str(len(body)), **headers)
        self.send(body)

    def stream(self, pieces: Iterable[bytes], *, end: bool = True) -> None:
        """An SSE reply in chunked coding, a chunk a piece; without `end` it breaks off."""
        self.head(200, SSE, Transfer_Encoding="chunked")
        for piece in pieces:
            self.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        if end:
            self.send(b"0\r\n\r\n")

    def wait_until_left(self, seconds: float = PATIENCE_S) -> bool:
        """Whether the gateway closes the connection within this time."""
        self._sock.settimeout(seconds)
        try:
            while self._sock.recv(4096):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        self.left.set()
        return True


Script = Callable[[Call], None]


class Scripted:
    """`calls` are the requests so far, in order; `url` ends in /v1."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.calls: list[Call] = []


@contextmanager
def scripted(script: Script) -> Iterator[Scripted]:
    """Runs `script` for each request, on a thread of its own, until the block ends."""
    lock = threading.Lock()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                with lock:
                    call = Call(self.request, len(provider.calls) + 1)
                    provider.calls.append(call)
                script(call)
            except OSError:
                pass  # the gateway has gone: tests see it from their side

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
        block_on_close = False
        request_queue_size = 256

    with Listener(("127.0.0.1", 0), Handler) as listener:
        provider = Scripted(f"http://127.0.0.1:{listener.server_address[1]}/v1")
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield provider
        listener.shutdown()
        thread.join()


PRICE = {"input": 10, "output": 40, "cached": 1}


def one(url: str, **endpoint: Any) -> dict[str, Any]:
    """A configuration with one target, priced with a cache."""
    return many([url], **endpoint)


def many(urls: list[str], **endpoint: Any) -> dict[str, Any]:
    names = "abc"[: len(urls)]
    return {
        "providers": {name: {"preset": "simulator", "base_url": url} for name, url in zip(names, urls, strict=True)},
        "models": {name: {"provider": name, "model": "m", "price": PRICE} for name in names},
        "endpoints": {"it": {"candidates": list(names), **endpoint}},
    }


def delta(content: str | None = None, *, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk of chat completions."""
    said: dict[str, Any] = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": {**said, **more.pop("delta", {})}, "finish_reason": finish}
    return {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def event(document: Any, name: str = "") -> bytes:
    data = document if isinstance(document, str) else json.dumps(document)
    return (f"event: {name}\n" if name else "").encode() + f"data: {data}\n\n".encode()


DONE = b"data: [DONE]\n\n"


def answer(content: str = "Fine.", **more: Any) -> dict[str, Any]:
    """A whole chat completion."""
    message = {"role": "assistant", "content": content, **more.pop("message", {})}
    choice = {"index": 0, "message": message, "finish_reason": more.pop("finish", "stop"), "logprobs": None}
    usage = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
    whole = {"id": "c-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return {**whole, "usage": usage, **more}


def refusal(message: str, kind: str = "server_error", code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _read(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    if not data:
        raise ConnectionResetError("the gateway has gone")
    return data


def _until(sock: socket.socket, data: bytes, mark: bytes) -> bytes:
    while mark not in data:
        data += _read(sock)
    return data
