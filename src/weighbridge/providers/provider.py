"""A provider: an account at a vendor, or a server, with what it does differently."""

from __future__ import annotations

from dataclasses import dataclass, field

from weighbridge.providers.presets import Preset
from weighbridge.providers.price import Price


@dataclass(frozen=True, slots=True)
class Provider:
    """`key` is sent to it and shown nowhere: not in repr, records, logs or errors."""

    name: str
    base_url: str
    preset: Preset = field(default_factory=Preset)
    key: str | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)

    def request_headers(self) -> dict[str, str]:
        """Everything each request to it carries, the key included."""
        own = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        signed = {self.preset.key_header: f"{self.preset.key_prefix}{self.key}"} if self.key else {}
        return {**own, **signed, **self.preset.headers, **self.headers}

    def url(self, path: str) -> str:
        return f"{self.base_url.rstrip('/')}/{path.lstrip('/')}"

    def redacted(self, text: str) -> str:
        """The text without the key, should a server have echoed it."""
        for secret in (self.key, *self.headers.values()):
            if secret and len(secret) >= 8:
                text = text.replace(secret, "[redacted]")
        return text


@dataclass(frozen=True, slots=True)
class Model:
    """One model at one provider. `name` is ours, `model` the vendor's; `price` None: unknown, never zero.

    `reasons`: it is of the families that take `max_completion_tokens` and no sampling parameters.
    """

    name: str
    provider: Provider
    model: str
    price: Price | None = None
    reasons: bool = field(init=False)

    def __post_init__(self) -> None:
        bare, families = self.model.rpartition("/")[2], self.provider.preset.reasoning_models
        object.__setattr__(self, "reasons", bool(families) and bare.startswith(families))
