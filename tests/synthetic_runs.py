"""Runs as a real evaluation would leave them, made from a seed: journal, samples, scores, manifest."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from weighbridge.replay.result import Attempt, Result
from weighbridge.samples.sample import Sample
from weighbridge.scorers.score import Score
from weighbridge.store.manifest import CandidateRecord, Constraint, Manifest, Saturation, new_id, versions_in_use
from weighbridge.store.rows import Scored
from weighbridge.store.run import Run
from weighbridge.store.sealing import seal
from weighbridge.wire.answer import Answer, Latency, Usage
from weighbridge.wire.failure import Failure

TAGS = ("sentiment", "facts", "extraction", "sums", "triage")
CONSTRAINTS = (
    Constraint(figure="quality", limit=0.7),
    Constraint(figure="cost_per_success", limit=0.002),
    Constraint(figure="ttft_p95", limit=0.8),
    Constraint(figure="error_rate", limit=0.05),
)


@dataclass(frozen=True, slots=True)
class Made:
    """A candidate to make up: `skill` in log-odds, prices in USD per million tokens, `ttft` the median in seconds."""

    name: str
    skill: float
    price: tuple[float, float] | None
    ttft: float
    tokens: int = 60
    errors: float = 0.01
    unscorable: float = 0.0


MINI = Made("mini", 1.2, (0.25, 2.0), 0.32)
MINI_TERSE = Made("mini-terse", 1.5, (0.25, 2.0), 0.30, tokens=25)
SONNET = Made("sonnet", 2.9, (3.0, 15.0), 0.71, tokens=80)
SMOL = Made("smol", -0.4, (0.02, 0.08), 0.11, errors=0.04)
CANDIDATES = (MINI, MINI_TERSE, SONNET, SMOL)


def make_samples(count: int, *, seed: int = 7, clusters: int = 0, text: str = "") -> list[Sample]:
    """`count` different samples, tagged in turn; `clusters` > 0 spreads them over that many conversations."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        tag = TAGS[number % len(TAGS)]
        prompt = f"{tag.capitalize()} {number}: what is {rng.randint(2, 99)} and {rng.randint(2, 99)}? {text}".strip()
        made.append(
            Sample(
                request={"messages": [{"role": "user", "content": prompt}], "temperature": 0},
                expected=(f"answer {number}",),
                tags=(tag, "long") if number % 7 == 0 else (tag,),
                cluster=f"conversation-{number % clusters}" if clusters else None,
            )
        )
    return made


def make_run(
    home: Path,
    *,
    candidates: Sequence[Made] = CANDIDATES,
    samples: int = 120,
    repeats: int = 1,
    seed: int = 7,
    clusters: int = 0,
    constraints: tuple[Constraint, ...] = CONSTRAINTS,
    evaluation: str = "support-weekly",
    created: datetime | None = None,
    sealed: bool = True,
    scored: bool = True,
    text: str = "",
) -> Run:
    """A whole run in `home`. The same `seed` gives the same samples and, for a candidate of the same name and skill,
    the same luck."""
    created = created or datetime.now(UTC)
    chosen = make_samples(samples, clusters=clusters, text=text)
    run = Run.create(home, make_manifest(candidates, chosen, repeats, seed, constraints, evaluation, created))
    run.write_samples(chosen)
    made = [
        make_result(spec, sample, number, repeat, seed)
        for repeat in range(repeats)
        for number, sample in enumerate(chosen)
        for spec in candidates
    ]
    write_journal(run.journal, [result for result, _ in made])
    if scored:
        with run.scoring() as log:
            for _, verdict in made:
                if verdict is not None:
                    log.append(verdict)
    if sealed:
        seal(run)
    return run


def write_journal(path: Path, results: Sequence[Result]) -> None:
    with path.open("ab") as file:
        for result in results:
            sent = {"t": "sent", "candidate": result.candidate, "sample": result.sample, "repeat": result.repeat}
            file.write(json.dumps(sent).encode() + b"\n")
            file.write(b'{"t":"result","result":' + msgspec.json.encode(result) + b"}\n")


def make_manifest(
    candidates: Sequence[Made],
    samples: Sequence[Sample],
    repeats: int,
    seed: int,
    constraints: tuple[Constraint, ...],
    evaluation: str,
    created: datetime,
) -> Manifest:
    return Manifest(
        id=new_id(created),
        evaluation=evaluation,
        endpoint="support-reply",
        created=created,
        status="complete",
        config="endpoints:\n  support-reply: …\n",
        config_sha256="c0ffee" * 10 + "beef",
        candidates=tuple(_record(spec) for spec in candidates),
        samples_file="samples/support.jsonl",
        samples_sha256="5a" * 32,
        sample_ids=tuple(sample.id for sample in samples),
        scorers={"answer": {"contains": {}}, "length": {"length": {"max": 400}}},
        success="answer",
        constraints=constraints,
        seed=seed,
        repeats=repeats,
        arrivals="poisson 4/s",
        timeouts={"connect": 10.0, "first_byte": 30.0, "total": 60.0},
        planned=len(candidates) * len(samples) * repeats,
        versions=versions_in_use(),
        saturation=Saturation(saturated=False, explanation="sent 2 ms late at worst"),
    )


