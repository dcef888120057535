"""From the configuration to providers, models and candidates."""

import json
from pathlib import Path

import pytest

from weighbridge.config import build
from weighbridge.config.load import Config, load, loads
from weighbridge.config.problem import ConfigError
from weighbridge.errors import UsageError
from weighbridge.providers.candidate import Shot, Template

SOURCE = """\
providers:
  openai: {preset: openai}
  local: {preset: llama.cpp, base_url: http://127.0.0.1:8081/v1}
  gate: {base_url: "https://${GATE}/v1", key: $GATE_KEY, headers: {X-Team: "$TEAM"}}
  free: {base_url: http://127.0.0.1:9/v1}
models:
  mini: {provider: openai, model: gpt-5-mini}
  dear: {provider: openai, model: gpt-5-mini, price: {input: $1, output: 2, cached: 0.5}}
  smol: {provider: local, model: smollm2}
  far: {provider: gate, model: x}
candidates:
  terse: {model: smol, system: prompts/terse.md, shots: shots.jsonl, params: {temperature: 0}}
  base:
    model: smol
    system: Answer.
    shots: [{user: q, assistant: a, tag: facts}]
    template: {system: "{system}\\n", turn: "Q: {user}\\nA: {assistant}\\n", ask: "Q: {user}\\nA:"}
endpoints:
  both: {candidates: [mini, far, terse], success: ok}
  near: {candidates: [terse, base, smol], success: ok}
evaluations:
  cloud: {endpoint: both, samples: {file: s.jsonl}, scorers: {ok: {exact: {}}}}
  here: {endpoint: near, samples: {file: s.jsonl}, scorers: {ok: {exact: {}}}}
"""
KEYS = {"OPENAI_API_KEY": "sk-o", "GATE": "gate.example", "GATE_KEY": "g-key", "TEAM": "blue"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/terse.md").write_text("Be terse.\n")
    (tmp_path / "shots.jsonl").write_text(
        '{"user": "2+2?", "assistant": "4"}\n\n{"user": "é", "assistant": "e", "tag": "t"}\n'
    )
    (tmp_path / "weighbridge.yaml").write_text(SOURCE)
    return tmp_path


def config(folder: Path, env: dict[str, str] | None = None) -> Config:
    return load(folder / "weighbridge.yaml", env=KEYS if env is None else env)


def test_a_provider_has_its_presets_address_and_the_key_of_the_environment(folder: Path) -> None:
    openai = build.provider(config(folder), "openai")
    assert (openai.base_url, openai.key) == ("https://api.openai.com/v1", "sk-o")
    assert "sk-o" not in repr(openai)


def test_references_to_the_environment_are_expanded_where_a_provider_is_used(folder: Path) -> None:
    gate = build.provider(config(folder), "gate")
    assert (gate.base_url, gate.key, gate.headers) == ("https://gate.example/v1", "g-key", {"X-Team": "blue"})


def test_a_server_on_this_machine_needs_no_key_but_takes_one(folder: Path) -> None:
    assert build.provider(config(folder, {}), "local").key is None
    assert build.provider(config(folder, {"LLAMA_API_KEY": "k"}), "local").key == "k"
    assert build.provider(config(folder, {}), "free").key is None


def test_every_missing_variable_is_named_with_its_line_and_mend(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        build.require_keys(config(folder, {"TEAM": ""}), "cloud")
    lines = [line.removeprefix(f"{folder}/") for line in caught.value.lines()]
    assert lines[0] == (
        "weighbridge.yaml:2: environment variable OPENAI_API_KEY is not set, and provider 'openai' needs it (key). "
        "export OPENAI_API_KEY=…"
    )
    assert [line.split(" is not")[0] for line in lines[1:]] == [
        f"weighbridge.yaml:4: environment variable {name}" for name in ("GATE_KEY", "GATE", "TEAM")
    ]


def test_only_the_keys_an_evaluation_uses_are_needed(folder: Path) -> None:
    build.require_keys(config(folder, {}), "here")
    build.require_keys(config(folder), "cloud")


def test_building_a_provider_without_its_key_is_the_same_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        build.model(config(folder, {}), "mini")


def test_the_server_of_a_fleet_is_looked_up_in_the_environment() -> None:
    source = "gateway:\n  fleet: {url: 'valkey://:${SECRET}@host'}\n"
    found = loads(source, Path("w.yaml"), env={"SECRET": "s3cret"})
    assert found.gateway.fleet is not None
    assert build.fleet_url(found, found.gateway.fleet) == "valkey://:s3cret@host"
    without = loads(source, Path("w.yaml"), env={})
    with pytest.raises(
        ConfigError, match=r"w\.yaml:2: environment variable SECRET is not set, and gateway.fleet needs"
    ):
        build.fleet_url(without, found.gateway.fleet)


def test_prices_come_from_the_file_or_else_from_the_book_or_are_unknown(folder: Path) -> None:
    """promptfoo#7546 and deepeval#1114: an override wins, and an unknown price is None, never 0."""
    read = config(folder)
    mini, dear = build.model(read, "mini").price, build.model(read, "dear").price
    assert mini is not None
    assert dear is not None
    assert (mini.input, mini.output) == (0.25, 2.0)
    assert mini.source.startswith("genai-prices")
    assert (dear.input, dear.output, dear.cached, dear.source) == (1.0, 2.0, 0.5, build.OVERRIDE)
    assert build.model(read, "smol").price is None


def test_candidates_hold_their_prompts_and_share_models_and_providers(folder: Path) -> None:
    terse, base, smol = build.candidates(config(folder), ("terse", "base", "smol"))
    assert (terse.system, terse.params, terse.api) == ("Be terse.", {"temperature": 0}, None)
    assert terse.shots == (Shot(user="2+2?", assistant="4"), Shot(user="é", assistant="e", tag="t"))
    assert base.template == Template(system="{system}\n", turn="Q: {user}\nA: {assistant}\n", ask="Q: {user}\nA:")
    assert (base.system, base.shots) == ("Answer.", (Shot(user="q", assistant="a", tag="facts"),))
    assert (smol.name, smol.system, smol.shots) == ("smol", None, ())
    assert terse.model is base.model is smol.model


def test_a_base_model_is_asked_in_text(folder: Path) -> None:
    (base,) = build.candidates(config(folder), ["base"])
    api, body = base.request({"messages": [{"role": "user", "content": "Why?"}]}, "chat", ["facts"])
    assert (api, body["prompt"]) == ("completions", "Answer.\nQ: q\nA: a\nQ: Why?\nA:")


@pytest.mark.parametrize("system", ["Answer in one word.", "terse.md is a file", "one\ntwo.md", "Hello"])
def test_a_system_prompt_that_is_no_single_word_with_a_file_ending_is_text(system: str, folder: Path) -> None:
    source = (
        "providers: {p: {preset: ollama}}\nmodels: {m: {provider: p, model: x}}\n"
        f"candidates: {{c: {{model: m, system: {json.dumps(system)}}}}}\n"
    )
    (candidate,) = build.candidates(loads(source, folder / "w.yaml", env={}), ["c"])
    assert candidate.system == system


def test_a_prompt_file_that_is_missing_or_no_text_names_the_line_that_asks_for_it(folder: Path) -> None:
    (folder / "prompts/terse.md").write_bytes(b"caf\xe9")
    with pytest.raises(ConfigError, match=r"weighbridge\.yaml:12: .*terse\.md is not UTF-8 text"):
        build.prompts(config(folder), "terse")
    (folder / "prompts/terse.md").unlink()
    with pytest.raises(ConfigError, match=r"weighbridge\.yaml:12: .*terse\.md cannot be read: no such file"):
        build.prompts(config(folder), "terse")


@pytest.mark.parametrize(
    "line", ["{bad", '{"user": "q"}', "[1]", '{"user": 1, "assistant": "a"}', '{"user": "q", "asistant": "a"}']
)
def test_a_bad_shot_names_its_own_file_and_line(line: str, folder: Path) -> None:
    (folder / "shots.jsonl").write_text(f'{{"user": "q", "assistant": "a"}}\n{line}\n')
    with pytest.raises(UsageError, match=r"shots\.jsonl:2: not a shot: .*Write each line as"):
        build.prompts(config(folder), "terse")
