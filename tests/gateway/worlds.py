"""Endpoints made from a text of configuration, requests for them, and a client that keeps what it is sent."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from weighbridge.config.load import loads
from weighbridge.gateway.asked import Asked
from weighbridge.gateway.endpoints import endpoints
from weighbridge.gateway.upstream import Endpoint
from weighbridge.providers.candidate import Api
from weighbridge.records.exchange import Attempt, Exchange, Route
from weighbridge.routing.health import Health
from weighbridge.transport.responder import Responder
from weighbridge.wire.answer import Usage

URL = "http://127.0.0.1:1/v1"


def served(
    *, cache: Mapping[str, Any] | None = None, url: str = URL, model: str = "m", params: Mapping[str, Any] | None = None
) -> dict[str, Endpoint]:
    """Two endpoints, `it` and `other`, both with one target `a`."""
    section: dict[str, Any] = {"candidates": ["a"], "cache": dict(cache or {"keep": "1h"})}
    said = {
        "providers": {"p": {"preset": "simulator", "base_url": url}},
        "models": {"m": {"provider": "p", "model": model, "price": {"input": 1, "output": 2}}},
        "candidates": {"a": {"model": "m", "params": dict(params or {})}},
        "endpoints": {"it": section, "other": section},
    }
    return endpoints(loads(msgspec.yaml.encode(said).decode(), Path("weighbridge.yaml")), Health())


def asked(text: str = "Say something", *, api: Api = "chat", model: str = "it", **more: Any) -> Asked:
    """A request. A parameter that is None is left out."""
    subject = {"messages": [{"role": "user", "content": text}]} if api == "chat" else {"prompt": text}
    body = {"model": model, **subject, **more}
    return Asked(api, json.dumps({name: value for name, value in body.items() if value is not None}).encode())


def recorded(*, finish_reason: str | None = "stop", usage: Usage | None = None, **more: Any) -> Exchange:
    """The record of a request that target `a` answered."""
    used = usage or Usage(input=3, output=2)
    made = Attempt(target="a", provider="p", model="m", started=0.0, usage=used, finish_reason=finish_reason)
    fields = {"at": 1.0, "endpoint": "it", "api": "chat", "outcome": "ok", "status": 200, "attempts": (made,)}
    said = {"route": Route("a", "priority"), "finish_reason": finish_reason, "usage": usage or Usage()}
    return Exchange(id="wbx_1", **{**fields, **said, **more})


def reply(text: str = "Something", finish_reason: str = "stop", **message: Any) -> bytes:
    """A chat reply."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, **message},
        "finish_reason": finish_reason,
    }
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    said = {"id": "chatcmpl-1", "object": "chat.completion", "created": 7, "model": "m-1"}
    return json.dumps({**said, "choices": [choice], "usage": usage}).encode()


class Sent:
    """What a client got."""

    def __init__(self) -> None:
        self.lines = b""
        self.body = b""
        self.ended = False

    @property
    def responder(self) -> Responder:
        return cast("Responder", self)

    def reply_encoded(self, status: int, lines: bytes, body: bytes) -> None:
        assert status == 200
        self.lines, self.body, self.ended = lines, body, True

    def start_encoded(self, status: int, lines: bytes) -> None:
        assert status == 200
        self.lines = lines

    def write(self, data: bytes) -> None:
        self.body += data

    def end(self) -> None:
        self.ended = True
