"""JSON Schemas as Gemini takes them in `parametersJsonSchema` and `responseJsonSchema`.

Those fields take JSON Schema itself (`$ref`, `$defs`, `anyOf`, lists of types), so little has to change: what says
nothing about values goes, and the few keywords it does not know are said in those it does. Keywords that only narrow
values further (`pattern`, `minLength`) stay: Gemini ignores them, and newer models honour more of them.

Source: https://ai.google.dev/gemini-api/docs/structured-output
"""

from __future__ import annotations

from typing import Any

_SAYS_NOTHING = frozenset({"$schema", "$comment", "$vocabulary", "strict", "examples", "deprecated"})
_NAMED_SCHEMAS = ("properties", "$defs", "definitions", "patternProperties")
_LISTED_SCHEMAS = ("anyOf", "oneOf", "allOf", "prefixItems")
_ONE_SCHEMA = ("items", "additionalProperties", "not", "contains", "propertyNames")


def cleaned(schema: Any) -> Any:
    """The schema without what Gemini refuses; anything that is no object (true, false) as it was."""
    if not isinstance(schema, dict):
        return schema
    kept = {name: _inner(name, value) for name, value in schema.items() if name not in _SAYS_NOTHING}
    if "const" in kept:
        kept.setdefault("enum", [kept.pop("const")])
    parts = kept.get("allOf")
    if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], dict):
        del kept["allOf"]
        kept = {**parts[0], **kept}
    return kept


def _inner(name: str, value: Any) -> Any:
    if name in _NAMED_SCHEMAS and isinstance(value, dict):
        return {key: cleaned(one) for key, one in value.items()}
    if name in _LISTED_SCHEMAS and isinstance(value, list):
        return [cleaned(one) for one in value]
    if name in _ONE_SCHEMA:
        return [cleaned(one) for one in value] if isinstance(value, list) else cleaned(value)
    return value
