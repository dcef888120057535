"""The format of a sample line, for editors and for other programs."""

from __future__ import annotations

from typing import Any

import msgspec

from weighbridge.samples.sample import Sample


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of one line of a sample file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Sample)}
