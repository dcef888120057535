"""The JSON Schema for editors: up to date, and of one mind with `load`."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from weighbridge.cli.schema import text
from weighbridge.config import sections
from weighbridge.config.document import parse
from weighbridge.config.load import loads
from weighbridge.config.problem import ConfigError
from weighbridge.config.schema import schema

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "configuration.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
HEAD = (
    "providers: {p: {preset: openai}}\nmodels: {m: {provider: p, model: x}}\n"
    "endpoints: {e: {candidates: [m], success: s"
)


def validator() -> Any:
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def test_the_schema_in_docs_is_the_one_printed() -> None:
    """If this fails: weighbridge schema > docs/weighbridge.schema.json."""
    assert (DOCS / "weighbridge.schema.json").read_text() == text()
    assert json.loads(text()) == schema()


@pytest.mark.parametrize("block", BLOCKS)
def test_every_example_of_the_guide_loads_and_fits_the_schema(block: str) -> None:
    loads(block, Path("guide.yaml"), env={})
    validator().validate(parse(block, "guide.yaml").value)


def test_every_key_is_in_the_guide() -> None:
    structs = [
        value for value in vars(sections).values() if isinstance(value, type) and issubclass(value, msgspec.Struct)
    ]
    keys = {key for struct in structs for key in struct.__struct_fields__}
    words = set(re.findall(r"\w+", GUIDE))
    assert keys - words == set()


@pytest.mark.parametrize(
    "rest",
    [
        ", constraints: {ttft_p95: {max: 800}}}}",
        ", constraints: {ttft_p95: {max: 6 days}}}}",
        ", constraints: {quality: {min: 92}}}}",
        ", constraints: {quality: {max: 0.9}}}}",
        ", constraints: {cost_per_success: {max: -1}}}}",
        ", constraints: {cost_per_success: {max: €5}}}}",
        ", audit: 1%}}",
        "}}\nevaluations: {v: {endpoint: e, samples: {file: f}, arrivals: {}}}",
        "}}\nevaluations: {v: {endpoint: e, samples: {file: f}, arrivals: {trace: 0}}}",
        "}}\nevaluations: {v: {endpoint: e, samples: {file: f}, arrivals: {trace: 1, constant: 4/s}}}",
        "}}\nevaluations: {v: {endpoint: e, samples: {file: f}, arrivals: {poisson: 4/s, constant: 4/s}}}",
        "}}\nevaluations: {v: {endpoint: e, samples: {file: f}, scorers: {s: {}}}}",
        "}}\nevaluations: {v: {endpoint: e, samples: {file: f, take: 0}}}",
        "}}\nevaluations: {v: {endpoint: e}}",
        "}}\nwatch: {}",
    ],
)
def test_what_load_refuses_an_editor_marks(rest: str) -> None:
    source = HEAD + rest + "\n"
    with pytest.raises(ConfigError):
        loads(source, Path("w.yaml"), env={})
    assert not validator().is_valid(parse(source, "w.yaml").value)


def test_an_unknown_preset_is_marked() -> None:
    assert not validator().is_valid({"providers": {"p": {"preset": "opnai"}}})
