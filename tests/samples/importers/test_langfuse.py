"""Langfuse's exports of observations and of whole traces."""

import json
from typing import Any

import pytest

from weighbridge.samples.importers.langfuse import read
from weighbridge.samples.importers.record import BadRow, Record

MESSAGES = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}]
TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]


def observation(**changes: Any) -> dict[str, Any]:
    row = {
        "id": "0a1b2c3d4e5f6071",
        "traceId": "00112233445566778899aabbccddeeff",
        "type": "GENERATION",
        "name": "OpenAI-generation",
        "startTime": "2024-05-01T10:00:00.000Z",
        "endTime": "2024-05-01T10:00:01.250Z",
        "level": "DEFAULT",
        "statusMessage": None,
        "parentObservationId": "1111111111111111",
        "model": "gpt-4o-mini-2024-07-18",
        "modelParameters": {"temperature": 0.2, "max_tokens": 200, "user": "u-1"},
        "input": MESSAGES,
        "output": {"role": "assistant", "content": "Hello!"},
        "usageDetails": {"input": 14, "output": 3, "total": 17},
        "totalCost": 0.00001,
        "environment": "production",
    }
    return {**row, **changes}


def one(row: dict[str, Any]) -> Record:
    (record,) = read("f:1", row)
    return record


def test_a_generation() -> None:
    record = one(observation())
    assert record.request == {"messages": MESSAGES, "temperature": 0.2, "max_tokens": 200}
    assert record.answer == "Hello!"
    assert record.cluster == "00112233445566778899aabbccddeeff"
    assert (record.at, record.model, record.id) == (1714557600.0, "gpt-4o-mini-2024-07-18", "0a1b2c3d4e5f6071")


def test_the_same_as_a_row_of_csv_where_everything_is_text() -> None:
    row = observation(traceTags=None, tags='["vip"]')
    texts = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in row.items() if value is not None
    }
    record = one(texts)
    assert record.request == one(row).request
    assert (record.answer, record.tags) == ("Hello!", ("vip",))


def test_input_with_tools_is_the_request() -> None:
    record = one(observation(input={"messages": MESSAGES, "tools": TOOLS}, modelParameters=None))
    assert record.request == {"messages": MESSAGES, "tools": TOOLS}


@pytest.mark.parametrize(
    ("given", "messages"),
    [
        ("Hi", [{"role": "user", "content": "Hi"}]),
        ({"role": "user", "content": "Hi"}, [{"role": "user", "content": "Hi"}]),
        ('[{"role": "user", "content": "Hi"}]', [{"role": "user", "content": "Hi"}]),
    ],
)
def test_input_may_be_a_text_or_one_message(given: Any, messages: Any) -> None:
    assert one(observation(input=given, modelParameters=None)).request == {"messages": messages}


@pytest.mark.parametrize(
    ("params", "kept"),
    [
        (
            {"temperature": "0.7", "max_tokens": "200", "top_p": "1"},
            {"temperature": 0.7, "max_tokens": 200, "top_p": 1},
        ),
        ({"temperature": 1, "max_tokens": "Infinity", "frequency_penalty": 0}, {"temperature": 1}),
        ({"max_tokens": "inf", "seed": None, "temperature": ""}, {}),
        ('{"temperature": 0}', {"temperature": 0}),
        (
            {"stop": '["\\n"]', "response_format": {"type": "json_object"}},
            {"stop": ["\n"], "response_format": {"type": "json_object"}},
        ),
        ({"seed": "4944116822809979520"}, {"seed": 4944116822809979520}),
    ],
)
def test_parameters_are_numbers_again_and_an_endless_limit_is_none(params: Any, kept: dict[str, Any]) -> None:
    """A provider would refuse `"max_tokens": "Infinity"`, which the export has where the app asked for no limit."""
    assert one(observation(modelParameters=params)).request == {"messages": MESSAGES, **kept}


@pytest.mark.parametrize("kind", ["SPAN", "EVENT", "TOOL", "AGENT", "span"])
def test_other_types_of_observation_are_passed_over(kind: str) -> None:
    assert list(read("f:1", observation(type=kind))) == []


def test_a_whole_trace_gives_its_generations_with_its_session_and_tags() -> None:
    trace = {
        "id": "t-1",
        "timestamp": "2024-05-01T10:00:00Z",
        "sessionId": "s-1",
        "userId": "u-1",
        "tags": ["vip"],
        "input": {"args": [], "kwargs": {"question": "Hi"}},
        "observations": [observation(type="SPAN"), observation(), observation(id="second", input="And?")],
    }
    found = list(read("f:1", trace))
    assert [(record.where, record.id) for record in found] == [
        ("f:1, observation 2", "0a1b2c3d4e5f6071"),
        ("f:1, observation 3", "second"),
    ]
    assert {(record.cluster, record.tags) for record in found} == {("s-1", ("vip",))}
    apart = {
        "trace": {name: trace[name] for name in ("id", "sessionId", "tags")},
        "observations": trace["observations"],
    }
    assert list(read("f:1", apart)) == found


def test_a_trace_that_only_names_its_observations_is_a_request_itself() -> None:
    row = {"id": "t-1", "sessionId": "s-1", "input": MESSAGES, "output": "Hello!", "observations": ["o-1", "o-2"]}
    assert (one(row).request, one(row).answer) == ({"messages": MESSAGES}, "Hello!")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (None, "a generation without its input"),
        ({"args": [], "kwargs": {}}, "neither a text nor a list"),
        ([], "neither a text nor a list"),
    ],
)
def test_a_generation_without_a_request_says_why(given: Any, why: str) -> None:
    with pytest.raises(BadRow, match=why):
        one(observation(input=given))


def test_a_tool_call_as_output_is_no_text_to_compare_with() -> None:
    output = {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "function": {"name": "look_up"}}]}
    assert one(observation(output=output)).answer is None
    assert one(observation(output={"total": 3})).answer == '{"total":3}'
