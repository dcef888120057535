"""What stands between sections: references, limits, secrets, rules and scorers."""

from pathlib import Path

import pytest

from weighbridge.config.load import load, loads
from weighbridge.config.problem import ConfigError

PROVIDER = "providers:\n  p: {preset: openai}\n"
MODEL = f"{PROVIDER}models:\n  mini: {{provider: p, model: x}}\n"


def endpoint(lines: str = "", candidates: str = "[mini]", success: str = "ok") -> str:
    extra = f"    {lines}\n" if lines else ""
    return f"{MODEL}endpoints:\n  e:\n    candidates: {candidates}\n    success: {success}\n{extra}"


def evaluation(lines: str = "", base: str = "", scorers: str = "{ok: {exact: {}}}") -> str:
    head = "evaluations:\n  v:\n    endpoint: e\n    samples: {file: s.jsonl}\n"
    return f"{base or endpoint()}{head}    scorers: {scorers}\n" + (f"    {lines}\n" if lines else "")


def all_lines(source: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loads(source, Path("/nowhere/w.yaml"), env={})
    return [line.removeprefix("/nowhere/") for line in caught.value.lines()]


def only(source: str) -> str:
    (line,) = all_lines(source)
    return line


def test_the_frames_of_these_tests_are_sound() -> None:
    assert loads(evaluation(), Path("w.yaml"), env={}).evaluations["v"].endpoint == "e"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("models:\n  m: {provider: opnai, model: x}\nproviders:\n  openai: {preset: openai}\n",
         "w.yaml:2: models.m.provider names 'opnai', which is not under `providers`. Did you mean openai?"),
        ("models:\n  m: {provider: p, model: x}\n",
         "w.yaml:2: models.m.provider names 'p', which is not under `providers`. Add it under `providers:`."),
        (f"{MODEL}candidates:\n  c: {{model: mimi}}\n",
         "w.yaml:6: candidates.c.model names 'mimi', which is not under `models`. Did you mean mini?"),
        (f"{MODEL}candidates:\n  mini: {{model: mini}}\n", "w.yaml:6: 'mini' is both a candidate and a model"),
        (endpoint(candidates="[mini, maxi]"),
         "w.yaml:7: endpoints.e.candidates[1] names 'maxi', which is not under `candidates` or `models`"),
        (endpoint(candidates="[]"), "w.yaml:7: endpoints.e.candidates is empty. Name at least one"),
        (endpoint(candidates="[mini, mini]"), "w.yaml:7: endpoints.e.candidates names 'mini' twice"),
        (endpoint("shadow: {candidate: maxi, share: 1%}"),
         "w.yaml:9: endpoints.e.shadow.candidate names 'maxi', which is not under `candidates` or `models`"),
        (evaluation().replace("endpoint: e", "endpoint: f"),
         "w.yaml:11: evaluations.v.endpoint names 'f', which is not under `endpoints`"),
    ],
)  # fmt: skip
def test_a_reference_that_leads_nowhere_is_named(source: str, expected: str) -> None:
    assert only(source).startswith(expected)


def test_a_broken_entry_is_reported_once_and_not_again_as_missing() -> None:
    source = endpoint().replace("model: x", "model: 4")
    assert only(source).startswith("w.yaml:4: models.mini.model must be text")


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ("quality: {min: 1.2}", "constraints.quality.min must be a share of at most 1 or 100%"),
        ("quality: {min: 0.9, confidence: 100%}", "constraints.quality.confidence must be at least 50% and under 100%"),
        ("quality: {min: 0.9, confidence: 5%}", "constraints.quality.confidence must be at least 50% and under 100%"),
        ("cost_per_success: {max: -1}", "constraints.cost_per_success.max must be an amount of $0 or more"),
        ("error_rate: {max: 101%}", "constraints.error_rate.max must be a share of at most 100%"),
        ("total_p99: {max: 0s}", "constraints.total_p99.max must be a duration above 0"),
        ("ttft_p97: {max: 1s}", "unknown key endpoints.e.constraints.ttft_p97. Did you mean ttft_p9"),
        ("quality: {max: 0.9}", "unknown key endpoints.e.constraints.quality.max"),
    ],
)
def test_a_limit_nobody_can_meet_is_refused(limits: str, expected: str) -> None:
    assert expected in all_lines(endpoint(f"constraints: {{{limits}}}"))[0]


