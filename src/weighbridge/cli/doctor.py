"""`weighbridge doctor`: what would stand in the way of an evaluation, found before anything is paid for."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from rich.table import Table
from rich.text import Text

from weighbridge import compiled
from weighbridge.cli import console
from weighbridge.config import build
from weighbridge.config.load import Config, load
from weighbridge.config.problem import nearest
from weighbridge.config.units import duration
from weighbridge.errors import UsageError, WeighbridgeError
from weighbridge.providers.price import Price
from weighbridge.providers.provider import Provider
from weighbridge.samples.sample import Sample
from weighbridge.samples.sampleset import SampleSet
from weighbridge.scorers.panel import Panel
from weighbridge.store.finding import home_folder
from weighbridge.transport.client import Client
from weighbridge.transport.connection import Timeouts
from weighbridge.transport.faults import CallFailed
from weighbridge.transport.loop import run
from weighbridge.transport.reply import Reply
from weighbridge.transport.route import Route

SCHEMA: Final = "weighbridge.doctor/1"
Status = Literal["ok", "warning", "failed"]
_USAGE, _MEASUREMENT = 2, 3


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `exit_code` is what the command ends with where it failed."""

    subject: str
    what: str
    status: Status
    says: str
    mend: str = ""
    exit_code: int = 0

    @classmethod
    def failure(cls, subject: str, what: str, error: WeighbridgeError) -> Check:
        says = f"{error.where}: {error.what}" if error.where else error.what
        return cls(subject, what, "failed", " ".join(says.split()), error.mend, error.exit_code)


def doctor(
    config: Path = Path("weighbridge.yaml"),
    *,
    timeout: str = "10s",
    offline: bool = False,
    json: bool = False,
) -> int:
    """Check configuration, keys, reachability, prices and samples. Sends no prompt and costs nothing.

    Ends with 0 where all is well (warnings may be shown), 2 where something here must be mended, 3 where a provider
    could not be reached.

    Parameters
    ----------
    config
        The configuration file.
    timeout
        How long to wait for a provider, such as 10s.
    offline
        Call nobody: check only what is on this machine.
    json
        Print one JSON object on stdout instead.
    """
    try:
        seconds = duration(timeout)
    except ValueError as error:
        raise UsageError(f"--timeout must be {error}, not {timeout!r}") from None
    read = load(config)
    checks = [Check("configuration", str(config), "ok", _counted(read)), *_here(read)]
    if not offline:
        checks += run(_reach(read, seconds))
    checks.sort(key=lambda check: _ORDER.index(check.subject))
    code = min((check.exit_code for check in checks if check.status == "failed"), default=0)
    if json:
        console.print_json(SCHEMA, {"ok": code == 0, "exit_code": code, "checks": checks})
    else:
        _show(checks)
    return code


_ORDER: Final = (
    "configuration", "data folder", "compiled code",
    "key", "provider", "model", "price", "candidate", "samples", "scorers",
)  # fmt: skip


def _counted(config: Config) -> str:
    parts = {
        "provider": config.providers, "model": config.models, "candidate": config.candidates,
        "endpoint": config.endpoints, "evaluation": config.evaluations,
    }  # fmt: skip
    return ", ".join(f"{len(part)} {name}{'' if len(part) == 1 else 's'}" for name, part in parts.items())


def _here(config: Config) -> Iterator[Check]:
    """Everything that needs no network."""
    yield _data_folder(home_folder())
    yield _compiled_code()
    for name in config.providers:
        yield _key(config, name)
    for name in config.models:
        yield _price(config, name)
    for name in config.candidates:
        yield _candidate(config, name)
    for name in config.evaluations:
        yield from _samples(config, name)


def _data_folder(home: Path) -> Check:
    """Writable, or it could be made: the nearest folder that exists is tried with a real file, which then goes."""
    nearest = next(folder for folder in (home.absolute(), *home.absolute().parents) if folder.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=nearest, prefix=".weighbridge-doctor-"):
            pass
    except OSError as error:
        says = f"{nearest} cannot be written: {(error.strerror or str(error)).lower()}"
        return Check("data folder", str(home), "failed", says, "Choose another with WEIGHBRIDGE_HOME.", _USAGE)
    return Check("data folder", str(home), "ok", "writable")


def _compiled_code() -> Check:
    """Plain Python does the same, only slower: that is never a failure."""
    found = compiled.status()
    mend = "Build it again with `make compiled`, or install Weighbridge again." if found.fault else ""
    return Check("compiled code", "gateway", "warning" if found.fault else "ok", found.says, mend)


def _key(config: Config, name: str) -> Check:
    section = config.providers[name]
    missing = [(what, mend) for _, what, mend in build.missing_variables(config, name)]
    if missing:
        used = any(model.provider == name for model in config.models.values())
        status: Status = "failed" if used else "warning"
        return Check("key", name, status, missing[0][0], missing[0][1], _USAGE if used else 0)
    variable = build.key_variable(section)
    if variable is None or not config.env.get(variable):
        return Check("key", name, "ok", "none needed")
    return Check("key", name, "ok", f"from ${variable}")


def _price(config: Config, name: str) -> Check:
    section = config.models[name]
    account = config.providers[section.provider]
    price = build.price_of(config, name)
    if price is not None:
        return Check("price", name, "ok", f"${price.input:g} in, ${price.output:g} out per million, {_source(price)}")
    vendor = build.preset_of(account).prices or "this provider"
    says = f"unknown: the price book has no {section.model!r} of {vendor}, so its costs stay unknown"
    return Check(
        "price", name, "warning", says, f"Add price: {{input: …, output: …}} at {config.where('models', name)}."
    )


