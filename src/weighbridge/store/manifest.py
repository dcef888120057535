"""Everything needed to repeat a run, as one JSON document beside its results."""

from __future__ import annotations

import platform
import secrets
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import msgspec

from weighbridge.errors import UsageError

Status = Literal["running", "complete", "stopped"]

_DEPENDENCIES = ("duckdb", "genai-prices", "httptools", "jsonschema", "msgspec", "numpy", "uvloop")


class CandidateRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A candidate as resolved when the run began.

    `server` tells one base URL from another without writing it down, for it may hold a secret. `prompts` maps each
    file or text that is sent with it (system, shots, template) to its SHA-256. `price` is in USD per million tokens,
    as used, None where unknown; `price_from` says where it came from. `logprobs`: each token's log-probability was
    asked for, and so many rivals'.
    """

    name: str
    model: str
    provider: str = ""
    server: str = ""
    vendor_model: str = ""
    api: str = "chat"
    params: dict[str, Any] = {}
    logprobs: int | None = None
    prompts: dict[str, str] = {}
    price: dict[str, Any] | None = None
    price_from: str = ""


class Constraint(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One limit of an endpoint. `figure` is quality, cost_per_success, error_rate, ttft_pNN or total_pNN; `limit` is a
    share, USD or seconds. Quality is a minimum, everything else a maximum. `confidence` is two-sided, in (0, 1)."""

    figure: str
    limit: float
    confidence: float = 0.95


class Saturation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Whether the measuring client itself was too slow to trust the latencies, and how that was seen."""

    saturated: bool
    explanation: str = ""


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`config` is the text of weighbridge.yaml as read (secrets are named there, never written), `timeouts` in seconds,
    `reason` says why a stopped run stopped, `planned` is the number of results of a whole run."""

    id: str
    evaluation: str
    created: datetime
    endpoint: str = ""
    status: Status = "running"
    reason: str = ""
    finished: datetime | None = None
    config: str = ""
    config_sha256: str = ""
    candidates: tuple[CandidateRecord, ...] = ()
    samples_file: str = ""
    samples_sha256: str = ""
    sample_ids: tuple[str, ...] = ()
    scorers: dict[str, Any] = {}
    success: str = ""
    constraints: tuple[Constraint, ...] = ()
    seed: int = 0
    repeats: int = 1
    arrivals: str = ""
    timeouts: dict[str, float | None] = {}
    max_cost: float | None = None
    planned: int = 0
    versions: dict[str, str] = {}
    saturation: Saturation | None = None
    notes: tuple[str, ...] = ()


def new_id(now: datetime | None = None) -> str:
    """`20261124-120301.437-7f3a`: sorts by time, and two runs begun in the same millisecond still differ."""
    now = (now or datetime.now(UTC)).astimezone(UTC)
    return f"{now:%Y%m%d-%H%M%S}.{now.microsecond // 1000:03d}-{secrets.token_hex(2)}"


def versions_in_use(also: Sequence[str] = ()) -> dict[str, str]:
    """Versions of weighbridge, Python, the platform and the libraries whose behaviour is part of a result."""
    found = {"python": sys.version.split()[0], "platform": platform.platform()}
    for name in ("weighbridge", *_DEPENDENCIES, *also):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def decode(data: bytes, *, where: str) -> Manifest:
    """Raises UsageError naming `where` if the document is damaged or of another make."""
    try:
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"this run's manifest cannot be read: {error}", where=where, mend="Restore it, or delete the run's folder."
        ) from error


def encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1)


def changed(manifest: Manifest, changes: Mapping[str, Any]) -> Manifest:
    return msgspec.structs.replace(manifest, **changes)
