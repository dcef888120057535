"""Scenarios: read strictly, drawn repeatably."""

import random
import statistics
from pathlib import Path

import msgspec
import pytest

from weighbridge.errors import UsageError
from weighbridge.simulator.settings import Distribution, Fault, RateLimits, Settings, seconds


@pytest.mark.parametrize(
    ("text", "value"), [("50ms", 0.05), ("1.5s", 1.5), ("2m", 120.0), (3, 3.0), ("250us", 0.00025)]
)
def test_durations_are_read_in_seconds(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


def test_a_lognormal_has_the_median_and_the_p99_it_was_given() -> None:
    draw = Distribution(lognormal="50ms", p99="400ms").sampler(random.Random(1))
    drawn = sorted(draw() for _ in range(40_000))
    assert statistics.median(drawn) == pytest.approx(0.05, rel=0.03)
    assert drawn[int(0.99 * len(drawn))] == pytest.approx(0.4, rel=0.06)


def test_a_flag_gives_the_same_distributions() -> None:
    assert Distribution.parse("lognormal:50ms,400ms") == Distribution(lognormal=0.05, p99=0.4)
    assert Distribution.parse("uniform:20ms,80ms") == Distribution(uniform=(0.02, 0.08))
    with pytest.raises(UsageError, match=r"'normal:1,2' is not a distribution\. Write 50ms"):
        Distribution.parse("normal:1,2")


def test_equal_seeds_draw_equally() -> None:
    one, two = (Distribution(uniform=(0, 1)).sampler(random.Random(5)) for _ in range(2))
    assert [one() for _ in range(5)] == [two() for _ in range(5)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ttft: {constnt: 1}", "unknown field `constnt`"),
        ("faults: [{kind: 418}]", "faults[0].kind"),
        ("ttft: [", "not YAML"),
        ("ttft: {}", "exactly one of constant, lognormal, uniform, values"),
        ("gap: {constant: 1, uniform: [1, 2]}", "exactly one of"),
        ("gap: {uniform: [2, 1]}", "from its lower end to its upper"),
        ("gap: {constant: -1}", "no values below 0"),
        ("gap: {constant: soon}", "'soon' is not a duration"),
        ("tokens: {values: []}", "no values"),
        ("ttft: {lognormal: 50ms, p99: 10ms}", "a p99 not below it"),
        ("ttft: normal:1,2", "'normal:1,2' is not a distribution. Write 50ms"),
        ("faults: [{kind: cut, share: 5}]", "faults[0].share"),
        ("faults: [{kind: cut, every: 0}]", "faults[0].every"),
        ("limits: {concurrent: 0}", "limits.concurrent"),
        ("[]", "Expected `object`"),
    ],
)
def test_a_bad_scenario_gets_one_line_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        Settings.load(path)
    assert "scenario.yaml" in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_scenario_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text("ttft: {constant: 50ms}\ntokens: {values: [3, 5]}\nfaults: [{kind: '429', share: 0.1}]\n")
    settings = Settings.load(path)
    assert settings.ttft.constant == "50ms"
    assert settings.faults[0].share == 0.1


def test_a_distribution_in_a_file_may_be_written_as_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text("ttft: 50ms\ngap: lognormal:10ms,90ms\ntokens: 7\nlatency: values:1ms,2ms\n")
    settings = Settings.load(path)
    assert settings.ttft == Distribution(constant=0.05)
    assert settings.gap == Distribution(lognormal=0.01, p99=0.09)
    assert settings.tokens == Distribution(constant=7.0)
    assert settings.latency.values == (0.001, 0.002)


def test_what_a_program_wrote_as_json_is_read_back_the_same(tmp_path: Path) -> None:
    """YAML 1.1 would take 1e-05 for a text."""
    path = tmp_path / "scenario.json"
    settings = Settings(
        gap=Distribution(constant=1e-05),
        faults=(Fault(kind="cut", every=3), Fault(kind="429", since=1, until=2)),
        limits=RateLimits(concurrent=3),
    )
    path.write_bytes(msgspec.json.encode(settings))
    assert Settings.load(path) == settings


def test_bad_json_and_a_missing_file_get_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(UsageError, match=r"bad\.json: not JSON"):
        Settings.load(tmp_path / "bad.json")
    with pytest.raises(UsageError, match=r"none\.yaml: the scenario cannot be read"):
        Settings.load(tmp_path / "none.yaml")


def test_listed_values_are_all_drawn_and_no_others() -> None:
    draw = Distribution.parse("values:10ms,20ms,40ms").sampler(random.Random(2))
    assert {draw() for _ in range(200)} == {0.01, 0.02, 0.04}
