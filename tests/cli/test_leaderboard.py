"""`weighbridge leaderboard`: for people, for machines, and as a page."""

import json
from pathlib import Path

import pytest
from tests.synthetic_runs import make_run

from weighbridge.cli.leaderboard import SCHEMA, leaderboard
from weighbridge.errors import UsageError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEIGHBRIDGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path / "home"


def test_the_newest_run_is_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(home, samples=20)
    assert leaderboard() == 0
    text = capsys.readouterr().out
    assert run.id in text
    assert "mini-terse" in text


def test_json_is_one_object_with_a_schema_and_intervals(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(home, samples=20)
    assert leaderboard(json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == SCHEMA == "weighbridge.leaderboard/1"
    first = found["figures"]["candidates"][0]
    assert 0 <= first["quality"]["low"] <= first["quality"]["value"] <= first["quality"]["high"] <= 1
    assert found["verdict"]["sentence"]
    assert {check["outcome"] for check in found["verdict"]["assessments"][0]["checks"]} <= {
        "meets",
        "fails",
        "not shown",
    }


def test_a_page_is_written_beside_what_is_printed(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(home, samples=20)
    assert leaderboard("latest", json=True, html=tmp_path / "report.html") == 0
    assert json.loads(capsys.readouterr().out)["schema"] == SCHEMA
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


def test_tags_are_shown_where_asked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(home, samples=20)
    assert leaderboard(by="tag") == 0
    assert "triage" in capsys.readouterr().out


def test_a_killed_run_is_shown_with_what_it_has(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """lm-evaluation-harness#2533: an interrupted run is not lost."""
    run = make_run(home, samples=20, sealed=False)
    run.journal.write_bytes(run.journal.read_bytes()[:-9])
    run.update(status="running")
    assert leaderboard() == 0
    assert "This run is not complete: 79 of 80 results so far." in capsys.readouterr().out


def test_no_run_is_one_line_that_says_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"no runs yet\. Start one with: weighbridge eval"):
        leaderboard()
