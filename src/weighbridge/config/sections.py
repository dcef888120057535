"""The sections of weighbridge.yaml as typed structs: what may be written, in base units once read.

Field docs stand in `Meta(description=…)` because an editor shows them beside the cursor through the JSON Schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta

from weighbridge.config.serving import (
    BudgetSection,
    CacheSection,
    CaptureSection,
    GatewaySection,
    KeySection,
    LimitsSection,
    Name,
    RouteSection,
    Section,
    ShadowSection,
)
from weighbridge.config.units import Dollars, PerSecond, Seconds, Share

Api = Literal["chat", "completions"]


class ProviderSection(Section, frozen=True, kw_only=True):
    """An account at a vendor, or a server: where to call and how to sign."""

    preset: Annotated[str | None, Meta(description="A vendor or server we know: base URL, key variable, quirks.")] = (
        None
    )
    base_url: Annotated[
        str | None, Meta(description="Where the API begins, such as http://127.0.0.1:8081/v1. May hold $NAME.")
    ] = None
    key: Annotated[
        str | None, Meta(description="The environment variable that holds the key, as $NAME; never the key itself.")
    ] = None
    headers: Annotated[dict[str, str], Meta(description="Sent with every request; values may hold $NAME.")] = {}


class PriceSection(Section, frozen=True, kw_only=True):
    """A model's price, in USD per million tokens. It wins over the price book."""

    input: Annotated[Dollars, Meta(description="Tokens sent.")]
    output: Annotated[Dollars, Meta(description="Tokens generated, reasoning included.")]
    cached: Annotated[Dollars | None, Meta(description="Tokens read from the vendor's cache (else as input).")] = None
    cache_write: Annotated[Dollars | None, Meta(description="Tokens written to its cache (else as input).")] = None
    reasoning: Annotated[Dollars | None, Meta(description="Reasoning tokens (else as output).")] = None
    audio_input: Annotated[Dollars | None, Meta(description="Audio tokens sent (else as input).")] = None
    audio_output: Annotated[Dollars | None, Meta(description="Audio tokens generated (else as output).")] = None


class ModelSection(Section, frozen=True, kw_only=True):
    """One model at one provider. Its name here is ours; `model` is the vendor's."""

    provider: Annotated[Name, Meta(description="One of `providers`.")]
    model: Annotated[Name, Meta(description="The vendor's name for it.")]
    price: Annotated[PriceSection | None, Meta(description="Else from the price book (genai-prices).")] = None
    context: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Its window in tokens; else from the price book.")
    ] = None


class ShotSection(Section, frozen=True, kw_only=True):
    """One worked example: what a user asks, and the answer we want. With a `tag`, only samples so tagged get it."""

    user: str
    assistant: str
    tag: str | None = None


class TemplateSection(Section, frozen=True, kw_only=True):
    """How a chat is written out as text for a base model behind /v1/completions."""

    turn: Annotated[str, Meta(description="One exchange; holds {user} and {assistant}.")]
    ask: Annotated[str, Meta(description="The last turn, cut where the model continues; holds {user}.")]
    system: Annotated[str, Meta(description="The system prompt; holds {system}.")] = ""


class CandidateSection(Section, frozen=True, kw_only=True):
    """A model plus what is sent to it: what an evaluation compares. A bare model is a candidate too."""

    model: Annotated[Name, Meta(description="One of `models`.")]
    system: Annotated[
        str | None, Meta(description="A system prompt: the text, or a file (one word that ends in .md or .txt).")
    ] = None
    shots: Annotated[
        str | tuple[ShotSection, ...], Meta(description="Worked examples: a JSON Lines file, or a list of them.")
    ] = ()
    template: Annotated[TemplateSection | None, Meta(description="For base models: chat written as text.")] = None
    api: Annotated[Api | None, Meta(description="Else as the sample says; completions where there is a template.")] = (
        None
    )
    params: Annotated[dict[str, Any], Meta(description="Sent as they are: temperature, max_tokens, stop, …")] = {}


class QualityLimit(Section, frozen=True, kw_only=True):
    """The success rate a candidate must show: the lower bound of its interval at `confidence` is compared."""

    min: Share
    confidence: Share = 0.95


class DollarLimit(Section, frozen=True, kw_only=True):
    max: Dollars


class DurationLimit(Section, frozen=True, kw_only=True):
    max: Seconds


class ShareLimit(Section, frozen=True, kw_only=True):
    max: Share


class Constraints(Section, frozen=True, kw_only=True):
    """What a candidate must meet to be chosen. `ttft` counts to the first token, `total` to the end, both from the
    intended send time."""

    quality: QualityLimit | None = None
    cost_per_success: DollarLimit | None = None
    error_rate: ShareLimit | None = None
    ttft_p50: DurationLimit | None = None
    ttft_p90: DurationLimit | None = None
    ttft_p95: DurationLimit | None = None
    ttft_p99: DurationLimit | None = None
    total_p50: DurationLimit | None = None
    total_p90: DurationLimit | None = None
    total_p95: DurationLimit | None = None
    total_p99: DurationLimit | None = None

    def limits(self) -> Iterator[tuple[str, float]]:
        """Each limit set, by the name of its figure, in base units: `quality` is a minimum, all else a maximum."""
        for figure in self.__struct_fields__:
            limit: QualityLimit | DollarLimit | DurationLimit | ShareLimit | None = getattr(self, figure)
            if limit is not None:
                yield figure, limit.min if isinstance(limit, QualityLimit) else limit.max

    def latencies(self) -> Iterator[tuple[Literal["ttft", "total"], float, float]]:
        """Each latency limit set, as (what, quantile in (0, 1), seconds), by rising quantile."""
        measures: tuple[Literal["ttft", "total"], ...] = ("ttft", "total")
        for measure in measures:
            for percent in (50, 90, 95, 99):
                limit: DurationLimit | None = getattr(self, f"{measure}_p{percent}")
                if limit is not None:
                    yield measure, percent / 100, limit.max