def _record(spec: Made) -> CandidateRecord:
    price = {"input": spec.price[0], "output": spec.price[1]} if spec.price else None
    return CandidateRecord(
        name=spec.name,
        model=spec.name.partition("-")[0],
        provider="local",
        vendor_model=f"vendor/{spec.name}",
        params={"temperature": 0},
        prompts={"system": "ab" * 32},
        price=price,
        price_from="weighbridge.yaml" if price else "",
    )


def make_result(spec: Made, sample: Sample, number: int, repeat: int, seed: int) -> tuple[Result, Scored | None]:
    rng = random.Random(f"{seed}/{spec.name}/{number}/{repeat}")
    difficulty = random.Random(f"difficulty/{number}").gauss(0, 1.6)
    started = number * 0.25
    if rng.random() < spec.errors:
        return _failed(spec, sample, repeat, started, rng), None
    usage = Usage(input=120 + number % 40, output=max(1, round(spec.tokens * rng.lognormvariate(0, 0.3))), cached=0)
    cost = spec.price and (usage.input or 0) * spec.price[0] / 1e6 + (usage.output or 0) * spec.price[1] / 1e6
    right = rng.random() < 1 / (1 + math.exp(difficulty - spec.skill))
    latency = _latency(spec, usage.output or 1, rng)
    text = f"The answer is: answer {number}." if right else f"I am not sure, maybe {rng.randint(1, 999)}?"
    answer = Answer(
        text=text, finish_reason="stop", model=spec.name, fingerprint="fp_1", usage=usage, latency=latency, chunks=9
    )
    attempts = (
        *_stumbles(rng, started),
        Attempt(started=started, took=latency.total, status=200, usage=usage, cost=cost or None),
    )
    result = Result(
        candidate=spec.name,
        sample=sample.id,
        repeat=repeat,
        intended=started,
        attempts=attempts,
        answer=answer,
        cost=cost,
    )
    return result, _verdict(result, spec, number, right=right, rng=rng)


def _latency(spec: Made, tokens: int, rng: random.Random) -> Latency:
    ttft = spec.ttft * rng.lognormvariate(0, 0.35)
    gaps = tuple(0.008 * rng.lognormvariate(0, 0.2) for _ in range(min(tokens, 12)))
    last = ttft + sum(gaps) * max(1, tokens / 12)
    return Latency(total=last + 0.001, ttfb=ttft - 0.002, ttft=ttft, ttfa=ttft, last_token=last, gaps=gaps)


def _stumbles(rng: random.Random, started: float) -> tuple[Attempt, ...]:
    if rng.random() > 0.03:
        return ()
    failure = Failure(error_class="rate_limit", message="slow down", status=429, retry_after=0.5)
    return (Attempt(started=started, took=0.05, status=429, failure=failure, cost=0.0),)


def _failed(spec: Made, sample: Sample, repeat: int, started: float, rng: random.Random) -> Result:
    timeout = rng.random() < 0.6
    failure = (
        Failure(error_class="timeout", message="not done after 60 s (total time-out)")
        if timeout
        else Failure(error_class="capacity", message="the model is overloaded", status=503)
    )
    took = 60.0 if timeout else 0.2
    return Result(
        candidate=spec.name,
        sample=sample.id,
        repeat=repeat,
        intended=started,
        attempts=(Attempt(started=started, took=took, status=failure.status, failure=failure, cost=0.0),),
        cost=0.0 if spec.price else None,
    )


def _verdict(result: Result, spec: Made, number: int, *, right: bool, rng: random.Random) -> Scored:
    text = result.answer.text if result.answer else ""
    extracted: dict[str, Any] = {"from": "text", "value": text[-24:]}
    if rng.random() < spec.unscorable:
        score = Score.unscorable("answer", "no answer could be taken from the text")
    else:
        why = f"{'found' if right else 'missing'} 'answer {number}'"
        score = Score(scorer="answer", value=float(right), passed=right, explanation=why, extracted=extracted)
    length = Score(scorer="length", value=1.0, passed=True, explanation=f"{len(text)} of at most 400 characters")
    return Scored(
        candidate=result.candidate,
        sample=result.sample,
        repeat=result.repeat,
        success=score.passed,
        scores=(score, length),
    )
