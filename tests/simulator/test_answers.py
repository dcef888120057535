"""Recorded answers, found by what was asked."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from weighbridge.errors import UsageError
from weighbridge.simulator import answers
from weighbridge.simulator.answers import Answers, Asked, Recorded


def test_the_first_answer_whose_question_is_part_of_the_text_is_given(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"ask": "France", "answer": "Paris"}\n\n{"answer": "I do not know"}\n')
    recorded = answers.load(path)
    assert recorded.match(Asked(prompt="What is the capital of France?")) == Recorded(ask="France", answer="Paris")
    assert recorded.match(Asked(prompt="And of Peru?")) == Recorded(answer="I do not know")


def test_the_most_exact_fit_wins() -> None:
    """By the messages, then by the whole text, then by a part of it."""
    messages = [{"role": "user", "content": "capital of France"}]
    by_ask, by_text = Recorded(ask="France", answer="1"), Recorded(text="capital of France", answer="2")
    by_messages = Recorded(messages=answers.digest(messages), answer="3")
    asked = Asked(messages=messages)
    assert Answers([by_ask, by_text, by_messages]).match(asked) == by_messages
    assert Answers([by_ask, by_text]).match(asked) == by_text
    assert Answers([by_ask]).match(asked) == by_ask
    assert Answers([by_text]).match(Asked(prompt="capital of France?")) is None
    assert Answers().match(asked) is None


def test_messages_are_the_same_in_any_order_of_their_keys() -> None:
    assert answers.digest([{"role": "user", "content": "é"}]) == answers.digest([{"content": "é", "role": "user"}])
    assert answers.digest([{"role": "user", "content": "a"}]) != answers.digest([{"role": "user", "content": "b"}])


def test_an_answer_may_be_for_one_model_or_path_only() -> None:
    recorded = Answers(
        [Recorded(model="big", answer="right"), Recorded(path="/v1/messages", body={}), Recorded(answer="wrong")]
    )
    assert recorded.match(Asked(model="big")) == Recorded(model="big", answer="right")
    assert recorded.match(Asked(model="small")) == Recorded(answer="wrong")
    assert recorded.match(Asked(model="small"), "/v1/messages") == Recorded(path="/v1/messages", body={})
    assert recorded.knows("/v1/messages")
    assert not recorded.knows("/v1/other")


def test_a_recorded_reply_goes_out_without_the_headers_of_its_connection() -> None:
    headers = {"Content-Length": "9", "content-encoding": "gzip", "Transfer-Encoding": "chunked", "X-Kept": "y"}
    assert Recorded(headers=headers, body="data: x\n\n").sent() == (
        [("X-Kept", "y"), ("Content-Type", "text/event-stream")],
        b"data: x\n\n",
    )
    assert Recorded(body={"a": 1}).sent() == ([("Content-Type", "application/json")], b'{"a":1}')
    assert Recorded(headers={"content-type": "text/html"}, body="<p>").sent()[0] == [("content-type", "text/html")]


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"ask": "a", "answer": "b"}\n{"question": 1}\n')
    with pytest.raises(UsageError, match=r"answers\.jsonl:2: not an answer"):
        answers.load(path)


def test_a_line_that_says_nothing_or_two_things_is_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    for line in ('{"ask": "a"}', '{"answer": "a", "body": "b"}'):
        path.write_text(line)
        with pytest.raises(UsageError, match=r"answers\.jsonl:1: not an answer: it needs one of answer and body"):
            answers.load(path)


def test_a_file_that_is_not_there_gets_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.jsonl: the answers cannot be read"):
        answers.load(tmp_path / "none.jsonl")


@given(st.text(max_size=60))
@example("a  b")
@example(" a b ")
@example("")
def test_tokens_join_to_the_text_they_were_cut_from(text: str) -> None:
    assert "".join(answers.tokens_of(text)) == text


def test_the_last_user_text_is_what_counts() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "…"},
        {"role": "user", "content": [{"type": "text", "text": "second"}]},
    ]
    assert Asked(messages=messages).text() == "second"
    assert Asked(prompt="plain").text() == "plain"
