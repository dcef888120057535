"""A comparison in the terminal: both answers, the tests, the sentence last, and nothing hostile."""

import io
from pathlib import Path

from rich.console import Console
from tests.synthetic_runs import MINI, SONNET, make_run

from weighbridge.evaluation.changes import Side
from weighbridge.evaluation.comparison import Comparison, compare
from weighbridge.evaluation.outcomes import load
from weighbridge.report.differences import comparison


def made(home: Path, text: str = "") -> Comparison:
    run = make_run(home, candidates=[MINI, SONNET], samples=80, text=text)
    found = load(run)
    return compare([(Side(run, found["sonnet"]), Side(run, found["mini"]))])[0]


def printed(found: Comparison, width: int = 100, most: int = 5) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(comparison(found, most=most))
    return out.getvalue()


def test_it_says_what_broke_with_both_answers_and_ends_with_the_sentence(tmp_path: Path) -> None:
    found = made(tmp_path)
    text = printed(found)
    assert f"{found.broken} broke" in text
    assert "before   The answer is: answer" in text
    assert "after    I am not sure" in text
    assert " ".join(text.split()).endswith(found.sentence)


def test_long_lists_are_cut_and_the_rest_is_counted(tmp_path: Path) -> None:
    found = made(tmp_path)
    assert f"and {found.broken - 2} more" in printed(found, most=2)


def test_control_characters_of_a_prompt_never_reach_the_terminal(tmp_path: Path) -> None:
    text = printed(made(tmp_path, text="\x1b[2Jgone\x07"))
    assert "\x1b" not in text
    assert "\x07" not in text


def test_narrow_terminals_are_not_overrun(tmp_path: Path) -> None:
    assert max(map(len, printed(made(tmp_path), width=80).splitlines())) <= 80
