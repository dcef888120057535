"""What is to be sent: candidates × samples × repeats, in an order that treats every candidate alike."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from weighbridge.samples.sample import Sample


class Job(NamedTuple):
    """One request to make. `number` is its place in the plan's order."""

    number: int
    candidate: str
    sample: str
    repeat: int

    @property
    def key(self) -> tuple[str, str, int]:
        return (self.candidate, self.sample, self.repeat)


@dataclass(frozen=True, slots=True)
class Plan:
    """`samples` by id. The order is a function of the seed alone, so a resumed run goes on in the same one."""

    candidates: tuple[str, ...]
    samples: dict[str, Sample]
    repeats: int = 1
    seed: int = 0

    def __len__(self) -> int:
        return len(self.candidates) * len(self.samples) * self.repeats

    def jobs(self) -> Iterator[Job]:
        """Sample by sample in shuffled order, all candidates of a sample next to each other and in shuffled order: if
        the network or a provider drifts during the run, it drifts for all of them. Repeats come round by round."""
        dice = random.Random(self.seed)  # noqa: S311 - an order, not a secret
        names = list(self.samples)
        number = 0
        for repeat in range(self.repeats):
            dice.shuffle(names)
            for name in names:
                order = list(self.candidates)
                dice.shuffle(order)
                for candidate in order:
                    yield Job(number, candidate, name, repeat)
                    number += 1

    def jobs_by_arrival(self) -> Iterator[Job]:
        """For trace-driven replay: in the order the samples arrived, candidates shuffled within each."""
        dice = random.Random(self.seed)  # noqa: S311 - an order, not a secret
        names = sorted(self.samples, key=lambda name: self.samples[name].arrived or 0.0)
        number = 0
        for repeat in range(self.repeats):
            for name in names:
                order = list(self.candidates)
                dice.shuffle(order)
                for candidate in order:
                    yield Job(number, candidate, name, repeat)
                    number += 1

    @property
    def digest(self) -> str:
        """Two plans with the same digest ask for the same set of results."""
        said = (sorted(self.candidates), sorted(self.samples), self.repeats, self.seed)
        return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def of(candidates: Sequence[str], samples: Sequence[Sample], *, repeats: int = 1, seed: int = 0) -> Plan:
    """A plan over these samples; equal samples are one sample."""
    return Plan(tuple(candidates), {sample.id: sample for sample in samples}, repeats, seed)
