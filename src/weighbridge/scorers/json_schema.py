"""json_schema: the answer is JSON that fits a schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from weighbridge.errors import UsageError
from weighbridge.samples.sample import Sample
from weighbridge.scorers.json_text import find
from weighbridge.scorers.score import Score
from weighbridge.scorers.text import answered
from weighbridge.wire.answer import Answer


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`file` or `schema`: JSON Schema, draft 2020-12 unless it names another. Neither: the request's own
    `response_format`. `strict`: the answer must be JSON as a whole, not hold some."""

    file: str | None = None
    schema: dict[str, Any] | bool | None = None
    strict: bool = False


class JsonSchema:
    def __init__(self, name: str, settings: Settings, base: Path) -> None:
        self.name = name
        self._strict = settings.strict
        schema = settings.schema
        if settings.file is not None:
            schema = _load(name, base / settings.file)
        self._validator = None if schema is None else _compile(name, schema)
        self._compiled: dict[bytes, Any] = {}

    def score(self, sample: Sample, answer: Answer) -> Score:
        validator = self._validator or self._of_request(sample)
        if validator is None:
            return Score.unscorable(self.name, "neither the scorer nor the request names a schema")
        found = find(answered(answer), strict=self._strict)
        if found is None:
            return Score(scorer=self.name, value=0.0, passed=False, explanation="no JSON in the answer")
        problem = next(validator.iter_errors(found.value), None)
        why = f"JSON: {found.place}" if problem is None else f"{problem.json_path}: {problem.message[:200]}"
        passed = problem is None
        return Score(scorer=self.name, value=float(passed), passed=passed, explanation=why, extracted=found.value)

    def _of_request(self, sample: Sample) -> Any:
        wanted = sample.request.get("response_format")
        schema = wanted.get("json_schema", {}).get("schema") if isinstance(wanted, dict) else None
        if schema is None:
            return None
        key = msgspec.json.encode(schema)
        if key not in self._compiled:
            self._compiled[key] = _compile(self.name, schema)
        return self._compiled[key]


def _load(name: str, path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise UsageError(f"scorer {name}: the schema cannot be read: {error.strerror}", where=str(path)) from None
    except msgspec.DecodeError as error:
        raise UsageError(f"scorer {name}: the schema is not JSON: {error}", where=str(path)) from None


def _compile(name: str, schema: Any) -> Any:
    import jsonschema  # noqa: PLC0415 - 50 ms to import, for this scorer alone

    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise UsageError(f"scorer {name}: not a JSON Schema: {error.json_path}: {error.message[:200]}") from None
    return kind(schema)
