"""Candidates: what is sent for a sample."""

from typing import Any

import pytest

from weighbridge.errors import UsageError
from weighbridge.providers.candidate import Candidate, Shot, Template
from weighbridge.providers.presets import PRESETS
from weighbridge.providers.provider import Model, Provider

MODEL = Model("m", Provider("p", "http://x/v1", PRESETS["simulator"]), "v")
CHAT: dict[str, Any] = {
    "messages": [{"role": "system", "content": "old"}, {"role": "user", "content": "2+2?"}],
    "temperature": 1,
    "max_tokens": 9,
    "tools": [{"type": "function"}],
}
TEMPLATE = Template(turn="Q: {user}\nA: {assistant}\n\n", ask="Q: {user}\nA:", system="{system}\n\n")


def test_a_bare_model_sends_the_sample_as_it_is() -> None:
    assert Candidate("c", MODEL).request(CHAT, "chat") == ("chat", CHAT)


def test_its_system_prompt_takes_the_place_of_the_samples() -> None:
    _, body = Candidate("c", MODEL, system="new").request(CHAT, "chat")
    assert [message["content"] for message in body["messages"]] == ["new", "2+2?"]
    assert CHAT["messages"][0]["content"] == "old"


def test_shots_come_before_the_conversation_and_only_for_their_tag() -> None:
    shots = (Shot("1+1?", "2", "sums"), Shot("capital?", "Rome", "facts"), Shot("hi", "hello"))
    _, body = Candidate("c", MODEL, shots=shots).request(CHAT, "chat", ["sums"])
    assert [message["content"] for message in body["messages"]] == ["old", "1+1?", "2", "hi", "hello", "2+2?"]


def test_its_params_win_over_the_samples() -> None:
    _, body = Candidate("c", MODEL, params={"temperature": 0, "seed": 1}).request(CHAT, "chat")
    assert (body["temperature"], body["seed"], body["max_tokens"]) == (0, 1, 9)


def test_a_template_writes_a_chat_as_text_for_a_base_model() -> None:
    """And leaves out what completions do not know, such as tools."""
    candidate = Candidate("c", MODEL, shots=(Shot("1+1?", "2"),), template=TEMPLATE, params={"stop": ["\n"]})
    api, body = candidate.request(CHAT, "chat")
    assert api == "completions"
    assert body["prompt"] == "old\n\nQ: 1+1?\nA: 2\n\nQ: 2+2?\nA:"
    assert set(body) == {"prompt", "temperature", "max_tokens", "stop"}


def test_braces_in_what_people_write_are_not_placeholders() -> None:
    messages = [{"role": "user", "content": "{assistant} {user}"}, {"role": "assistant", "content": "{user}"}]
    assert (
        TEMPLATE.render([*messages, {"role": "user", "content": "x"}]) == "Q: {assistant} {user}\nA: {user}\n\nQ: x\nA:"
    )


@pytest.mark.parametrize(
    ("candidate", "request_", "api", "said"),
    [
        (Candidate("c", MODEL, api="completions"), CHAT, "chat", "Give it a template"),
        (Candidate("c", MODEL, api="chat"), {"prompt": "x"}, "completions", "the sample is a plain prompt"),
        (
            Candidate("c", MODEL, template=TEMPLATE),
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "chat",
            "not text",
        ),
        (Candidate("c", MODEL, template=TEMPLATE), {"messages": [{"role": "tool", "content": "x"}]}, "chat", "'tool'"),
    ],
)
def test_what_cannot_be_sent_is_one_line(candidate: Candidate, request_: dict[str, Any], api: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        candidate.request(request_, api)


def test_embeddings_get_its_params_and_nothing_of_a_conversation() -> None:
    one = Candidate("c", MODEL, system="Be brief", params={"dimensions": 8})
    assert one.request({"input": "x"}, "embeddings") == ("embeddings", {"input": "x", "dimensions": 8})


def test_what_is_sent_before_a_conversation_counts_too() -> None:
    """Or tokens would be counted that are not those of the request it is about."""
    one = Candidate("c", MODEL, system="Be brief", shots=(Shot("1", "2"),))
    turns = [{"role": "user", "content": "3"}]
    api, body = one.request({"messages": turns, "system": "Be long"}, "count_tokens")
    assert (api, body["system"], [turn["content"] for turn in body["messages"]]) == (
        "count_tokens",
        "Be brief",
        ["1", "2", "3"],
    )
