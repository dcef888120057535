"""OpenTelemetry, where it is asked for: spans and metrics of finished exchanges, made behind the requests.

Nothing of OpenTelemetry is imported until `telemetry` finds that somebody wants it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Protocol
from urllib.parse import urlsplit

import msgspec

from weighbridge.config.serving import TelemetrySection
from weighbridge.errors import UsageError
from weighbridge.gateway.behind import Behind
from weighbridge.gateway.upstream import Endpoint
from weighbridge.providers.provider import Provider
from weighbridge.records.exchange import Exchange

_ENDPOINTS: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)
_VENDORS: Final = {
    "google": "gcp.gemini",
    "azure": "azure.ai.openai",
    "aws": "aws.bedrock",
    "mistral": "mistral_ai",
    "x-ai": "x_ai",
}
"""The semantic conventions' names for vendors, where they are not the price book's."""


class Account(msgspec.Struct, frozen=True):
    """A provider as telemetry names it."""

    vendor: str
    host: str | None = None
    port: int | None = None

    @classmethod
    def of(cls, provider: Provider) -> Account:
        url = urlsplit(provider.base_url)
        port = url.port or {"https": 443, "http": 80}.get(url.scheme)
        prices = provider.preset.prices
        return cls(provider.name if prices is None else _VENDORS.get(prices, prices), url.hostname, port)


Noted = tuple[Exchange, str | None]
"""A record, and the `traceparent` its request came with."""


class Exporter(Protocol):
    """What makes spans and metrics of records and sends them; it may take its time."""

    accounts: Mapping[str, Account]

    def export(self, noted: list[Noted]) -> None: ...

    def close(self) -> None: ...


class Telemetry:
    """`note` is on the request's path: an append. `know` tells it of the providers, again when they change."""

    def __init__(self, exporter: Exporter, *, every: float = 1.0) -> None:
        self._exporter = exporter
        self._behind: Behind[Noted] = Behind(exporter.export, "telemetry", every=every)

    @property
    def dropped(self) -> int:
        return self._behind.dropped

    def know(self, endpoints: Iterable[Endpoint]) -> None:
        providers = (one.candidate.model.provider for endpoint in endpoints for one in endpoint.upstreams.values())
        self._exporter.accounts = {one.name: Account.of(one) for one in providers}

    def note(self, record: Exchange, traceparent: str | None = None) -> None:
        self._behind.put((record, traceparent))

    def close(self, limit: float = 5.0) -> None:
        """Sends what is left; may take `limit` seconds, so call it in a thread."""
        if self._behind.close(limit):
            self._exporter.close()


def telemetry(section: TelemetrySection | None, env: Mapping[str, str]) -> Telemetry | None:
    """Where the configuration or the environment names a collector. Raises UsageError where the extra is missing."""
    off = env.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if off or (section is None and not any(env.get(name) for name in _ENDPOINTS)):
        return None
    try:
        from weighbridge.gateway.otlp import OTLP  # noqa: PLC0415 - an extra, and 25 MB of memory
    except ImportError as error:
        raise UsageError(
            f"telemetry needs a package that is not installed ({error.name})",
            mend="pip install 'weighbridge[otel]', or leave gateway.telemetry and OTEL_EXPORTER_OTLP_ENDPOINT out",
        ) from None
    wanted = section or TelemetrySection()
    return Telemetry(OTLP(wanted.endpoint, wanted.share))
