"""Recorded answers, found by what was asked."""

from pathlib import Path
from typing import Any

import pytest

from weighbridge.errors import UsageError
from weighbridge.simulator import answers
from weighbridge.simulator.answers import Asked, Recorded


def test_the_first_answer_whose_question_is_part_of_the_text_is_given(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"ask": "France", "answer": "Paris"}\n\n{"answer": "I do not know"}\n')
    recorded = answers.load(path)
    assert answers.match(recorded, "What is the capital of France?") == Recorded(ask="France", answer="Paris")
    assert answers.match(recorded, "And of Peru?") == Recorded(answer="I do not know")


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"ask": "a", "answer": "b"}\n{"question": 1}\n')
    with pytest.raises(UsageError, match=r"answers\.jsonl:2: not an answer"):
        answers.load(path)


@pytest.mark.parametrize("text", ["one two three", "Paris", "a  b", ""])
def test_tokens_join_to_the_text_they_were_cut_from(text: str) -> None:
    assert "".join(answers.tokens_of(text)) == text.replace("  ", "  ")


def test_the_last_user_text_is_what_counts() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "…"},
        {"role": "user", "content": [{"type": "text", "text": "second"}]},
    ]
    assert Asked(messages=messages).text() == "second"
    assert Asked(prompt="plain").text() == "plain"
