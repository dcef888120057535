"""The JSON Schema of a sample line says what the reader takes."""

from typing import Any

import jsonschema
import pytest

from weighbridge.samples.sample import Sample
from weighbridge.samples.schema import json_schema

MESSAGES: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}]}


def test_it_is_a_valid_schema_that_names_every_field() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["$defs"]["Sample"]["properties"]) == set(Sample.__struct_fields__)


@pytest.mark.parametrize(
    ("line", "valid"),
    [
        ({"request": MESSAGES}, True),
        ({"request": MESSAGES, "expected": ["a", {"b": 1}], "tags": ["t"], "weight": 2}, True),
        ({"request": {"prompt": "1 + 1 ="}, "api": "completions"}, True),
        ({"expected": ["a"]}, False),
        ({"request": "Hi"}, False),
        ({"request": MESSAGES, "api": "embeddings"}, False),
        ({"request": MESSAGES, "tags": "t"}, False),
    ],
)
def test_it_takes_what_the_reader_takes_and_refuses_what_it_refuses(line: dict[str, Any], valid: bool) -> None:
    assert jsonschema.Draft202012Validator(json_schema()).is_valid(line) is valid
