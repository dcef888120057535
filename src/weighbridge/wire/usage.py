"""Usage in every vendor's spelling, read into one."""

from __future__ import annotations

import msgspec

from weighbridge.wire.answer import Usage


class InputDetails(msgspec.Struct, frozen=True, gc=False):
    """Of the prompt's tokens. OpenRouter and Anthropic's endpoint also tell what was written to the cache."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None
    audio_tokens: int | None = None


class OutputDetails(msgspec.Struct, frozen=True, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


_NO_INPUT = InputDetails()
_NO_OUTPUT = OutputDetails()


class UsageView(msgspec.Struct, frozen=True, gc=False):
    """`usage` as sent. Beside OpenAI's own fields: DeepSeek's cache hits, Mistral's and Moonshot's cached tokens,
    xAI's and SGLang's reasoning tokens."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    num_cached_tokens: int | None = None
    cached_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None

    def read(self) -> Usage:
        """One spelling, parts included in their whole."""
        given, made = self.prompt_tokens_details or _NO_INPUT, self.completion_tokens_details or _NO_OUTPUT
        reasoning = made.reasoning_tokens
        if reasoning is None:
            reasoning = self.reasoning_tokens
        return Usage(
            self.prompt_tokens,
            self._output(reasoning),
            self._cached(given),
            self._written(given),
            reasoning,
            given.audio_tokens,
            made.audio_tokens,
        )

    def _cached(self, given: InputDetails) -> int | None:
        """The first of its names that is there."""
        found = given.cached_tokens
        if found is None:
            found = self.prompt_cache_hit_tokens
        if found is None:
            found = self.cached_tokens
        if found is None:
            found = self.num_cached_tokens
        return self.cache_read_input_tokens if found is None else found

    def _written(self, given: InputDetails) -> int | None:
        found = given.cache_write_tokens
        if found is None:
            found = given.cache_creation_tokens
        return self.cache_creation_input_tokens if found is None else found

    def _output(self, reasoning: int | None) -> int | None:
        """Embeddings tell only the prompt's tokens and an equal total, so there were none. X.AI counts reasoning beside
        `completion_tokens`, everyone else within; the total tells which it was."""
        prompt, output, total = self.prompt_tokens, self.completion_tokens, self.total_tokens
        if output is None and prompt is not None and total == prompt:
            return 0
        if output is None or prompt is None or not reasoning:
            return output
        return output + reasoning if total == prompt + output + reasoning else output
