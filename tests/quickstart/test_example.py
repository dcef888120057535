"""The bundled example: whole, solvable, and readable by the rest of the package."""

from collections import Counter
from pathlib import Path

import pytest

from weighbridge.config.load import load
from weighbridge.evaluation.plan import prepare
from weighbridge.quickstart.files import PORTS, copy
from weighbridge.samples.sampleset import SampleSet
from weighbridge.scorers.panel import Panel
from weighbridge.wire.answer import Answer


@pytest.fixture
def example(tmp_path: Path) -> Path:
    copy(tmp_path, PORTS)
    return tmp_path


def test_it_has_at_least_sixty_samples_of_six_kinds(example: Path) -> None:
    samples = SampleSet.load(example / "samples.jsonl").samples
    kinds = Counter(sample.tags[0] for sample in samples)
    assert len(samples) >= 60
    assert set(kinds) == {"sentiment", "facts", "from-text", "fields", "sums", "triage"}
    assert min(kinds.values()) >= 10


def test_every_sample_is_passed_by_its_own_expected_answer(example: Path) -> None:
    """And failed by an empty one: the checks can tell."""
    panel = Panel({}, base=example)
    for sample in SampleSet.load(example / "samples.jsonl").samples:
        for expected in sample.expected:
            text = expected if isinstance(expected, str) else _written(expected)
            (score,) = panel.judge(sample, Answer(text=text))
            assert score.passed, (sample.request, text, score)
        (score,) = panel.judge(sample, Answer(text=""))
        assert score.passed is False


def _written(value: object) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


def test_it_prepares_five_candidates_of_two_models(example: Path) -> None:
    """Zero-shot and few-shot, chat and completions; each model with the price the file makes up for it."""
    prepared = prepare(load(example / "weighbridge.yaml", env={}))
    candidates = prepared.candidates.values()
    assert len(candidates) == 5
    assert {candidate.model.model for candidate in candidates} == {"smollm2", "gemma3"}
    assert all(candidate.model.price is not None for candidate in candidates)
    assert {candidate.api or "chat" for candidate in candidates} == {"chat", "completions"}
    assert len(prepared.plan) == 5 * 76


def test_shots_are_not_among_the_samples(example: Path) -> None:
    """An example that is asked again would measure memory."""
    prepared = prepare(load(example / "weighbridge.yaml", env={}))
    asked = {sample.request["messages"][0]["content"] for sample in prepared.plan.samples.values()}
    shown = {shot.user for candidate in prepared.candidates.values() for shot in candidate.shots}
    assert shown
    assert not asked & shown


def test_what_a_person_changed_is_kept(example: Path) -> None:
    (example / "samples.jsonl").write_text("mine\n")
    assert copy(example, PORTS) == []
    assert (example / "samples.jsonl").read_text() == "mine\n"


def test_ports_that_are_taken_are_replaced_in_the_configuration(example: Path) -> None:
    copy(example, {"smollm2": 9001, "gemma3": 9002})
    text = (example / "weighbridge.yaml").read_text()
    assert "http://127.0.0.1:9001/v1" in text
    assert "http://127.0.0.1:9002/v1" in text
    assert "8181" not in text
