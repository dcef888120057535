"""A policy written down for one endpoint: the way its requests go, what that rests on, and what it promises.

One YAML file each, versioned and diffable; `weighbridge policy` proposes it, the gateway serves by it. All structs are
frozen and refuse unknown fields. Seconds and USD everywhere; shares and probabilities in [0, 1].
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

VERSION: Final = 1

Probability = Annotated[float, Meta(ge=0, le=1)]
Name = Annotated[str, Meta(min_length=1)]


class Part(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything in a policy's file."""


# --- confidence: from what an answer shows to the probability that it is right


class Curve(Part, frozen=True):
    """A calibration curve: straight lines between the points (x rising), flat beyond them."""

    x: tuple[float, ...]
    y: tuple[float, ...]


class Confidence(Part, frozen=True):
    """P(right) = curve(sigmoid(bias + sum of weights * (signal - center) / scale)), signals in the order named.

    `curve` None: the sigmoid is calibrated as it is (Platt). `without` answers where a signal is missing or not a
    number: fitted without logprobs, say; None: such an answer is never kept. `auroc` and `ece` were measured on samples
    that neither the weights nor the curve were fitted on; `n` counts them.
    """

    signals: tuple[Name, ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    curve: Curve | None = None
    without: Confidence | None = None
    auroc: float | None = None
    ece: float | None = None
    n: int = 0


# --- the ways


class Look(Part, frozen=True):
    """A point at which an answer is judged: after `tokens` tokens, or at its end (None: the last look of a step).

    At or above `keep` the answer is kept (a stream is let go to the client), below `drop` it is given up at once.
    `also` stands in for `keep` in the share `Cascade.mix` of requests: two adjacent policies, mixed.
    """

    confidence: Confidence
    keep: float | None = None
    drop: float | None = None
    also: float | None = None
    tokens: Annotated[int, Meta(ge=1)] | None = None


class Step(Part, frozen=True):
    """One candidate of a cascade. Without `looks` its answer is final. `ask` are further questions paid for before the
    last look: `samples` - 1 more answers to agree with, and whether it thinks it is right (`p_true`).

    `skip`: where the predicted chance that it is right, less what the next step is worth, is below, it is not asked.
    """

    target: Name
    looks: tuple[Look, ...] = ()
    samples: Annotated[int, Meta(ge=1, le=16)] = 1
    p_true: bool = False
    skip: float | None = None


class Ceiling(Part, frozen=True):
    """A hard limit while serving: escalations are paid from a token bucket that each request fills by `usd`."""

    usd: Annotated[float, Meta(gt=0)]
    burst: Annotated[float, Meta(gt=0)]


class Single(Part, frozen=True, tag_field="kind", tag="single"):
    """One target; the endpoint's other candidates are its fallbacks, as ever."""

    target: Name


class Split(Part, frozen=True, tag_field="kind", tag="split"):
    """Targets by chance, in proportion to their weights."""

    weights: dict[Name, Annotated[float, Meta(gt=0)]]


class Prerouted(Part, frozen=True, tag_field="kind", tag="prerouted"):
    """`strong` where the predictor (a file beside the policy, by its SHA-256) expects to gain more than `threshold` by
    it, else `cheap`. `also` stands in for `threshold` in the share `mix` of requests."""

    cheap: Name
    strong: Name
    predictor: Name
    threshold: float
    also: float | None = None
    mix: Probability = 0.0


class Cascade(Part, frozen=True, tag_field="kind", tag="cascade"):
    """Steps from the cheapest to the strongest. A step's answer is kept where P(right) less what the next step is worth
    reaches the look's `keep`. Worth: P(next is right) - per_usd * its cost - per_second * its latency, predicted for
    this prompt; 0 without a predictor.

    `deadline` seconds: the steps before the last are skipped where they and it would miss it together; `latency` is
    what each target usually takes (its P95, seconds).
    """

    steps: tuple[Step, ...]
    predictor: Name | None = None
    per_usd: Annotated[float, Meta(ge=0)] = 0.0
    per_second: Annotated[float, Meta(ge=0)] = 0.0
    mix: Probability = 0.0
    ceiling: Ceiling | None = None
    deadline: float | None = None
    latency: dict[Name, float] = {}


Way = Single | Split | Prerouted | Cascade


def targets(way: Way) -> tuple[str, ...]:
    """Whom it may send to, in its order: the cheapest of a cascade or a pre-router first, the strongest last."""
    if isinstance(way, Single):
        return (way.target,)
    if isinstance(way, Split):
        return tuple(way.weights)
    if isinstance(way, Prerouted):
        return (way.cheap, way.strong)
    return tuple(step.target for step in way.steps)


# --- what it rests on, and what it promises


class Interval(Part, frozen=True):
    """An estimate with its bounds; a bound None is open."""

    value: float
    low: float | None = None
    high: float | None = None


class Evidence(Part, frozen=True):
    """The runs, and how many samples chose (`fitted`) and how many others tested (`tested`) the policy."""

    runs: tuple[str, ...]
    samples: int
    fitted: int
    tested: int
    date: str
    prices: dict[str, dict[str, float]] = {}
    models: dict[str, str] = {}


class Promise(Part, frozen=True):
    """What holds, together, with probability `confidence`. `risk`: at most `alpha` of requests keep a cheap answer that
    is wrong where the strong model would have been right. None: not promised."""

    confidence: Probability
    alpha: Probability | None = None
    risk: Interval | None = None
    quality: Interval | None = None
    cost_per_request: Interval | None = None
    cost_per_success: Interval | None = None
    latency: dict[str, Interval] = {}
    escalated: Interval | None = None


class Audit(Part, frozen=True):
    """A `share` of requests is answered by the strong target too. Answers are compared as `compare` says; where they
    differ in more than the share `allowed` of the audited, with error probability `delta`, the promise is void."""

    share: Probability = 0.01
    compare: Literal["text", "number", "choice", "json"] = "text"
    allowed: Probability = 0.05
    delta: Probability = 0.05


class Document(Part, frozen=True):
    """The policy of one endpoint. `safe` is served where its promise is void; `voids` says in sentences what voids it.
    `created` is ISO 8601 in UTC, `by` the version that proposed it."""

    endpoint: Name
    way: Way
    safe: Single
    created: str
    by: str = ""
    evidence: Evidence | None = None
    promise: Promise | None = None
    audit: Audit | None = None
    voids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    version: Literal[1] = 1

    def targets(self) -> tuple[str, ...]:
        """Every candidate it may send to, the safe one among them, each once."""
        return tuple(dict.fromkeys((*targets(self.way), self.safe.target)))
