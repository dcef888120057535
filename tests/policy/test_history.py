"""Applied policies: kept, gone back to, and never half there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from weighbridge.config import policies
from weighbridge.errors import MeasurementError, UsageError
from weighbridge.policy import history
from weighbridge.routing.document import Cascade, Document, Single, Step
from weighbridge.store import atomic


def policy(target: str, endpoint: str = "reply") -> Document:
    return Document(endpoint=endpoint, way=Single(target), safe=Single("large"), created="2026-11-25T08:00:00Z")


def served(home: Path) -> str:
    found = policies.applied(home, "reply")
    assert found is not None
    assert isinstance(found.way, Single)
    return found.way.target


def test_an_applied_policy_is_served_and_kept_with_when_and_why(tmp_path: Path) -> None:
    entry = history.apply(tmp_path, policy("a"), 'the first: "it\'s" cheap')
    assert policies.applied(tmp_path, "reply") == policy("a")
    (kept,) = history.entries(tmp_path, "reply")
    assert kept == entry
    assert kept.path.name == f"1-{policies.digest(policy('a'))}.yaml"
    assert (kept.applied.note, kept.applied.before, kept.current) == ('the first: "it\'s" cheap', None, True)
    assert kept.applied.when.endswith("Z")


def test_the_same_policy_applied_again_is_another_entry(tmp_path: Path) -> None:
    for _ in range(2):
        history.apply(tmp_path, policy("a"))
    assert [entry.number for entry in history.entries(tmp_path, "reply")] == [1, 2]


def test_going_back_twice_goes_back_two_and_is_kept(tmp_path: Path) -> None:
    for target in "abc":
        history.apply(tmp_path, policy(target))
    assert history.rollback(tmp_path, "reply").number == 4
    assert served(tmp_path) == "b"
    last = history.rollback(tmp_path, "reply", note="worse than it was")
    assert served(tmp_path) == "a"
    assert (last.number, last.applied.restores, last.applied.note) == (5, 1, "worse than it was")
    with pytest.raises(UsageError, match="no policy before number 5"):
        history.rollback(tmp_path, "reply")
    assert [entry.current for entry in history.entries(tmp_path, "reply")] == [False] * 4 + [True]


def test_any_number_can_be_gone_back_to_and_on_from(tmp_path: Path) -> None:
    """After it, what is applied next has as its predecessor what was served."""
    for target in "abc":
        history.apply(tmp_path, policy(target))
    history.rollback(tmp_path, "reply", to=1)
    history.apply(tmp_path, policy("d"))
    history.rollback(tmp_path, "reply")
    assert served(tmp_path) == "a"
    with pytest.raises(UsageError, match=r"no policy number 9.*There are: 1, 2, 3, 4, 5, 6"):
        history.rollback(tmp_path, "reply", to=9)


def test_nothing_to_go_back_to_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no policy has been applied to 'reply'"):
        history.rollback(tmp_path, "reply")
    assert history.entries(tmp_path, "reply") == []
    assert not (tmp_path / "policies").exists()


def test_endpoints_have_histories_of_their_own(tmp_path: Path) -> None:
    history.apply(tmp_path, policy("a", "../x"))
    history.apply(tmp_path, policy("b", "x"))
    assert [entry.number for entry in history.entries(tmp_path, "../x")] == [1]
    assert policies.applied(tmp_path, "../x") == policy("a", "../x")


def test_a_crash_between_history_and_current_serves_the_old_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was never served stays in the history, and is not what a later rollback goes to."""
    history.apply(tmp_path, policy("a"))
    write = atomic.write

    def dies(path: Path, data: bytes) -> None:
        if path.name == policies.CURRENT:
            raise MeasurementError("cannot write: no space left on device", where=str(path))
        write(path, data)

    monkeypatch.setattr(atomic, "write", dies)
    with pytest.raises(MeasurementError):
        history.apply(tmp_path, policy("b"))
    monkeypatch.undo()
    assert served(tmp_path) == "a"
    assert [entry.current for entry in history.entries(tmp_path, "reply")] == [True, False]
    assert history.apply(tmp_path, policy("c")).number == 3
    history.rollback(tmp_path, "reply")
    assert served(tmp_path) == "a"


