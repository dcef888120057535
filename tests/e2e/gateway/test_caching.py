"""Answers from the cache, as the official SDK sees them and as the record says."""

from typing import Any

import msgspec
import openai
import pytest
from tests.e2e.gateway.conftest import Serve, Simulate, ask, config, stream


def test_a_second_request_is_answered_without_asking_anybody(simulate: Simulate, serve: Serve) -> None:
    one = simulate(tokens={"constant": 30})
    served = serve(config([one], cache={"keep": "1h"}))
    first, second = ask(served), ask(served)
    assert first == second
    assert stream(served) == first.choices[0].message.content
    made, *again = served.records(3)
    assert one.stats().requests == 1
    assert made.cost is not None
    assert made.cost > 0
    for record in again:
        assert (record.cache, record.cost, record.attempts, record.outcome) == ("exact", 0.0, (), "ok")
        assert record.usage == made.usage


def test_a_stream_that_was_kept_serves_both_and_says_its_usage(simulate: Simulate, serve: Serve) -> None:
    one = simulate(tokens={"constant": 30})
    served = serve(config([one], cache={"keep": "1h"}))
    text = stream(served)
    assert ask(served).choices[0].message.content == text
    said = served.client().chat.completions.create(
        model="it",
        messages=[{"role": "user", "content": "Say something"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(said)
    assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) == text
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 30
    assert one.stats().requests == 1


def test_a_broken_stream_is_not_kept(simulate: Simulate, serve: Serve) -> None:
    one = simulate(faults=[{"kind": "cut", "after": 5, "first": 1}])
    served = serve(config([one], cache={"keep": "1h"}, route={"retries": 0}))
    with pytest.raises(openai.APIError):
        stream(served)
    assert stream(served)
    assert one.stats().requests == 2


def test_a_client_may_ask_for_a_new_answer(simulate: Simulate, serve: Serve) -> None:
    one = simulate()
    served = serve(config([one], cache={"keep": "1h"}))
    ask(served)
    ask(served, extra_headers={"Cache-Control": "no-cache"})
    assert one.stats().requests == 2


def test_the_same_in_other_words_is_found_where_it_is_asked_for(simulate: Simulate, serve: Serve) -> None:
    one = simulate()
    served = serve(config([one], cache={"keep": "1h", "semantic": {"threshold": 0.95}}))
    ask(served, "How do I reset my password?")
    ask(served, "Hi, how can I reset my password")
    ask(served, "Hi, how can I not reset my password")
    assert [record.cache for record in served.records(3)] == [None, "semantic", None]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_shadow_is_asked_and_its_answer_goes_to_nobody(simulate: Simulate, serve: Serve, streamed: bool) -> None:
    one, two = simulate(tokens={"constant": 5}), simulate(tokens={"constant": 9})
    said = config([one, two])
    said["endpoints"]["it"] |= {"candidates": ["a"], "shadow": {"candidate": "b", "share": 1.0}}
    served = serve(said)
    text = stream(served) if streamed else ask(served).choices[0].message.content
    assert len(text.split()) == 5
    real, shadow = served.records(2)
    assert (shadow.shadow_of, shadow.route.target, shadow.usage.output, shadow.streamed) == (real.id, "b", 9, streamed)


def test_captured_streams_have_their_reply(simulate: Simulate, serve: Serve) -> None:
    served = serve(config([simulate(tokens={"constant": 9})], capture={"share": 1.0}))
    text = stream(served)
    (record,) = served.records()
    assert record.reply is not None
    assert msgspec.json.decode(record.reply)["choices"][0]["message"]["content"] == text


def test_a_line_is_logged_for_each_exchange_and_holds_no_content(simulate: Simulate, serve: Serve, capfd: Any) -> None:
    served = serve(config([simulate(otherwise="echo")]), "--log", "json")
    ask(served, "SECRET")
    served.process.terminate()
    served.process.wait(timeout=20)
    lines = [msgspec.json.decode(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    assert [(line["outcome"], line["endpoint"], line["target"]) for line in lines] == [("ok", "it", "a")]
    assert "SECRET" not in str(lines)


def test_a_collector_that_is_down_costs_nobody_anything(simulate: Simulate, serve: Serve) -> None:
    served = serve(config([simulate()]), env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    for n in range(5):
        ask(served, f"Say {n}")
    assert [record.outcome for record in served.records(5)] == ["ok"] * 5
    served.process.terminate()
    assert served.process.wait(timeout=20) == 0
