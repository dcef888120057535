"""The cascade benchmark: what it tunes on, what it counts as paid, and when it calls a promise broken."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import _cascade_combined as combined
import _cascade_data as data
import _cascade_guarantee as guarantee
import _cascade_methods as methods
import cascade
from _cascade_data import Pair, Rows
from weighbridge.stats.guarantees import keep_threshold


def made(n: int, seed: int, missing: float = 0.0) -> Rows:
    """The cheap model is right as often as it says; the strong one in nine of ten, at ten times the price."""
    random = np.random.default_rng(seed)
    p = random.random(n)
    cheap, strong = (random.random(n) < p).astype(float), (random.random(n) < 0.9).astype(float)
    confidence = np.where(random.random(n) < missing, -np.inf, np.log(p))
    return Rows(cheap, strong, confidence, np.full(n, 1e-5), np.full(n, 1e-4))


@pytest.fixture
def pair() -> Pair:
    return Pair("made", "cheap", "strong", made(400, 1), made(1000, 2, missing=0.1))


def test_the_ladder_is_what_serving_at_each_threshold_gives() -> None:
    """Ties together, and never an answer without confidence."""
    rows = made(200, 3, missing=0.2)
    tied = Rows(rows.cheap, rows.strong, np.round(rows.confidence, 1), rows.cheap_cost, rows.strong_cost)
    rungs = guarantee.ladder(tied)
    thresholds = np.unique(tied.confidence[np.isfinite(tied.confidence)])[::-1]
    assert len(rungs.ends) == len(thresholds) + 1
    for index, threshold in enumerate([np.inf, *thresholds.tolist()]):
        quality, cost = methods.served(tied, threshold)
        assert rungs.quality[index] == pytest.approx(quality)
        assert rungs.cost[index] == pytest.approx(cost)
        assert rungs.risk[index] == pytest.approx(np.mean((tied.confidence >= threshold) & tied.loss))


def test_the_cheap_call_is_paid_for_also_when_it_is_escalated() -> None:
    rows = made(100, 4)
    quality, cost = methods.served(rows, 1.0)  # nothing reaches a log p of 1
    assert quality == rows.strong.mean()
    assert cost == pytest.approx(1.1)
    assert methods.served(rows, np.inf)[1] == 1.0
    assert methods.served(rows, -1e9)[1] == pytest.approx(0.1)


def test_naive_just_meets_its_target_where_it_is_tuned(pair: Pair) -> None:
    threshold = methods.naive(pair.train, 0.95)
    wanted = 0.95 * pair.train.strong.mean()
    assert methods.served(pair.train, threshold)[0] >= wanted
    lower = pair.train.confidence[pair.train.confidence < threshold].max()
    assert methods.served(pair.train, lower)[0] < wanted


def test_guaranteed_is_safer_than_naive_and_strong_alone_where_the_data_do_not_do(pair: Pair) -> None:
    assert methods.guaranteed(pair.train, 0.95) > methods.naive(pair.train, 0.95)
    assert methods.guaranteed(made(100, 5), 0.99) == np.inf


def test_the_test_split_tunes_nothing(pair: Pair) -> None:
    other = Pair(pair.task, pair.cheap, pair.strong, pair.train, made(1000, 6))
    assert methods.naive(pair.train, 0.99) == methods.naive(other.train, 0.99)
    assert methods.tuned(pair, methods.naive)["cost_at_99"] != methods.tuned(other, methods.naive)["cost_at_99"]


def test_a_set_holds_as_many_rows_as_asked_and_repeats_by_its_seed() -> None:
    drawn = guarantee.draws(50, 200, 30, seed=1)
    assert (drawn.sum(axis=1) == 200).all()
    assert (drawn == guarantee.draws(50, 200, 30, seed=1)).all()


def test_the_vectorised_simulation_chooses_as_the_function_under_test(pair: Pair) -> None:
    """The thresholds of some sets, one by one, by `keep_threshold` itself."""
    everything = pair.everything
    drawn = guarantee.draws(len(everything), 300, 20, seed=2)
    rungs = guarantee.ladder(everything)
    broken = []
    for one in drawn.astype(int):
        index = np.repeat(np.arange(len(everything)), one)
        confidence = np.where(np.isfinite(everything.confidence), everything.confidence, np.nan)[index]
        kept = keep_threshold(confidence, everything.loss[index], 0.05, guarantee.DELTA)
        threshold = np.inf if kept is None else kept.threshold
        broken.append(np.mean((everything.confidence >= threshold) & everything.loss) > 0.05)
    found = guarantee.risks(pair, drawn)["0.05"]
    assert found["guaranteed"]["broken"] == np.mean(broken)
    assert found["naive"]["saved"] >= found["guaranteed"]["saved"]
    assert rungs.cost[0] == 1.0


def test_a_guaranteed_threshold_keeps_its_promise_and_a_naive_one_does_not(pair: Pair) -> None:
    drawn = guarantee.draws(1400, 400, 1000, seed=3)
    for by_way in guarantee.risks(pair, drawn).values():
        assert by_way["guaranteed"]["broken"] <= guarantee.allowed(1000)
        assert by_way["naive"]["broken"] > 0.3
    broken = guarantee.broken_quality(pair, drawn, 0.95)
    assert broken["guaranteed"] <= guarantee.allowed(1000) < broken["naive"]


def test_the_router_learns_from_the_training_prompts_what_the_strong_model_cannot_do() -> None:
    random = np.random.default_rng(8)
    hard = random.random(600) < 0.5
    prompts = [f"Question: {'integrate' if one else 'spell'} {number}" for number, one in enumerate(hard)]
    right = np.where(hard, random.random(600) < 0.3, random.random(600) < 0.9).astype(float)
    expected = combined.strong_is_right(prompts[:300], right[:300], prompts[300:])
    assert expected[~hard[300:]].mean() > expected[hard[300:]].mean() + 0.2


def test_the_ridge_is_heavy_where_prompts_tell_nothing_and_light_where_they_tell_all() -> None:
    random = np.random.default_rng(9)
    columns = random.normal(size=(60, 5))
    kernel = columns @ columns.T
    noise = random.normal(size=60)
    weights = combined.dual_weights(kernel, noise)
    assert np.allclose(weights, np.linalg.solve(kernel + combined.RIDGES[-1] * np.eye(60), noise))
    clear = combined.dual_weights(kernel, columns @ np.ones(5))
    assert np.allclose(clear, np.linalg.solve(kernel + combined.RIDGES[0] * np.eye(60), columns @ np.ones(5)))


def test_the_router_fits_only_where_there_are_prompts_and_both_answers(pair: Pair) -> None:
    assert not combined.fits(pair)  # no prompts
    rows = made(50, 1)
    same = Rows(np.ones(50), rows.strong, rows.confidence, rows.cheap_cost, rows.strong_cost, ("?",) * 50)
    assert not combined.fits(Pair("made", "cheap", "strong", same, same))


def written(folder: Path, *, splits: tuple[str, ...] = ("train", "test")) -> Path:
    with gzip.open(folder / data.FILE, "wt") as file:
        for split in splits:
            rows = made(300, 7)
            for index in range(300):
                for model, right, cost in (("small", rows.cheap, 1e-5), ("large", rows.strong, 1e-4)):
                    confidence = None if index == 0 else float(rows.confidence[index])
                    row = {"task": "quiz", "split": split, "idx": index, "model": model, "user_prompt": "?"}
                    row |= {"correct": right[index], "confidence": confidence, "cost_usd": cost, "latency_ms": 1.0}
                    file.write(json.dumps(row) + "\n")
    return folder


def test_any_folder_of_the_same_shape_will_do(tmp_path: Path) -> None:
    """Other models than those published about, and a missing confidence."""
    report = cascade.measured(written(tmp_path), quick=True)
    assert report["sets"].keys() == {"quiz: small -> large"}
    assert report["tuned_on_train"]["quiz"]["naive"]["pairs"] == 1
    said = cascade.said(report)
    assert "quiz: small -> large" in said
    assert "nan" not in said


def test_a_task_without_a_test_split_is_no_set(tmp_path: Path) -> None:
    assert cascade.measured(written(tmp_path, splits=("train",)), quick=True)["sets"] == {}


def test_a_folder_without_data_is_refused_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, cascade.__file__, "--data", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "holds nothing to measure on" in done.stderr
    assert done.stdout == ""


def test_on_the_shared_data_it_has_every_key_and_keeps_its_promise(shared_data: Path) -> None:
    """As a script, with what is promised of its JSON; the confidence curve as it was measured elsewhere."""
    command = [sys.executable, cascade.__file__, "--data", str(shared_data / "routing"), "--json", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=110)
    report = json.loads(done.stdout)
    name = "mmlu: llama3.1-8b -> llama3.1-405b"
    assert {name, "triviaqa: gpt-4o-mini -> gpt-4o"} <= report["sets"].keys()
    for by_method in report["sets"].values():
        assert all(keys.keys() == set(methods.KEYS) for keys in by_method.values())
    assert report["sets"][name]["confidence"]["apgr"] == pytest.approx(0.696, abs=0.001)
    assert report["sets"][name]["confidence+router"]["apgr"] == pytest.approx(0.696, abs=0.001)
    assert report["sets"][name]["random_mix"]["apgr"] == pytest.approx(0.5)
    found = report["guarantee"]
    for by_way in found["summary"].values():
        assert by_way["guaranteed"]["worst"] <= found["allowed"]
        assert by_way["naive"]["mean"] > found["allowed"]
    for by_method in report["tuned_on_train"].values():
        assert by_method["guaranteed"]["missed"] <= by_method["guaranteed"]["pairs"] * found["delta"]
