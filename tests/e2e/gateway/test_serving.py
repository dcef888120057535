"""What an app sees that only changed its base URL."""

from typing import Any

import openai
import pytest
from tests.e2e.gateway.conftest import Serve, Simulate, ask, config, stream


def test_a_request_is_answered_and_recorded(simulate: Simulate, serve: Serve) -> None:
    one = simulate(tokens={"constant": 7})
    served = serve(config([one]))
    reply = ask(served)
    assert len(reply.choices[0].message.content.split()) == 7
    (record,) = served.records()
    assert (record.outcome, record.endpoint, record.status, record.route.target) == ("ok", "it", 200, "a")
    assert record.usage.output == 7
    assert record.cost == pytest.approx((reply.usage.prompt_tokens + 2 * 7) / 1e6)


def test_a_stream_is_passed_on_and_its_usage_recorded_though_nobody_asked(simulate: Simulate, serve: Serve) -> None:
    """litellm#23847: usage is metered even when the client sent no `stream_options`."""
    one = simulate(tokens={"constant": 12})
    served = serve(config([one]))
    assert len(stream(served).split()) == 12
    (record,) = served.records()
    assert (record.outcome, record.usage.output, record.streamed) == ("ok", 12, True)
    assert record.ttft is not None
    assert record.cost is not None


def test_usage_comes_as_openai_sends_it_where_it_is_asked_for(simulate: Simulate, serve: Serve) -> None:
    """litellm#8450, #9657: null on every chunk, then once, on a chunk without choices; and not at all unasked."""
    served = serve(config([simulate()]))
    for include in (True, False):
        options: dict[str, Any] = {"stream_options": {"include_usage": True}} if include else {}
        chunks = list(
            served.client().chat.completions.create(
                model="it", messages=[{"role": "user", "content": "Hi"}], stream=True, **options
            )
        )
        told = [chunk for chunk in chunks if chunk.usage is not None]
        assert len(told) == include
        assert all((chunk.choices == []) == (chunk.usage is not None) for chunk in chunks)
        if include:
            assert chunks[-1] is told[0]
            assert all("usage" in chunk.model_fields_set for chunk in chunks)


def test_an_unknown_endpoint_is_a_404_that_names_those_there_are(simulate: Simulate, serve: Serve) -> None:
    served = serve(config([simulate()]))
    with pytest.raises(openai.NotFoundError, match="There are: it"):
        served.client().chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "Hi"}])
    assert served.records()[0].outcome == "refused"


def test_the_models_listed_are_the_endpoints(simulate: Simulate, serve: Serve) -> None:
    served = serve(config([simulate()]))
    assert [model.id for model in served.client().models.list()] == ["it"]
