"""A run, weighed: its figures, the verdict on them, and the distributions to draw."""

from __future__ import annotations

import msgspec

from weighbridge.evaluation import checking, judging, measuring
from weighbridge.evaluation.distributions import Distribution, distribution
from weighbridge.evaluation.figures import CandidateFigures, Figures
from weighbridge.evaluation.outcomes import Outcomes, load
from weighbridge.evaluation.verdict import Verdict
from weighbridge.evaluation.wording import counted
from weighbridge.store.manifest import Manifest
from weighbridge.store.run import Run


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a leaderboard shows of a run."""

    figures: Figures
    verdict: Verdict
    ttft: tuple[Distribution, ...] = ()
    total: tuple[Distribution, ...] = ()


def weigh(run: Run, *, confidence: float = 0.95) -> Weighed:
    """Computes every figure of a run, complete or not, and judges it under the constraints it was run with.

    Raises UsageError where the run's tables or journal are damaged.
    """
    record = run.manifest
    outcomes = load(run)
    timeout = record.timeouts.get("total")
    candidates = {name: _measured(found, record, confidence, timeout) for name, found in outcomes.items()}
    assessments = [
        checking.assess(outcomes[name], figures, record.constraints, timeout) for name, figures in candidates.items()
    ]
    verdict = judging.judge(
        list(candidates.values()), assessments, outcomes, endpoint=record.endpoint, confidence=confidence
    )
    return Weighed(
        figures=_figures(record, candidates, outcomes, confidence, timeout),
        verdict=verdict,
        ttft=tuple(drawn for found in outcomes.values() if (drawn := distribution(found, "ttft"))),
        total=tuple(drawn for found in outcomes.values() if (drawn := distribution(found, "total"))),
    )


def _measured(found: Outcomes, record: Manifest, confidence: float, timeout: float | None) -> CandidateFigures:
    resolved = next((one for one in record.candidates if one.name == found.candidate), None)
    return measuring.measure(
        found,
        confidence=confidence,
        timeout=timeout,
        model=resolved.vendor_model or resolved.model if resolved else "",
        provider=resolved.provider if resolved else "",
    )


def _figures(
    record: Manifest,
    candidates: dict[str, CandidateFigures],
    outcomes: dict[str, Outcomes],
    confidence: float,
    timeout: float | None,
) -> Figures:
    results = sum(map(len, outcomes.values()))
    best_first = sorted(candidates.values(), key=lambda found: -(found.quality.value or 0.0))
    return Figures(
        run=record.id,
        evaluation=record.evaluation,
        endpoint=record.endpoint,
        created=record.created,
        status=record.status,
        reason=record.reason,
        results=results,
        planned=record.planned,
        samples=len({sample for found in outcomes.values() for sample in found.sample}),
        repeats=record.repeats,
        confidence=confidence,
        timeout=timeout,
        candidates=tuple(best_first),
        notes=tuple(_notes(record, candidates, results)),
    )


def _notes(record: Manifest, candidates: dict[str, CandidateFigures], results: int) -> list[str]:
    """What a reader must know before trusting the figures."""
    notes = list(record.notes)
    if record.status != "complete" or results < record.planned:
        why = f" ({record.reason})" if record.reason else ""
        notes.append(f"This run is not complete{why}: {results:,} of {counted(record.planned, 'result')} so far.")
    if record.saturation is not None and record.saturation.saturated:
        notes.append(
            "Latencies are higher than they were, for the measuring client was too slow: "
            f"{record.saturation.explanation}"
        )
    for name, found in candidates.items():
        if found.unscored:
            notes.append(
                f"{counted(found.unscored, 'answer')} of {name} could not be judged: left out of its quality, and "
                "counted against it under the constraints."
            )
        if found.unpriced and found.total_cost is not None:
            notes.append(
                f"{counted(found.unpriced, 'result')} of {name} of unknown cost are counted at its dearest known one."
            )
    return notes
