"""What a cascade of two models saves, and whether its promise holds.

On questions that several models answered, every pair of a cheaper and a better model: the cost of 95 and of 99 % of the
better one's success, with the cheap call paid for also where it is escalated. Thresholds are tuned on the training
split only. `naive` is the lowest that just meets the target there; `guaranteed` the lowest that is shown to keep it
with probability 90 % (Learn-then-Test), and the strong model alone where that cannot be shown. The other rows are read
from the curve over all thresholds on the test split; `confidence+router` also looks at the prompt, by what the training
split's prompts tell. `broken_promises` is the share of 1,000 calibration sets, of the training split's size and drawn
from all rows with replacement, that lead to a threshold which in truth misses 99 %.

`guarantee` does the same for the risk P(kept the cheap answer, it was wrong, the strong one was right) <= alpha.

    python benchmarks/cascade.py [--data DIR] [--json] [--quick]

DIR holds files of the shape of those in ../shared/data/routing (the default).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

import _cascade_combined as combined
import _cascade_data as data
import _cascade_guarantee as guarantee
import _cascade_methods as methods
from _cascade_data import Pair
from _cascade_methods import Keys

DEFAULT = Path(__file__).parents[2] / "shared" / "data" / "routing"
SETS, QUICK_SETS = 1000, 200
SEED = 4
TARGET = 0.99


def main() -> None:
    arguments = parsed()
    if not arguments.data.is_dir():
        sys.exit(f"{arguments.data} is not a folder: name one with --data")
    report = measured(arguments.data, quick=arguments.quick)
    if not report["sets"]:
        sys.exit(f"{arguments.data} holds nothing to measure on: {data.FILE} is looked for there")
    print(json.dumps(report) if arguments.json else said(report))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT, help="a folder of result files")
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--quick", action="store_true", help="two pairs a task and 200 calibration sets")
    return parser.parse_args()


def measured(folder: Path, *, quick: bool) -> dict[str, Any]:
    report: dict[str, Any] = {"sets": {}, "tuned_on_train": {}, "guarantee": {}}
    if (folder / data.FILE).is_file():
        found = data.pairs(data.read(folder))
        if not found:
            return report
        simulated = Simulated(QUICK_SETS if quick else SETS)
        report["sets"].update(sets(data.named(found), simulated))
        report["tuned_on_train"] = on_every_pair(found)
        report["guarantee"] = guarantees(data.named(found) if quick else found, simulated)
    return report


class Simulated:
    """Calibration sets, drawn once for each size: pairs of the same questions share them."""

    def __init__(self, sets: int) -> None:
        self.sets = sets
        self._drawn: dict[tuple[int, int], guarantee.Draws] = {}

    def of(self, pair: Pair, n: int) -> guarantee.Draws:
        key = (len(pair.train) + len(pair.test), n)
        if key not in self._drawn:
            self._drawn[key] = guarantee.draws(*key, self.sets, SEED)
        return self._drawn[key]


def sets(chosen: list[Pair], simulated: Simulated) -> dict[str, dict[str, Keys]]:
    found = {}
    for pair in chosen:
        found[pair.name] = methods.measured(pair)
        if combined.fits(pair):
            found[pair.name]["confidence+router"] = methods.by_gain(pair.test, combined.gain(pair))
        broken = guarantee.broken_quality(pair, simulated.of(pair, len(pair.train)), TARGET)
        for method, share in broken.items():
            found[pair.name][method]["broken_promises"] = share
    return found


def on_every_pair(found: list[Pair]) -> dict[str, dict[str, Any]]:
    """Of all pairs of a task: on how many the threshold tuned on the training split misses 99 % on the test split, and
    the mean cost, as a share of the strong model's."""
    results: dict[str, dict[str, list[Keys]]] = defaultdict(lambda: defaultdict(list))
    for pair in found:
        results[pair.task]["naive"].append(methods.tuned(pair, methods.naive))
        results[pair.task]["guaranteed"].append(methods.tuned(pair, methods.guaranteed))
    return {
        task: {
            method: {
                "pairs": len(each),
                "missed": sum(int(keys["broken_promises"] or 0) for keys in each),
                "cost_at_99": float(np.mean([keys["cost_at_99"] for keys in each])),
            }
            for method, each in by_method.items()
        }
        for task, by_method in results.items()
    }


def guarantees(chosen: list[Pair], simulated: Simulated) -> dict[str, Any]:
    entries = [
        {"pair": pair.name, "n": n, "alphas": guarantee.risks(pair, simulated.of(pair, n))}
        for pair in chosen
        for n in sorted({guarantee.SIZE, len(pair.train)})
    ]
    return {
        "delta": guarantee.DELTA,
        "sets": simulated.sets,
        "allowed": guarantee.allowed(simulated.sets),
        "pairs": entries,
        "summary": {f"{alpha:g}": summary(entries, f"{alpha:g}") for alpha in guarantee.ALPHAS},
    }


def summary(entries: list[dict[str, Any]], alpha: str) -> dict[str, dict[str, float]]:
    """Over all pairs and sizes: how often a promise was broken at worst and on average, what was saved on average."""
    found = {}
    for way in ("guaranteed", "naive"):
        each = [entry["alphas"][alpha][way] for entry in entries]
        broken, saved = [one["broken"] for one in each], [one["saved"] for one in each]
        found[way] = {"worst": max(broken), "mean": float(np.mean(broken)), "saved": float(np.mean(saved))}
    return found


def said(report: dict[str, Any]) -> str:
    return "\n".join([*_said_sets(report["sets"]), *_said_pairs(report["tuned_on_train"]), *_said_risk(report)])


def _said_sets(found: dict[str, dict[str, Keys]]) -> list[str]:
    lines = []
    for name, by_method in found.items():
        lines += ["", name, f"  {'':22}" + "".join(f"{key:>17}" for key in methods.KEYS)]
        for method, keys in by_method.items():
            cells = "".join(f"{_number(keys.get(key)):>17}" for key in methods.KEYS)
            lines.append(f"  {method:22}{cells}")
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _said_pairs(found: dict[str, dict[str, Any]]) -> list[str]:
    lines = ["", "99 % of the strong model's success, tuned on the training split, on every pair of a task:"]
    for task, by_method in found.items():
        for method, one in by_method.items():
            cost = f"at {one['cost_at_99']:.0%} of the strong model's cost"
            lines.append(f"  {task:12}{method:12}missed on the test split by {one['missed']} of {one['pairs']}, {cost}")
    return lines if found else []


def _said_risk(report: dict[str, Any]) -> list[str]:
    found = report["guarantee"]
    if not found:
        return []
    title = (
        f"Of {found['sets']} calibration sets, the share whose true risk exceeds alpha (promised: {found['delta']:g}; "
    )
    lines = ["", f"{title}within error up to {found['allowed']:.3f}), {len(found['pairs'])} pairs and sizes:"]
    for alpha, by_way in found["summary"].items():
        for way, one in by_way.items():
            shares = f"at worst {one['worst']:.3f}, on average {one['mean']:.3f}; {one['saved']:.0%} of the cost saved"
            lines.append(f"  alpha {alpha:6}{way:12}{shares}")
    return lines


if __name__ == "__main__":
    main()
