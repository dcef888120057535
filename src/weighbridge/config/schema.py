"""The JSON Schema of weighbridge.yaml, for editors."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from weighbridge.config.sections import ARRIVALS, Sections
from weighbridge.providers.presets import PRESETS

ID: Final = "https://json-schema.org/draft/2020-12/schema"
HEADER: Final = "# yaml-language-server: $schema="
"""A first line that tells an editor where the schema is."""


def schema() -> dict[str, Any]:
    """The schema as a JSON object: unit formats, presets by name, and no key that is not read."""
    whole = _units(msgspec.json.schema(Sections))
    definitions = whole["$defs"]
    definitions["ProviderSection"]["properties"]["preset"]["anyOf"][0]["enum"] = sorted(PRESETS)
    definitions["Arrivals"]["oneOf"] = [{"required": [name]} for name in ARRIVALS]
    scorers = definitions["EvaluationSection"]["properties"]["scorers"]
    scorers["additionalProperties"] |= {"minProperties": 1, "maxProperties": 1}
    return {"$schema": ID, "title": "weighbridge.yaml", **whole}


def _units(node: Any) -> Any:
    """A unit is a number to msgspec: what a person writes (`800ms`) replaces it. Defaults in base units go."""
    if isinstance(node, list):
        return [_units(item) for item in node]
    if not isinstance(node, dict):
        return node
    unit = node.get("x-unit")
    if unit is not None:
        described = {"description": node["description"]} if "description" in node else {}
        return {**described, **unit}
    choices = node.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        node = {**node, "anyOf": [choice for choice in choices if choice != {"type": "null"}]}
    return {key: _units(item) for key, item in node.items() if key != "default" or _plain(item)}


def _plain(default: Any) -> bool:
    """A default worth showing; those in base units (10.0 for `10s`) are not what one may write."""
    return isinstance(default, bool | int | str)
