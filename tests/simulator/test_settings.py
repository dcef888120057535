"""Scenarios: read strictly, drawn repeatably."""

import random
import statistics
from pathlib import Path

import pytest

from weighbridge.errors import UsageError
from weighbridge.simulator.settings import Distribution, Settings, seconds


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
    with pytest.raises(UsageError, match=r"'normal' is not a distribution\. Write 50ms"):
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
