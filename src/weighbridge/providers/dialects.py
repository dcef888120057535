"""Which dialect a provider speaks. Each is imported only where a provider of it is configured."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from weighbridge.providers.dialect import Dialect
from weighbridge.providers.provider import Provider

_CLASSES: Final = {
    "openai": ("weighbridge.providers.openai", "OpenAIDialect"),
    "anthropic": ("weighbridge.providers.anthropic", "AnthropicDialect"),
    "gemini": ("weighbridge.providers.gemini", "GeminiDialect"),
    "azure": ("weighbridge.providers.azure", "AzureDialect"),
    "bedrock": ("weighbridge.providers.bedrock", "BedrockDialect"),
}


def dialect_of(provider: Provider) -> Dialect:
    """The dialect of a provider's preset, ready to be used."""
    module, name = _CLASSES[provider.preset.dialect]
    made: Dialect = getattr(import_module(module), name)(provider)
    return made
