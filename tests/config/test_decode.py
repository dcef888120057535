"""Values of the wrong type or unit: what each error says."""

from pathlib import Path

import pytest

from weighbridge.config.load import loads
from weighbridge.config.problem import ConfigError
from weighbridge.config.sections import ShotSection

MODEL = "providers: {p: {preset: openai}}\nmodels: {m: {provider: p, model: x}}\n"
ENDPOINT = MODEL + "endpoints: {e: {candidates: [m], success: ok}}\n"


def first(source: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loads(source, Path("w.yaml"), env={})
    line = caught.value.lines()[0]
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("modls: {}\n", "w.yaml:1: unknown key modls. Did you mean models?"),
        (
            "zzz: {}\n",
            (
                "w.yaml:1: unknown key zzz. "
                "Known here: candidates, endpoints, evaluations, gateway, keys, models, providers."
            ),
        ),
        ("models: [a]\n", "w.yaml:1: models must be a mapping (`key: value`), not a list"),
        ("models:\n  m: gpt\n", "w.yaml:2: models.m must be a mapping (`key: value`), not 'gpt'"),
        ("models:\n  m:\n    model: x\n", "w.yaml:2: models.m needs `provider`. Add a line `provider: …` to it."),
        ("models:\n  m: {provider: p, model: 4}\n", "w.yaml:2: models.m.model must be text, not 4. Put it in quotes."),
        ("models:\n  m: {provider: p, model: true}\n", "w.yaml:2: models.m.model must be text, not true"),
        ("models:\n  m: {provider: p, model: ''}\n", "w.yaml:2: models.m.model must be text of length >= 1, not ''"),
        ("models:\n  m: {provider: p, model: }\n", "w.yaml:2: models.m.model has no value. Give it one, or delete"),
        ("models:\n  m: {provider: p, model: x, price: {input: 1}}\n", "w.yaml:2: models.m.price needs `output`"),
        ("candidates:\n  c:\n    model: m\n    api: chats\n", "w.yaml:4: candidates.c.api must be chat or completions"),
        ("candidates:\n  c:\n    model: m\n    shots: 3\n", "w.yaml:4: candidates.c.shots must be a list, not 3"),
        (
            "candidates:\n  c:\n    model: m\n    shots:\n      - {user: a, assistant: b}\n      - {usr: a}\n",
            "w.yaml:6: unknown key candidates.c.shots[1].usr. Did you mean user?",
        ),
    ],
)
def test_a_wrong_key_or_type_says_what_is_wanted(source: str, expected: str) -> None:
    assert first(source).startswith(expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("repeats: 0", "repeats must be a whole number >= 1, not 0"),
        ("repeats: 1.5", "repeats must be a whole number, not 1.5"),
        ("repeats: true", "repeats must be a whole number, not true"),
        ("stream: sometimes", "stream must be true or false, not 'sometimes'"),
        ("stream: yes", "stream must be true or false, not 'yes'"),
        ("budget: -5", "budget must be an amount of $0 or more, not -5"),
        ("budget: €5", "budget must be an amount in USD, such as $0.002 or 5, not '€5'"),
        (
            "timeouts: {total: 30}",
            "timeouts.total must be a duration with its unit, such as 800ms, 6s, 2m or 1h, not 30",
        ),
        (
            "arrivals: {poisson: fast}",
            "arrivals.poisson must be a rate with its unit, such as 4/s or 120/min, not 'fast'",
        ),
        ("arrivals: {trace: 0}", "arrivals.trace must be a number > 0.0, not 0"),
        ("arrivals: {trace: 2000000}", "arrivals.trace must be a number <= 1000000.0, not 2000000"),
        ("arrivals: {trace: .inf}", "arrivals.trace must be a number, not"),
        ("arrivals: {concurrency: 0}", "arrivals.concurrency must be a whole number >= 1, not 0"),
        ("retries: [1]", "retries must be a whole number, not a list"),
        ("scorers: {s: exact}", "scorers.s must be a mapping (`key: value`), not 'exact'"),
    ],
)
def test_a_wrong_value_in_an_evaluation_says_what_is_wanted(line: str, expected: str) -> None:
    source = f"{ENDPOINT}evaluations:\n  v:\n    endpoint: e\n    samples: {{file: none.jsonl}}\n    {line}\n"
    assert first(source).startswith(f"w.yaml:8: evaluations.v.{expected}")


def test_a_long_value_is_cut_in_the_error() -> None:
    assert len(first(f"models: {'x' * 5000}\n")) < 150


def test_a_value_of_a_provider_is_never_shown() -> None:
    """It may be a key: `key: [sk-…]`, `headers: sk-…` and a misspelt preset's value stay out of errors."""
    for line in ("headers: sk-secret-secret", "key: [sk-secret-secret]", "preset: [sk-secret-secret]"):
        assert "secret" not in first(f"providers:\n  p: {{{line}, base_url: 'http://h'}}\n")


def test_shots_may_be_a_list_or_a_file() -> None:
    source = MODEL + "candidates:\n  a: {model: m, shots: s.jsonl}\n  b: {model: m, shots: [{user: q, assistant: a}]}\n"
    config = loads(source, Path("w.yaml"), env={})
    assert config.candidates["a"].shots == "s.jsonl"
    assert config.candidates["b"].shots == (ShotSection(user="q", assistant="a"),)
