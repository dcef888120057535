"""Whichever API a request came by, its sample says it in OpenAI's words; what cannot be said is left out, and why."""

import json
from typing import Any

import pytest
from tests.records.synthetic import exchange

from weighbridge.records.exchange import Api
from weighbridge.samples.capture import capture, sample_of
from weighbridge.samples.replayable import Unusable

HELLO = [{"role": "user", "content": "Hi"}]
PICTURE = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}


def sampled(api: Api, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    return sample_of(exchange(api=api, request=json.dumps({"model": "support", **body}), **more)).request


def refused(api: Api, body: dict[str, Any], **more: Any) -> str:
    with pytest.raises(Unusable) as caught:
        sampled(api, body, **more)
    return str(caught.value)


def test_a_request_in_anthropics_words_is_a_chat() -> None:
    body = {
        "system": "Be brief",
        "max_tokens": 9,
        "stop_sequences": ["x"],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "image", "source": PICTURE}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "5"}]},
        ],
    }
    made = sampled("messages", body)
    assert [message["role"] for message in made["messages"]] == ["system", "user", "assistant", "tool"]
    assert made["messages"][1]["content"][1]["type"] == "image_url"
    assert made["messages"][2]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a":1}'}
    assert (made["messages"][3]["tool_call_id"], made["stop"], made["tools"][0]["type"]) == ("t", ["x"], "function")


def test_a_request_in_both_apis_words_is_the_same_sample() -> None:
    whole = {"messages": HELLO, "max_tokens": 9}
    marked = {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {}}]}]}
    assert sampled("messages", whole) == sampled("chat", whole)
    plain = {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}
    assert sampled("messages", {**marked, "anthropic_only": []}) == sampled("chat", plain)
    assert len(capture((exchange(api=api, request=json.dumps(whole)), ()) for api in ("chat", "messages")).samples) == 1


def test_how_anthropic_is_to_think_is_not_part_of_what_was_asked() -> None:
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 2000}, "anthropic_only": ["thinking"]}
    assert "thinking" not in sampled("messages", {"messages": HELLO, **thinking})


def test_a_request_for_a_response_is_a_chat() -> None:
    made = sampled("responses", {"instructions": "Be brief", "input": "Hi", "max_output_tokens": 9, "stream": True})
    assert made == {"messages": [{"role": "system", "content": "Be brief"}, *HELLO], "max_completion_tokens": 9}
    assert sampled("responses", {"messages": HELLO}) == {"messages": HELLO}  # as the gateway keeps it


@pytest.mark.parametrize(
    ("api", "body", "why"),
    [
        (
            "responses",
            {"input": "Hi", "previous_response_id": "r"},
            "only OpenAI's Responses has: previous_response_id",
        ),
        ("responses", {"input": 5}, "no request of a known form"),
        ("messages", {"messages": HELLO, "mcp_servers": [{}]}, "only Anthropic has: mcp_servers"),
        ("messages", {"messages": HELLO, "tools": [{"type": "web_search_20250305"}]}, "only Anthropic has: tools.web"),
        ("messages", {"system": "x", "messages": [{"role": "user", "content": 5}]}, "no request of a known form"),
        ("messages", {"system": "x", "messages": "Hi"}, "no request of a known form"),
        ("messages", {"messages": [5], "tools": 5}, "no request of a known form"),
        ("messages", {"messages": []}, "no messages"),
        ("completions", {"messages": HELLO}, "no prompt"),
        ("embeddings", {"input": "x"}, "embeddings"),
    ],
)
def test_what_has_no_words_for_other_candidates_is_left_out_with_its_reason(
    api: Api, body: dict[str, Any], why: str
) -> None:
    assert why in refused(api, body)


def test_what_is_odd_in_every_api_is_left_to_the_candidates() -> None:
    odd = {"messages": [{"role": "user", "content": [{"type": ["image"]}]}]}
    assert sampled("messages", odd) == sampled("chat", odd) == odd


def test_a_count_of_tokens_is_no_sample() -> None:
    assert "tokens were counted" in refused("messages", {"messages": HELLO}, reply='{"input_tokens": 9}')


def test_a_reason_has_no_more_to_say_than_a_line() -> None:
    tools = [{"type": f"\x1b[31m{name}"} for name in "abcdefghijklmnopqrst"]
    why = refused("messages", {"messages": HELLO, "tools": tools})
    assert why.isprintable()
    assert len(why) < 200
