"""Endpoints made ready to serve: targets with their dialects, prices and routes, resolved once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from weighbridge.config import build
from weighbridge.config.load import Config
from weighbridge.config.sections import EndpointSection
from weighbridge.config.serving import RouteSection
from weighbridge.errors import UsageError
from weighbridge.gateway.upstream import ASIDE, RARE, Endpoint, Upstream
from weighbridge.providers.bill import Bill
from weighbridge.providers.candidate import Candidate
from weighbridge.providers.dialect import Dialect
from weighbridge.providers.dialects import dialect_of
from weighbridge.providers.price import Price, context_window
from weighbridge.providers.provider import Provider
from weighbridge.routing.course import Routes
from weighbridge.routing.health import Health
from weighbridge.routing.policy import FALL_OVER, Adaptive, Hedge, Limits, Policy, Rescue, Retries, Target
from weighbridge.wire.failure import ErrorClass
from weighbridge.wire.messages import ANTHROPIC_ONLY

_NOTHING: Final[frozenset[str]] = frozenset()
_HELLO: Final[list[dict[str, Any]]] = [{"role": "user", "content": "Hello"}]
_PICTURE: Final = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
_SOUND: Final = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
_TOOL: Final = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
_PROBES: Final[dict[str, dict[str, Any]]] = {
    "tools": {"tools": [_TOOL]},
    "parallel_tool_calls": {"tools": [_TOOL], "parallel_tool_calls": False},
    "functions": {"functions": [{"name": "f", "parameters": {"type": "object", "properties": {}}}]},
    "json_object": {"response_format": {"type": "json_object"}},
    "json_schema": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    },
    "logprobs": {"logprobs": True},
    "top_logprobs": {"logprobs": True, "top_logprobs": 2},
    "logit_bias": {"logit_bias": {"50256": -100}},
    "n": {"n": 2},
    "seed": {"seed": 1},
    "audio": {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
    "modalities": {"modalities": ["text", "audio"]},
    "reasoning_effort": {"reasoning_effort": "low"},
    "presence_penalty": {"presence_penalty": 0.5},
    "frequency_penalty": {"frequency_penalty": 0.5},
    "prediction": {"prediction": {"type": "content", "content": "x"}},
    "web_search_options": {"web_search_options": {}},
    ANTHROPIC_ONLY: {ANTHROPIC_ONLY: ["thinking"]},
    "images": {"messages": [{"role": "user", "content": [_PICTURE]}]},
    "input_audio": {"messages": [{"role": "user", "content": [_SOUND]}]},
}
"""A smallest request for each need, to ask a dialect once what it cannot do."""


def endpoints(config: Config, health: Health) -> dict[str, Endpoint]:
    """Every endpoint of a configuration. Raises ConfigError and UsageError."""
    dialects: dict[str, Dialect] = {}

    def dialect(provider: Provider) -> Dialect:
        if provider.name not in dialects:
            dialects[provider.name] = dialect_of(provider)
        return dialects[provider.name]

    return {name: _endpoint(config, name, section, health, dialect) for name, section in config.endpoints.items()}


def _endpoint(
    config: Config, name: str, section: EndpointSection, health: Health, dialect: Callable[[Provider], Dialect]
) -> Endpoint:
    names = list(section.candidates)
    for more in section.route.fallbacks.values():
        names += [other for other in more if other not in names]
    upstreams = {one.name: _upstream(one, dialect(one.model.provider)) for one in build.candidates(config, names)}
    policy = _policy(config, section, upstreams)
    try:
        routes = Routes(policy, health)
    except UsageError as error:
        raise config.error(("endpoints", name, "route"), error.what, error.mend) from None
    picky = any(target.cannot - RARE for target in policy.targets)
    return Endpoint(name, section, routes, upstreams, policy.limits.total, _dearest(upstreams), picky=picky)


def _dearest(upstreams: Mapping[str, Upstream]) -> tuple[float, float, float] | None:
    found = []
    for one in upstreams.values():
        price = one.candidate.model.price
        if one.bill is None or price is None:
            return None
        found.append((*one.bill.at_most(), price.per_request))
    given, made, request = (max(parts) for parts in zip(*found, strict=True))
    return given, made, request


def _upstream(candidate: Candidate, dialect: Dialect) -> Upstream:
    own = candidate.system is not None or candidate.shots or candidate.template or candidate.api or candidate.params
    lines = f"X-Weighbridge-Target: {candidate.name}\r\n".encode("latin-1", "replace")
    price = candidate.model.price
    bill = Bill(price) if price is not None else None
    return Upstream(candidate, dialect, plain=not own and dialect.verbatim, lines=lines, bill=bill)


def _policy(config: Config, section: EndpointSection, upstreams: Mapping[str, Upstream]) -> Policy:
    route = section.route
    targets = []
    for place, (name, upstream) in enumerate(upstreams.items()):
        listed = name in section.candidates
        targets.append(
            Target(
                name,
                weight=route.weights.get(name, 1.0) if listed else 0.0,
                priority=(place if route.pick == "priority" else 0) if listed else len(upstreams),
                cost=_mixed(upstream.candidate.model.price),
                context=_window(config, upstream),
                cannot=_apis_lacking(upstream) | (_NOTHING if section.drop_params else _cannot(upstream)),
            )
        )
    return Policy(
        targets=tuple(targets),
        pick=route.pick,
        fallbacks=_fallbacks(section, upstreams),
        retries=_retries(route),
        limits=_limits(route),
        hedge=Hedge(after=route.hedge.after or "p95", share=route.hedge.share) if route.hedge else None,
        min_speed=route.min_speed,
        rescue=_rescue(route),
    )


def _fallbacks(section: EndpointSection, upstreams: Mapping[str, Upstream]) -> dict[ErrorClass, tuple[str, ...]]:
    """As they are named. A target that is no candidate, only named for some cause, is for that cause alone."""
    named = msgspec.convert(section.route.fallbacks, type=dict[ErrorClass, tuple[str, ...]])
    if len(upstreams) == len(section.candidates):
        return named
    others: dict[ErrorClass, tuple[str, ...]] = dict.fromkeys((*FALL_OVER, "context_length"), section.candidates)
    return {**others, **named}


def _retries(route: RouteSection) -> Retries:
    made = Retries(same=route.retries + 1, total=route.attempts)
    return made if route.wait is None else msgspec.structs.replace(made, wait=route.wait, outage=route.wait)


def _limits(route: RouteSection) -> Limits:
    return Limits(
        connect=route.connect,
        first_token=route.first_token,
        answer=route.answer,
        gap=route.gap,
        total=route.total,
        adaptive=Adaptive() if route.adaptive else None,
    )


def _rescue(route: RouteSection) -> Rescue | None:
    said = route.stream_rescue
    if said is None:
        return None
    return Rescue(hold="all" if said.hold is None else said.hold, prefill=said.prefill, restart=said.restart)


def _mixed(price: Price | None) -> float | None:
    """USD per million tokens of a usual mix: three in for one out."""
    return (3 * price.input + price.output) / 4 if price is not None else None


def _window(config: Config, upstream: Upstream) -> int | None:
    model = upstream.candidate.model
    said = config.models[model.name].context
    return said if said is not None else context_window(model.provider.preset.prices, model.model)


def _cannot(upstream: Upstream) -> frozenset[str]:
    """What this target cannot do, asked of its dialect once."""
    model, dialect = upstream.candidate.model, upstream.dialect
    found = set()
    for need, wanted in _PROBES.items():
        said = dialect.cannot(model, "chat", {"messages": _HELLO, **wanted})
        if said:
            found.add(need)
    return frozenset(found)


def _apis_lacking(upstream: Upstream) -> frozenset[str]:
    """Those of our APIs that this target does not have."""
    model, dialect = upstream.candidate.model, upstream.dialect
    return frozenset(api for api in ASIDE if dialect.cannot(model, api, {}))
