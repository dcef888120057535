"""What an answer shows of how sure its model was: numbers that confidence is made from.

Log-probabilities as quantiles and not as sums or means, which know an answer's length better than its truth (Gupta et
al. 2024, arXiv 2404.10136). Whatever a provider sends, nothing here raises, and every signal is a finite number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import exp, isfinite, log, log1p
from typing import Final

from weighbridge.wire.answer import Answer, TokenLogprob

SIGNALS: Final = (
    *("min_logprob", "q10_logprob", "q25_logprob", "q50_logprob", "mean_negentropy", "min_negentropy"),
    *("first_margin", "answer_margin", "length", "cut", "refusal", "format", "check", "agreement", "p_true"),
    *("predicted", "predicted_next"),
)
"""Every signal by name. `predicted` and `predicted_next` come from a pre-router: P(right) of this candidate and of the
next."""

_LOWEST: Final = -100.0
"""A log-probability below is as good as none: servers write -9999 for what they left out."""
_NUMBER: Final = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_MOST_TEXT: Final = 20_000
_QUANTILES: Final = (("q10_logprob", 0.10), ("q25_logprob", 0.25), ("q50_logprob", 0.50))


def of_answer(
    answer: Answer,
    *,
    tokens: int | None = None,
    format_ok: bool | None = None,
    check: bool | None = None,
    agreement: float | None = None,
    p_true: float | None = None,
    predicted: float | None = None,
    predicted_next: float | None = None,
) -> dict[str, float]:
    """The signals that are there, by name. `tokens`: only so many from the beginning are looked at. The others are what
    was found out apart: whether the format asked for was kept, the user's own check, the share of other answers that
    agree, P(True), and what a pre-router predicted."""
    told = answer.logprobs if tokens is None else answer.logprobs[:tokens]
    rivals = [_rivals(one) for one in told]
    found = _of_tokens(told, rivals)
    margin = _answer_margin(told, rivals)
    if margin is not None:
        found["answer_margin"] = margin
    made = tokens if tokens is not None else answer.usage.output
    length = made if made is not None else len(told) or len(answer.text) // 4
    found["length"] = log1p(max(0, length))
    if tokens is None:
        found["cut"] = float(answer.finish_reason == "length" or not answer.complete)
        found["refusal"] = float(answer.refusal is not None)
    apart = {
        "format": format_ok,
        "check": check,
        "agreement": agreement,
        "p_true": p_true,
        "predicted": predicted,
        "predicted_next": predicted_next,
    }
    found.update({name: float(value) for name, value in apart.items() if value is not None and isfinite(value)})
    return found


def _of_tokens(told: Sequence[TokenLogprob], rivals: Sequence[list[float]]) -> dict[str, float]:
    ordered = sorted(max(one.logprob, _LOWEST) for one in told if _is_logprob(one.logprob))
    if not ordered:
        return {}
    found = {"min_logprob": ordered[0]}
    for name, q in _QUANTILES:
        found[name] = _quantile(ordered, q)
    sure = [value for one in rivals if (value := _negentropy(one)) is not None]
    if sure:
        found["mean_negentropy"] = sum(sure) / len(sure)
        found["min_negentropy"] = min(sure)
    first = next((margin for one in rivals if (margin := _margin(one)) is not None), None)
    if first is not None:
        found["first_margin"] = first
    return found


def _is_logprob(value: float) -> bool:
    return isfinite(value) and value <= 1e-3  # servers round a little above 0


def _quantile(ordered: Sequence[float], q: float) -> float:
    """With straight lines between the order statistics (type 7 of Hyndman and Fan 1996)."""
    place = q * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _rivals(one: TokenLogprob) -> list[float]:
    """The log-probabilities of the likeliest tokens here, the highest first."""
    return sorted((max(value, _LOWEST) for _, value in one.top if _is_logprob(value)), reverse=True)


def _negentropy(rivals: list[float]) -> float | None:
    """Log k - H of the k likeliest tokens, taken to be all there are: 0 where each is as likely, log k where one is
    certain. None where fewer than two are told."""
    if len(rivals) < 2:
        return None
    weights = [exp(value) for value in rivals]
    total = sum(weights)
    if total <= 0:
        return None
    shares = [weight / total for weight in weights]
    return log(len(shares)) + sum(share * log(share) for share in shares if share > 0)


def _margin(rivals: list[float]) -> float | None:
    return rivals[0] - rivals[1] if len(rivals) > 1 else None


def _answer_margin(told: Sequence[TokenLogprob], rivals: Sequence[list[float]]) -> float | None:
    """The least margin among the tokens of the answer proper: its last number, or else its last line."""
    begin, end = _span("".join(one.token for one in told))
    found, place = [], 0
    for one, near in zip(told, rivals, strict=True):
        after = place + len(one.token)
        if after > begin and place < end and (margin := _margin(near)) is not None:
            found.append(margin)
        place = after
    return min(found, default=None)


def _span(text: str) -> tuple[int, int]:
    """Where the last number stands, or the last line that is not empty."""
    tail = max(0, len(text) - _MOST_TEXT)
    numbers = list(_NUMBER.finditer(text, tail))
    if numbers:
        return numbers[-1].span()
    end = len(text.rstrip())
    return text.rfind("\n", 0, end) + 1, end
