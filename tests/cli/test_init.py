"""`weighbridge init`: a starter that loads, from the keys there are, over nothing that is there."""

import json
from pathlib import Path

import pytest

from weighbridge.cli import init as command
from weighbridge.cli.main import run
from weighbridge.config import build
from weighbridge.config.load import load, loads
from weighbridge.providers.presets import PRESETS
from weighbridge.providers.price import look_up


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key but those a test sets, and a folder of its own."""
    for preset in PRESETS.values():
        if preset.key_variable:
            monkeypatch.delenv(preset.key_variable, raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_starter_has_a_provider_for_each_key_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-o")
    monkeypatch.setenv("GROQ_API_KEY", "gsk-secret-g")
    assert run(["init"]) == 0
    config = load(Path("weighbridge.yaml"))
    assert list(config.providers) == ["openai", "groq"]
    build.require_keys(config, "first-look")
    written = Path("weighbridge.yaml").read_text() + capsys.readouterr().err
    assert "secret" not in written
    assert "providers: openai, groq" in written


def test_without_a_key_it_begins_with_a_server_on_this_machine_and_says_so() -> None:
    assert run(["init"]) == 0
    config = load(Path("weighbridge.yaml"), env={})
    assert list(config.providers) == ["local"]
    assert "No key was found" in config.source
    build.require_keys(config, "first-look")
    assert [candidate.name for candidate in build.candidates(config, config.endpoints["answers"].candidates)] == [
        "local-small",
        "local-terse",
    ]


@pytest.mark.parametrize("preset", command.STARTERS)
def test_every_vendor_of_the_starter_has_a_preset_a_key_and_a_price(preset: str) -> None:
    """A starter without a price could say nothing of cost per success."""
    (starter,) = command.starters(dict.fromkeys(command.key_variables(preset), "x"))
    assert starter.name == preset
    assert look_up(PRESETS[preset].prices, starter.model) is not None
    loads(command.text([starter]), Path("w.yaml"), env={})


def test_all_vendors_together_load() -> None:
    found = command.starters({name: "x" for preset in command.STARTERS for name in command.key_variables(preset)})
    config = loads(command.text(found), Path("w.yaml"), env={})
    assert len(config.models) == len(command.STARTERS)


def test_samples_and_the_schema_stand_beside_the_file(tmp_path: Path) -> None:
    assert run(["init", "sub/eval.yaml"]) == 0
    lines = [json.loads(line) for line in (tmp_path / "sub" / command.SAMPLES_FILE).read_text().splitlines()]
    assert len(lines) == len(command.QUESTIONS)
    assert all(line["request"]["messages"] and line["expected"] and line["tags"] for line in lines)
    first = (tmp_path / "sub/eval.yaml").read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={command.SCHEMA_FILE}"
    assert json.loads((tmp_path / "sub" / command.SCHEMA_FILE).read_text())["title"] == "weighbridge.yaml"


@pytest.mark.parametrize("name", ["weighbridge.yaml", command.SAMPLES_FILE])
def test_nothing_is_overwritten_unless_forced(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    assert run(["init"]) == 2
    assert capsys.readouterr().err == (
        f"error: {name}: is there already, so nothing was written. --force overwrites it.\n"
    )
    assert mine.read_text() == "mine"
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
    assert run(["init", "--force"]) == 0
    assert mine.read_text() != "mine"
