"""`weighbridge schema`."""

from __future__ import annotations

import sys

import msgspec

from weighbridge.config.schema import schema as config_schema


def schema() -> None:
    """Print the JSON Schema of weighbridge.yaml. Editors take it from a first line such as
    `# yaml-language-server: $schema=weighbridge.schema.json`."""
    sys.stdout.write(text())


def text() -> str:
    """The schema as it is printed and as it stands in docs/weighbridge.schema.json."""
    return msgspec.json.format(msgspec.json.encode(config_schema()), indent=2).decode() + "\n"
