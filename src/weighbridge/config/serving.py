"""The serving sections of weighbridge.yaml: how an endpoint is routed, and what the gateway listens on."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from weighbridge.config.units import Dollars, PerSecond, Seconds, Share

Name = Annotated[str, Meta(min_length=1)]
Pick = Literal["priority", "weight", "latency", "least_busy", "cheapest"]
Redaction = Literal["email", "phone", "card", "key"]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections: immutable, and no key is accepted that nobody reads."""


class HedgeSection(Section, frozen=True, kw_only=True):
    """A second request where the first token is late; the first to answer wins."""

    after: Annotated[Seconds | None, Meta(description="How late; else the target's own recent P95.")] = None
    share: Annotated[Share, Meta(description="At most this share of requests is hedged.")] = 0.05


class RescueSection(Section, frozen=True, kw_only=True):
    """What to do for a stream that breaks after it has begun. Without it, it ends with an error event."""

    hold: Annotated[int, Meta(ge=0, description="Hold back so many tokens; all of them if left out.")] | None = None
    prefill: Annotated[bool, Meta(description="Let the fallback continue what was delivered, where it can.")] = True
    restart: Annotated[bool, Meta(description="Or answer anew, if it begins with exactly what was delivered.")] = True


class RouteSection(Section, frozen=True, kw_only=True):
    """How an endpoint's requests find a candidate. Without it: in the order written, each the next one's fallback."""

    pick: Annotated[Pick, Meta(description="How the first target is chosen.")] = "priority"
    weights: Annotated[
        dict[str, float], Meta(description="By candidate, for `pick: weight`; 1 where it has none.")
    ] = {}
    fallbacks: Annotated[
        dict[str, tuple[Name, ...]],
        Meta(description="By cause (rate_limit, capacity, timeout, …): who is asked next; else the other candidates."),
    ] = {}
    retries: Annotated[int, Meta(ge=0, le=5, description="Further attempts on the same target.")] = 1
    attempts: Annotated[int, Meta(ge=1, le=6, description="Attempts for one request, all targets together.")] = 4
    wait: Annotated[
        Seconds | None, Meta(description="For a target while all cool down; 30s after rate limits, 5s in an outage.")
    ] = None
    connect: Seconds = 3.0
    first_token: Annotated[
        Seconds | None, Meta(description="To a stream's first token; 10s while another target is left, else 60s.")
    ] = None
    answer: Annotated[
        Seconds | None, Meta(description="To an answer that is not streamed; 60s while another target is left.")
    ] = None
    gap: Annotated[Seconds, Meta(description="Between two reads of a stream.")] = 15.0
    total: Annotated[Seconds, Meta(description="For the request, all attempts together.")] = 600.0
    adaptive: Annotated[bool, Meta(description="Let `first_token` follow the target's own recent P95.")] = False
    hedge: HedgeSection | None = None
    min_speed: Annotated[
        PerSecond | None, Meta(description="Tokens a second, under which a stream counts as stalled.")
    ] = None
    stream_rescue: RescueSection | None = None


class CaptureSection(Section, frozen=True, kw_only=True):
    """Which requests are kept with their bodies, to become samples."""

    share: Share
    redact: Annotated[tuple[Redaction, ...], Meta(description="What is taken out first.")] = (
        "email",
        "phone",
        "card",
        "key",
    )


class ShadowSection(Section, frozen=True, kw_only=True):
    """A share of requests is sent to another candidate too; its answer is recorded and never returned."""

    candidate: Name
    share: Share


class SemanticSection(Section, frozen=True, kw_only=True):
    """Answers also to requests that say the same in other words (the extra `semantic`). A false hit is a wrong answer:
    numbers, negations and the order of words are compared beside the threshold."""

    threshold: Annotated[Share, Meta(description="How near two texts must be, as a cosine.")] = 0.95


class CacheSection(Section, frozen=True, kw_only=True):
    """Answers kept for equal requests of the same tenant."""

    keep: Seconds
    megabytes: Annotated[int, Meta(ge=1, le=65_536)] = 64
    semantic: SemanticSection | None = None


class BudgetSection(Section, frozen=True, kw_only=True):
    """USD that may be spent in a UTC day and month."""

    day: Dollars | None = None
    month: Dollars | None = None


class LimitsSection(Section, frozen=True, kw_only=True):
    """What may be asked for: `600/min`; `concurrent` counts requests under way."""

    requests: Annotated[str | None, Meta(description="Such as 600/min.")] = None
    tokens: Annotated[str | None, Meta(description="Input and output, such as 200k/min.")] = None
    concurrent: Annotated[int, Meta(ge=1)] | None = None


class KeySection(Section, frozen=True, kw_only=True):
    """A virtual key, by its hash (`weighbridge keys create` prints both)."""

    hash: Annotated[str, Meta(pattern=r"^(sha256:)?[0-9a-f]{64}$", description="SHA-256 of the key, in hex.")]
    endpoints: Annotated[tuple[Name, ...], Meta(description="What it may ask for; else everything.")] = ()
    expires: Annotated[str | None, Meta(description="A UTC date, such as 2027-01-31.")] = None
    budget: BudgetSection = BudgetSection()
    limits: LimitsSection = LimitsSection()


class TLSSection(Section, frozen=True, kw_only=True):
    """Files in PEM."""

    certificate: Name
    key: Name


class TelemetrySection(Section, frozen=True, kw_only=True):
    """OpenTelemetry over OTLP/HTTP (the extra `otel`); OpenTelemetry's own environment variables hold as well."""

    endpoint: Annotated[
        Name | None, Meta(description="The collector, such as http://127.0.0.1:4318; else as the environment says.")
    ] = None
    share: Annotated[Share, Meta(description="Of the traces that nobody else has decided on.")] = 1.0


class FleetSection(Section, frozen=True, kw_only=True):
    """Machines that share limits and budgets, by way of a Valkey or Redis server."""

    url: Annotated[
        Name, Meta(description="The server, as $NAME; valkey://:password@host:6379/0, or valkeys:// for TLS.")
    ]
    name: Annotated[str, Meta(pattern=r"^[\w.-]{1,64}$", description="Of the fleet: what its keys begin with.")] = "wb"


class GatewaySection(Section, frozen=True, kw_only=True):
    """What `weighbridge serve` listens on, and how much it takes."""

    listen: Annotated[str, Meta(description="host:port, or unix:/path/of/socket.")] = "127.0.0.1:8900"
    workers: Annotated[int, Meta(ge=1, le=256)] = 1
    open: Annotated[bool, Meta(description="Serve without keys beyond this machine.")] = False
    body_megabytes: Annotated[int, Meta(ge=1, le=1024)] = 32
    drain: Annotated[Seconds, Meta(description="On SIGTERM, how long requests under way get.")] = 30.0
    tls: TLSSection | None = None
    telemetry: TelemetrySection | None = None
    fleet: Annotated[FleetSection | None, Meta(description="Share limits and budgets with other machines.")] = None
