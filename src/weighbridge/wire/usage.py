"""Usage in every vendor's spelling, read into one."""

from __future__ import annotations

import msgspec


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
