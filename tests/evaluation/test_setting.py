"""How a run was done, as a person reads it."""

from datetime import UTC, datetime
from pathlib import Path

from tests.synthetic_runs import MINI, Made, make_run

from weighbridge.evaluation.setting import setting
from weighbridge.store.manifest import CandidateRecord, Manifest, new_id


def test_everything_that_repeats_a_run_is_told(tmp_path: Path) -> None:
    found = setting(make_run(tmp_path, candidates=[MINI], samples=12).manifest)
    facts = dict(found.facts)
    assert facts["samples"] == "12 samples from samples/support.jsonl"
    assert facts["samples SHA-256"] == "5a" * 32
    assert facts["seed"] == "7"
    assert facts["time-outs"] == "connect 10 s, first_byte 30 s, total 60 s"
    assert "weighbridge" in facts["versions"]
    assert found.config.startswith("endpoints:")


def test_prices_say_their_unit_and_source(tmp_path: Path) -> None:
    (known,) = setting(make_run(tmp_path, candidates=[MINI], samples=1).manifest).candidates
    assert known.price == "input $0.25, output $2.00 per million tokens (weighbridge.yaml)"
    (free,) = setting(make_run(tmp_path, candidates=[Made("free", 1.0, None, 0.2)], samples=1).manifest).candidates
    assert free.price == "unknown"


def test_tiered_prices_are_not_lost() -> None:
    record = CandidateRecord(name="a", model="m", price={"input": 1.0, "tiers": [{"above": 200_000, "input": 2.0}]})
    created = new_id()
    manifest = Manifest(id=created, evaluation="e", created=datetime(2026, 1, 1, tzinfo=UTC), candidates=(record,))
    assert '"above":200000' in setting(manifest).candidates[0].price


def test_what_was_not_set_is_left_out(tmp_path: Path) -> None:
    assert "budget" not in dict(setting(make_run(tmp_path, samples=1).manifest).facts)
