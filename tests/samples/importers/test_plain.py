"""Prompts and answers in CSV and JSON Lines."""

from typing import Any

import pytest

from weighbridge.samples.importers.plain import read
from weighbridge.samples.importers.record import BadRow, Record

ASKED = {"messages": [{"role": "user", "content": "Hi"}]}


def one(row: dict[str, Any], **options: str) -> Record:
    (record,) = read("f:1", row, **options)
    return record


@pytest.mark.parametrize("column", ["prompt", "Question", " INPUT ", "query", "user", "text", "instruction", "request"])
def test_usual_names_of_columns_are_known_in_any_case(column: str) -> None:
    assert one({column: "Hi"}).request == ASKED


@pytest.mark.parametrize("column", ["answer", "Expected", "expected_output", "completion", "label", "ground_truth"])
def test_the_answer_is_ground_truth(column: str) -> None:
    assert one({"prompt": "Hi", column: "Hello"}).expected == ("Hello",)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, ()),
        ("42", ("42",)),
        (42, (42,)),
        ('["yes", "y"]', ("yes", "y")),
        (["yes", "y"], ("yes", "y")),
        ({"total": 3}, ({"total": 3},)),
        ('{"total": 3}', ({"total": 3},)),
        ([], ()),
    ],
)
def test_several_answers_are_each_right_and_json_is_read(answer: Any, expected: tuple[Any, ...]) -> None:
    assert one({"prompt": "Hi", "answer": answer}).expected == expected


@pytest.mark.parametrize(
    "asked",
    [
        {"messages": ASKED["messages"]},
        {"messages": '[{"role": "user", "content": "Hi"}]'},
        {"prompt": ASKED["messages"]},
        {"prompt": '{"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hi"}]}'},
    ],
)
def test_messages_are_taken_as_they_are(asked: dict[str, Any]) -> None:
    assert one(asked).request == ASKED


def test_json_that_is_asked_about_stays_text() -> None:
    text = '{"order": 12}'
    assert one({"prompt": text}).request["messages"][0]["content"] == text
    assert one({"prompt": 12}).request["messages"][0]["content"] == "12"


def test_named_columns_win_over_guesses() -> None:
    row = {"prompt": "wrong", "Body": "Hi", "answer": "wrong", "gold": "Hello"}
    record = one(row, prompt_column="body", answer_column="Gold")
    assert (record.request, record.expected) == (ASKED, ("Hello",))


def test_tags_clusters_times_and_ids_come_along() -> None:
    row = {"prompt": "Hi", "category": "bills", "session_id": 7, "created_at": "2024-05-01T10:00:00Z", "id": 3}
    record = one(row)
    assert (record.tags, record.cluster, record.at, record.id) == (("bills",), "7", 1714557600.0, "3")
    assert one({"prompt": "Hi", "tags": '["a", "b"]'}).tags == ("a", "b")
    assert one({"prompt": "Hi", "tags": ["a", 2]}).tags == ("a", "2")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"name": "x", "colour": "y"}, r"no column is a prompt \(there are: name, colour\); .* --prompt-column"),
        ({"prompt": ["a", "b"]}, "neither a text nor a list of messages"),
        ({"prompt": {"a": 1}}, "neither a text nor a list of messages"),
    ],
)
def test_a_row_that_is_no_request_says_why(row: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRow, match=why):
        one(row)
