"""Log-probabilities are asked for as each API spells it, and only of those who can tell."""

from __future__ import annotations

from typing import Any

import pytest

from weighbridge.evaluation.confiding import asked
from weighbridge.providers.candidate import Candidate, Template
from weighbridge.providers.presets import PRESETS
from weighbridge.providers.provider import Model, Provider

SAID = {"messages": [{"role": "user", "content": "Hello"}]}
TEMPLATE = Template(turn="Q: {user}\nA: {assistant}\n", ask="Q: {user}\nA:")


def candidate(preset: str = "openai", **more: Any) -> Candidate:
    provider = Provider(name="p", base_url="http://127.0.0.1:1/v1", preset=PRESETS[preset], key="k", headers={})
    return Candidate(name="one", model=Model(name="m", provider=provider, model="gpt-4o-mini", price=None), **more)


def sent(one: Candidate, rivals: int, said: dict[str, Any] | None = None) -> dict[str, Any]:
    found, mute = asked({"one": one}, rivals)
    assert mute == []
    return found["one"].request(SAID if said is None else said, "chat")[1]


@pytest.mark.parametrize(
    ("one", "rivals", "wanted"),
    [
        (candidate(), 5, {"logprobs": True, "top_logprobs": 5}),
        (candidate(), 0, {"logprobs": True}),
        (candidate(template=TEMPLATE), 3, {"logprobs": 3}),
        (candidate(template=TEMPLATE), 20, {"logprobs": 5}),
    ],
)
def test_a_request_asks_for_them_as_its_api_spells_it(one: Candidate, rivals: int, wanted: dict[str, Any]) -> None:
    """Chat says true and a number of rivals; completions, which a base model speaks, a number of at most 5."""
    body = sent(one, rivals)
    assert {name: value for name, value in body.items() if "logprobs" in name} == wanted


def test_what_the_sample_or_the_candidate_say_for_themselves_stands() -> None:
    """A sample that wants two rivals gets two, and a candidate's own parameters win over both."""
    assert sent(candidate(), 5, {**SAID, "top_logprobs": 2})["top_logprobs"] == 2
    assert sent(candidate(params={"top_logprobs": 1}), 5, {**SAID, "top_logprobs": 2})["top_logprobs"] == 1


def test_a_candidate_that_cannot_tell_is_named_and_asked_as_before() -> None:
    """Anthropic's API has none: its requests are as they were, and the run says so."""
    one = candidate("anthropic")
    found, mute = asked({"one": one}, 5)
    assert mute == ["one"]
    assert found["one"] is one
