"""Where a call goes: the parts of a request that stay the same, encoded once."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from weighbridge.errors import UsageError

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_TARGET = re.compile(r"[!-~]*")


class Origin:
    """Scheme, host and port: what connections are pooled by. Made once and looked up for every call, so what is asked
    of it is worked out here."""

    __slots__ = ("_hash", "authority", "host", "port", "scheme", "secure")

    def __init__(self, scheme: str, host: str, port: int) -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.secure = scheme == "https"
        shown = f"[{host}]" if ":" in host else host
        self.authority = shown if port == (443 if self.secure else 80) else f"{shown}:{port}"
        self._hash = hash((scheme, host, port))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Origin):
            return NotImplemented
        return self.port == other.port and self.host == other.host and self.scheme == other.scheme

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Origin({str(self)!r})"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Route:
    """Made once for each (method, URL, headers); `head` is the request's first line, `tail` all of its header lines but
    its length."""

    __slots__ = ("_has_body", "head", "method", "origin", "tail", "target")

    def __init__(self, method: str, origin: Origin, target: str, head: bytes, tail: bytes) -> None:
        self.method = method
        self.origin = origin
        self.target = target
        self.head = head
        self.tail = tail
        self._has_body = method in {"POST", "PUT", "PATCH"}

    @classmethod
    def to(cls, method: str, url: str, headers: Mapping[str, str] | None = None) -> Route:
        """Raises UsageError for a URL that is not http(s), and for a header that would break the request's framing."""
        origin, target, userinfo = parse(url)
        lines = dict(headers or {})
        if userinfo and not any(name.lower() == "authorization" for name in lines):
            lines["Authorization"] = "Basic " + base64.b64encode(unquote(userinfo).encode()).decode()
        if not _TOKEN.fullmatch(method):
            raise UsageError(f"{method!r} is not an HTTP method")
        named = {name.lower() for name in lines}
        if "host" not in named:
            lines = {"Host": origin.authority, **lines}
        tail = header_lines(lines)
        return cls(method, origin, target, f"{method} {target} HTTP/1.1\r\n".encode("latin-1"), tail)

    def adding(self, headers: Mapping[str, str]) -> Route:
        """The same with more header lines. Raises UsageError as `to` does."""
        return Route(self.method, self.origin, self.target, self.head, self.tail + header_lines(headers))

    def request(self, body: bytes, extra: bytes = b"", *, absolute: bool = False) -> bytes:
        """The whole request's bytes; `absolute` writes the target as a proxy wants it."""
        head = f"{self.method} {self.origin}{self.target} HTTP/1.1\r\n".encode("latin-1") if absolute else self.head
        if body or self._has_body:
            return b"%b%b%bContent-Length: %d\r\n\r\n%b" % (head, self.tail, extra, len(body), body)
        return b"%b%b%b\r\n" % (head, self.tail, extra)


def parse(url: str) -> tuple[Origin, str, str]:
    """Origin, target and user information of a URL. Raises UsageError."""
    if _CONTROL.search(url):  # urlsplit would drop some of these without a word
        raise UsageError("this URL holds characters that must be percent-encoded", where=_shown(url))
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname
    except ValueError as error:
        raise UsageError(f"not a URL: {error}", where=_shown(url)) from error
    if parts.scheme not in {"http", "https"} or not host:
        raise UsageError("not an http or https URL", where=_shown(url), mend="Write it as https://host/path")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _TARGET.fullmatch(target):
        raise UsageError("this URL holds characters that must be percent-encoded", where=_shown(url))
    try:
        host = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError as error:
        raise UsageError(f"not a host name: {error}", where=_shown(url)) from error
    if not _TARGET.fullmatch(host):
        raise UsageError("not a host name", where=_shown(url))
    userinfo = parts.netloc.rpartition("@")[0]
    default = 443 if parts.scheme == "https" else 80
    return Origin(parts.scheme, host, port if port is not None else default), target, userinfo


def header_lines(headers: Mapping[str, str]) -> bytes:
    """`Name: value` lines. Raises UsageError for one that could smuggle in another line; its value is not shown."""
    lines = []
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise UsageError(f"{name!r} is not a header name")
        if not _VALUE.fullmatch(value):
            raise UsageError(f"the value of header {name} holds a line break or a character HTTP does not carry")
        if name.lower() in {"content-length", "transfer-encoding", "connection"}:
            raise UsageError(f"header {name} is set by the client itself", mend="Leave it out")
        lines.append(f"{name}: {value}\r\n")
    return "".join(lines).encode("latin-1")


def _shown(url: str) -> str:
    """A URL without its user information, cut short, safe to print."""
    return _CONTROL.sub("?", re.sub(r"//[^/@]*@", "//", url))[:200]
