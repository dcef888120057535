"""What happened to one request, and what was said of it afterwards: the lines of a segment.

A line is one JSON object with its kind in `t`. Readers ignore fields they do not know, and kinds they do not know are
not errors: an older Weighbridge reads what a newer one wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Literal

import msgspec

from weighbridge.wire.answer import Usage
from weighbridge.wire.failure import Failure

Api = Literal["chat", "completions", "responses", "embeddings", "messages"]
Outcome = Literal["ok", "failed", "cancelled", "refused", "cut"]
"""`failed`: no target answered, the client got an error. `cancelled`: the client hung up. `refused`: we said no before
any call (key, budget, limit, a bad request). `cut`: bytes had reached the client and the answer did not end."""

VERSION: Final = 1
"""What a line without `version` has. A later version keeps this default and states its own number."""


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One call to one provider. Times are seconds: `started` after the exchange began, the others after `started`;
    None where that moment never came.

    `target` is the candidate's name, `model` what was asked of the provider and `answered` what it says it ran.
    `cost` is USD, None where it is unknown; an attempt that was turned away before it cost anything costs 0.0.
    `reason` says why this target, and why now. `upstream_id` is the provider's own id of the request.
    """

    target: str
    provider: str
    model: str
    started: float
    answered: str | None = None
    connect: float | None = None
    ttft: float | None = None
    total: float | None = None
    status: int | None = None
    failure: Failure | None = None
    finish_reason: str | None = None
    usage: Usage = Usage()
    cost: float | None = None
    hedge: bool = False
    probe: bool = False
    reason: str = ""
    upstream_id: str | None = None


class Route(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Which target answered (None: none did), and why it.

    `policy` names the policy that decided, by name or digest. `chance` is the probability it gave its first choice:
    without it, recorded traffic cannot tell what another policy would have done.
    """

    target: str | None = None
    reason: str = ""
    policy: str | None = None
    chance: float | None = None


class Features(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What could be known of the request before any call: what routing decides on.

    `needs` are abilities it asks for (tools, images, json_schema, …), `input_tokens` an estimate, `max_tokens` what the
    client allows.
    """

    needs: tuple[str, ...] = ()
    body_bytes: int = 0
    input_tokens: int | None = None
    max_tokens: int | None = None
    messages: int | None = None
    tools: int = 0


class Exchange(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False, tag_field="t", tag="exchange"):
    """One request as served.

    `at` is Unix seconds of its arrival; `ttft` and `total` are seconds after that, as the client saw them. `key` is the
    virtual key's name, never the key. `status` is what the client was sent, None where it hung up before. `usage` and
    `cost` are summed over the attempts (`summed_usage`, `summed_cost`); `cost` None is unknown. `cache` says that
    no target was asked. `shadow_of` is the id of the exchange this one was a copy of: its answer went to nobody.
    `request` and `reply` are bodies as JSON text, redacted, where this exchange was sampled (`capture.Capture`).
    """

    id: str
    at: float
    endpoint: str
    api: Api
    outcome: Outcome
    key: str | None = None
    tenant: str | None = None
    streamed: bool = False
    status: int | None = None
    failure: Failure | None = None
    route: Route = Route()
    attempts: tuple[Attempt, ...] = ()
    usage: Usage = Usage()
    cost: float | None = None
    ttft: float | None = None
    total: float | None = None
    finish_reason: str | None = None
    cache: Literal["exact", "semantic"] | None = None
    trace: str | None = None
    shadow_of: str | None = None
    features: Features = Features()
    request: str | None = None
    reply: str | None = None
    capture: Literal["cut"] | None = None
    version: int = VERSION

    @property
    def served(self) -> Attempt | None:
        """The attempt whose answer the client got."""
        fitting = (a for a in reversed(self.attempts) if a.target == self.route.target and a.failure is None)
        return next(fitting, None)


class Feedback(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False, tag_field="t", tag="feedback"):
    """What a person or a program said of an exchange, some time after it; `score` from 0 (useless) to 1."""

    exchange: str
    at: float
    score: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    comment: str | None = None
    key: str | None = None
    version: int = VERSION


Record = Exchange | Feedback


class _Kind(msgspec.Struct, frozen=True):
    t: str


_decode: Callable[[bytes], Record] = msgspec.json.Decoder(Record).decode
_kind = msgspec.json.Decoder(_Kind).decode
_KINDS: Final = frozenset({"exchange", "feedback"})


def decode(line: bytes) -> Record | None:
    """A line's record; None for a kind of record this version does not know. Raises ValueError for a damaged line."""
    try:
        return _decode(line)
    except msgspec.ValidationError:
        if _kind(line).t in _KINDS:
            raise
        return None
    except RecursionError:
        raise ValueError("nested too deeply") from None
