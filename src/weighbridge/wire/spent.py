"""A vendor's usage read into one spelling."""

from __future__ import annotations

from typing import Final

from weighbridge.wire.answer import Usage
from weighbridge.wire.usage import InputDetails, OutputDetails, UsageView

_NO_INPUT: Final = InputDetails()
_NO_OUTPUT: Final = OutputDetails()


def usage_of(view: UsageView) -> Usage:
    """One spelling, parts included in their whole."""
    given, made = view.prompt_tokens_details or _NO_INPUT, view.completion_tokens_details or _NO_OUTPUT
    reasoning = made.reasoning_tokens
    if reasoning is None:
        reasoning = view.reasoning_tokens
    return Usage(
        view.prompt_tokens,
        _output(view, reasoning),
        _cached(view, given),
        _written(view, given),
        reasoning,
        given.audio_tokens,
        made.audio_tokens,
    )


def _cached(view: UsageView, given: InputDetails) -> int | None:
    """The first of its names that is there."""
    found = given.cached_tokens
    if found is None:
        found = view.prompt_cache_hit_tokens
    if found is None:
        found = view.cached_tokens
    if found is None:
        found = view.num_cached_tokens
    return view.cache_read_input_tokens if found is None else found


def _written(view: UsageView, given: InputDetails) -> int | None:
    found = given.cache_write_tokens
    if found is None:
        found = given.cache_creation_tokens
    return view.cache_creation_input_tokens if found is None else found


def _output(view: UsageView, reasoning: int | None) -> int | None:
    """Embeddings tell only the prompt's tokens and an equal total, so there were none. X.AI counts reasoning beside
    `completion_tokens`, everyone else within; the total tells which it was."""
    prompt, output, total = view.prompt_tokens, view.completion_tokens, view.total_tokens
    if output is None and prompt is not None and total == prompt:
        return 0
    if output is None or prompt is None or not reasoning:
        return output
    return output + reasoning if total == prompt + output + reasoning else output
