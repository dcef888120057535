"""A request as it came, and what has been found out about it."""

from __future__ import annotations

from collections.abc import Mapping
from time import time

from weighbridge.gateway.admission.keys import Grant
from weighbridge.gateway.admission.ticket import Ticket
from weighbridge.gateway.asked import Asked
from weighbridge.gateway.cache import Look
from weighbridge.gateway.serves import Setup
from weighbridge.providers.candidate import Api
from weighbridge.records.exchange import Api as RecordedApi
from weighbridge.records.noting import new_id
from weighbridge.transport.request import ServerRequest


class Came:
    """`at` is Unix seconds, `line` its id for the reply. `recorded_as` is the API the client spoke, where another one
    was made of it."""

    __slots__ = ("api", "asked", "at", "grant", "id", "line", "look", "recorded_as", "request", "setup", "ticket")

    def __init__(self, api: Api, request: ServerRequest, setup: Setup, recorded_as: RecordedApi) -> None:
        self.api: Api = api
        self.recorded_as: RecordedApi = recorded_as
        self.request = request
        self.setup = setup
        self.at = time()
        self.id = new_id(self.at)
        self.line = f"X-Request-Id: {self.id}\r\n".encode()
        self.grant: Grant | None = None
        self.asked: Asked | None = None
        self.ticket: Ticket | None = None
        self.look: Look | None = None

    @property
    def trace(self) -> str | None:
        """The trace id of its `traceparent` header (W3C Trace Context)."""
        said = self.request.headers.get("traceparent")
        if said is None:
            return None
        parts = said.split("-")
        return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 else None


def key_of(headers: Mapping[str, str]) -> str | None:
    """The virtual key a request brings, wherever clients put it."""
    return headers.get("authorization") or headers.get("x-api-key") or headers.get("api-key")
