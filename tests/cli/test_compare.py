"""`weighbridge compare`: two runs, two candidates, or one candidate in two runs."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.synthetic_runs import CANDIDATES, MINI, SONNET, make_run

from weighbridge.cli.compare import SCHEMA, compare
from weighbridge.errors import UsageError
from weighbridge.store.run import Run

BEGUN = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEIGHBRIDGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path / "home"


@pytest.fixture
def runs(home: Path) -> tuple[Run, Run]:
    """The same candidates before and after, mini much worse after."""
    worse = [replace(spec, skill=-2.0) if spec is MINI else spec for spec in CANDIDATES]
    return (
        make_run(home, samples=60, created=BEGUN),
        make_run(home, samples=60, created=BEGUN + timedelta(days=7), candidates=worse),
    )


def found(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    payload = json.loads(capsys.readouterr().out)
    assert payload["schema"] == SCHEMA == "weighbridge.compare/1"
    comparisons: list[dict[str, object]] = payload["comparisons"]
    return comparisons


@pytest.mark.usefixtures("runs")
def test_two_runs_compare_every_candidate_both_have(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare("latest~1", "latest", json=True) == 0
    findings = {str(one["after"]).partition(":")[2]: one["finding"] for one in found(capsys)}
    assert findings == {
        "mini": "worse",
        "mini-terse": "no difference shown",
        "sonnet": "no difference shown",
        "smol": "no difference shown",
    }


def test_two_names_are_candidates_of_the_newest_run(runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]) -> None:
    assert compare("mini", "sonnet", json=True) == 0
    (only,) = found(capsys)
    assert (only["before"], only["after"]) == (f"{runs[1].id}:mini", f"{runs[1].id}:sonnet")


def test_run_and_candidate_can_be_named(runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(f"{runs[0].id}:mini", "latest:smol", json=True) == 0
    (only,) = found(capsys)
    assert only["after"] == f"{runs[1].id}:smol"


def test_a_candidate_named_on_one_side_is_meant_on_both(
    runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare("latest~1", "latest:mini", json=True) == 0
    (only,) = found(capsys)
    assert only["before"] == f"{runs[0].id}:mini"


@pytest.mark.usefixtures("runs")
def test_a_regression_fails_only_where_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """deepeval#262: `--fail-on-regression`, decided by a paired test and not by a bare difference."""
    assert compare("latest~1", "latest") == 0
    assert compare("latest~1", "latest", fail_on_regression=True) == 1
    assert compare("latest~1:sonnet", "latest:sonnet", fail_on_regression=True) == 0
    assert "mini after is worse than mini before" in capsys.readouterr().out


@pytest.mark.usefixtures("runs")
def test_a_page_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare("mini", "sonnet", html=tmp_path / "changes.html") == 0
    assert (tmp_path / "changes.html").read_text().startswith("<!doctype html>")
    assert "changes.html" in capsys.readouterr().err.replace("\n", "")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("latest", "latest", "latest and latest are the same run"),
        ("latest:mini", "latest:gone", r"has no results of 'gone'\. It has: mini, mini-terse, sonnet, smol"),
        ("nobody", "latest", "no run, and no evaluation that was run, is called 'nobody'"),
    ],
)
def test_what_cannot_be_compared_is_one_line(runs: tuple[Run, Run], before: str, after: str, says: str) -> None:
    assert runs
    with pytest.raises(UsageError, match=says):
        compare(before, after)


def test_runs_of_other_samples_share_nothing(home: Path) -> None:
    make_run(home, candidates=[MINI, SONNET], samples=5, created=BEGUN, text="one")
    make_run(home, candidates=[MINI, SONNET], samples=5, created=BEGUN + timedelta(days=1), text="another")
    with pytest.raises(UsageError, match="share no sample that both judged"):
        compare("latest~1", "latest")


def test_runs_without_a_common_candidate_say_how_to_name_them(home: Path) -> None:
    make_run(home, candidates=[MINI], samples=5, created=BEGUN)
    make_run(home, candidates=[SONNET], samples=5, created=BEGUN + timedelta(days=1))
    with pytest.raises(UsageError, match="RUN:CANDIDATE"):
        compare("latest~1", "latest")
