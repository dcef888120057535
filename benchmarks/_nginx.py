"""nginx, where it is installed: as the plain proxy everything is held against, and as an upstream faster than all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import _null_server
import _processes
from _peers import find
from _processes import Child

_CONFIG = """
worker_processes 1; daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s; tcp_nodelay on;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {upstream}
  server {{ {listen} {location} }}
}}
"""
_UPSTREAM = "upstream there {{ server 127.0.0.1:{port}; keepalive 512; keepalive_requests 1000000000; }}"
_PROXY = 'location / { proxy_pass http://there; proxy_http_version 1.1; proxy_set_header Connection ""; }'
_NULL = "location / {{ default_type application/json; return 200 '{body}'; }}"


def command() -> str | None:
    return find("nginx") or next((path for path in ("/usr/sbin/nginx",) if Path(path).exists()), None)


def version() -> str:
    path = command()
    if path is None:
        return "not installed"
    return subprocess.run([path, "-v"], capture_output=True, text=True, check=False).stderr.rpartition("/")[2].strip()


@contextmanager
def proxy(folder: Path, upstream: int, *, cpus: Sequence[int]) -> Iterator[tuple[int, Child]]:
    """A plain proxy with connections kept on both sides, before the upstream's port: its port and its process."""
    with _running(folder / "nginx-proxy", _UPSTREAM.format(port=upstream), _PROXY, cpus, 1) as (ports, child):
        yield ports[0], child


@contextmanager
def null_server(folder: Path, count: int, *, cpus: Sequence[int]) -> Iterator[list[int]]:
    """A server that says what `_null_server.py` says, for less; on so many ports, for as many providers. That one
    itself where nginx is not installed."""
    if command() is None:
        with ExitStack() as stack:
            words = [sys.executable, _null_server.__file__]
            children = [
                stack.enter_context(_processes.child(words, folder, cpus=cpus, piped=True)) for _ in range(count)
            ]
            yield [_said_port(child) for child in children]
        return
    location = _NULL.format(body=_null_server.BODY.decode())
    with _running(folder / "nginx-null", "", location, cpus, count) as (ports, _):
        yield ports


def _said_port(child: Child) -> int:
    assert child.process.stdout is not None
    return int(child.process.stdout.readline())


@contextmanager
def _running(
    folder: Path, upstream: str, location: str, cpus: Sequence[int], count: int
) -> Iterator[tuple[list[int], Child]]:
    path = command()
    assert path is not None, "nginx is not installed"
    folder.mkdir()
    ports = [_processes.free_port() for _ in range(count)]
    listen = " ".join(f"listen 127.0.0.1:{port};" for port in ports)
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, upstream=upstream, listen=listen, location=location))
    with _processes.child([path, "-p", str(folder), "-c", str(config)], folder, cpus=cpus) as child:
        child.wait_for(ports[-1])
        yield ports, child
