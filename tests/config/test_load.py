"""`load`: the design's own example, and the Config it gives."""

from pathlib import Path

import pytest

from weighbridge.config.load import Config, load, loads
from weighbridge.config.problem import ConfigError

EXAMPLE = """\
providers:
  openai:    {preset: openai}
  anthropic: {preset: anthropic}
  local:     {preset: llama.cpp, base_url: http://127.0.0.1:8081/v1}
models:
  mini:   {provider: openai, model: gpt-5-mini}
  sonnet: {provider: anthropic, model: claude-sonnet-4-6}
  smol:   {provider: local, model: smollm2, price: {input: 0.02, output: 0.08}}
candidates:
  mini-terse: {model: mini, system: prompts/terse.md, params: {temperature: 0}}
endpoints:
  support-reply:
    candidates: [mini, mini-terse, sonnet, smol]
    success: schema and field_f1 >= 0.9
    constraints:
      quality: {min: 0.92, confidence: 95%}
      cost_per_success: {max: $0.002}
      ttft_p95: {max: 800ms}
      total_p99: {max: 6s}
      error_rate: {max: 1%}
evaluations:
  support-weekly:
    endpoint: support-reply
    samples: {file: samples/support.jsonl, take: 400, stratify: tag}
    scorers:
      schema: {json_schema: schemas/reply.json}
      field_f1: {json_fields: {ignore: [greeting]}}
    repeats: 2
    arrivals: {poisson: 4/s}
    budget: $5
"""


def example(source: str = EXAMPLE) -> Config:
    return loads(source, Path("w.yaml"), env={})


def problems(source: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        example(source)
    return caught.value.lines()


def test_the_example_of_the_design_is_read_as_it_stands() -> None:
    """Criteria as code: each unit is a float in base units, each default is there."""
    config = example()
    assert list(config.providers) == ["openai", "anthropic", "local"]
    price = config.models["smol"].price
    assert price is not None
    assert (price.input, price.output, price.cached) == (0.02, 0.08, None)
    endpoint = config.endpoints["support-reply"]
    assert endpoint.candidates == ("mini", "mini-terse", "sonnet", "smol")
    assert dict(endpoint.constraints.limits()) == {
        "quality": 0.92, "cost_per_success": 0.002, "error_rate": 0.01, "ttft_p95": 0.8, "total_p99": 6.0,
    }  # fmt: skip
    assert list(endpoint.constraints.latencies()) == [("ttft", 0.95, 0.8), ("total", 0.99, 6.0)]
    name, evaluation = config.evaluation()
    assert name == "support-weekly"
    assert (evaluation.repeats, evaluation.arrivals.poisson, evaluation.budget) == (2, 4.0, 5.0)
    assert (evaluation.retries, evaluation.stream, evaluation.timeouts.total) == (2, True, 600.0)
    assert list(evaluation.scorer_kinds()) == [
        ("schema", "json_schema", "schemas/reply.json"),
        ("field_f1", "json_fields", {"ignore": ["greeting"]}),
    ]
    assert config.rule("support-reply").names == {"schema", "field_f1"}


def test_a_bare_model_is_its_own_candidate() -> None:
    config = example()
    assert (config.model_of("mini-terse"), config.model_of("sonnet")) == ("mini", "sonnet")


def test_loading_needs_no_key(tmp_path: Path) -> None:
    """Keys are looked up when a provider is used: a file with six vendors loads for who has one key."""
    path = tmp_path / "weighbridge.yaml"
    path.write_text(EXAMPLE)
    config = load(path, env={})
    assert config.where("models", "smol") == f"{path}:8"
    assert config.file("samples/x.jsonl") == tmp_path / "samples/x.jsonl"


def test_every_problem_is_found_at_once() -> None:
    """One look at the file shows all there is to mend, in its order, each line with its place."""
    broken = (
        EXAMPLE.replace("preset: anthropic", "preset: antropic")
        .replace("input: 0.02", "input: -1")
        .replace("min: 0.92", "min: 92")
        .replace("repeats: 2", "repeats: two")
        .replace("budget", "budgt")
    )
    lines = problems(broken)
    assert [line.split(": ")[0] for line in lines] == ["w.yaml:3", "w.yaml:8", "w.yaml:16", "w.yaml:28", "w.yaml:30"]
    assert "Did you mean anthropic?" in lines[0]
    assert "did you mean 92%?" in lines[2]
    assert "must be a whole number, not 'two'" in lines[3]
    assert "unknown key evaluations.support-weekly.budgt. Did you mean budget?" in lines[4]


@pytest.mark.parametrize("later", ["watch: {a: {every: day}}", "alerts: {}"])
def test_sections_of_later_versions_are_named_and_refused(later: str) -> None:
    """Nothing is accepted that nobody reads: `watch` would look as if it were on."""
    (line,) = problems(f"{EXAMPLE}{later}\n")
    assert line.startswith("w.yaml:31: this version does not know ")


@pytest.mark.parametrize("later", ["audit: 1%"])
def test_keys_of_later_versions_are_named_and_refused(later: str) -> None:
    (line,) = problems(EXAMPLE.replace("    constraints:", f"    {later}\n    constraints:"))
    key, _, _ = later.partition(":")
    assert line.startswith(f"w.yaml:15: this version does not know endpoints.support-reply.{key} yet")


def test_the_digest_is_of_what_is_said_and_not_of_its_layout() -> None:
    said = example().digest
    assert example(f"# a comment\n{EXAMPLE.replace('   ', ' ', 1)}").digest == said
    assert example(EXAMPLE.replace("repeats: 2", "repeats: 3")).digest != said
    assert len(said) == 64


def test_secrets_are_in_neither_source_nor_repr() -> None:
    """A key pasted into a comment is not kept, and the environment is never shown."""
    secret = "sk-proj-abcdefghijklmnopqrstuvwx"
    config = loads(f"# {secret}\n{EXAMPLE}", Path("w.yaml"), env={"OPENAI_API_KEY": secret})
    assert secret not in config.source
    assert secret not in repr(config)


def test_a_key_pasted_in_the_wrong_place_is_not_in_the_error() -> None:
    (line,) = problems("providers:\n  p: {preset: sk-proj-abcdefghijklmnopqrstuvwx}\n")
    assert line.startswith("w.yaml:2: no preset '[redacted]'")


def test_an_evaluation_is_found_by_name_or_by_being_the_only_one() -> None:
    config = example()
    assert config.evaluation("support-weekly")[1].repeats == 2
    with pytest.raises(ConfigError, match=r"no evaluation 'support-weakly'\. Did you mean support-weekly"):
        config.evaluation("support-weakly")
    two = example(f"{EXAMPLE}  other:\n    endpoint: support-reply\n    samples: {{file: x}}\n    scorers: "
                  "{schema: {exact: {}}, field_f1: {exact: {}}}\n")  # fmt: skip
    with pytest.raises(ConfigError, match=r"several evaluations, and none named\. Name one: support-weekly, other"):
        two.evaluation()
    with pytest.raises(ConfigError, match="no evaluations"):
        example("providers: {}\n").evaluation()


def test_a_section_of_comments_only_is_empty() -> None:
    config = example("providers:\n  # openai: {preset: openai}\nmodels:\n")
    assert (config.providers, config.models) == ({}, {})


def test_an_error_found_later_still_names_its_line() -> None:
    error = example().error(("models", "mini", "price"), "the price is unknown", "Give one under price:.")
    assert str(error) == "w.yaml:6: the price is unknown. Give one under price:."
