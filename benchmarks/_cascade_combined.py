"""A pre-router and confidence together: escalate by P(strong is right | prompt) - P(cheap is right | confidence).

Some hundred training prompts tell little beyond confidence: what they add is of the size of its own error, and the
ridge below is heavy for that reason.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from _cascade_data import Floats, Pair, Rows
from _cascade_methods import doubt
from weighbridge.stats import logistic

RIDGES: Final = (1.0, 3.0, 10.0, 30.0, 100.0)
_COLUMNS = 4096
_PIECE = re.compile(r"[a-z]+|\d|[^\sa-z\d]")


def fits(pair: Pair) -> bool:
    """Whether there is anything to learn from: prompts, and both kinds of answers."""
    return (
        len(pair.train.prompts) > 0 and all(pair.train.prompts + pair.test.prompts) and 0 < pair.train.cheap.mean() < 1
    )


def gain(pair: Pair) -> Floats:
    """(test,): what the strong model is expected to gain. Both parts are fitted on the training split."""
    right = strong_is_right(pair.train.prompts, pair.train.strong, pair.test.prompts)
    fitted = logistic.fit(signals(pair.train), pair.train.cheap)
    expected: Floats = right - logistic.predict(fitted, signals(pair.test))
    return expected


def signals(rows: Rows) -> Floats:
    """(n, 1): log(1 - p) of the answer, which tells the sure from the very sure as log p cannot."""
    log_p = np.clip(-doubt(rows), -20.0, -1e-7)
    return np.log(-np.expm1(log_p))[:, None]


def strong_is_right(train: Sequence[str], right: Floats, test: Sequence[str]) -> Floats:
    """(test,): kernel ridge on hashed words, pairs of words and four-letter pieces of the prompt."""
    known, asked = hashed(train), hashed(test)
    found: Floats = right.mean() + asked @ (known.T @ dual_weights(known @ known.T, right - right.mean()))
    return found


def dual_weights(kernel: Floats, centred: Floats) -> Floats:
    """(n,) at the heaviest ridge whose Brier score, each prompt left out in turn, is within a standard error of the
    best (Breiman, Friedman, Olshen and Stone 1984, section 3.4.3): some hundred prompts bear no more than that."""
    values, vectors = np.linalg.eigh(kernel)
    rotated = vectors.T @ centred
    weights = [vectors @ (rotated / (values + ridge)) for ridge in RIDGES]
    # A residual left out is the weight over the inverse's diagonal.
    squares = [
        np.square(each / (np.square(vectors) @ (1 / (values + ridge))))
        for ridge, each in zip(RIDGES, weights, strict=True)
    ]
    best = min(squares, key=lambda each: float(each.mean()))
    within = float(best.mean() + best.std() / np.sqrt(len(best)))
    return weights[max(index for index, each in enumerate(squares) if each.mean() <= within)]


def hashed(prompts: Sequence[str]) -> Floats:
    """(n, columns), rows of length 1; the instructions before the last "Question:" say nothing."""
    rows = np.zeros((len(prompts), _COLUMNS))
    for row, prompt in zip(rows, prompts, strict=True):
        text = prompt.rpartition("Question: ")[2].lower()
        words = _PIECE.findall(text)
        pieces = {*words, *map(" ".join, pairwise(words))}
        pieces.update("#" + text[start : start + 4] for start in range(len(text) - 3))
        for piece in pieces:
            row[zlib.crc32(piece.encode()) % _COLUMNS] += 1
    found: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return found
