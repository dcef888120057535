"""Vendors and servers we know, as data: where they are, which key they take, and what they do differently."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

MaxTokens = Literal["max_tokens", "max_completion_tokens"]
StreamUsage = Literal["asked", "always"]
DialectName = Literal["openai", "anthropic", "gemini", "azure", "bedrock"]


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """`base_url` ends before `/chat/completions`; empty: the user names it. `key_variable` is the environment variable
    of its key, None where it takes none. `max_tokens` is the parameter that bounds the answer, `reasoning_models` name
    prefixes of models that want `max_completion_tokens` instead and take no sampling parameters. `stream_usage`: sent
    when `stream_options.include_usage` asks for it, or always (and the option may be refused). `prices` is the
    vendor's name in the price book; None: it has no published price. `local`: runs on one's own machine. `dialect` is
    how it is spoken to; `base_url` then ends before that dialect's own path.
    """

    base_url: str = ""
    key_variable: str | None = None
    key_optional: bool = False
    key_header: str = "Authorization"
    key_prefix: str = "Bearer "
    max_tokens: MaxTokens = "max_tokens"
    reasoning_models: tuple[str, ...] = ()
    stream_usage: StreamUsage = "asked"
    prices: str | None = None
    local: bool = False
    headers: dict[str, str] = {}
    refuses: tuple[str, ...] = ()
    dialect: DialectName = "openai"


_OPENAI_REASONING = ("o1", "o3", "o4", "gpt-5")

PRESETS: Final[dict[str, Preset]] = {
    "openai": Preset(
        base_url="https://api.openai.com/v1",
        key_variable="OPENAI_API_KEY",
        reasoning_models=_OPENAI_REASONING,
        prices="openai",
    ),
    "deepseek": Preset(base_url="https://api.deepseek.com/v1", key_variable="DEEPSEEK_API_KEY", prices="deepseek"),
    "qwen": Preset(base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1", key_variable="DASHSCOPE_API_KEY"),
    "mistral": Preset(
        base_url="https://api.mistral.ai/v1",
        key_variable="MISTRAL_API_KEY",
        stream_usage="always",
        prices="mistral",
        refuses=("stream_options", "logprobs", "top_logprobs", "logit_bias", "user"),
    ),
    "groq": Preset(base_url="https://api.groq.com/openai/v1", key_variable="GROQ_API_KEY", prices="groq"),
    "together": Preset(base_url="https://api.together.xyz/v1", key_variable="TOGETHER_API_KEY", prices="together"),
    "fireworks": Preset(
        base_url="https://api.fireworks.ai/inference/v1", key_variable="FIREWORKS_API_KEY", prices="fireworks"
    ),
    "xai": Preset(base_url="https://api.x.ai/v1", key_variable="XAI_API_KEY", prices="x-ai"),
    "openrouter": Preset(
        base_url="https://openrouter.ai/api/v1", key_variable="OPENROUTER_API_KEY", prices="openrouter"
    ),
    "tokenmix": Preset(base_url="https://api.tokenmix.ai/v1", key_variable="TOKENMIX_API_KEY"),
    "gemini": Preset(
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        key_variable="GEMINI_API_KEY",
        prices="google",
        refuses=("logit_bias", "user", "seed"),
    ),
    "gemini-native": Preset(
        base_url="https://generativelanguage.googleapis.com/v1beta",
        key_variable="GEMINI_API_KEY",
        key_header="x-goog-api-key",
        key_prefix="",
        prices="google",
        dialect="gemini",
    ),
    # Such as https://RESOURCE.openai.azure.com, with /?api-version=… for another than the one we know to work.
    "azure": Preset(
        key_variable="AZURE_OPENAI_API_KEY",
        key_header="api-key",
        key_prefix="",
        reasoning_models=_OPENAI_REASONING,
        prices="azure",
        dialect="azure",
    ),
    # https://bedrock-runtime.REGION.amazonaws.com. Without a bearer key, AWS_ACCESS_KEY_ID and its secret sign.
    "bedrock": Preset(key_variable="AWS_BEARER_TOKEN_BEDROCK", key_optional=True, prices="aws", dialect="bedrock"),
    "anthropic": Preset(
        base_url="https://api.anthropic.com/v1",
        key_variable="ANTHROPIC_API_KEY",
        prices="anthropic",
        refuses=("logprobs", "top_logprobs", "logit_bias", "seed", "presence_penalty", "frequency_penalty"),
    ),
    "anthropic-native": Preset(
        base_url="https://api.anthropic.com/v1",
        key_variable="ANTHROPIC_API_KEY",
        key_header="x-api-key",
        key_prefix="",
        prices="anthropic",
        headers={"anthropic-version": "2023-06-01"},
        dialect="anthropic",
    ),
    "litellm": Preset(base_url="http://127.0.0.1:4000/v1", key_variable="LITELLM_API_KEY", key_optional=True),
    "portkey": Preset(
        base_url="https://api.portkey.ai/v1",
        key_variable="PORTKEY_API_KEY",
        key_header="x-portkey-api-key",
        key_prefix="",
    ),
    "vllm": Preset(base_url="http://127.0.0.1:8000/v1", key_variable="VLLM_API_KEY", key_optional=True, local=True),
    "sglang": Preset(
        base_url="http://127.0.0.1:30000/v1", key_variable="SGLANG_API_KEY", key_optional=True, local=True
    ),
    "llama.cpp": Preset(
        base_url="http://127.0.0.1:8080/v1", key_variable="LLAMA_API_KEY", key_optional=True, local=True
    ),
    "ollama": Preset(
        base_url="http://127.0.0.1:11434/v1", key_variable="OLLAMA_API_KEY", key_optional=True, local=True
    ),
    "simulator": Preset(base_url="http://127.0.0.1:8089/v1", local=True),
}
