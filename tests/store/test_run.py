"""Runs are found by name, survive being killed, and say what is damaged."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.synthetic_runs import make_manifest, make_run, make_samples

from weighbridge.errors import UsageError
from weighbridge.replay.journal import Journal
from weighbridge.samples.sample import Sample
from weighbridge.scorers.score import Score
from weighbridge.store.rows import Scored
from weighbridge.store.run import Run

BEGUN = datetime(2026, 11, 24, 12, tzinfo=UTC)


def small(home: Path, minutes: int = 0, evaluation: str = "support-weekly", *, sealed: bool = False) -> Run:
    return make_run(home, samples=4, created=BEGUN + timedelta(minutes=minutes), evaluation=evaluation, sealed=sealed)


def test_a_run_is_found_by_latest_id_prefix_or_evaluation(tmp_path: Path) -> None:
    first, second, third = small(tmp_path), small(tmp_path, 5, "triage"), small(tmp_path, 9)
    assert Run.open(home=tmp_path).id == third.id
    assert Run.open("latest~1", home=tmp_path).id == second.id
    assert Run.open(first.id, home=tmp_path).id == first.id
    assert Run.open("20261124-1205", home=tmp_path).id == second.id
    assert Run.open("triage", home=tmp_path).id == second.id
    assert Run.open("support-weekly", home=tmp_path).id == third.id


@pytest.mark.parametrize(
    ("which", "says"),
    [
        ("2026", "2 runs begin with '2026'"),
        ("latest~7", "there is no latest~7: only 2 runs yet"),
        ("nobody", "no run, and no evaluation that was run, is called 'nobody'"),
        ("", "no run, and no evaluation"),
        ("../../etc", "no run, and no evaluation"),
    ],
)
def test_a_name_that_fits_no_run_or_several_is_one_line(tmp_path: Path, which: str, says: str) -> None:
    small(tmp_path)
    small(tmp_path, 5)
    with pytest.raises(UsageError, match=says):
        Run.open(which, home=tmp_path)


def test_a_home_without_runs_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no runs yet\. Start one with: weighbridge eval"):
        Run.open(home=tmp_path / "nothing-here")


def test_the_home_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = small(tmp_path)
    monkeypatch.setenv("WEIGHBRIDGE_HOME", str(tmp_path))
    assert Run.open().id == run.id


def test_a_run_is_never_begun_over_another(tmp_path: Path) -> None:
    record = make_manifest((), (), 1, 0, (), "x", BEGUN)
    Run.create(tmp_path, record)
    with pytest.raises(UsageError, match="exists already"):
        Run.create(tmp_path, record)


def test_an_update_is_kept(tmp_path: Path) -> None:
    run = small(tmp_path)
    run.update(status="stopped", reason="budget of $5 reached")
    again = Run.open(run.id, home=tmp_path).manifest
    assert (again.status, again.reason) == ("stopped", "budget of $5 reached")
    assert again.candidates == run.manifest.candidates


def test_samples_come_back_with_their_ids_in_order(tmp_path: Path) -> None:
    samples = [*make_samples(5), Sample(request={"prompt": "snow \u2603" * 400_000}, api="completions", weight=2.5)]
    run = Run.create(tmp_path, make_manifest((), samples, 1, 0, (), "x", BEGUN))
    run.write_samples(samples)
    assert list(run.samples().values()) == samples
    assert list(run.samples()) == [sample.id for sample in samples]


def test_a_torn_last_line_of_a_killed_run_is_left_out(tmp_path: Path) -> None:
    """lm-evaluation-harness#2533: what was finished before the kill is there."""
    run = small(tmp_path)
    whole = run.journal.read_bytes()
    run.journal.write_bytes(whole[:-30])
    assert len(run.results()) == 15
    assert len(run.scored()) == len([r for r in small(tmp_path, 5).results().values() if r.answer])


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    run = small(tmp_path)
    lines = run.journal.read_bytes().splitlines(keepends=True)
    lines[3] = b'{"t": "result", "result": {"candidate": 4}}\n'
    run.journal.write_bytes(b"".join(lines))
    with pytest.raises(UsageError, match=r"journal\.jsonl:4: damaged line: .*candidate"):
        run.results()


def test_the_last_of_two_results_of_one_key_counts(tmp_path: Path) -> None:
    run = small(tmp_path)
    before = run.results()
    run.journal.write_bytes(run.journal.read_bytes() * 2)
    assert run.results() == before


def test_a_score_log_mends_a_torn_tail_before_it_goes_on(tmp_path: Path) -> None:
    run = small(tmp_path)
    before = run.scored()
    with run.score_log.open("ab") as file:
        file.write(b'{"candidate": "mi')
    entry = Scored(
        candidate="mini",
        sample="s",
        repeat=3,
        success=True,
        scores=(Score(scorer="answer", value=1.0, passed=True),),
    )
    with run.scoring() as log:
        log.append(entry)
    assert run.scored() == before | {entry.key: entry}


def test_a_run_without_a_journal_has_no_results(tmp_path: Path) -> None:
    run = Run.create(tmp_path, make_manifest((), (), 1, 0, (), "x", BEGUN))
    assert run.results() == {}
    assert run.samples() == {}
    assert not run.sealed()


def test_a_damaged_manifest_stops_only_its_own_run(tmp_path: Path) -> None:
    good, bad = small(tmp_path), small(tmp_path, 5)
    (bad.folder / "manifest.json").write_bytes(b"{")
    assert [run.id for run in Run.all(tmp_path)] == [good.id]
    with pytest.raises(UsageError, match=r"manifest\.json: this run's manifest cannot be read"):
        Run.open("latest", home=tmp_path)


def test_a_line_added_after_sealing_makes_the_tables_old(tmp_path: Path) -> None:
    """A run that is resumed after it was sealed is read from its journal until it is sealed again."""
    run = small(tmp_path, sealed=True)
    assert run.sealed()
    with run.journal.open("ab") as file:
        file.write(b"\n")
    assert not run.sealed()


def test_what_the_replay_engine_journals_is_what_is_read(tmp_path: Path) -> None:
    """The store reads the engine's own lines: its header, what was sent, and results."""
    made = small(tmp_path).results()
    run = Run.create(tmp_path, make_manifest((), (), 1, 0, (), "x", BEGUN + timedelta(days=1)))
    with Journal(run.journal, run=run.id, plan="p") as journal:
        for key, result in made.items():
            journal.sent(key, 0)
            journal.result(result)
    assert run.results() == made
