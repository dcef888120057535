"""Replies and chunks, byte by byte."""

import json
from typing import Any

import pytest

from weighbridge.simulator import replies
from weighbridge.simulator.answers import Asked
from weighbridge.simulator.replies import Chunks, Made
from weighbridge.transport.responder import unframed

TOKENS = ["one", ' "two"', " thr\u00e9e", " one"]


def made(api: str = "chat", thoughts: int = 0) -> Made:
    return Made(api, TOKENS, "stop", thoughts, 10, 4, "id-1", 1_700_000_000)


def events(framed: bytes) -> list[dict[str, Any]]:
    return [json.loads(part.removeprefix(b"data: ")) for part in unframed(framed).split(b"\n\n") if part]


def test_usage_counts_reasoning_as_completion_and_cached_within_the_prompt() -> None:
    assert made(thoughts=3).usage() == {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


@pytest.mark.parametrize("api", ["chat", "completions"])
@pytest.mark.parametrize("logprobs", [None, True, 2])
def test_many_tokens_are_the_same_chunks_as_one_by_one(api: str, logprobs: bool | int | None) -> None:
    """The quick way and the plain way agree, whatever must be escaped in the text."""
    chunks = Chunks(made(api), Asked(logprobs=logprobs), "fp")
    offset, plain = 0, []
    for text in TOKENS:
        plain.append(chunks.token(text, offset=offset))
        offset += len(text)
    assert chunks.tokens(TOKENS) == plain


@pytest.mark.parametrize("include", [True, False])
def test_usage_is_null_before_it_comes_and_comes_with_no_choices(include: bool) -> None:
    """litellm#9657: with include_usage every earlier chunk has "usage": null; litellm#8450: the last has no choice."""
    chunks = Chunks(made(), Asked(stream_options={"include_usage": include}), "fp")
    for framed in (chunks.role(), chunks.token("a"), chunks.finish()):
        (event,) = events(framed)
        assert event.get("usage", "absent") == (None if include else "absent")
    (last,) = events(chunks.usage())
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == 14


def test_every_chunk_has_one_identity() -> None:
    chunks = Chunks(made(), Asked(model="m"), "fp")
    for framed in (chunks.role(), chunks.token("a"), chunks.finish(), chunks.usage()):
        (event,) = events(framed)
        assert (event["id"], event["created"], event["model"], event["system_fingerprint"]) == (
            "id-1", 1_700_000_000, "m", "fp"
        )  # fmt: skip
        assert event["object"] == "chat.completion.chunk"


def test_chat_logprobs_hold_each_token_and_the_alternatives_asked_for() -> None:
    """litellm#17165: logprobs are given when asked."""
    body = json.loads(replies.whole(made(), Asked(logprobs=True, top_logprobs=3), "", "fp"))
    content = body["choices"][0]["logprobs"]["content"]
    assert [one["token"] for one in content] == TOKENS
    assert [len(one["top_logprobs"]) for one in content] == [3, 3, 3, 3]
    assert all(one["top_logprobs"][0]["logprob"] == one["logprob"] for one in content)
    assert bytes(content[2]["bytes"]).decode() == TOKENS[2]
    assert (
        json.loads(replies.whole(made(), Asked(logprobs=True), "", "fp"))["choices"][0]["logprobs"]["content"][0][
            "top_logprobs"
        ]
        == []
    )


def test_completion_logprobs_have_their_own_shape() -> None:
    body = json.loads(replies.whole(made("completions"), Asked(logprobs=2), "", "fp"))
    found = body["choices"][0]["logprobs"]
    assert found["tokens"] == TOKENS
    assert found["text_offset"] == [0, 3, 9, 15]
    assert all(len(one) == 2 for one in found["top_logprobs"])
    assert replies.logprobs("completions", Asked(logprobs=0), [], 0) == {
        "tokens": [],
        "token_logprobs": [],
        "top_logprobs": [],
        "text_offset": [],
    }


def test_logprobs_not_asked_for_are_null() -> None:
    for asked in (Asked(), Asked(logprobs=False, top_logprobs=2)):
        assert json.loads(replies.whole(made(), asked, "", "fp"))["choices"][0]["logprobs"] is None


def test_thoughts_are_beside_the_answer() -> None:
    message = json.loads(replies.whole(made(thoughts=1), Asked(), "hm", "fp"))["choices"][0]["message"]
    assert message["reasoning_content"] == "hm"
    assert message["content"] == "".join(TOKENS)
    (event,) = events(Chunks(made(), Asked(logprobs=True), "fp").token("hm", reasoning=True))
    assert event["choices"][0]["delta"] == {"reasoning_content": "hm"}
    assert event["choices"][0]["logprobs"] is None
