"""From the configuration to the objects that call providers: keys looked up, files read, prices resolved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path as File
from typing import Final

import msgspec

from weighbridge.config.decode import Found
from weighbridge.config.environment import expand, references
from weighbridge.config.load import Config
from weighbridge.config.problem import ConfigError, Path, Problem
from weighbridge.config.sections import CandidateSection, ProviderSection, ShotSection
from weighbridge.config.serving import FleetSection
from weighbridge.errors import UsageError
from weighbridge.providers.candidate import Candidate, Shot, Template
from weighbridge.providers.presets import PRESETS, Preset
from weighbridge.providers.price import Price, look_up
from weighbridge.providers.provider import Model, Provider

OVERRIDE: Final = "weighbridge.yaml"
"""The source of a price that the configuration gives."""

_FILE_ENDINGS: Final = (".md", ".txt")


def key_variable(section: ProviderSection) -> str | None:
    """The environment variable a provider's key is looked up in; None: it takes no key."""
    if section.key is not None:
        return references(section.key)[0]
    return preset_of(section).key_variable


def preset_of(section: ProviderSection) -> Preset:
    return PRESETS[section.preset] if section.preset is not None else Preset()


def require_keys(config: Config, evaluation: str) -> None:
    """Raises ConfigError that names every environment variable the evaluation needs and does not find."""
    found = [
        problem
        for name in sorted(_providers_of(config, config.endpoints[config.evaluations[evaluation].endpoint].candidates))
        for problem in missing_variables(config, name)
    ]
    if found:
        raise _error(config, found)


def missing_variables(config: Config, provider: str) -> Iterator[Found]:
    """What a provider needs from the environment and does not find there."""
    section = config.providers[provider]
    optional = section.key is None and preset_of(section).key_optional
    variable = key_variable(section)
    needed = [("key", variable)] if variable is not None and not optional else []
    needed += [("base_url", name) for name in references(section.base_url or "")]
    needed += [("headers", name) for value in section.headers.values() for name in references(value)]
    for field, name in needed:
        if not config.env.get(name):
            what = f"environment variable {name} is not set, and provider {provider!r} needs it ({field})"
            yield ("providers", provider, field), what, f"export {name}=…"


def provider(config: Config, name: str) -> Provider:
    """A provider ready to be called. Raises ConfigError where a variable it needs is not set."""
    section = config.providers[name]
    found = list(missing_variables(config, name))
    if found:
        raise _error(config, found)
    variable = key_variable(section)
    preset = preset_of(section)
    return Provider(
        name=name,
        base_url=expand(section.base_url or preset.base_url, config.env),
        preset=preset,
        key=(config.env.get(variable) or None) if variable is not None else None,
        headers={header: expand(value, config.env) for header, value in section.headers.items()},
    )


def fleet_url(config: Config, section: FleetSection) -> str:
    """Where the fleet's server is. Raises ConfigError where a variable is not set."""
    try:
        return expand(section.url, config.env)
    except KeyError as error:
        what = f"environment variable {error.args[0]} is not set, and gateway.fleet needs it (url)"
        raise config.error(("gateway", "fleet", "url"), what, f"export {error.args[0]}=valkey://…") from None


def model(config: Config, name: str, at: Provider | None = None) -> Model:
    """A model with its price: the configuration's, else the price book's, else unknown (None). `at` is its provider
    where that is built already. Raises ConfigError."""
    section = config.models[name]
    at = at or provider(config, section.provider)
    return Model(name=name, provider=at, model=section.model, price=price_of(config, name))


def price_of(config: Config, name: str) -> Price | None:
    """A model's price: the configuration's (its source is OVERRIDE), else the price book's; None: unknown."""
    section = config.models[name]
    if section.price is None:
        return look_up(preset_of(config.providers[section.provider]).prices, section.model)
    return Price(**{part: getattr(section.price, part) for part in section.price.__struct_fields__}, source=OVERRIDE)


def prompts(config: Config, name: str) -> tuple[str | None, tuple[Shot, ...]]:
    """What is sent before the sample for a candidate of `candidates`: system prompt and shots, with their files read.
    Raises ConfigError for a file that cannot be read, UsageError for a bad line of shots."""
    section = config.candidates[name]
    return _system(config, name, section), _shots(config, name, section)


def candidates(config: Config, names: Iterable[str]) -> list[Candidate]:
    """Candidates by name (a bare model is one), with their files read; providers and models they share are built once.
    Raises ConfigError."""
    providers: dict[str, Provider] = {}
    models: dict[str, Model] = {}
    built = []
    for name in names:
        owned = config.model_of(name)
        if owned not in models:
            account = config.models[owned].provider
            if account not in providers:
                providers[account] = provider(config, account)
            models[owned] = model(config, owned, providers[account])
        built.append(_candidate(config, name, models[owned]))
    return built


def _providers_of(config: Config, names: Iterable[str]) -> set[str]:
    return {config.models[config.model_of(name)].provider for name in names}


def _candidate(config: Config, name: str, owned: Model) -> Candidate:
    section = config.candidates.get(name)
    if section is None:
        return Candidate(name=name, model=owned)
    system, shots = prompts(config, name)
    template = section.template
    return Candidate(
        name=name,
        model=owned,
        system=system,
        shots=shots,
        template=Template(system=template.system, turn=template.turn, ask=template.ask) if template else None,
        api=section.api,
        params=section.params,
    )


def _system(config: Config, name: str, section: CandidateSection) -> str | None:
    system = section.system
    if system is None or " " in system or "\n" in system or not system.endswith(_FILE_ENDINGS):
        return system
    return _read(config, config.file(system), ("candidates", name, "system")).rstrip("\n")


def _shots(config: Config, name: str, section: CandidateSection) -> tuple[Shot, ...]:
    shots = section.shots
    if isinstance(shots, str):
        shots = _shots_of(config, config.file(shots), ("candidates", name, "shots"))
    return tuple(Shot(user=shot.user, assistant=shot.assistant, tag=shot.tag) for shot in shots)


def _shots_of(config: Config, file: File, path: Path) -> tuple[ShotSection, ...]:
    shots = []
    for number, line in enumerate(_read(config, file, path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            shots.append(msgspec.json.decode(line, type=ShotSection))
        except msgspec.DecodeError as error:
            mend = 'Write each line as {"user": "…", "assistant": "…", "tag": "…"}; the tag may be left out.'
            raise UsageError(f"not a shot: {error}", where=f"{file}:{number}", mend=mend) from None
    return tuple(shots)


def _read(config: Config, file: File, path: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        what = f"{file} cannot be read: {(error.strerror or str(error)).lower()}"
        raise config.error(path, what, "File names are relative to the folder of weighbridge.yaml.") from None
    except UnicodeDecodeError:
        raise config.error(path, f"{file} is not UTF-8 text", "Save it as UTF-8.") from None


def _error(config: Config, found: list[Found]) -> ConfigError:
    problems = [Problem(config.document.line(path), what, mend) for path, what, mend in found]
    return ConfigError(str(config.path), problems)