@pytest.mark.parametrize("data", [b"", b"\xff", b"endpoint: [", None])
def test_a_damaged_entry_is_one_line_and_nothing_is_lost(tmp_path: Path, data: bytes | None) -> None:
    """`None`: it is whole, and somebody changed it. Others can still be gone to, and new ones applied."""
    for target in "abc":
        history.apply(tmp_path, policy(target))
    path = history.entries(tmp_path, "reply")[1].path
    damaged = path.read_bytes().replace(b"target: b", b"target: z") if data is None else data
    path.write_bytes(damaged)
    for call in (
        lambda: history.entries(tmp_path, "reply"),
        lambda: history.rollback(tmp_path, "reply"),
        lambda: history.entry(tmp_path, "reply", 2),
    ):
        with pytest.raises(UsageError) as caught:
            call()
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert served(tmp_path) == "c"
    assert path.read_bytes() == damaged
    assert history.entry(tmp_path, "reply", 1).document == policy("a")
    history.rollback(tmp_path, "reply", to=1)
    assert history.apply(tmp_path, policy("d")).number == 5


def test_a_current_policy_from_elsewhere_needs_the_number(tmp_path: Path) -> None:
    history.apply(tmp_path, policy("a"))
    current = policies.folder(tmp_path, "reply") / policies.CURRENT
    current.write_text(policies.encode(policy("z")))
    with pytest.raises(UsageError, match="Name the number to go back to"):
        history.rollback(tmp_path, "reply")
    history.rollback(tmp_path, "reply", to=1)
    assert served(tmp_path) == "a"


def test_a_note_of_two_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a note is one line"):
        history.apply(tmp_path, policy("a"), "one\ntwo: {")
    assert not (tmp_path / "policies").exists()


def test_numbers_made_in_python_are_kept_as_they_are_read(tmp_path: Path) -> None:
    """2 for 2.0, and numpy's own floats, are the same policy: its entry is not taken for a changed one."""
    way = Cascade(steps=(Step("a"), Step("b")), per_usd=2, per_second=np.float64(0.5))
    entry = history.apply(tmp_path, msgspec.structs.replace(policy("a"), way=way))
    assert history.entries(tmp_path, "reply") == [entry]
    assert policies.applied(tmp_path, "reply") == entry.document


@pytest.mark.parametrize(
    ("way", "said"),
    [
        (Cascade(steps=(Step("a"),), per_usd=float("inf")), "way.per_usd is inf"),
        (Cascade(steps=(Step("a"),), per_usd=-1.0), "way.per_usd: must be a number >= 0.0"),
        (Cascade(steps=(Step("a" * 1_100_000),)), "larger than 1 MB"),
    ],
)
def test_what_its_file_could_not_say_is_not_applied(tmp_path: Path, way: Cascade, said: str) -> None:
    history.apply(tmp_path, policy("a"))
    with pytest.raises(UsageError) as caught:
        history.apply(tmp_path, msgspec.structs.replace(policy("a"), way=way))
    assert said in str(caught.value)
    assert served(tmp_path) == "a"
    assert len(history.entries(tmp_path, "reply")) == 1


APPLIES = """
import sys
from pathlib import Path
from weighbridge.policy import history
from weighbridge.routing.document import Document, Single
for n in range(10):
    policy = Document(endpoint="reply", way=Single(f"{sys.argv[2]}{n}"), safe=Single("l"), created="2026-11-25")
    history.apply(Path(sys.argv[1]), policy)
"""


def test_two_at_once_do_not_collide(tmp_path: Path) -> None:
    """Every number is given once, and each entry follows the one served before it."""
    both = [subprocess.Popen([sys.executable, "-c", APPLIES, str(tmp_path), name]) for name in "ab"]
    assert [process.wait(60) for process in both] == [0, 0]
    found = history.entries(tmp_path, "reply")
    assert [entry.number for entry in found] == list(range(1, 21))
    assert [entry.applied.before for entry in found] == [None, *range(1, 20)]
    assert found[-1].current


def test_a_difference_is_readable_and_names_the_paths() -> None:
    steps = (Step("a", samples=2), Step("b"))
    one = msgspec.structs.replace(policy("a"), way=Cascade(steps=steps, per_usd=2.0, latency={"a": 1.0}))
    two = msgspec.structs.replace(one, way=Cascade(steps=(Step("a", samples=3), Step("c")), per_usd=2.0), by="x")
    found = history.diff(one, two, ("1", "2"))
    assert found.paths == ("by", "way.latency", "way.steps[0].samples", "way.steps[1].target")
    assert found.text.startswith("--- 1\n+++ 2\n")
    assert {"-    samples: 2", "+    samples: 3", "+by: x"} <= set(found.text.splitlines())
    assert history.diff(one, one) == history.Difference("", ())
