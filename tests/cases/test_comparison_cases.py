"""Two candidates on the same samples: paired, corrected, and with what it would take to tell."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.test_comparison import two
from tests.synthetic_runs import MINI, SONNET, Made, make_run

from weighbridge.cli.leaderboard import leaderboard
from weighbridge.evaluation.changes import Side
from weighbridge.evaluation.comparison import compare
from weighbridge.evaluation.outcomes import load
from weighbridge.stats import paired, power


def test_a_difference_that_only_pairing_can_see_is_seen() -> None:
    """lm-evaluation-harness#3831, lm-evaluation-harness PR #3868, inspect_ai#2176: on paired data an unpaired test
    throws away what the two share. Of 200 samples 60 are hard for both; one candidate breaks 9 and mends none."""
    before = np.array([1.0] * 140 + [0.0] * 60)
    after = before.copy()
    after[:9] = 0.0
    assert paired.mcnemar(before, after).p < 0.01
    spread = np.sqrt(before.var() / 200 + after.var() / 200)
    assert abs(before.mean() - after.mean()) / spread < 1.96


def test_where_nothing_is_shown_it_is_said_how_many_samples_would(tmp_path: Path) -> None:
    """inspect_ai#4206, inspect_ai PR #4260: paired delta, McNemar, multiplicity and power, declined there. The number
    that is named does show a difference of this size in four cases of five."""
    found = two(tmp_path, MINI, Made("near", 1.5, (0.25, 2.0), 0.3), samples=60)
    assert found.finding == "no difference shown"
    assert found.needed is not None
    assert found.needed > 60
    success = found.criteria[0]
    assert success.test == "exact McNemar"
    assert success.difference.lower < 0 < success.difference.upper
    discordant = (found.broken + found.mended) / found.samples
    gap = abs(success.after - success.before)
    assert power.achieved(discordant, gap, found.needed) == pytest.approx(0.8, abs=0.02)


def test_a_comparison_needs_no_service_and_fails_a_build_on_a_regression(tmp_path: Path) -> None:
    """Runs compared locally, and an exit code for CI (deepeval PR #2948, deepeval#262); nothing is sent anywhere."""
    make_run(tmp_path, candidates=[SONNET], samples=80)
    make_run(tmp_path, candidates=[Made("sonnet", -1.0, (3.0, 15.0), 0.7)], samples=80)
    command = [sys.executable, "-m", "weighbridge", "compare", "latest~1", "latest", "--fail-on-regression", "--json"]
    environment = {"WEIGHBRIDGE_HOME": str(tmp_path), "PATH": "", "HTTPS_PROXY": "http://127.0.0.1:9"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1, done.stderr
    (found,) = json.loads(done.stdout)["comparisons"]
    assert found["finding"] == "worse"
    assert found["broken"] > 10


def test_every_figure_that_is_shown_has_its_margin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """guidellm#243: margins of error. Quality, cost, latency and errors each come with both ends of an interval, or
    with the reason why there is none."""
    monkeypatch.setenv("WEIGHBRIDGE_HOME", str(tmp_path))
    make_run(tmp_path, candidates=[MINI, SONNET], samples=400)
    leaderboard(json=True)
    for candidate in json.loads(capsys.readouterr().out)["figures"]["candidates"]:
        estimates = [candidate[name] for name in ("quality", "cost_per_success", "error_rate")]
        estimates += [*candidate["ttft"].values(), *candidate["total"].values()]
        assert len(estimates) == 9
        for estimate in estimates:
            bounded = estimate.get("low") is not None and (estimate.get("high") is not None or estimate.get("beyond"))
            assert bounded or estimate.get("why") or estimate.get("beyond")


def test_repeats_have_a_rate_of_their_own_for_each_sample(tmp_path: Path) -> None:
    """promptfoo#5847, promptfoo PR #9066, promptfoo PR #9448: with repeats a sample passes at a rate, and what changed
    is the rate."""
    run = make_run(tmp_path, candidates=[MINI, SONNET], samples=40, repeats=4)
    sides = [Side(run, outcomes) for outcomes in load(run).values()]
    (found,) = compare([(sides[0], sides[1])])
    rates = {change.rate_before for change in (*found.broke, *found.fixed)}
    assert rates <= {0.0, 0.25, 0.5, 0.75, 1.0}
    assert rates - {0.0, 1.0}
    assert found.samples == 40


def test_no_slow_http_client_is_on_the_path_that_measures() -> None:
    """A slow client shows as latency when many requests run: encode/httpx#3215, openai-python#1596, safety-tooling#120,
    FastChat#2256. Nothing that measures imports httpx, nor another client, nor a vendor's SDK."""
    script = "import sys, weighbridge.evaluation.run, weighbridge.cli.eval; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "weighbridge.transport.client" in loaded
    assert not {"httpx", "requests", "aiohttp", "openai", "anthropic", "litellm"} & set(loaded)
