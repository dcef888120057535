"""All scorers of an evaluation on one answer."""

from pathlib import Path
from typing import Any

import pytest
from tests.scorers.judging import expecting

from weighbridge.errors import UsageError
from weighbridge.samples.sample import Sample
from weighbridge.scorers.panel import Panel
from weighbridge.scorers.score import Score
from weighbridge.wire.answer import Answer

SPECS: dict[str, Any] = {"right": {"exact": {}}, "short": {"length": {"max": 10}}}


class Broken:
    """A scorer with a mistake in it."""

    name = "broken"
    closed = False

    def score(self, sample: Sample, answer: Answer) -> Score:
        raise KeyError("sku")

    def close(self) -> None:
        self.closed = True


class TooHigh(Broken):
    name = "too_high"

    def score(self, sample: Sample, answer: Answer) -> Score:
        return Score(scorer=self.name, value=1.2, passed=True)


def test_every_scorer_judges_under_its_own_name() -> None:
    panel = Panel.of(SPECS, base=Path())
    scores = panel.judge(expecting("yes"), Answer(text="yes"))
    assert [(score.scorer, score.passed) for score in scores] == [("right", True), ("short", True)]
    assert panel.names == ("right", "short")


def test_a_samples_own_checks_are_added_and_take_the_place_of_their_namesakes() -> None:
    panel = Panel.of(SPECS, base=Path())
    sample = Sample(request={}, expected=("yes",), checks={"right": {"contains": {}}, "polite": {"regex": "please"}})
    scores = {score.scorer: score.passed for score in panel.judge(sample, Answer(text="yes please"))}
    assert scores == {"right": True, "short": True, "polite": True}
    assert [score.scorer for score in panel.judge(expecting("yes"), Answer(text="yes"))] == ["right", "short"]


def test_a_check_is_made_once_for_all_samples_that_bring_it() -> None:
    panel = Panel({}, base=Path())
    for text in ("a", "b"):
        panel.judge(Sample(request={"prompt": text}, checks={"ok": {"regex": "a"}}), Answer(text=text))
    assert len(panel._built) == 1


def test_a_scorer_that_raises_costs_the_others_nothing() -> None:
    """inspect_ai#4286: what errored is there to be seen, without a value, and is not silently gone."""
    panel = Panel({"broken": Broken(), **Panel.of(SPECS, base=Path())._scorers}, base=Path())
    broken, right, short = panel.judge(expecting("yes"), Answer(text="yes"))
    assert (broken.scorer, broken.value, broken.explanation) == ("broken", None, "the scorer failed: KeyError: 'sku'")
    assert (right.passed, short.passed, panel.raised) == (True, True, 1)


def test_a_scorer_that_gives_more_than_1_cannot_score() -> None:
    """inspect_ai#4286: a value outside [0, 1] does not reach a mean."""
    (score,) = Panel({"too_high": TooHigh()}, base=Path()).judge(expecting(), Answer())
    assert (score.value, score.passed) == (None, None)


def test_the_same_case_scores_the_same_in_any_company() -> None:
    """deepeval#1265: a case scored 0.3 among 23 others, 0.98 at another place among them and 1 by itself."""
    panel = Panel.of({**SPECS, "n": {"numeric": {}}, "f": {"json_fields": {}}}, base=Path())
    cases = [(expecting(str(n), n, {"a": n}), Answer(text=f'{{"a": {n % 3}}}')) for n in range(23)]
    together = [panel.judge(*case) for case in cases]
    assert [panel.judge(*case) for case in reversed(cases)] == together[::-1]
    assert [
        Panel.of({**SPECS, "n": {"numeric": {}}, "f": {"json_fields": {}}}, base=Path()).judge(*case) for case in cases
    ] == together


def test_a_check_that_cannot_be_made_is_found_before_anything_is_sent() -> None:
    panel = Panel({}, base=Path())
    panel.check(Sample(request={}, checks={"ok": {"regex": "a"}}))
    with pytest.raises(UsageError, match="not a regular expression"):
        panel.check(Sample(request={}, checks={"ok": {"regex": "("}}))


def test_closing_ends_every_scorer_that_keeps_something() -> None:
    broken = Broken()
    panel = Panel({"broken": broken, **Panel.of(SPECS, base=Path())._scorers}, base=Path())
    panel.judge(Sample(request={}, checks={"ok": {"regex": "a"}}), Answer())
    panel.close()
    assert broken.closed