def _source(price: Price) -> str:
    return "from weighbridge.yaml" if price.source == build.OVERRIDE else f"from {price.source} ({_book_age()})"


def _book_age() -> str:
    """Version of the price book, and how long ago it was installed: the book itself has no date."""
    book = distribution("genai-prices")
    metadata = Path(str(book.locate_file(f"genai_prices-{book.version}.dist-info/METADATA")))
    installed = datetime.fromtimestamp(metadata.stat().st_mtime, UTC) if metadata.exists() else None
    age = f", installed {(datetime.now(UTC) - installed).days} days ago" if installed else ""
    return f"version {book.version}{age}"


def _candidate(config: Config, name: str) -> Check:
    try:
        system, shots = build.prompts(config, name)
    except WeighbridgeError as error:
        return Check.failure("candidate", name, error)
    says = [f"system prompt of {len(system)} characters"] if system else []
    says += [f"{len(shots)} shots"] if shots else []
    return Check("candidate", name, "ok", ", ".join(says) or "no prompts of its own")


def _samples(config: Config, name: str) -> Iterator[Check]:
    """The sample file, and the scorers that it and the evaluation name."""
    section = config.evaluations[name].samples
    samples: list[Sample] = []
    try:
        read = SampleSet.load(config.file(section.file), skip_bad=section.skip_bad)
    except WeighbridgeError as error:
        yield Check.failure("samples", name, error)
    else:
        samples = read.samples
        says = f"{len(read)} in {section.file}"
        left_out = f", {len(read.bad)} unreadable left out" if read.bad else ""
        yield Check("samples", name, "warning" if read.bad else "ok", says + left_out)
    yield _scorers(config, name, samples)


def _scorers(config: Config, name: str, samples: list[Sample]) -> Check:
    specs = config.evaluations[name].scorers
    panel = None
    try:
        panel = Panel.of(specs, base=config.folder)
        for sample in samples:
            panel.check(sample)
    except WeighbridgeError as error:
        error.where = error.where or config.where("evaluations", name, "scorers")
        return Check.failure("scorers", name, error)
    finally:
        if panel is not None:
            panel.close()
    brought = sorted({check for sample in samples for check in sample.checks} - set(specs))
    said = [*specs, *(f"{check} (from samples)" for check in brought)]
    return Check("scorers", name, "ok", ", ".join(said) or "none")


async def _reach(config: Config, seconds: float) -> list[Check]:
    """Every provider that a model uses and that has its key, all at once."""
    used = sorted({model.provider for model in config.models.values()})
    ready = [name for name in used if not any(build.missing_variables(config, name))]
    timeouts = Timeouts(connect=seconds, first_byte=seconds, idle=seconds, total=seconds)
    async with Client(timeouts=timeouts) as client:
        found = await asyncio.gather(*(_provider(config, build.provider(config, name), client) for name in ready))
    return [check for checks in found for check in checks]


async def _provider(config: Config, provider: Provider, client: Client) -> list[Check]:
    """Whether it is there, takes the key, and lists the models we would call."""
    name = provider.name
    url = provider.url("models")
    try:
        reply = await client.fetch(Route.to("GET", url, provider.request_headers()))
    except CallFailed as error:
        mend = error.mend or "Is it running, and is base_url right?"
        return [Check("provider", name, "failed", provider.redacted(str(error)), mend, _MEASUREMENT)]
    except UsageError as error:
        return [Check.failure("provider", name, error)]
    if reply.status in {401, 403}:
        variable = build.key_variable(config.providers[name])
        mend = f"Check ${variable}." if variable else "Set `key: $NAME` for this provider."
        return [Check("provider", name, "failed", f"refuses the key (HTTP {reply.status})", mend, _USAGE)]
    if reply.status >= 500:
        return [Check("provider", name, "failed", f"answers HTTP {reply.status}", "Try again later.", _MEASUREMENT)]
    took = f"answered in {((reply.timing.end or 0.0) - reply.timing.started) * 1000:.0f} ms"
    listed = _listed(reply)
    if listed is None:
        says = f"{took}, but lists no models (HTTP {reply.status})"
        return [Check("provider", name, "warning", says, "If it has no /models, nothing is wrong.")]
    return [Check("provider", name, "ok", f"{took}, lists {len(listed)} models"), *_models(config, name, listed)]


def _models(config: Config, provider: str, listed: set[str]) -> Iterator[Check]:
    for name, section in config.models.items():
        if section.provider != provider:
            continue
        if section.model in listed:
            yield Check("model", name, "ok", f"{section.model} is listed by {provider}")
        else:
            says = f"{section.model!r} is not listed by {provider}"
            yield Check("model", name, "warning", says, nearest(section.model, listed))


def _listed(reply: Reply) -> set[str] | None:
    """Model names in an OpenAI-compatible list; None where the reply is none."""
    try:
        document: Any = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    entries = document.get("data") if isinstance(document, dict) else None
    if reply.status != 200 or not isinstance(entries, list):
        return None
    names = {entry["id"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)}
    return names | {name.removeprefix("models/") for name in names}


def _show(checks: list[Check]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("", "check", "of", "says"):
        table.add_column(column, overflow="fold")
    for check in checks:
        mark = {"ok": Text("ok", "green"), "warning": Text("warning", "yellow"), "failed": Text("failed", "bold red")}
        says = Text(check.says)
        if check.mend:
            says.append(f"\n{check.mend}", "dim")
        table.add_row(mark[check.status], check.subject, Text(check.what), says)
    console.out().print(table)
