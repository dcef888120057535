"""Who makes the calls: the seam between the load engine and the network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from time import monotonic
from typing import NamedTuple, Protocol

from weighbridge.errors import UsageError
from weighbridge.providers import answers
from weighbridge.providers.candidate import Api, Candidate
from weighbridge.providers.dialect import FailedCall, Outgoing
from weighbridge.providers.dialects import dialect_of
from weighbridge.replay.plan import Job
from weighbridge.replay.result import Attempt
from weighbridge.samples.sample import Sample
from weighbridge.transport.client import Client, Timeouts
from weighbridge.transport.faults import CallFailed
from weighbridge.wire.answer import Answer, Usage
from weighbridge.wire.failure import Failure

_BYTES_PER_TOKEN = 2.0  # for an upper bound: prose has four, dense JSON and other scripts fewer
_OUTPUT_UNKNOWN = 4096


class Attempted(NamedTuple):
    """One attempt and, where it went well, its answer."""

    attempt: Attempt
    answer: Answer | None


class Caller(Protocol):
    """Makes one attempt. Whatever the provider does is an Attempted with a failure, never an exception."""

    async def call(self, job: Job, *, intended: float, start: float, attempt: int) -> Attempted: ...

    def provider(self, candidate: str) -> str:
        """The name of who answers for a candidate: paces are kept for each."""
        ...

    def most(self, job: Job) -> float | None:
        """What an attempt may cost at most, in USD; None where that is unknown."""
        ...


class ProviderCaller:
    """Calls providers. `run` makes the Idempotency-Key: stable over a resume, different for every attempt."""

    def __init__(
        self,
        run: str,
        candidates: Mapping[str, Candidate],
        samples: Mapping[str, Sample],
        client: Client,
        *,
        stream: bool = True,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._run = run
        self._candidates = candidates
        self._samples = samples
        self._client = client
        self._stream = stream
        self._timeouts = timeouts
        providers = {candidate.model.provider.name: candidate.model.provider for candidate in candidates.values()}
        self._dialects = {name: dialect_of(provider) for name, provider in providers.items()}

    def provider(self, candidate: str) -> str:
        return self._candidates[candidate].model.provider.name

    def outgoing(self, job: Job) -> Outgoing:
        """The request for a job. Raises UsageError where the candidate cannot send this sample."""
        return self._asked(job)[1]

    def _asked(self, job: Job) -> tuple[Api, Outgoing]:
        candidate, sample = self._candidates[job.candidate], self._samples[job.sample]
        api, body = candidate.request(sample.request, sample.api, sample.tags)
        dialect = self._dialects[candidate.model.provider.name]
        return api, dialect.outgoing(candidate.model, api, body, stream=self._stream)

    def most(self, job: Job) -> float | None:
        price = self._candidates[job.candidate].model.price
        if price is None:
            return None
        candidate, sample = self._candidates[job.candidate], self._samples[job.sample]
        _, body = candidate.request(sample.request, sample.api, sample.tags)
        limit = body.get("max_completion_tokens", body.get("max_tokens"))
        output = limit if isinstance(limit, int) else _OUTPUT_UNKNOWN
        size = len(self.outgoing(job).body)
        return price.upper_bound(int(size / _BYTES_PER_TOKEN) + 64, output * max(1, body.get("n") or 1))

    async def call(self, job: Job, *, intended: float, start: float, attempt: int) -> Attempted:
        """`intended` and `start` (the run's) are monotonic seconds."""
        began = monotonic()
        dialect = self._dialects[self.provider(job.candidate)]
        try:
            api, outgoing = self._asked(job)
        except UsageError as error:
            return Attempted(
                Attempt(started=began - start, took=0.0, failure=Failure("invalid_request", str(error))), None
            )
        status: int | None = None
        try:
            reply = await self._client.fetch(
                outgoing.route,
                outgoing.body,
                intended=intended,
                timeouts=self._timeouts,
                headers={"Idempotency-Key": self.idempotency_key(job, attempt)},
            )
            status = reply.status
            answer = answers.read(dialect, reply, api, streamed=self._stream)
        except FailedCall as error:
            refused = (error.failure.status or 0) >= 400
            return self._failed(job, began, start, error.failure, error.partial, free=refused)
        except CallFailed as error:
            never_sent = error.timing is None or error.timing.sent is None
            partial = answers.partial(dialect, error.reply, api, intended)
            return self._failed(job, began, start, dialect.failure_of(error), partial, free=never_sent)
        done = Attempt(
            started=began - start,
            took=monotonic() - began,
            status=status,
            usage=answer.usage,
            cost=self._cost(job, answer.usage),
        )
        return Attempted(done, answer)

    def _failed(
        self, job: Job, began: float, start: float, failure: Failure, partial: Answer | None, *, free: bool
    ) -> Attempted:
        """A failure. A refused request costs nothing; a cut stream costs what its usage says, and where it did not get
        to say, nobody knows: its cost is unknown, not zero."""
        usage = partial.usage if partial is not None else Usage()
        cost = 0.0 if free else self._cost(job, usage)
        done = Attempt(
            started=began - start,
            took=monotonic() - began,
            status=failure.status,
            failure=failure,
            usage=usage,
            cost=cost,
        )
        return Attempted(done, None)

    def _cost(self, job: Job, usage: Usage) -> float | None:
        price = self._candidates[job.candidate].model.price
        return price.cost(usage) if price is not None else None

    def idempotency_key(self, job: Job, attempt: int) -> str:
        """The same for the same attempt of the same run, whichever process makes it."""
        said = f"{self._run}/{job.candidate}/{job.sample}/{job.repeat}/{attempt}"
        return "wb-" + hashlib.blake2b(said.encode(), digest_size=16).hexdigest()