class EndpointSection(Section, frozen=True, kw_only=True):
    """The name an app asks for as `model`: what may serve it, when a response is a success, and what must be met."""

    candidates: Annotated[tuple[Name, ...], Meta(description="Names from `candidates` or `models`.")]
    success: Annotated[
        str | None, Meta(description="A rule over scorers, such as `schema and field_f1 >= 0.9`; evaluations need it.")
    ] = None
    constraints: Constraints = Constraints()
    route: RouteSection = RouteSection()
    drop_params: Annotated[
        bool, Meta(description="Take parameters out that a target cannot do; else it is not asked.")
    ] = False
    capture: Annotated[CaptureSection | None, Meta(description="Which requests are kept with their bodies.")] = None
    shadow: Annotated[ShadowSection | None, Meta(description="A share is sent elsewhere too, unseen.")] = None
    cache: Annotated[CacheSection | None, Meta(description="Answers kept for equal requests.")] = None
    budget: BudgetSection = BudgetSection()
    limits: LimitsSection = LimitsSection()


class SamplesSection(Section, frozen=True, kw_only=True):
    """Which samples to replay."""

    file: Annotated[Name, Meta(description="A JSON Lines file, relative to this one.")]
    take: Annotated[int, Meta(ge=1, description="How many, drawn by `seed`; else all.")] | None = None
    stratify: Annotated[Literal["tag"] | None, Meta(description="Draw by tag, in proportion.")] = None
    seed: Annotated[int, Meta(ge=0, description="Of the drawing and the order.")] = 0
    skip_bad: Annotated[bool, Meta(description="Leave out lines that cannot be read, and say so; else stop.")] = False


ARRIVALS = ("concurrency", "constant", "poisson", "trace")
"""Of these there is exactly one."""


class Arrivals(Section, frozen=True, kw_only=True):
    """When requests are sent; exactly one of the four. `concurrency` is a closed loop (n in flight); the others are
    open loops: a slow provider does not slow the arrivals."""

    concurrency: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    constant: PerSecond | None = None
    poisson: PerSecond | None = None
    trace: Annotated[
        Annotated[float, Meta(gt=0, le=1_000_000)] | None,
        Meta(description="When the samples' requests arrived, so many times as fast: 1 as they did."),
    ] = None
    ramp: Annotated[Seconds, Meta(description="A closed loop begins its requests spread over this time.")] = 0.0


class TimeoutsSection(Section, frozen=True, kw_only=True):
    """How long to wait for each step of a call."""

    connect: Seconds = 10.0
    first_byte: Seconds = 60.0
    idle: Annotated[Seconds, Meta(description="Silence between two reads.")] = 60.0
    total: Seconds = 600.0


class EvaluationSection(Section, frozen=True, kw_only=True):
    """The candidates of an endpoint on samples, some times over, scored."""

    endpoint: Annotated[Name, Meta(description="One of `endpoints`.")]
    samples: SamplesSection
    scorers: Annotated[
        dict[str, dict[str, Any]],
        Meta(description="By the name the success rule uses: {kind: settings}, such as {json_schema: reply.json}."),
    ] = {}
    repeats: Annotated[int, Meta(ge=1, le=1000, description="Times each sample is sent to each candidate.")] = 1
    arrivals: Arrivals = Arrivals(concurrency=8)
    budget: Annotated[Dollars | None, Meta(description="Stop before more than this is spent.")] = None
    timeouts: TimeoutsSection = TimeoutsSection()
    retries: Annotated[int, Meta(ge=0, le=20, description="Further attempts after a failure that may pass.")] = 2
    stream: Annotated[bool, Meta(description="Stream replies, which is what measures TTFT.")] = True
    logprobs: Annotated[
        Annotated[int, Meta(ge=0, le=20)] | None,
        Meta(description="Ask for each token's log-probability and so many rivals', where a candidate can tell."),
    ] = None

    def scorer_kinds(self) -> Iterator[tuple[str, str, Any]]:
        """Each scorer as (name, kind, settings)."""
        for name, spec in self.scorers.items():
            ((kind, settings),) = spec.items()
            yield name, kind, settings


class Sections(Section, frozen=True, kw_only=True):
    """The whole file."""

    providers: dict[str, ProviderSection] = {}
    models: dict[str, ModelSection] = {}
    candidates: dict[str, CandidateSection] = {}
    endpoints: dict[str, EndpointSection] = {}
    evaluations: dict[str, EvaluationSection] = {}
    gateway: GatewaySection = GatewaySection()
    keys: dict[str, KeySection] = {}


LATER: dict[tuple[str, ...], tuple[str, ...]] = {
    (): ("watch", "alerts"),
    ("endpoints", "*"): ("audit",),
}
"""Keys the design knows and this version does not, by where they would stand."""
