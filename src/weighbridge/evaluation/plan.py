"""From a configuration to everything a run needs, checked before anything is paid for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from weighbridge.config import build
from weighbridge.config.load import Config
from weighbridge.config.rule import Rule
from weighbridge.config.sections import Constraints, EvaluationSection
from weighbridge.errors import UsageError
from weighbridge.evaluation import confiding, wording
from weighbridge.providers.candidate import Candidate
from weighbridge.providers.provider import Provider
from weighbridge.replay import plan as replay_plan
from weighbridge.replay.arrivals import Arrivals, Closed, Constant, Poisson, Trace
from weighbridge.replay.plan import Plan
from weighbridge.samples.sampleset import SampleSet
from weighbridge.samples.sampling import take
from weighbridge.scorers.panel import Panel
from weighbridge.store import manifest
from weighbridge.store.manifest import CandidateRecord, Constraint, Manifest
from weighbridge.transport.client import Timeouts


@dataclass(slots=True)
class Evaluation:
    """An evaluation, resolved: what is asked of whom, how it is judged, and what it may cost (USD)."""

    name: str
    config: Config
    section: EvaluationSection
    endpoint: str
    candidates: dict[str, Candidate]
    samples: SampleSet
    plan: Plan
    panel: Panel
    rule: Rule
    arrivals: Arrivals
    timeouts: Timeouts
    notes: list[str]

    @property
    def constraints(self) -> Constraints:
        return self.config.endpoints[self.endpoint].constraints

    @property
    def digest(self) -> str:
        """Equal for two runs whose results may be put together: same plan, same requests, same prices, same judging."""
        said = (self.plan.digest, [(record.name, record) for record in self.records()], self.section.stream)
        return hashlib.sha256(msgspec.json.encode(said, order="deterministic")).hexdigest()[:16]

    def records(self) -> tuple[CandidateRecord, ...]:
        return tuple(map(_record, self.candidates.values()))

    def manifest(self) -> Manifest:
        """The manifest of a new run."""
        section = self.section
        return Manifest(
            id=manifest.new_id(),
            evaluation=self.name,
            created=datetime.now(UTC),
            endpoint=self.endpoint,
            config=self.config.source,
            config_sha256=self.config.digest,
            candidates=self.records(),
            samples_file=section.samples.file,
            samples_sha256=self.samples.digest,
            sample_ids=tuple(self.plan.samples),
            scorers=dict(section.scorers),
            success=str(self.config.endpoints[self.endpoint].success),
            constraints=tuple(_constraints(self.constraints)),
            seed=section.samples.seed,
            repeats=section.repeats,
            arrivals=str(self.arrivals),
            timeouts=msgspec.to_builtins(section.timeouts),
            max_cost=section.budget,
            planned=len(self.plan),
            versions=manifest.versions_in_use(),
            notes=tuple(self.notes),
        )


def prepare(config: Config, name: str | None = None) -> Evaluation:
    """Resolves an evaluation: keys, prompts, prices, samples, scorers. Raises UsageError (ConfigError among them) with
    one line for the first thing that is wrong; nothing has been sent by then."""
    name, section = config.evaluation(name)
    build.require_keys(config, name)
    endpoint = config.endpoints[section.endpoint]
    candidates = {candidate.name: candidate for candidate in build.candidates(config, endpoint.candidates)}
    mute: list[str] = []
    if section.logprobs is not None:
        candidates, mute = confiding.asked(candidates, section.logprobs)
    samples = SampleSet.load(config.file(section.samples.file), skip_bad=section.samples.skip_bad)
    notes = [f"{len(samples.bad)} bad lines of {section.samples.file} were left out"] if samples.bad else []
    if mute:
        notes.append(f"no log-probabilities are to be had of {', '.join(mute)}")
    if samples.twice:
        notes.append(f"{samples.twice} equal samples of {section.samples.file} count once")
    chosen = samples.samples
    if section.samples.take is not None:
        chosen = take(chosen, section.samples.take, stratify=section.samples.stratify, seed=section.samples.seed)
    panel = Panel.of(section.scorers, base=config.folder)
    rule = config.rule(section.endpoint)
    for sample in chosen:
        panel.check(sample)
        missing = rule.names - set(panel.names) - set(sample.checks)
        if missing:
            raise UsageError(
                f"the success rule asks for {', '.join(sorted(missing))}, and sample {sample.id} has no such score",
                where=config.where("endpoints", section.endpoint, "success"),
                mend="Name it under `scorers`, or give every sample a check of that name",
            )
    plan = replay_plan.of(list(candidates), chosen, repeats=section.repeats, seed=section.samples.seed)
    _check_requests(candidates, plan)
    arrivals = _arrivals(section, plan)
    if isinstance(arrivals, Trace):
        notes.append(f"the recorded arrivals take {wording.seconds(arrivals.lap * section.repeats)} at this speed")
    return Evaluation(
        name=name,
        config=config,
        section=section,
        endpoint=section.endpoint,
        candidates=candidates,
        samples=samples,
        plan=plan,
        panel=panel,
        rule=rule,
        arrivals=arrivals,
        timeouts=Timeouts(
            connect=section.timeouts.connect,
            first_byte=section.timeouts.first_byte,
            idle=section.timeouts.idle,
            total=section.timeouts.total,
        ),
        notes=notes,
    )


def _check_requests(candidates: Mapping[str, Candidate], plan: Plan) -> None:
    """Raises UsageError where a candidate cannot send a sample: better than a failed request for each of them."""
    for sample in plan.samples.values():
        for candidate in candidates.values():
            try:
                candidate.request(sample.request, sample.api, sample.tags)
            except UsageError as error:
                raise UsageError(error.what, where=f"sample {sample.id}", mend=error.mend) from None


def _arrivals(section: EvaluationSection, plan: Plan) -> Arrivals:
    """Raises UsageError where the samples do not say when they arrived, and that is what is asked for."""
    said = section.arrivals
    if said.constant is not None:
        return Constant(said.constant)
    if said.poisson is not None:
        return Poisson(said.poisson, section.samples.seed)
    if said.trace is not None:
        return Trace(_arrived(section, plan), said.trace, each=len(plan.candidates))
    return Closed(said.concurrency or 1, said.ramp)


def _arrived(section: EvaluationSection, plan: Plan) -> list[float]:
    unknown = [name for name, sample in plan.samples.items() if sample.arrived is None]
    if unknown or not plan.samples:
        what = f"{len(unknown)} of {len(plan.samples)} samples do not say when they arrived, such as {unknown[:1]}"
        mend = (
            "Take samples of recorded traffic (weighbridge samples capture), or other arrivals, such as {poisson: 4/s}"
        )
        raise UsageError(what if unknown else "there are no samples", where=section.samples.file, mend=mend)
    return sorted(sample.arrived or 0.0 for sample in plan.samples.values())


def _record(candidate: Candidate) -> CandidateRecord:
    model = candidate.model
    return CandidateRecord(
        name=candidate.name,
        model=model.name,
        provider=model.provider.name,
        server=_server(model.provider),
        vendor_model=model.model,
        api=candidate.speaks(),
        params=candidate.params,
        logprobs=candidate.logprobs,
        prompts=_prompt_digests(candidate),
        price=msgspec.to_builtins(model.price) if model.price is not None else None,
        price_from=model.price.source if model.price is not None else "",
    )


def _server(provider: Provider) -> str:
    said = f"{provider.preset.dialect} {provider.base_url.rstrip('/')}"
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _prompt_digests(candidate: Candidate) -> dict[str, str]:
    parts: dict[str, Any] = {"system": candidate.system, "shots": candidate.shots, "template": candidate.template}
    return {name: hashlib.sha256(msgspec.json.encode(value)).hexdigest() for name, value in parts.items() if value}


def _constraints(section: Constraints) -> list[Constraint]:
    found = []
    if section.quality is not None:
        found.append(Constraint(figure="quality", limit=section.quality.min, confidence=section.quality.confidence))
    if section.cost_per_success is not None:
        found.append(Constraint(figure="cost_per_success", limit=section.cost_per_success.max))
    if section.error_rate is not None:
        found.append(Constraint(figure="error_rate", limit=section.error_rate.max))
    found.extend(
        Constraint(figure=f"{what}_p{round(quantile * 100)}", limit=limit)
        for what, quantile, limit in section.latencies()
    )
    return found
