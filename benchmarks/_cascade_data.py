"""Two models on the same questions, from a file of the shape of `cascade_confidence.jsonl.gz`."""

from __future__ import annotations

import gzip
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FILE = "cascade_confidence.jsonl.gz"
NAMED = (("llama3.1-8b", "llama3.1-405b"), ("gpt-4o-mini", "gpt-4o"))


class Row(msgspec.Struct, frozen=True):
    task: str
    split: str
    idx: int
    model: str
    correct: float
    cost_usd: float
    confidence: float | None = None
    user_prompt: str = ""


@dataclass(frozen=True)
class Rows:
    """A pair on n questions: success of each, the cheap one's confidence (-inf where there is none), USD a call."""

    cheap: Floats
    strong: Floats
    confidence: Floats
    cheap_cost: Floats
    strong_cost: Floats
    prompts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.cheap)

    @property
    def gain(self) -> Floats:
        return self.strong - self.cheap

    @property
    def loss(self) -> NDArray[np.bool_]:
        """The cheap one wrong and the strong one right."""
        found: NDArray[np.bool_] = (self.cheap == 0) & (self.strong == 1)
        return found


@dataclass(frozen=True)
class Pair:
    task: str
    cheap: str
    strong: str
    train: Rows
    test: Rows

    @property
    def name(self) -> str:
        return f"{self.task}: {self.cheap} -> {self.strong}"

    @property
    def everything(self) -> Rows:
        """Both splits, the training rows first."""
        a, b = self.train, self.test
        return Rows(
            np.concatenate([a.cheap, b.cheap]),
            np.concatenate([a.strong, b.strong]),
            np.concatenate([a.confidence, b.confidence]),
            np.concatenate([a.cheap_cost, b.cheap_cost]),
            np.concatenate([a.strong_cost, b.strong_cost]),
            (*a.prompts, *b.prompts),
        )


Table = dict[str, dict[str, dict[str, dict[int, Row]]]]


def read(folder: Path) -> Table:
    """Task -> split -> model -> index -> row."""
    table: Table = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
    decoder = msgspec.json.Decoder(Row)
    with gzip.open(folder / FILE) as file:
        for line in file:
            row = decoder.decode(line)
            table[row.task][row.split][row.model][row.idx] = row
    return table


def pairs(table: Table) -> list[Pair]:
    """All pairs of a cheaper and, on the training split, better model, of each task that has a train and a test split;
    each task's training split is also what tells which is which."""
    found = []
    for task, splits in sorted(table.items()):
        if not {"train", "test"} <= splits.keys():
            continue
        models = sorted(splits["train"].keys() & splits["test"].keys())
        for cheap in models:
            for strong in models:
                train = _rows(splits["train"], cheap, strong)
                if _is_pair(train):
                    found.append(Pair(task, cheap, strong, train, _rows(splits["test"], cheap, strong)))
    return found


def named(found: list[Pair]) -> list[Pair]:
    """Those that published figures are about; where the data has none of them, all."""
    chosen = [pair for pair in found if (pair.cheap, pair.strong) in NAMED]
    return chosen or found


def _is_pair(train: Rows) -> bool:
    dearer = train.strong_cost.sum() > train.cheap_cost.sum()
    return len(train) > 0 and bool(dearer) and float(train.gain.sum()) > 0


def _rows(split: dict[str, dict[int, Row]], cheap: str, strong: str) -> Rows:
    both = sorted(split[cheap].keys() & split[strong].keys())
    low, high = [split[cheap][index] for index in both], [split[strong][index] for index in both]
    confidence = [-np.inf if row.confidence is None or np.isnan(row.confidence) else row.confidence for row in low]
    return Rows(
        _column([row.correct for row in low]),
        _column([row.correct for row in high]),
        _column(confidence),
        _column([row.cost_usd for row in low]),
        _column([row.cost_usd for row in high]),
        tuple(row.user_prompt for row in low),
    )


def _column(values: list[Any]) -> Floats:
    return np.asarray(values, dtype=np.float64)
