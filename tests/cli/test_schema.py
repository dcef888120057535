"""`weighbridge schema`: what editors read, on stdout and nothing else."""

import json
from pathlib import Path

import pytest

from weighbridge.cli.main import run


def test_it_prints_the_schema_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    written = capsys.readouterr()
    assert written.err == ""
    assert json.loads(written.out)["title"] == "weighbridge.yaml"
    docs = Path(__file__).parents[2] / "docs" / "weighbridge.schema.json"
    assert written.out == docs.read_text()


def test_every_section_describes_itself_to_whoever_hovers_over_it(capsys: pytest.CaptureFixture[str]) -> None:
    run(["schema"])
    definitions = json.loads(capsys.readouterr().out)["$defs"]
    limits = {"DollarLimit", "DurationLimit", "ShareLimit"}
    assert [name for name, part in definitions.items() if "description" not in part and name not in limits] == []
    undescribed = [
        f"{name}.{key}"
        for name in ("ProviderSection", "ModelSection", "CandidateSection", "EndpointSection")
        for key, part in definitions[name]["properties"].items()
        if "description" not in part and "$ref" not in part
    ]
    assert undescribed == []
