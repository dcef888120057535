"""Formats by name: how a file's is told, and what an import comes to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weighbridge.errors import UsageError
from weighbridge.samples.importers.formats import Imported, detect, read
from weighbridge.samples.sampleset import SampleSet, save

MESSAGES = [{"role": "user", "content": "Hi"}]
SPAN = {"spanId": "1", "attributes": {"gen_ai.input.messages": json.dumps(MESSAGES)}}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes an export: rows as JSON Lines, or a text as it is."""

    def written(*rows: Any, name: str = "export.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), "utf-8")
        return path

    return written


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("plain", {"prompt": "Hi", "answer": "Hello"}),
        ("plain", {"messages": MESSAGES, "answer": "Hello"}),
        ("plain", {"messages": [*MESSAGES, {"role": "assistant", "content": "?"}], "expected": "Hello"}),
        ("openai-stored", {"object": "chat.completion", "messages": MESSAGES, "choices": []}),
        ("openai-stored", {"messages": [*MESSAGES, {"role": "assistant", "content": "Hello"}]}),
        (
            "openai-batch",
            {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": MESSAGES}},
        ),
        ("langfuse", {"id": "o", "traceId": "t", "type": "GENERATION", "input": MESSAGES}),
        ("langfuse", {"id": "t", "sessionId": "s", "userId": "u", "input": "Hi"}),
        ("langfuse", {"id": "t", "observations": [{"type": "GENERATION", "input": "Hi"}]}),
        ("otel", {"resourceSpans": [{"scopeSpans": [{"spans": [SPAN]}]}]}),
        ("otel", SPAN),
        ("otel", {"name": "chat", "context": {"span_id": "1"}, "attributes": SPAN["attributes"]}),
        ("litellm", {"request_id": "1", "call_type": "acompletion", "spend": 0.1, "messages": MESSAGES}),
    ],
)
def test_a_files_format_is_told_from_its_first_rows_and_read(name: str, row: dict[str, Any], write: Write) -> None:
    assert detect(write(row)) == name
    found = read(write(row))
    assert (found.format, len(found.samples), found.bad) == (name, 1, [])
    assert (
        found.samples[0].request["messages"] == [*MESSAGES, *row.get("messages", [])[1:]][: 2 if name == "plain" else 1]
    )
    assert found.samples[0].origin["format"] == name


def test_an_imported_set_is_a_sample_file(write: Write, tmp_path: Path) -> None:
    rows = [
        {"prompt": f"Question {number}", "answer": number, "tag": "a", "time": 1714557600 + number}
        for number in range(9)
    ]
    found = read(write(*rows))
    save(found.samples, tmp_path / "samples.jsonl")
    assert SampleSet.load(tmp_path / "samples.jsonl").samples == found.samples
    assert [sample.arrived for sample in found.samples] == [float(number) for number in range(9)]


def test_one_bad_row_among_a_thousand_is_named_with_its_mend_and_the_rest_is_kept(write: Write) -> None:
    rows: list[Any] = [{"prompt": f"Question {number}"} for number in range(1000)]
    rows[499] = '{"prompt": "Quest'
    path = write(*rows)
    with pytest.raises(UsageError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{path}:500: not JSON: Input data was truncated. Mend the row, or leave such rows out with --skip-bad"
    )
    found = read(path, skip_bad=True)
    assert len(found.samples) == 999
    assert found.bad == [f"{path}:500: not JSON: Input data was truncated"]


def test_a_line_that_is_not_utf_8_is_one_bad_row(write: Write) -> None:
    path = write({"prompt": "a"}, {"prompt": "b"})
    path.write_bytes(path.read_bytes() + b'\n{"prompt": "\xe9"}\n')
    with pytest.raises(UsageError, match=r":3: not UTF-8\. Mend the row"):
        read(path)
    assert len(read(path, skip_bad=True).samples) == 2


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"prompt": ""}, None),
        ({"messages": []}, "messages"),
        ({"messages": [{"content": "x"}]}, "neither a text nor a list of messages"),
        ({"prompt": "Hi", "messages": "not a list"}, None),
        ({"prompt": "Hi", "answer": json.loads("[" * 250 + "]" * 250)}, "nested too deeply"),
    ],
)
def test_a_row_that_no_sample_file_would_take_is_bad(row: dict[str, Any], why: str | None, write: Write) -> None:
    path = write({"prompt": "fine"}, row)
    if why is None:
        assert len(read(path).samples) == 2
        return
    with pytest.raises(UsageError, match=why) as caught:
        read(path)
    assert caught.value.where == f"{path}:2"


