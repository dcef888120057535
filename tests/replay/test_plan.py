"""Plans: every job once, in an order that is fair and repeatable."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.replay import plan as plans
from weighbridge.samples.sample import Sample


def samples(count: int) -> list[Sample]:
    return [Sample(request={"messages": [{"role": "user", "content": str(number)}]}) for number in range(count)]


@given(st.integers(1, 8), st.integers(1, 5), st.integers(1, 3), st.integers(0, 9))
def test_every_combination_comes_exactly_once(count: int, candidates: int, repeats: int, seed: int) -> None:
    """Candidates × samples × repeats, each once, numbered in order."""
    plan = plans.of([f"c{n}" for n in range(candidates)], samples(count), repeats=repeats, seed=seed)
    jobs = list(plan.jobs())
    assert len(jobs) == len(plan) == count * candidates * repeats
    assert len({job.key for job in jobs}) == len(jobs)
    assert [job.number for job in jobs] == list(range(len(jobs)))


def test_drift_hits_all_candidates_alike() -> None:
    """In any stretch of the run every candidate has been sent as many requests, give or take one."""
    plan = plans.of(["a", "b", "c"], samples(20), repeats=2, seed=3)
    seen: Counter[str] = Counter()
    for job in plan.jobs():
        seen[job.candidate] += 1
        assert max(seen.values()) - min(seen[name] for name in ("a", "b", "c")) <= 1


def test_the_order_is_the_seeds_alone() -> None:
    """A resumed process goes on in the same order; another seed makes another."""
    first = plans.of(["a", "b"], samples(10), seed=1)
    assert list(first.jobs()) == list(plans.of(["a", "b"], samples(10), seed=1).jobs())
    assert list(first.jobs()) != list(plans.of(["a", "b"], samples(10), seed=2).jobs())


def test_a_repeat_is_a_job_of_its_own() -> None:
    """promptfoo#5947: a repeated request is sent again, never answered from what came before."""
    plan = plans.of(["a"], samples(1), repeats=3)
    assert [job.repeat for job in plan.jobs()] == [0, 1, 2]


def test_equal_samples_are_one_sample() -> None:
    assert len(plans.of(["a"], samples(2) + samples(2))) == 2


def test_a_trace_is_replayed_in_the_order_it_arrived() -> None:
    late, early = (
        Sample(request={"messages": [{"role": "user", "content": name}]}, arrived=at)
        for name, at in (("late", 5.0), ("early", 1.0))
    )
    plan = plans.of(["a"], [late, early])
    assert [job.sample for job in plan.jobs_by_arrival()] == [early.id, late.id]


def test_the_digest_tells_plans_apart_but_not_their_order() -> None:
    """Resuming compares digests: another set of work has another one."""
    one = plans.of(["a", "b"], samples(3))
    assert one.digest == plans.of(["b", "a"], samples(3)[::-1]).digest
    assert one.digest != plans.of(["a"], samples(3)).digest
    assert one.digest != plans.of(["a", "b"], samples(4)).digest
    assert one.digest != plans.of(["a", "b"], samples(3), repeats=2).digest
