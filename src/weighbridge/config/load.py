"""`load`: weighbridge.yaml, read and checked, as one `Config`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as File

import msgspec

from weighbridge.config import document, rule
from weighbridge.config.check import check
from weighbridge.config.decode import Found, decode
from weighbridge.config.document import Document
from weighbridge.config.environment import without_secrets
from weighbridge.config.problem import ConfigError, Path, Problem, nearest
from weighbridge.config.sections import (
    CandidateSection,
    EndpointSection,
    EvaluationSection,
    ModelSection,
    ProviderSection,
    Sections,
)
from weighbridge.config.serving import GatewaySection, KeySection
from weighbridge.providers.presets import PRESETS

_SECTIONS = Sections.__struct_fields__


@dataclass(frozen=True, slots=True)
class Config:
    """A checked configuration: every reference leads somewhere, every limit can be met by something.

    `source` is the file's text with anything that looks like a key replaced, `digest` the SHA-256 (hex) of what it
    says: comments and layout do not change it. `env` is where keys are looked up, and only when a provider is used.
    """

    path: File
    source: str
    digest: str
    providers: Mapping[str, ProviderSection]
    models: Mapping[str, ModelSection]
    candidates: Mapping[str, CandidateSection]
    endpoints: Mapping[str, EndpointSection]
    evaluations: Mapping[str, EvaluationSection]
    gateway: GatewaySection
    keys: Mapping[str, KeySection]
    env: Mapping[str, str] = field(repr=False)
    document: Document = field(repr=False)

    @property
    def folder(self) -> File:
        """Where relative file names are looked up: the folder of the file."""
        return self.path.parent

    def where(self, *path: str | int) -> str:
        """`weighbridge.yaml:12` for the value at a path (or its nearest ancestor written down)."""
        line = self.document.line(path)
        return str(self.path) if line is None else f"{self.path}:{line}"

    def error(self, path: Path, what: str, mend: str = "") -> ConfigError:
        """An error about the value at a path, to be raised by whoever found it."""
        return ConfigError(str(self.path), [Problem(self.document.line(path), what, mend)])

    def evaluation(self, name: str | None = None) -> tuple[str, EvaluationSection]:
        """An evaluation by name, or the only one there is. Raises ConfigError."""
        if name is None and len(self.evaluations) == 1:
            return next(iter(self.evaluations.items()))
        if name is None:
            what = "several evaluations, and none named" if self.evaluations else "no evaluations"
            raise self.error(
                ("evaluations",), what, f"Name one: {', '.join(self.evaluations)}" if self.evaluations else ""
            )
        if name not in self.evaluations:
            raise self.error(("evaluations",), f"no evaluation {name!r}", nearest(name, self.evaluations))
        return name, self.evaluations[name]

    def rule(self, endpoint: str) -> rule.Rule:
        """The success rule of an endpoint. Raises ConfigError where it has none."""
        success = self.endpoints[endpoint].success
        if success is None:
            what = f"endpoint {endpoint!r} has no success rule, and an evaluation needs one"
            raise self.error(("endpoints", endpoint), what, "Add a line such as `success: schema and field_f1 >= 0.9`.")
        return rule.parse(success)

    def model_of(self, candidate: str) -> str:
        """The model behind a candidate; a bare model is its own candidate."""
        return self.candidates[candidate].model if candidate in self.candidates else candidate

    def file(self, name: str) -> File:
        """A file named in the configuration, relative to its folder."""
        return self.folder / name


def load(path: File, *, env: Mapping[str, str] | None = None) -> Config:
    """The configuration in a file, checked. `env` None: the process's environment, looked at only when a provider is
    used. Raises ConfigError, which holds every problem found with its line and mend."""
    return _config(document.read(path), path, os.environ if env is None else env)


def loads(source: str, path: File, *, env: Mapping[str, str] | None = None) -> Config:
    """Like `load`, from a text; `path` names it in errors and says where files are looked up."""
    return _config(document.parse(source, str(path)), path, os.environ if env is None else env)


def _config(read: Document, path: File, env: Mapping[str, str]) -> Config:
    found: list[Found] = []
    sections = decode(read.value, Sections, found)
    names = {name: _names(read.value.get(name)) for name in _SECTIONS}
    found.extend(check(sections, names, path.parent, PRESETS))
    if found:
        raise ConfigError(
            str(path), [Problem(read.line(place), without_secrets(what), mend) for place, what, mend in found]
        )
    said = msgspec.json.encode(read.value, order="deterministic")
    return Config(
        path=path,
        source=without_secrets(read.source),
        digest=hashlib.sha256(said).hexdigest(),
        env=env,
        document=read,
        providers=sections.providers,
        models=sections.models,
        candidates=sections.candidates,
        endpoints=sections.endpoints,
        evaluations=sections.evaluations,
        gateway=sections.gateway,
        keys=sections.keys,
    )


def _names(section: object) -> set[str]:
    return set(section) if isinstance(section, dict) else set()
