"""pass@k and pass^k, against enumeration and τ-bench."""

import gzip
import json
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import pytest

from weighbridge.stats import repeats


@pytest.mark.parametrize(("passed", "trials", "k"), [(0, 5, 2), (3, 5, 2), (5, 5, 5), (2, 6, 4), (1, 3, 1)])
def test_both_are_the_share_of_all_draws(passed: int, trials: int, k: int) -> None:
    """Unbiased means: counted over every way to draw k of the trials."""
    outcomes = [True] * passed + [False] * (trials - passed)
    draws = list(combinations(outcomes, k))
    assert repeats.pass_at_k([passed], [trials], k)[0] == pytest.approx(sum(map(any, draws)) / len(draws))
    assert repeats.pass_hat_k([passed], [trials], k)[0] == pytest.approx(sum(map(all, draws)) / len(draws))


def test_on_tau_bench_pass_at_4_is_72_and_pass_hat_4_is_20_per_cent(shared_data: Path) -> None:
    """promptfoo#5947: one of four passes for 72 % of the tasks, all four only for 20 %."""
    tasks: dict[int, list[float]] = defaultdict(list)
    with gzip.open(shared_data / "clusters" / "tau_bench_airline_gpt4o.jsonl.gz", "rt") as file:
        for line in file:
            row = json.loads(line)
            tasks[row["task_id"]].append(row["reward"])
    passed, trials = [sum(runs) for runs in tasks.values()], [len(runs) for runs in tasks.values()]
    assert repeats.mean_over_items(repeats.pass_at_k(passed, trials, 4)).value == pytest.approx(0.72)
    assert repeats.mean_over_items(repeats.pass_hat_k(passed, trials, 4)).value == pytest.approx(0.20)


def test_fewer_trials_than_k_are_refused() -> None:
    with pytest.raises(ValueError, match="at least k = 4 trials"):
        repeats.pass_at_k([1], [3], 4)
