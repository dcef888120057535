"""Policy files: read with the line of what is wrong, written so that they are read back the same."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from weighbridge.config import policies
from weighbridge.config.problem import ConfigError
from weighbridge.errors import UsageError
from weighbridge.routing.document import (
    Cascade,
    Confidence,
    Curve,
    Document,
    Evidence,
    Interval,
    Look,
    Promise,
    Single,
    Split,
    Step,
)

CONFIDENCE = Confidence(
    signals=("mean_logprob", "length"),
    center=(-0.5, 120.0),
    scale=(0.2, 40.0),
    weights=(1.5, -1e-05),
    bias=0.25,
    curve=Curve(x=(0.0, 0.5, 1.0), y=(0.1, 0.6, 0.95)),
)
CASCADE = Document(
    endpoint="reply",
    way=Cascade(
        steps=(Step(target="small", looks=(Look(confidence=CONFIDENCE, keep=0.8),)), Step(target="large")),
        per_usd=1e20,
    ),
    safe=Single(target="large"),
    created="2026-11-25T08:00:00Z",
    evidence=Evidence(runs=("r1",), samples=400, fitted=200, tested=200, date="2026-11-25"),
    promise=Promise(confidence=0.9, alpha=0.02, risk=Interval(value=0.01, high=0.02), latency={"p95": Interval(1.0)}),
)
SINGLE = """\
endpoint: reply
way: {kind: single, target: small}
safe: {target: small, kind: single}
created: 2026-11-25T08:00:00Z
"""


def test_what_is_written_is_read_back_the_same() -> None:
    """Floats keep every digit, small and large ones too."""
    assert policies.parse(policies.encode(CASCADE), "p.yaml") == CASCADE


@pytest.mark.parametrize("name", ["1e5", "007", "no", "null", "~", "12:30", "<<", "a: b", "# no", "é\n", "1.", "'"])
def test_text_that_looks_like_something_else_stays_text(name: str) -> None:
    policy = Document(endpoint=name, way=Split({name: 1.0}), safe=Single(name), created="2026-11-25", notes=(name, ""))
    assert policies.parse(policies.encode(policy), "p.yaml") == policy


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("target: small}\nsafe", "target: 7}\nsafe", "p.yaml:2: way.target: must be text, not a whole number"),
        ("target: small}\nsafe", "targets: small}\nsafe", "p.yaml:2: unknown key way.targets"),
        ("kind: single, target: small}\nsafe", "kind: magic}\nsafe", "p.yaml:2: way.kind: value 'magic'"),
        ("created: 2026-11-25T08:00:00Z\n", "", "p.yaml: the policy needs `created`"),
        ("created:", "endpoint: two\ncreated:", "p.yaml:4: endpoint is given twice (first on line 1)"),
        ("created:", "notes: {}\ncreated:", "p.yaml:4: notes: must be a list, not a mapping"),
        ("created:", "version: 2\ncreated:", "p.yaml:4: version: enum value 2"),
        ("created:", "audit: {share: 1.5}\ncreated:", "p.yaml:4: audit.share: must be a number <= 1.0"),
    ],
)
def test_an_error_names_the_file_the_line_and_the_path(before: str, after: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        policies.parse(SINGLE.replace(before, after), "p.yaml")
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("data", [b"", b"- a\n", b"\xff\xfe", b"a: [", b"x" * 1_100_000, b"[" * 5000])
def test_what_is_no_policy_is_refused_in_one_line(tmp_path: Path, data: bytes) -> None:
    """And no line sends to `weighbridge init`, which writes no policies."""
    path = tmp_path / "p.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        policies.load(path)
    assert "\n" not in str(caught.value)
    assert "init" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        policies.load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="not a file"):
        policies.load(tmp_path)


def test_a_number_that_is_not_finite_is_not_written() -> None:
    policy = msgspec.structs.replace(CASCADE, way=Cascade(steps=(Step("a"),), per_usd=float("nan")))
    with pytest.raises(UsageError, match=r"way\.per_usd is nan"):
        policies.encode(policy)


def test_the_digest_is_of_what_is_said_and_not_of_how() -> None:
    other = "# a comment\n" + SINGLE.replace("way: {kind: single, target: small}", "way: {target: small, kind: single}")
    assert policies.digest(policies.parse(other, "a")) == policies.digest(policies.parse(SINGLE, "b"))
    changed = SINGLE.replace("target: small}\nsafe", "target: large}\nsafe")
    assert policies.digest(policies.parse(changed, "a")) != policies.digest(policies.parse(SINGLE, "b"))
    assert len(policies.digest(CASCADE)) == 12


NAMES = [
    "a",
    "\ud800",
    "..",
    ".",
    "../../etc",
    "a/b",
    "a\\b",
    "é" * 300,
    "é" * 301,
    "a\nb",
    "%2E",
    "...",
    "x" * 400,
    "a b",
    "~",
]


def test_every_endpoint_has_a_folder_of_its_own_below_policies(tmp_path: Path) -> None:
    """No name leaves the folder, meets another's, or is too long for a file system."""
    folders = [policies.folder(tmp_path, name) for name in NAMES]
    assert len(set(folders)) == len(NAMES)
    for folder in folders:
        folder.mkdir(parents=True)
        assert folder.resolve().parent == (tmp_path / "policies").resolve()


def test_applied_is_what_stands_there_and_none_where_nothing_does(tmp_path: Path) -> None:
    assert policies.applied(tmp_path, "reply") is None
    folder = policies.folder(tmp_path, "reply")
    folder.mkdir(parents=True)
    (folder / "current.yaml").write_text(policies.encode(CASCADE))
    assert policies.applied(tmp_path, "reply") == CASCADE


def test_a_policy_of_another_endpoint_is_not_served_by(tmp_path: Path) -> None:
    folder = policies.folder(tmp_path, "other")
    folder.mkdir(parents=True)
    (folder / "current.yaml").write_text(SINGLE)
    with pytest.raises(ConfigError, match="is the policy of 'reply', not of 'other'"):
        policies.applied(tmp_path, "other")


def test_the_stamp_changes_with_any_applied_policy(tmp_path: Path) -> None:
    """Also where the new file has the size and the time of the old one: it is another file."""
    assert policies.stamp(tmp_path) == ()
    folder = policies.folder(tmp_path, "reply")
    folder.mkdir(parents=True)
    path = folder / "current.yaml"
    path.write_text(SINGLE)
    before = policies.stamp(tmp_path)
    assert before == policies.stamp(tmp_path) != ()
    at = path.stat()
    beside = folder / "new"
    beside.write_text(SINGLE)
    os.utime(beside, ns=(at.st_atime_ns, at.st_mtime_ns))
    beside.replace(path)
    assert policies.stamp(tmp_path) != before
