"""A manifest records what repeats a run, and a damaged one says so."""

from datetime import UTC, datetime, timedelta

import pytest

from weighbridge.errors import UsageError
from weighbridge.store import manifest
from weighbridge.store.manifest import CandidateRecord, Constraint, Manifest, Saturation

MADE = Manifest(
    id="20261124-120301.437-7f3a",
    evaluation="support-weekly",
    created=datetime(2026, 11, 24, 12, 3, tzinfo=UTC),
    candidates=(CandidateRecord(name="mini", model="mini", price={"input": 0.25, "output": 2.0}),),
    constraints=(Constraint(figure="quality", limit=0.9),),
    saturation=Saturation(saturated=False),
    seed=7,
)


def test_a_manifest_comes_back_as_it_was() -> None:
    assert manifest.decode(manifest.encode(MADE), where="here") == MADE


def test_a_manifest_is_readable_by_a_person() -> None:
    assert b'\n "evaluation": "support-weekly"' in manifest.encode(MADE)


def test_ids_sort_by_time_and_differ_within_a_millisecond() -> None:
    now = datetime(2026, 11, 24, 12, 3, 1, 437_000, tzinfo=UTC)
    ids = [manifest.new_id(now + timedelta(milliseconds=step)) for step in range(20)]
    assert ids == sorted(ids)
    assert ids[0].startswith("20261124-120301.437-")
    assert len({manifest.new_id(now) for _ in range(5)}) > 1


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"id": 5}', b"\xff\xfe", manifest.encode(MADE)[:80]])
def test_a_damaged_manifest_is_one_line_that_names_the_file(data: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        manifest.decode(data, where="runs/x/manifest.json")
    assert str(caught.value).startswith("runs/x/manifest.json: this run's manifest cannot be read: ")
    assert "\n" not in str(caught.value)


def test_fields_of_a_later_version_do_not_stop_reading() -> None:
    data = manifest.encode(MADE).replace(b'"seed": 7', b'"seed": 7, "from_the_future": {"a": 1}')
    assert manifest.decode(data, where="here") == MADE


def test_versions_name_python_the_platform_and_what_decides_results() -> None:
    found = manifest.versions_in_use()
    assert {"python", "platform", "weighbridge", "duckdb", "numpy", "msgspec"} <= set(found)
