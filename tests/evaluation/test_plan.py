"""From a configuration to what is sent when."""

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest

from weighbridge.config.load import loads
from weighbridge.errors import UsageError
from weighbridge.evaluation.plan import Evaluation, prepare
from weighbridge.replay.arrivals import Trace

CONFIG = """
providers: {{p: {{preset: simulator, base_url: "http://127.0.0.1:9/v1"}}}}
models:
  a: {{provider: p, model: x, price: {{input: 1, output: 2}}}}
  b: {{provider: p, model: y, price: {{input: 1, output: 2}}}}
endpoints: {{it: {{candidates: [a, b], success: answer}}}}
evaluations:
  trial:
    endpoint: it
    samples: {{file: samples.jsonl}}
    scorers: {{answer: {{contains: {{expected: [x]}}}}}}
    repeats: 2
    arrivals: {arrivals}
"""


def prepared(folder: Path, arrived: Sequence[float | None], arrivals: str = "{trace: 2}") -> Evaluation:
    lines = [
        {"request": {"messages": [{"role": "user", "content": str(number)}]}} | ({} if at is None else {"arrived": at})
        for number, at in enumerate(arrived)
    ]
    (folder / "samples.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return prepare(loads(CONFIG.format(arrivals=arrivals), folder / "weighbridge.yaml", env={}))


def test_a_trace_is_when_the_samples_arrived_for_every_candidate(tmp_path: Path) -> None:
    made = prepared(tmp_path, [5.0, 0.0, 1.0])
    assert made.arrivals == Trace([0.0, 1.0, 5.0], speed=2.0, each=2)
    assert list(islice(made.arrivals.offsets(), 6)) == [0.0, 0.0, 0.5, 0.5, 2.5, 2.5]
    jobs = list(made.plan.jobs_by_arrival())
    assert [made.plan.samples[job.sample].arrived for job in jobs[:6]] == [0.0, 0.0, 1.0, 1.0, 5.0, 5.0]
    assert made.manifest().arrivals == "recorded arrivals at 2 × speed"
    assert made.notes == ["the recorded arrivals take 7.50 s at this speed"]


@pytest.mark.parametrize("arrived", [[1.0, None], [None, None]])
def test_a_trace_of_samples_that_do_not_say_when_they_arrived_is_refused_in_one_line(
    tmp_path: Path, arrived: list[float | None]
) -> None:
    with pytest.raises(UsageError) as caught:
        prepared(tmp_path, arrived)
    said = str(caught.value)
    assert f"samples.jsonl: {arrived.count(None)} of 2 samples do not say when they arrived" in said
    assert "samples capture" in said


def test_other_arrivals_need_no_times(tmp_path: Path) -> None:
    assert str(prepared(tmp_path, [None], "{constant: 4/s}").arrivals) == "constant, 4/s"
    assert str(prepared(tmp_path, [None], "{poisson: 4/s}").arrivals) == "Poisson, 4/s"
    assert str(prepared(tmp_path, [None], "{concurrency: 3}").arrivals) == "closed loop, 3 at a time"
