"""Presets: everyone the issue names, each usable as it stands."""

import pytest

from weighbridge.providers.presets import PRESETS
from weighbridge.providers.provider import Model, Provider
from weighbridge.transport.client import Route

NAMED = {
    *("openai", "deepseek", "qwen", "mistral", "groq", "together", "fireworks", "xai", "openrouter", "tokenmix"),
    *("gemini", "anthropic", "litellm", "portkey", "vllm", "sglang", "llama.cpp", "ollama"),
}


def test_every_vendor_and_server_named_has_a_preset() -> None:
    assert set(PRESETS) >= NAMED


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_gives_a_url_that_can_be_called_and_a_key_variable(name: str) -> None:
    preset = PRESETS[name]
    base_url = preset.base_url or "https://named-by-the-user.example"  # one's own resource, one's own region
    provider = Provider(name, base_url, preset, key="k" * 20 if preset.key_variable else None)
    route = Route.to("POST", provider.url("/chat/completions"), provider.request_headers())
    assert route.target.endswith("/chat/completions")
    assert preset.local or route.origin.secure or name == "litellm"
    assert preset.key_variable is not None or preset.local


def test_keys_are_shown_by_nothing() -> None:
    provider = Provider(
        "p", "https://x.example/v1", PRESETS["openai"], key="sk-secret-0123456789", headers={"X": "y" * 12}
    )
    assert "sk-secret" not in repr(provider)
    assert "yyyy" not in repr(provider)
    assert provider.redacted("you sent sk-secret-0123456789!") == "you sent [redacted]!"


@pytest.mark.parametrize(
    ("model", "reasons"), [("gpt-5-mini", True), ("o3-mini", True), ("gpt-4o", False), ("openai/gpt-5", True)]
)
def test_reasoning_models_of_openai_are_known_by_their_names(model: str, reasons: bool) -> None:
    assert Model("m", Provider("p", "", PRESETS["openai"]), model).reasons is reasons
