"""`json_schema`: JSON that fits a schema."""

import json
import warnings
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scorers.judging import expecting, judge

from weighbridge.errors import UsageError
from weighbridge.scorers.registry import build
from weighbridge.wire.answer import Answer

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"reply": {"type": "string"}, "stars": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["reply"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("text", ['{"reply": "hi"}', '{"reply": "", "stars": 5}', '```json\n{"reply": "hi"}\n```'])
def test_json_that_fits_passes(text: str) -> None:
    score = judge("json_schema", text, schema=SCHEMA)
    assert (score.value, score.passed) == (1.0, True)
    assert score.explanation in {"JSON: whole", "JSON: fenced"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Hello!", "no JSON in the answer"),
        ("{}", "$: 'reply' is a required property"),
        ('{"reply": 1}', "$.reply: 1 is not of type 'string'"),
        ('{"reply": "hi", "stars": 6}', "$.stars: 6 is greater than the maximum of 5"),
    ],
)
def test_json_that_does_not_fit_fails_and_says_where(text: str, why: str) -> None:
    score = judge("json_schema", text, schema=SCHEMA)
    assert (score.value, score.passed, score.explanation) == (0.0, False, why)


def test_strict_asks_for_nothing_but_json() -> None:
    assert judge("json_schema", 'Sure: {"reply": "hi"}', schema=SCHEMA).passed
    assert not judge("json_schema", 'Sure: {"reply": "hi"}', schema=SCHEMA, strict=True).passed


def test_the_schema_may_be_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "reply.json").write_text(json.dumps(SCHEMA))
    scorer = build("it", "json_schema", "reply.json", base=tmp_path)
    assert scorer.score(expecting(), Answer(text='{"reply": "hi"}')).passed


def test_without_a_schema_the_requests_own_is_asked() -> None:
    sample = expecting(response_format={"type": "json_schema", "json_schema": {"name": "r", "schema": SCHEMA}})
    scorer = build("it", "json_schema", {}, base=Path())
    assert scorer.score(sample, Answer(text='{"reply": "hi"}')).passed is True
    assert scorer.score(sample, Answer(text="{}")).passed is False


@pytest.mark.parametrize(
    "response_format",
    [
        None,
        "json",
        {"type": "json_object"},
        {"json_schema": None},
        {"json_schema": "reply"},
        {"json_schema": {"schema": {"type": "strin"}}},
        {"json_schema": {"schema": 7}},
    ],
)
def test_a_request_without_a_usable_schema_cannot_be_scored(response_format: Any) -> None:
    """inspect_ai#4286: the answer is not to blame. One bad request does not end the run either."""
    scorer = build("it", "json_schema", {}, base=Path())
    score = scorer.score(expecting(response_format=response_format), Answer(text="{}"))
    assert (score.value, score.passed) == (None, None)
    assert score.explanation


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("42", "not a JSON Schema"),
        ('{"type": "strin"}', "not a JSON Schema"),
        ('{"$schema": "https://example.com/none"}', "no draft of JSON Schema"),
        ('{"$schema": 7}', "no draft of JSON Schema"),
    ],
)
def test_a_schema_that_is_none_is_refused_before_anything_is_sent(
    tmp_path: Path, content: str | None, why: str
) -> None:
    if content is not None:
        (tmp_path / "reply.json").write_text(content)
    with pytest.raises(UsageError, match=why):
        build("it", "json_schema", "reply.json", base=tmp_path)


def test_a_file_and_a_schema_at_once_are_refused() -> None:
    with pytest.raises(UsageError, match="both a file and a schema"):
        judge("json_schema", "{}", file="reply.json", schema=SCHEMA)


@pytest.mark.parametrize(
    "reference", ["#/$defs/none", "https://127.0.0.1:9/schema.json", "http://127.0.0.1:9/schema.json", "other.json"]
)
def test_what_a_schema_refers_to_is_never_fetched(reference: str) -> None:
    """The network is not asked, and the answer is not blamed."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score = judge("json_schema", "{}", schema={"$ref": reference})
    assert score.value is None
    assert "refers to what it does not hold" in score.explanation


def test_a_schema_without_end_and_a_pattern_without_end_cannot_score() -> None:
    endless = judge("json_schema", "{}", schema={"$ref": "#"})
    assert (endless.value, endless.explanation) == (None, "the schema refers to itself without end")
    slow = judge("json_schema", json.dumps("a" * 5000 + "!"), schema={"pattern": "^(a+)+$"}, seconds=0.05)
    assert (slow.value, slow.explanation) == (None, "checking took more than 0.05 s")


def test_an_older_draft_is_read_as_it_was_meant() -> None:
    """`items` as a list of schemas is draft 7's tuple; in 2020-12 it is no schema at all."""
    draft7 = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}
    assert judge("json_schema", '["a", 1]', schema=draft7).passed
    assert not judge("json_schema", "[1]", schema=draft7).passed
    with pytest.raises(UsageError, match="not a JSON Schema"):
        judge("json_schema", "[]", schema={"items": [{"type": "string"}]})


LEAVES = st.sampled_from(
    [{"type": "string"}, {"type": "integer"}, {"type": "null"}, {"minimum": 2}, {"enum": [1, "a", None]}, True, False]
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"items": inner, "maxItems": st.integers(0, 3)}),
        st.fixed_dictionaries({"properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3)}),
        st.fixed_dictionaries({"required": st.lists(st.sampled_from("abc"), max_size=2, unique=True)}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"not": inner}),
    ),
    max_leaves=6,
)
INSTANCES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(SCHEMAS, INSTANCES)
def test_it_agrees_with_jsonschema(schema: Any, instance: Any) -> None:
    """Asked another way: `is_valid` of the library on the value, against our score of its text."""
    expected = jsonschema.Draft202012Validator(schema).is_valid(instance)
    assert judge("json_schema", json.dumps(instance), schema=schema).passed is expected
