"""A policy as data: which targets an endpoint has, which comes first, and what is done when one fails.

Everything here is a msgspec struct, so a policy can be written down beside the exchanges it served and replayed over
them. Seconds everywhere, on a monotonic clock where a time is meant.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from weighbridge.wire.failure import ErrorClass

Pick = Literal["priority", "weight", "latency", "least_busy", "cheapest"]


class Target(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """One candidate an endpoint may send to.

    Targets of a lower `priority` come first, whatever `pick` says; `pick` orders those of equal priority. `weight` is
    relative; 0 means only as a fallback. `cost` is in USD per million tokens (None: unknown, dearer than any that is
    known). `context` is the window in tokens (None: unknown, any request fits). `cannot` names what it cannot do, in
    the words of `Features.needs`; "prefill" says that it refuses to continue a begun answer.
    """

    name: str
    weight: float = 1.0
    priority: int = 0
    cost: float | None = None
    context: int | None = None
    cannot: frozenset[str] = frozenset()


class Retries(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """How often an exchange is tried, and how long it waits in between.

    `same` counts attempts on one target before the next target's turn (a rate limit or a time-out gives up the target
    at once where there is another); `total` counts all attempts of the exchange, hedges too. Back-off is full jitter:
    uniform in [0, min(most, base × 2^k)) seconds, https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    `wait` is the longest, in seconds, that a request waits for targets which said when they are back (a rate limit), or
    probably are (its usual rest). `outage` is the same for targets whose breaker is open: nobody knows when those are
    back, so no more is waited than a short outage takes.
    """

    same: int = 2
    total: int = 4
    base: float = 0.25
    most: float = 4.0
    wait: float = 30.0
    outage: float = 5.0


class Adaptive(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A first-token limit of `factor` × the target's own recent P95, kept between `least` and `most` seconds."""

    factor: float = 3.0
    least: float = 1.0
    most: float = 30.0


class Limits(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """How long one attempt may take, in seconds.

    `first_token` is the time to the first token of a stream, `answer` the time to the head of a reply that is not
    streamed. Where they are None, they are short while there is another target to go to (10 s and 60 s) and long on the
    last one (60 s, and `total`), where giving up helps nobody; a value that is set holds always. `gap` is the longest
    silence within a stream, `total` the whole exchange with all its attempts.
    """

    connect: float = 3.0
    first_token: float | None = None
    answer: float | None = None
    gap: float = 15.0
    total: float = 600.0
    adaptive: Adaptive | None = None


class Hedge(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A second request where the first is slow: `after` seconds without a first token, or "p95" of the target's own.

    At most `share` of requests are hedged, and at most `burst` in one go: a token bucket filled by requests.
    """

    after: float | Literal["p95"] = "p95"
    share: float = 0.05
    burst: float = 5.0


class Rescue(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """What is done when a stream breaks after its first token (never by default).

    `hold` keeps back that many tokens, or all of them, so that a break within them costs nothing. After that, `prefill`
    lets a fallback continue from what was delivered, where it takes an assistant prefill; `restart` asks one anew
    and goes on only if its answer begins with exactly what was delivered.
    """

    hold: int | Literal["all"] = 0
    prefill: bool = True
    restart: bool = True


class Policy(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How one endpoint is routed.

    `fallbacks` names, by what went wrong, the targets that are tried next, in order; an empty tuple: none. What is not
    named: after `auth`, `rate_limit`, `capacity`, `timeout`, `network` and `protocol` every other target in its order,
    after `context_length` those with a larger window, after `content_filter` none. `invalid_request` never falls over.
    `min_speed` is in tokens per second, over a stream's first token to now (None: any).
    """

    targets: tuple[Target, ...]
    pick: Pick = "priority"
    fallbacks: dict[ErrorClass, tuple[str, ...]] = {}
    retries: Retries = Retries()
    limits: Limits = Limits()
    hedge: Hedge | None = None
    min_speed: float | None = None
    rescue: Rescue | None = None


FALL_OVER: Final[frozenset[ErrorClass]] = frozenset(
    {"auth", "rate_limit", "capacity", "timeout", "network", "protocol"}
)
"""What goes to the next target unless the policy says otherwise."""