def test_a_p99_limit_below_the_p95_limit_is_a_contradiction() -> None:
    line = only(endpoint("constraints: {total_p95: {max: 6s}, total_p99: {max: 2s}}"))
    assert line.startswith("w.yaml:9: total_p99 max 2 s is below total_p95 max 6 s, which then can never matter")
    loads(endpoint("constraints: {total_p95: {max: 6s}, total_p99: {max: 6s}, ttft_p99: {max: 1s}}"), Path("w"), env={})


def test_a_ttft_limit_needs_streams() -> None:
    limited = endpoint("constraints: {ttft_p95: {max: 800ms}}")
    line = only(evaluation("stream: false", base=limited))
    assert line.startswith("w.yaml:15: endpoint 'e' limits TTFT, which is not measured with stream: false")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("budget: $0", "evaluations.v.budget is $0, so nothing could be sent"),
        ("arrivals: {}", "must be one of concurrency, constant, poisson, trace, not none"),
        ("arrivals: {poisson: 4/s, concurrency: 2}", "not concurrency and poisson. Such as: {poisson: 4/s}"),
    ],
)
def test_an_evaluation_that_could_not_run_is_refused(lines: str, expected: str) -> None:
    assert expected in only(evaluation(lines))


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ("{}", "providers.p needs a `preset` or a `base_url`"),
        ("{preset: opnai}", "no preset 'opnai'. Did you mean openai?"),
        ("{base_url: 127.0.0.1:8081}", "providers.p.base_url is not an http:// or https:// address"),
        ("{base_url: 'https://me:s3cret@host/v1'}", "providers.p.base_url holds a user name or password"),
        ("{preset: openai, key: sk-s3cret}", "providers.p.key must name an environment variable"),
        ("{preset: openai, headers: {X-Api-Key: s3cret}}", "header X-Api-Key holds its secret in the file"),
        ("{preset: openai, headers: {Authorization: Bearer s3cret}}", "header Authorization holds its secret"),
    ],
)
def test_a_provider_says_where_to_call_and_holds_no_secret(provider: str, expected: str) -> None:
    """The secret itself is in no error."""
    line = only(f"providers:\n  p: {provider}\n")
    assert line.startswith("w.yaml:2: ")
    assert expected in line
    assert "s3cret" not in line


def test_secrets_named_by_their_variable_are_fine() -> None:
    source = "providers:\n  p: {base_url: '$GATE', key: $MY_KEY, headers: {Authorization: 'Bearer ${T}', X-Team: a}}\n"
    assert loads(source, Path("w.yaml"), env={}).providers["p"].key == "$MY_KEY"


@pytest.mark.parametrize(
    ("fleet", "expected"),
    [
        ("{url: 'valkey://:s3cret@host:6379'}", "gateway.fleet.url holds a password. Put the URL in the environment"),
        ("{url: 'valkey://s3cret@host'}", "gateway.fleet.url holds a password"),
        ("{url: 'valkey://:s3cret@$HOST'}", "gateway.fleet.url holds a password"),
        ("{url: 'valkey://:$A-s3cret@host'}", "gateway.fleet.url holds a password"),
        ("{url: 'http://s3cret.example'}", "gateway.fleet.url is no URL of a Valkey or Redis server. Write it as"),
        ("{url: host:6379}", "gateway.fleet.url is no URL of a Valkey or Redis server"),
        ("valkey://:s3cret@host", "gateway.fleet must be a mapping (`key: value`), not text"),
        ("{url: 5}", "gateway.fleet.url must be text, not a whole number"),
        ("{}", "gateway.fleet needs `url`"),
        ("{url: $VALKEY_URL, name: 'my:fleet'}", "gateway.fleet.name must be text matching regex"),
    ],
)
def test_a_fleet_names_its_server_and_holds_no_password(fleet: str, expected: str) -> None:
    line = only(f"gateway:\n  fleet: {fleet}\n")
    assert line.startswith("w.yaml:2: ")
    assert expected in line
    assert "s3cret" not in line


