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
        given = self.prompt_tokens_details or InputDetails()
        made = self.completion_tokens_details or OutputDetails()
        reasoning = _first(made.reasoning_tokens, self.reasoning_tokens)
        return Usage(
            input=self.prompt_tokens,
            output=self._output(reasoning),
            cached=_first(
                given.cached_tokens,
                self.prompt_cache_hit_tokens,
                self.cached_tokens,
                self.num_cached_tokens,
                self.cache_read_input_tokens,
            ),
            cache_write=_first(given.cache_write_tokens, given.cache_creation_tokens, self.cache_creation_input_tokens),
            reasoning=reasoning,
            audio_input=given.audio_tokens,
            audio_output=made.audio_tokens,
        )

    def _output(self, reasoning: int | None) -> int | None:
        """Embeddings tell only the prompt's tokens and an equal total, so there were none. X.AI counts reasoning beside
        `completion_tokens`, everyone else within; the total tells which it was."""
        prompt, output, total = self.prompt_tokens, self.completion_tokens, self.total_tokens
        if output is None and prompt is not None and total == prompt:
            return 0
        if output is None or prompt is None or not reasoning:
            return output
        return output + reasoning if total == prompt + output + reasoning else output


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)
