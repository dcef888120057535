"""What a policy is found from: every candidate's results on the same samples, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

from weighbridge.errors import UsageError
from weighbridge.replay.result import Result
from weighbridge.routing.signals import of_answer
from weighbridge.store.run import Run
from weighbridge.wire.reading import text_of

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Results:
    """One candidate on the table's rows, arrays of shape (n,).

    `right` is 1 or 0; a failed request (`ok` 0) is 0. `cost` is USD, NaN where unknown. `seconds` is to the end of the
    answer, or until the request had failed. `signals` are what the answers show of themselves, NaN where one does not.
    """

    right: Floats
    cost: Floats
    seconds: Floats
    tokens: Floats
    ok: Floats
    signals: dict[str, Floats] = field(default_factory=dict)

    def at(self, rows: Places) -> Results:
        return Results(
            self.right[rows],
            self.cost[rows],
            self.seconds[rows],
            self.tokens[rows],
            self.ok[rows],
            {name: column[rows] for name, column in self.signals.items()},
        )


@dataclass(frozen=True, slots=True)
class Table:
    """n rows, each one request that every candidate was asked and judged on. `cluster` names what makes rows alike."""

    runs: tuple[str, ...]
    dates: tuple[date, ...]
    candidates: dict[str, Results]
    prompts: tuple[str, ...]
    cluster: tuple[str, ...]
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.prompts)

    def at(self, rows: Places) -> Table:
        """Some of the rows."""
        return Table(
            self.runs,
            self.dates,
            {name: results.at(rows) for name, results in self.candidates.items()},
            tuple(self.prompts[row] for row in rows),
            tuple(self.cluster[row] for row in rows),
            self.left_out,
        )

    def independent(self) -> Table:
        """One row of each cluster: what exact tests need."""
        first: dict[str, int] = {}
        for row, name in enumerate(self.cluster):
            first.setdefault(name, row)
        return self.at(np.fromiter(first.values(), dtype=np.intp))

    def parts(self, shares: Sequence[float], seed: int = 0) -> tuple[Table, ...]:
        """The rows dealt out by chance in such shares, each cluster whole: what was fitted on one part is tested on
        another."""
        names = sorted(set(self.cluster))
        order = np.random.default_rng(seed).permutation(len(names))
        ends = np.round(np.cumsum(shares) / np.sum(shares) * len(names)).astype(int)
        part_of = {names[place]: int(np.searchsorted(ends, rank, side="right")) for rank, place in enumerate(order)}
        parts = np.array([part_of[name] for name in self.cluster], dtype=np.intp)
        return tuple(self.at(np.flatnonzero(parts == part)) for part in range(len(shares)))


def read(runs: Iterable[Run]) -> Table:
    """The results of runs of one endpoint. A row that some candidate was not asked, or not judged on, is left out and
    counted.

    Raises UsageError where the runs are of different endpoints or have no row in common.
    """
    runs = list(runs)
    names = _candidates(runs)
    found: list[tuple[str, str, dict[str, tuple[Result, bool]]]] = []
    left_out = 0
    for run in runs:
        samples, rows = run.samples(), _rows(run)
        for (sample, _), row in sorted(rows.items()):
            if row.keys() != set(names) or sample not in samples:
                left_out += 1
                continue
            asked = samples[sample]
            found.append((_prompt(asked.request), asked.cluster or sample, row))
    if not found:
        raise UsageError(
            f"no sample was asked of all of {', '.join(names)} and judged",
            where=", ".join(run.id for run in runs),
            mend="Run the evaluation to its end: weighbridge eval",
        )
    return Table(
        runs=tuple(run.id for run in runs),
        dates=tuple(run.manifest.created.date() for run in runs),
        candidates={name: _results([row[name] for _, _, row in found]) for name in names},
        prompts=tuple(prompt for prompt, _, _ in found),
        cluster=tuple(cluster for _, cluster, _ in found),
        left_out=left_out,
    )


def _candidates(runs: Sequence[Run]) -> tuple[str, ...]:
    """Those of every run. Raises UsageError."""
    if not runs:
        raise UsageError("there is no evidence: no run of this endpoint", mend="Make one: weighbridge eval")
    endpoints = {run.manifest.endpoint for run in runs}
    if len(endpoints) > 1:
        raise UsageError(f"the runs are of different endpoints: {', '.join(sorted(endpoints))}")
    names = [record.name for record in runs[0].manifest.candidates]
    for run in runs[1:]:
        here = {record.name for record in run.manifest.candidates}
        names = [name for name in names if name in here]
    return tuple(names)


def _rows(run: Run) -> dict[tuple[str, int], dict[str, tuple[Result, bool]]]:
    """By (sample, repeat): each candidate's result and whether it was a success. What nobody could judge is absent."""
    verdicts = run.scored()
    rows: dict[tuple[str, int], dict[str, tuple[Result, bool]]] = {}
    for result in run.each_result():
        scored = verdicts.get(result.key)
        success = False if result.answer is None else scored.success if scored is not None else None
        if success is not None:
            rows.setdefault((result.sample, result.repeat), {})[result.candidate] = (result, success)
    return rows


def _results(rows: Sequence[tuple[Result, bool]]) -> Results:
    said = [{} if one.answer is None else of_answer(one.answer) for one, _ in rows]
    names = sorted({name for signals in said for name in signals})
    return Results(
        right=np.array([float(right) for _, right in rows]),
        cost=np.array([np.nan if one.cost is None else one.cost for one, _ in rows], dtype=np.float64),
        seconds=np.array([_seconds(one) for one, _ in rows]),
        tokens=np.array([_tokens(one) for one, _ in rows]),
        ok=np.array([float(one.answer is not None) for one, _ in rows]),
        signals={name: np.array([signals.get(name, np.nan) for signals in said]) for name in names},
    )


def _seconds(result: Result) -> float:
    latency = result.answer.latency if result.answer is not None else None
    return latency.total if latency is not None else sum(attempt.took for attempt in result.attempts)


def _tokens(result: Result) -> float:
    made = result.answer.usage.output if result.answer is not None else None
    return float("nan") if made is None else float(made)


def _prompt(request: dict[str, object]) -> str:
    """The text of a request, as far as it is text."""
    prompt = request.get("prompt")
    if isinstance(prompt, str):
        return prompt
    messages = request.get("messages")
    said: list[str] = []
    for message in messages if isinstance(messages, list) else []:
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str | list):
            said.append(text_of(content)[0])
    return "\n".join(said)
