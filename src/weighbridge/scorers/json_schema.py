"""json_schema: the answer is JSON that fits a schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from weighbridge.errors import UsageError
from weighbridge.samples.sample import Sample
from weighbridge.scorers.json_text import find
from weighbridge.scorers.score import Score
from weighbridge.scorers.text import answered
from weighbridge.scorers.time_box import TimeUp, time_box
from weighbridge.wire.answer import Answer

_NO_DRAFT: Any = object()


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`file` or `schema`: JSON Schema, draft 2020-12 unless it names another. Neither: the request's own
    `response_format`. `strict`: the answer must be JSON as a whole, not hold some. `seconds`: how long one check may
    take; a pattern in a schema can backtrack."""

    file: str | None = None
    schema: dict[str, Any] | bool | None = None
    strict: bool = False
    seconds: Annotated[float, msgspec.Meta(gt=0)] = 5.0


class JsonSchema:
    def __init__(self, name: str, settings: Settings, base: Path) -> None:
        if settings.file is not None and settings.schema is not None:
            raise UsageError(f"scorer {name}: has both a file and a schema", mend="Leave one of them out")
        self.name = name
        self._settings = settings
        schema = settings.schema
        if settings.file is not None:
            schema = _load(name, base / settings.file)
        self._validator = None if schema is None else _compile(name, schema)
        self._compiled: dict[bytes, Any] = {}

    def score(self, sample: Sample, answer: Answer) -> Score:
        try:
            validator = self._validator or self._of_request(sample)
            if validator is None:
                return Score.unscorable(self.name, "neither the scorer nor the request names a schema")
            found = find(answered(answer), strict=self._settings.strict)
            if found is None:
                return Score(scorer=self.name, value=0.0, passed=False, explanation="no JSON in the answer")
            problem = self._problem(validator, found.value)
        except _Unusable as error:
            return Score.unscorable(self.name, str(error))
        passed = problem is None
        why = f"JSON: {found.place}" if problem is None else problem
        return Score(scorer=self.name, value=float(passed), passed=passed, explanation=why, extracted=found.value)

    def _problem(self, validator: Any, value: Any) -> str | None:
        """The first way in which a value does not fit. Raises _Unusable where the schema cannot say."""
        import referencing.exceptions  # noqa: PLC0415

        try:
            with time_box(self._settings.seconds):
                problem = next(validator.iter_errors(value), None)
        except TimeUp:
            raise _Unusable(f"checking took more than {self._settings.seconds:g} s") from None
        except RecursionError:
            raise _Unusable("the schema refers to itself without end") from None
        except referencing.exceptions.Unresolvable as error:
            raise _Unusable(f"the schema refers to what it does not hold: {error}") from None
        return None if problem is None else f"{problem.json_path}: {problem.message[:200]}"

    def _of_request(self, sample: Sample) -> Any:
        wanted = sample.request.get("response_format")
        named = wanted.get("json_schema") if isinstance(wanted, dict) else None
        schema = named.get("schema") if isinstance(named, dict) else None
        if schema is None:
            return None
        key = msgspec.json.encode(schema)
        if key not in self._compiled:
            try:
                self._compiled[key] = _compile(self.name, schema)
            except UsageError as error:
                raise _Unusable(f"the request's own schema: {error}") from None
        return self._compiled[key]


class _Unusable(Exception):
    """The schema cannot judge; the text says why."""


def _load(name: str, path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise UsageError(f"scorer {name}: the schema cannot be read: {error.strerror}", where=str(path)) from None
    except msgspec.DecodeError as error:
        raise UsageError(f"scorer {name}: the schema is not JSON: {error}", where=str(path)) from None


def _compile(name: str, schema: Any) -> Any:
    """A validator that never asks the network for what a schema refers to."""
    import jsonschema  # noqa: PLC0415 - 50 ms to import, for this scorer alone
    import referencing  # noqa: PLC0415

    if not isinstance(schema, dict | bool):
        raise UsageError(f"scorer {name}: not a JSON Schema: neither an object nor true or false")
    kind: Any = jsonschema.Draft202012Validator
    named = schema.get("$schema") if isinstance(schema, dict) else None
    if named is not None:
        kind = jsonschema.validators.validator_for({"$schema": str(named)}, default=_NO_DRAFT)
    if kind is _NO_DRAFT:
        raise UsageError(f"scorer {name}: no draft of JSON Schema is called {named!r}")
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise UsageError(f"scorer {name}: not a JSON Schema: {error.json_path}: {error.message[:200]}") from None
    return kind(schema, registry=referencing.Registry())
