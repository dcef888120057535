"""Recorded exchanges become samples: one for each request, with its arrival and what was said of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.records.synthetic import exchange

from weighbridge.errors import UsageError
from weighbridge.records.capture import Capture
from weighbridge.records.exchange import Attempt, Exchange, Feedback, Route
from weighbridge.samples.capture import capture, check_found, json_redactor, sample_of, since_of
from weighbridge.samples.sample import Sample
from weighbridge.samples.sampleset import SampleSet, save


def asked(text: str, at: float = 1.0, **changes: Any) -> Exchange:
    body = {"model": "support", "stream": True, "messages": [{"role": "user", "content": text}], "temperature": 0.5}
    return exchange(id=f"wbx_{text}{at}", at=at, request=json.dumps(body), **changes)


def captured(*exchanges: Exchange, **how: Any) -> list[Sample]:
    return capture(((each, ()) for each in exchanges), **how).samples


def test_a_sample_is_what_was_asked_without_the_model() -> None:
    served = Attempt(target="b", provider="p", model="m", answered="m-2", started=0.0)
    reply = json.dumps({"choices": [{"message": {"role": "assistant", "content": "Hello"}}]})
    sample = sample_of(asked("Hi", attempts=(served,), route=Route("b"), reply=reply))
    assert sample == Sample(
        request={"messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5},
        tags=("endpoint:support",),
        origin={"format": "exchange", "id": "wbx_Hi1.0", "candidate": "b", "model": "m-2", "answer": "Hello"},
    )


def test_arrivals_are_kept_from_the_first() -> None:
    found = captured(asked("late", 105.5), asked("early", 100.0), asked("middle", 101.25))
    assert [sample.arrived for sample in found] == [0.0, 1.25, 5.5]
    assert [sample.request["messages"][0]["content"] for sample in found] == ["early", "middle", "late"]


def test_equal_requests_are_one_that_arrived_first_and_carries_all_feedback() -> None:
    told = capture(
        [
            (asked("same", 7.0), [Feedback(exchange="x", at=9.0, score=0.0, comment="no")]),
            (asked("same", 5.0), [Feedback(exchange="y", at=9.0, score=0.5), Feedback(exchange="y", at=9.5)]),
            (asked("other", 4.0), [Feedback(exchange="z", at=9.0, score=1.0)]),
        ]
    )
    other, same = told.samples
    assert (told.exchanges, told.doubles, len(told.samples)) == (3, 1, 2)
    assert (same.arrived, same.origin["id"]) == (1.0, "wbx_same5.0")
    assert same.tags == ("endpoint:support", "feedback:bad")
    assert (same.origin["score"], same.origin["comments"]) == (0.25, ["no"])
    assert other.tags == ("endpoint:support", "feedback:good")


def test_a_draw_depends_on_the_requests_and_the_seed_alone() -> None:
    exchanges = [asked(f"text {number}", float(number)) for number in range(60)]
    first = captured(*exchanges, take=10)
    assert len(first) == 10
    assert {each.id for each in captured(*reversed(exchanges), *exchanges[:30], take=10)} == {each.id for each in first}
    assert {each.id for each in captured(*exchanges, take=10, seed=1)} != {each.id for each in first}
    assert {each.id for each in first} < {each.id for each in captured(*exchanges, take=20)}
    assert len(captured(*exchanges, take=100)) == 60
    told = capture(((each, ()) for each in exchanges * 2), take=10)
    assert (told.exchanges, told.doubles, told.not_drawn) == (120, 60, 50)


def test_outcomes_conversations_and_completions() -> None:
    failed = sample_of(asked("x", outcome="failed"))
    assert failed.tags == ("endpoint:support", "outcome:failed")
    body = {"messages": [{"role": "user", "content": "x"}], "metadata": {"session_id": 7}}
    talk = sample_of(exchange(request=json.dumps(body)))
    assert talk.cluster == "7"
    body["metadata"] = {"session_id": "<email:1>"}
    hidden = sample_of(exchange(request=json.dumps(body)))
    assert hidden.cluster is None, "every session would be the same one"
    plain = sample_of(exchange(api="completions", request='{"prompt": "Once"}'))
    assert plain == Sample(
        request={"prompt": "Once"},
        api="completions",
        tags=("endpoint:support",),
        origin={"format": "exchange", "id": exchange().id} | plain.origin,
    )


@pytest.mark.parametrize(
    "request_",
    [
        None,
        "",
        "{",
        "[]",
        "{}",
        '{"messages": []}',
        '{"messages": "hi"}',
        '{"messages": [1]}',
        '{"messages": [{"content": "x"}]}',
        '{"messages": [{"role": "user", "content": ' + "[" * 300 + "]" * 300 + "}]}",
        "[" * 100_000,
        '{"input": "text to embed"}',
    ],
)
def test_what_cannot_be_replayed_is_counted_and_left_out(request_: str | None) -> None:
    told = capture([(exchange(request=request_), ())])
    assert (told.samples, told.unusable.total(), told.counts()["unusable"]) == ([], 1, 1)
    with pytest.raises(UsageError, match="none of 1 exchanges"):
        check_found(told, Path("home"))


def test_why_requests_cannot_be_replayed_is_counted_and_told() -> None:
    found = [
        asked("fine"),
        exchange(request=None),
        exchange(request=None),
        exchange(request=None, capture="cut"),
        *(
            exchange(
                request=json.dumps({"tools": [{"type": f"t{n}"}], "messages": [1], "anthropic_only": []}),
                api="messages",
            )
            for n in range(9)
        ),
    ]
    told = capture((each, ()) for each in found)
    assert told.counts()["why_unusable"] == dict(told.unusable.most_common(5))
    lines = told.lines(Path("out.jsonl"))
    assert "2 cannot be replayed: the body was not kept" in lines
    assert "1 cannot be replayed: the body was too large to keep" in lines
    assert sum(int(line.split()[0]) for line in lines if "cannot be replayed" in line) == 12


def test_shadow_traffic_is_left_out() -> None:
    told = capture([(asked("x"), ()), (asked("y", shadow_of="wbx_x1.0"), ())])
    assert (told.exchanges, len(told.samples)) == (1, 1)


def test_nothing_recorded_says_what_to_set() -> None:
    with pytest.raises(UsageError, match=r"capture: \{share: 5%\}"):
        check_found(capture([]), Path("home"))


def test_samples_load_as_eval_loads_them(tmp_path: Path) -> None:
    found = captured(asked("a", 1.0), asked("b", 2.0))
    save(found, tmp_path / "samples.jsonl")
    assert SampleSet.load(tmp_path / "samples.jsonl").samples == found


def test_the_redactor_for_capture() -> None:
    bodies = Capture(1.0, json_redactor()).bodies(b'{"a": "ann@x.io and bob@x.io"}', b'{"b": "To bob@x.io"}')
    assert (bodies.request, bodies.reply) == ('{"a":"<email:1> and <email:2>"}', '{"b":"To <email:2>"}')


@pytest.mark.parametrize(
    ("text", "at"),
    [("90m", 4600.0), ("1.5h", 4600.0), ("2 d", 10_000.0 - 172_800), ("1970-01-02", 86_400.0)],
)
def test_since(text: str, at: float) -> None:
    assert since_of(text, 10_000.0) == at


@pytest.mark.parametrize("text", ["", "yesterday", "90", "5x", "-3h", "2026-13-01"])
def test_since_that_is_no_time(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        since_of(text, 10_000.0)