@pytest.mark.parametrize(
    "url",
    [
        *("$VALKEY_URL", "valkey://10.0.0.5", "rediss://host:7000/3", "valkey://[::1]:6379"),
        *("valkey://:$PASSWORD@host", "valkeys://me:${PASSWORD}@${HOST}/1", "redis://${LOGIN}@host"),
    ],
)
def test_a_server_without_a_password_or_with_its_variable_is_fine(url: str) -> None:
    source = f"gateway:\n  fleet: {{url: '{url}'}}\n"
    section = loads(source, Path("w.yaml"), env={}).gateway.fleet
    assert section is not None
    assert (section.url, section.name) == (url, "wb")


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        ("params: {model: y}", "candidates.c.params.model is not for params. Name the model under `model:`."),
        ("params: {stream: true}", "candidates.c.params.stream is not for params. Set `stream:` in the evaluation."),
        ("api: chat, template: {turn: '{user}{assistant}', ask: '{user}'}", "has a template and api: chat"),
        ("template: {turn: '{user}', ask: '{user}'}", "template.turn does not hold {assistant}"),
        ("template: {turn: '{user}{assistant}', ask: 'Q'}", "template.ask does not hold {user}"),
        ("system: Hi, template: {turn: '{user}{assistant}', ask: '{user}'}", "so the prompt would be lost"),
    ],
)
def test_a_candidate_that_would_not_send_what_is_meant_is_refused(candidate: str, expected: str) -> None:
    assert expected in only(f"{MODEL}candidates:\n  c: {{model: mini, {candidate}}}\n")


def test_a_rule_that_cannot_be_read_names_line_and_column() -> None:
    line = only(evaluation(base=endpoint(success="ok and >= 0.9")))
    assert line.startswith("w.yaml:8: endpoints.e.success: expected the name of a scorer, not '>=' (column 8)")


def test_a_rule_may_only_ask_for_scorers_there_are(tmp_path: Path) -> None:
    """A misspelt scorer would otherwise make every response a failure."""
    (tmp_path / "s.jsonl").write_text('{"request": {}}\n')
    path = tmp_path / "w.yaml"
    path.write_text(evaluation(base=endpoint(success="okay and f1 >= 0.5")))
    with pytest.raises(ConfigError) as caught:
        load(path, env={})
    lines = caught.value.lines()
    assert "asks for 'f1', which no scorer or sample check gives" in lines[0]
    assert "asks for 'okay', which no scorer or sample check gives. Did you mean ok?" in lines[1]
    assert lines[0].startswith(f"{path}:13: ")


def test_a_check_that_samples_bring_counts_as_a_scorer(tmp_path: Path) -> None:
    """Bad lines in the file do not matter here: reading samples reports them."""
    (tmp_path / "s.jsonl").write_bytes(b'{"request": {}, "checks": {"answer": {"exact": {}}}}\n\xff\n{bad\n[1]\n')
    path = tmp_path / "w.yaml"
    path.write_text(evaluation(base=endpoint(success="answer"), scorers="{}"))
    assert load(path, env={}).rule("e").names == {"answer"}


@pytest.mark.parametrize(
    ("scorers", "expected"),
    [
        ("{ok: {}}", "evaluations.v.scorers.ok must name one kind of scorer"),
        ("{ok: {exact: {}, regex: a}}", "evaluations.v.scorers.ok must name one kind of scorer"),
        ("{ok: {exact: {}}, 'a b': {exact: {}}}", "'a b' cannot be a scorer's name in a rule"),
        ("{ok: {exact: {}}, not: {exact: {}}}", "'not' cannot be a scorer's name in a rule"),
    ],
)
def test_a_scorer_has_one_kind_and_a_name_a_rule_can_hold(scorers: str, expected: str) -> None:
    assert expected in only(evaluation(scorers=scorers))
