"""How a run was done, in lines a person reads."""

from __future__ import annotations

from typing import Any

import msgspec

from weighbridge.evaluation.wording import counted, dollars, seconds
from weighbridge.store.manifest import CandidateRecord, Constraint, Manifest


class CandidateSetting(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A candidate as it was sent, and the price it was charged at."""

    name: str
    model: str
    params: str
    prompts: str
    price: str


class Setting(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`facts` are (label, value), those without a value left out."""

    facts: tuple[tuple[str, str], ...]
    candidates: tuple[CandidateSetting, ...]
    constraints: tuple[Constraint, ...] = ()
    config: str = ""


def setting(record: Manifest) -> Setting:
    facts = (
        ("run", record.id),
        ("evaluation", record.evaluation),
        ("endpoint", record.endpoint),
        ("begun", f"{record.created:%Y-%m-%d %H:%M} UTC"),
        ("status", f"{record.status}: {record.reason}" if record.reason else record.status),
        ("samples", f"{counted(len(record.sample_ids), 'sample')} from {record.samples_file or 'memory'}"),
        ("samples SHA-256", record.samples_sha256),
        ("repeats", str(record.repeats)),
        ("arrivals", record.arrivals),
        ("seed", str(record.seed)),
        ("success rule", record.success),
        ("scorers", _json(record.scorers) if record.scorers else ""),
        ("time-outs", ", ".join(f"{name} {seconds(limit)}" for name, limit in record.timeouts.items() if limit)),
        ("budget", dollars(record.max_cost) if record.max_cost is not None else ""),
        ("client", record.saturation.explanation if record.saturation else ""),
        ("configuration SHA-256", record.config_sha256),
        ("versions", ", ".join(f"{name} {version}" for name, version in record.versions.items())),
    )
    return Setting(
        facts=tuple((name, value) for name, value in facts if value),
        candidates=tuple(map(_candidate, record.candidates)),
        constraints=record.constraints,
        config=record.config,
    )


def _candidate(record: CandidateRecord) -> CandidateSetting:
    served = f"{record.vendor_model or record.model} at {record.provider}" if record.provider else record.model
    return CandidateSetting(
        name=record.name,
        model=served,
        params=_json(record.params) if record.params else "",
        prompts=", ".join(f"{name} {digest[:12]}" for name, digest in record.prompts.items()),
        price=_price(record),
    )


def _price(record: CandidateRecord) -> str:
    if record.price is None:
        return "unknown"
    parts = [f"{name} {dollars(value)}" for name, value in record.price.items() if isinstance(value, int | float)]
    rest = _json({name: value for name, value in record.price.items() if isinstance(value, list | dict) and value})
    source = f" ({record.price_from})" if record.price_from else ""
    return f"{', '.join(parts)} per million tokens{'' if rest == '{}' else ' ' + rest}{source}"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
