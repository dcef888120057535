"""The terminal leaderboard reads in 80, 100 and 180 columns, without colour, and says why numbers are missing."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console, RenderableType
from tests.synthetic_runs import CANDIDATES, MINI, SMOL, Made, make_run

from weighbridge.evaluation.weighing import Weighed, weigh
from weighbridge.report.terminal import leaderboard


def printed(renderable: RenderableType, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(renderable)
    return out.getvalue()


def unfolded(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def weighed(tmp_path: Path) -> Weighed:
    return weigh(make_run(tmp_path, samples=60))


@pytest.mark.parametrize("width", [80, 100, 180])
def test_every_figure_is_there_in_any_width(weighed: Weighed, width: int) -> None:
    text = printed(leaderboard(weighed, width=width), width)
    assert max(map(len, text.splitlines())) <= width
    for spec in CANDIDATES:
        assert spec.name in text
    assert "quality" in text
    assert "errors" in text
    assert "P50" in text
    assert "P99" in text
    assert "\x1b" not in text


def test_the_sentence_comes_last(weighed: Weighed) -> None:
    text = unfolded(printed(leaderboard(weighed), 100))
    assert text.endswith(weighed.verdict.sentence)


def test_signs_say_without_colour_what_holds(tmp_path: Path) -> None:
    run = make_run(tmp_path, samples=300, constraints=())
    assert "★   sonnet" in printed(leaderboard(weigh(run)), 100)


def test_unmet_constraints_are_sentences(weighed: Weighed) -> None:
    text = unfolded(printed(leaderboard(weighed), 100))
    assert "✕ smol fails quality at least 70%: it is" in text
    assert "more results would tell" in text


def test_a_refused_percentile_is_a_dash_and_a_footnote(weighed: Weighed) -> None:
    text = unfolded(printed(leaderboard(weighed), 100))
    assert "— P99 not estimable from 60 results" in text
    assert text.count("P99 not estimable") == 1


def test_an_unknown_price_reads_unknown(tmp_path: Path) -> None:
    text = printed(
        leaderboard(weigh(make_run(tmp_path, candidates=[Made("free", 1.0, None, 0.2)], samples=20, constraints=()))),
        100,
    )
    assert text.count("unknown") >= 2
    assert "$" not in text


def test_quality_by_tag_is_shown_where_asked(weighed: Weighed) -> None:
    assert "extraction" not in printed(leaderboard(weighed), 100)
    assert "extraction" in printed(leaderboard(weighed, by_tag=True), 100)


def test_names_with_markup_are_text(tmp_path: Path) -> None:
    odd = replace(MINI, name="[red]x[/red]")
    text = printed(leaderboard(weigh(make_run(tmp_path, candidates=[odd, SMOL], samples=10))), 100)
    assert "[red]x[/red]" in text
