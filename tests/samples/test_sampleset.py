"""Sample files: read a line at a time, written whole or not at all."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weighbridge.errors import MeasurementError, UsageError
from weighbridge.samples.sample import Sample
from weighbridge.samples.sampleset import SampleSet, save

NAMES = st.text(st.characters(codec="utf-8"), max_size=8)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
MESSAGES = st.lists(st.fixed_dictionaries({"role": NAMES, "content": VALUES}), min_size=1, max_size=3)
SAMPLES = st.builds(
    Sample,
    request=st.fixed_dictionaries({"messages": MESSAGES}, optional={"tools": VALUES, "seed": st.integers()}),
    expected=st.lists(VALUES, max_size=3).map(tuple),
    checks=st.dictionaries(NAMES, VALUES, max_size=2),
    tags=st.lists(NAMES, max_size=3).map(tuple),
    cluster=st.none() | NAMES,
    weight=st.floats(min_value=1e-9, max_value=1e9),
    origin=st.dictionaries(NAMES, VALUES, max_size=2),
    arrived=st.none() | st.floats(min_value=0, max_value=1e9),
)


def line(text: str = "Hello", **fields: Any) -> bytes:
    return json.dumps({"request": {"messages": [{"role": "user", "content": text}]}, **fields}).encode() + b"\n"


def written(folder: Path, data: bytes) -> Path:
    path = folder / "samples.jsonl"
    path.write_bytes(data)
    return path


@given(st.lists(SAMPLES, min_size=1, max_size=5, unique_by=lambda sample: sample.id))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_a_written_set_reads_back_equal(tmp_path: Path, samples: list[Sample]) -> None:
    path = tmp_path / "samples.jsonl"
    assert save(samples, path) == len(samples)
    found = SampleSet.load(path)
    assert found.samples == samples
    assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    again = tmp_path / "again.jsonl"
    found.save(again)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", b"  \r\n"])
def test_an_empty_file_says_what_a_line_is_like(data: bytes, tmp_path: Path) -> None:
    path = written(tmp_path, data)
    with pytest.raises(UsageError) as caught:
        SampleSet.load(path)
    assert str(caught.value).startswith(f"{path}: it holds no sample. A line is like {{")


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.jsonl: samples cannot be read: No such file or directory"):
        SampleSet.load(tmp_path / "none.jsonl")


def test_one_bad_line_among_a_thousand_is_named_with_its_mend_and_the_rest_is_kept(tmp_path: Path) -> None:
    lines = [line(f"Question {number}") for number in range(1000)]
    lines[499] = b'{"request": {"messages": [{"role": "user", "content": "Que\n'
    path = written(tmp_path, b"".join(lines))
    with pytest.raises(UsageError) as caught:
        SampleSet.load(path)
    said = str(caught.value)
    assert said.startswith(f"{path}:500: not JSON (")
    assert said.endswith("Mend the line, or set skip_bad to leave such lines out")
    found = SampleSet.load(path, skip_bad=True)
    assert len(found) == 999
    (bad,) = found.bad
    assert bad.startswith(f"{path}:500: not JSON (")


def test_further_bad_lines_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path, line() + b"{\n" * 3)
    with pytest.raises(UsageError, match=r":2: not JSON .* \(and 2 more bad lines\)"):
        SampleSet.load(path)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"[]", "Expected `object`, got `array`"),
        (b'{"request": 1}', "Expected `object`, got `int` - at `$.request`"),
        (b'{"expected": ["x"]}', "missing required field `request`"),
        (b'{"request": {"prompt": "x"}}', "`request` has no `messages`, which a sample for chat needs"),
        (b'{"request": {"messages": []}}', "must be a list of at least one message"),
        (b'{"request": {"messages": "Hi"}}', "must be a list of at least one message"),
        (b'{"request": {"messages": [{"content": "Hi"}]}}', "an object with a `role`"),
        (b'{"request": {"messages": []}, "api": "completions"}', "has no `prompt`"),
        (b'{"request": {"prompt": "x"}, "api": "completions", "weight": 0}', "`weight` must be above 0"),
        (b'{"request": {"prompt": "x"}, "api": "completions", "weight": -1}', "`weight` must be above 0"),
        (b'{"request": {"prompt": "x"}, "api": "embeddings"}', "Invalid enum value 'embeddings'"),
        (b'{"request": {"prompt": "\xff\xfe"}, "api": "completions"}', "not UTF-8"),
        (b'{"request": {"prompt": 1e999}, "api": "completions"}', "Number out of range"),
        (b'{"request": {"prompt": "a", "b": ' + b"[" * 250 + b"]" * 250 + b'}, "api": "completions"}', "too deeply"),
        (b'{"request": {"a": ' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(bad: bytes, why: str, tmp_path: Path) -> None:
    path = written(tmp_path, line() + bad + b"\n")
    with pytest.raises(UsageError) as caught:
        SampleSet.load(path)
    assert caught.value.where == f"{path}:2"
    assert why in caught.value.what
    assert len(SampleSet.load(path, skip_bad=True)) == 1


def test_a_file_of_bad_lines_only_is_an_error_even_where_they_are_skipped(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no line of it is a sample"):
        SampleSet.load(written(tmp_path, b"{}\n{}\n"), skip_bad=True)


def test_a_byte_order_mark_crlf_and_blank_lines_are_no_part_of_samples(tmp_path: Path) -> None:
    plain = written(tmp_path, line("One") + line("Two"))
    expected = SampleSet.load(plain).samples
    noisy = b"\xef\xbb\xbf" + line("One").replace(b"\n", b"\r\n") + b"\r\n \t\n" + line("Two").rstrip(b"\n")
    assert SampleSet.load(written(tmp_path, noisy)).samples == expected


def test_equal_samples_are_one_the_first_with_its_tags(tmp_path: Path) -> None:
    found = SampleSet.load(written(tmp_path, line(tags=["first"]) + line("Other") + line(tags=["second"])))
    assert [sample.tags for sample in found.samples] == [("first",), ()]
    assert found.twice == 1


def test_a_prompt_of_ten_megabytes_is_a_sample_like_any_other(tmp_path: Path) -> None:
    text = "word and é " * 900_000
    found = SampleSet.load(written(tmp_path, line(text) + line()))
    assert found.samples[0].request["messages"][0]["content"] == text
    found.save(tmp_path / "again.jsonl")
    assert SampleSet.load(tmp_path / "again.jsonl").samples == found.samples


def test_fields_of_later_versions_are_passed_over(tmp_path: Path) -> None:
    assert len(SampleSet.load(written(tmp_path, line(colour="blue")))) == 1


def test_a_refusing_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, line("Old"))

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(MeasurementError, match="samples cannot be written: No space left on device"):
        SampleSet.load(path).save(path)
    assert path.read_bytes() == line("Old")
    assert [left.name for left in tmp_path.iterdir()] == ["samples.jsonl"]


def test_samples_that_break_off_on_the_way_leave_no_half_file(tmp_path: Path) -> None:
    def broken() -> Iterator[Sample]:
        yield Sample(request={"prompt": "a"}, api="completions")
        raise RuntimeError("on the way")

    with pytest.raises(RuntimeError):
        save(broken(), tmp_path / "new.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_folders_are_made_and_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    sample = Sample(request={"prompt": "a"}, api="completions")
    save([sample], tmp_path / "a" / "b" / "samples.jsonl")
    (tmp_path / "file").write_text("")
    with pytest.raises(MeasurementError, match="samples cannot be written"):
        save([sample], tmp_path / "file" / "samples.jsonl")
