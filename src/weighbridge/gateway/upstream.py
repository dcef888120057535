"""An endpoint and its targets as requests find them: everything worked out before the first one comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from weighbridge.config.sections import EndpointSection
from weighbridge.gateway.asked import Asked
from weighbridge.providers.bill import Bill
from weighbridge.providers.candidate import Api, Candidate
from weighbridge.providers.dialect import Dialect, Outgoing
from weighbridge.providers.openai import OpenAIDialect
from weighbridge.routing.course import Routes
from weighbridge.routing.step import Features
from weighbridge.wire.messages import ANTHROPIC_ONLY

_BYTES_PER_TOKEN: Final = 4
_NOTHING: Final[frozenset[str]] = frozenset()
ASIDE: Final[tuple[Api, ...]] = ("completions", "embeddings", "count_tokens")
RARE: Final = frozenset({*ASIDE, ANTHROPIC_ONLY})
"""What many targets lack and few requests need: looked at apart, so that the others are not looked at for it."""


class Upstream:
    """A target ready to be called. `plain`: the candidate adds nothing of its own, so the client's values pass as they
    are. `lines` are the header lines that name it in a reply; `provider` and `model` are names for the record."""

    __slots__ = (
        *("_model", "_openai", "bill", "candidate", "dialect", "lines", "model", "name", "plain", "provider"),
        "verbatim",
    )

    def __init__(self, candidate: Candidate, dialect: Dialect, *, plain: bool, lines: bytes, bill: Bill | None) -> None:
        self.candidate = candidate
        self.dialect = dialect
        self.plain = plain
        self.lines = lines
        self.bill = bill
        self.name = candidate.name
        self.provider = candidate.model.provider.name
        self.model = candidate.model.model
        self.verbatim = dialect.verbatim
        self._openai = dialect if isinstance(dialect, OpenAIDialect) else None
        self._model = msgspec.json.encode(self.model)

    def outgoing(self, asked: Asked, messages: list[dict[str, Any]] | None = None) -> Outgoing:
        """The request for it; `messages` take the place of the client's. Raises UsageError where it cannot be put, and
        Refusal for a body that is not JSON."""
        model = self.candidate.model
        if self.plain and messages is None:
            openai = self._openai
            if openai is not None and openai.passes(model, asked.api, asked.fields, stream=asked.stream):
                named = asked.naming(self._model, openai.asks_usage if asked.stream else b"")
                if named is not None:
                    return Outgoing(openai.route(model, asked.api), named)
            return self.dialect.outgoing(model, asked.api, asked.fields, stream=asked.stream)
        document = asked.document()
        if messages is not None:
            document = {**document, "messages": messages}
        api, body = self.candidate.request(document, asked.api)
        return self.dialect.outgoing(model, api, body, stream=asked.stream)


class Endpoint:
    """What an app asks for as `model`. `total` is how long a request may take, in seconds; `dearest` holds USD for a
    token of input and of output and for a request, at the dearest target (None: a price is unknown). `picky`: some
    target cannot do something that is often asked for."""

    __slots__ = ("dearest", "name", "picky", "routes", "section", "total", "upstreams")

    def __init__(
        self,
        name: str,
        section: EndpointSection,
        routes: Routes,
        upstreams: Mapping[str, Upstream],
        total: float,
        dearest: tuple[float, float, float] | None,
        *,
        picky: bool,
    ) -> None:
        self.name = name
        self.section = section
        self.routes = routes
        self.upstreams = dict(upstreams)
        self.total = total
        self.dearest = dearest
        self.picky = picky

    def features(self, asked: Asked) -> Features:
        """What a request's route depends on; what it needs is looked at only where some target cannot do something."""
        needs = asked.needs() if self.picky else _NOTHING
        if asked.api != "chat":
            needs |= {asked.api}
        elif ANTHROPIC_ONLY in asked.fields and bytes(asked.fields[ANTHROPIC_ONLY]) != b"[]":
            needs |= {ANTHROPIC_ONLY}
        return Features(needs, asked.size // _BYTES_PER_TOKEN, asked.stream)

    def at_most(self, tokens: int, output: int) -> float | None:
        """USD that one request may cost; None where a price is unknown."""
        if self.dearest is None:
            return None
        given, made, request = self.dearest
        return tokens * given + output * made + request