@pytest.mark.parametrize(
    ("format_", "row"),
    [
        ("otel", {"resourceSpans": 3}),
        (
            "otel",
            {"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": [{"key": "gen_ai.input.messages"}]}]}]}]},
        ),
        ("otel", {"attributes": {"gen_ai.input.messages": '[{"role":"user","parts":[1]}]'}}),
        ("langfuse", {"input": [1, 2]}),
        ("openai-stored", {"messages": [1, 2]}),
        ("openai-batch", {"body": {"messages": 3}, "response": 4}),
        ("litellm", {"call_type": "completion", "messages": [3]}),
        ("plain", {"messages": {"a": 1}}),
    ],
)
def test_an_export_that_holds_anything_anywhere_is_one_line_and_no_traceback(
    format_: str, row: dict[str, Any], write: Write
) -> None:
    with pytest.raises(UsageError) as caught:
        read(write(row), format_=format_)
    assert len(str(caught.value).splitlines()) == 1


def test_a_deeply_nested_row_is_one_bad_row(write: Write) -> None:
    deep = "[" * 500 + "]" * 500
    span = {"spanId": "1", "attributes": {"gen_ai.input.messages": f'[{{"role":"user","content":{deep}}}]'}}
    with pytest.raises(UsageError, match=":2: nested too deeply"):
        read(write(SPAN, span))
    assert len(read(write(SPAN, span), skip_bad=True).samples) == 1


@pytest.mark.parametrize("text", ["", "\n", "[]", "prompt,answer\n"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_an_empty_export_is_said(text: str, name: str, write: Write) -> None:
    with pytest.raises(UsageError):
        read(write(text, name=name))
    with pytest.raises(UsageError):
        read(write(text, name=name), format_="plain")


def test_a_file_of_samples_is_not_imported_again(write: Write) -> None:
    with pytest.raises(UsageError, match=r"it holds samples already\. Use it as it is"):
        read(write({"request": {"messages": MESSAGES}, "expected": ["x"]}))


def test_an_unknown_format_and_a_missing_answer_column_are_said(write: Write) -> None:
    with pytest.raises(UsageError, match=r"no format is called 'excel'\. There are: plain, openai-stored"):
        read(write({"prompt": "Hi"}), format_="excel")
    with pytest.raises(UsageError, match="no row has an answer in the column 'anser'"):
        read(write({"prompt": "Hi", "answer": "x"}), answer_column="anser")


def test_spans_without_any_prompt_say_how_the_file_was_read(write: Write) -> None:
    with pytest.raises(UsageError, match=r"no row of it is a request\. It was read as otel"):
        read(write({"spanId": "1", "attributes": {"http.method": "GET"}}))


def test_the_output_file_goes_with_batches_only(write: Write) -> None:
    body = {"custom_id": "1", "url": "/v1/chat/completions", "body": {"model": "m", "messages": MESSAGES}}
    reply = {"custom_id": "1", "response": {"body": {"choices": [{"message": {"content": "Hello"}}]}}}
    output = write(reply, name="out.jsonl")
    (sample,) = read(write(body), output_file=output, expect_answer=True).samples
    assert (sample.expected, sample.origin["answer"]) == (("Hello",), "Hello")
    with pytest.raises(UsageError, match="--output-file goes with openai-batch, and this is plain"):
        read(write({"prompt": "Hi"}), output_file=output)


def test_productions_answers_are_no_ground_truth_unless_asked_for(write: Write) -> None:
    row = {"id": "o", "traceId": "t", "type": "GENERATION", "input": "Hi", "output": "Hello", "model": "m"}
    (sample,) = read(write(row)).samples
    assert sample.expected == ()
    assert sample.origin == {"format": "langfuse", "id": "o", "model": "m", "answer": "Hello"}
    assert read(write(row), expect_answer=True).samples[0].expected == ("Hello",)


def test_equal_requests_are_one_sample_even_where_they_differed_in_what_was_redacted(write: Write) -> None:
    rows = [{"prompt": f"I am {name}@example.com"} for name in ("anna", "bob", "anna")]
    found: Imported = read(write(*rows), tags=["mail"])
    assert (len(found.samples), found.doubles, found.redacted) == (1, 2, 3)
    assert found.samples[0].request["messages"][0]["content"] == "I am <email:1>"
    assert found.samples[0].tags == ("mail",)
    whole = read(write(*rows), redact=())
    assert (len(whole.samples), whole.doubles, whole.redacted) == (2, 1, 0)
    assert len(read(write({"prompt": "Hi!"}, {"prompt": "hi"}), near=True).samples) == 1


def test_a_downloaded_trace_keeps_its_session_and_tags(write: Write) -> None:
    """The download is one object in a .json file: its observations are not torn from what the trace says of them."""
    one = {"id": "o", "type": "GENERATION", "input": "Hi", "traceId": "t"}
    trace = {"id": "t", "sessionId": "s-1", "tags": ["vip"], "observations": [one, {**one, "id": "p", "input": "And?"}]}
    found = read(write(json.dumps(trace, indent=2), name="trace-t.json"))
    assert [(sample.cluster, sample.tags) for sample in found.samples] == [("s-1", ("vip",))] * 2


def test_ten_megabytes_in_one_prompt_are_imported(write: Write) -> None:
    text = "All of it: é " * 800_000
    (sample,) = read(write({"prompt": text})).samples
    assert sample.request["messages"][0]["content"] == text
