"""Embeddings, asked for with OpenAI's SDK."""

import openai
import pytest
from tests.e2e.gateway.conftest import Serve, Simulate, config

from weighbridge.simulator.embeddings import vector

PRICE = {"input": 0.02, "output": 0}


def test_embeddings_come_as_the_provider_made_them_and_are_recorded_and_billed(
    simulate: Simulate, serve: Serve
) -> None:
    """Only input is paid for; that no output is told makes no cost unknown."""
    said = config([simulate()])
    said["models"]["a"]["price"] = PRICE
    served = serve(said)
    reply = served.client().embeddings.create(model="it", input=["one", "two"], dimensions=16)
    assert [one.index for one in reply.data] == [0, 1]
    assert reply.data[1].embedding == pytest.approx(vector("two", 16), rel=1e-5)
    (record,) = served.records()
    assert (record.outcome, record.api, record.status, record.route.target) == ("ok", "embeddings", 200, "a")
    assert (record.usage.input, record.usage.output) == (reply.usage.prompt_tokens, 0)
    assert record.cost == pytest.approx(0.02 * reply.usage.prompt_tokens / 1e6)


@pytest.mark.parametrize("kind", ["500", "reset", "malformed", "error_event", "html"])
def test_embeddings_fail_over_as_the_endpoint_says(simulate: Simulate, serve: Serve, kind: str) -> None:
    one, two = simulate(faults=[{"kind": kind}]), simulate()
    served = serve(config([one, two]))
    assert len(served.client().embeddings.create(model="it", input="text").data) == 1
    (record,) = served.records()
    assert (record.outcome, record.route.target) == ("ok", "b")
    assert record.attempts[0].target == "a"
    assert record.attempts[0].failure is not None


def test_a_target_that_has_no_embeddings_is_not_asked_for_any(simulate: Simulate, serve: Serve) -> None:
    one, two = simulate(), simulate()
    said = config([one, two])
    said["providers"]["a"] = {"preset": "anthropic-native", "base_url": one.url, "key": "$KEY"}
    said["endpoints"]["alone"] = {"candidates": ["a"]}
    served = serve(said, env={"KEY": "none"})
    assert len(served.client().embeddings.create(model="it", input="text").data) == 1
    assert [attempt.target for attempt in served.records()[0].attempts] == ["b"]
    with pytest.raises(openai.BadRequestError, match="a cannot do embeddings"):
        served.client().embeddings.create(model="alone", input="text")
    assert one.stats().requests == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [({"input": "x", "stream": True}, "not streamed"), ({"inputs": "x"}, "no `input`"), ({}, "no `input`")],
)
def test_what_is_no_request_for_embeddings_is_a_400_that_says_why(
    simulate: Simulate, serve: Serve, body: dict[str, object], words: str
) -> None:
    served = serve(config([simulate()]))
    with pytest.raises(openai.BadRequestError, match=words):
        served.client().post("/embeddings", body={"model": "it", **body}, cast_to=object)
    assert served.records()[0].outcome == "refused"
