"""Embeddings: the shape of OpenAI's, and nothing drawn."""

import base64
import json
import math
import struct

import pytest
from tests.simulator.test_app import Post, served

from weighbridge.simulator.app import Simulator
from weighbridge.simulator.embeddings import vector
from weighbridge.simulator.settings import Fault, Settings


def test_equal_texts_get_equal_vectors_of_length_one() -> None:
    assert vector("a", 64) == vector("a", 64) != vector("b", 64)
    assert math.hypot(*vector("a", 300)) == pytest.approx(1)


def test_each_input_gets_a_vector_of_the_size_asked_for_as_numbers_or_packed() -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        said = json.loads((await post("/embeddings", input=["a", "b"], dimensions=8)).body)
        assert [one["index"] for one in said["data"]] == [0, 1]
        assert said["data"][0]["embedding"] == vector("a", 8)
        assert said["usage"]["prompt_tokens"] == said["usage"]["total_tokens"] > 0
        packed = json.loads((await post("/embeddings", input="a", dimensions=8, encoding_format="base64")).body)
        numbers = struct.unpack("<8f", base64.b64decode(packed["data"][0]["embedding"]))
        assert numbers == pytest.approx(vector("a", 8), rel=1e-6)
        tokens = json.loads((await post("/embeddings", input=[1, 2, 3])).body)
        assert len(tokens["data"]) == 1
        assert simulator.stats.completed == 3

    served(Settings(), use)


@pytest.mark.parametrize("given", [None, [], {"text": "a"}])
def test_an_input_that_is_none_is_refused(given: object) -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        assert (await post("/embeddings", input=given)).status == 400

    served(Settings(), use)


def test_faults_strike_embeddings_too() -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        assert (await post("/embeddings", input="a")).status == 503
        assert "error" in json.loads((await post("/embeddings", input="a")).body)
        assert "data" in json.loads((await post("/embeddings", input="a")).body)

    served(Settings(faults=(Fault(kind="503", first=1), Fault(kind="error_event", first=2))), use)


def test_a_model_without_prefill_refuses_a_conversation_that_ends_with_an_assistant() -> None:
    """As Claude Opus 4.6 and later do: 400, whose words say why."""

    async def use(simulator: Simulator, post: Post) -> None:
        begun = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well"}]
        refused = await post(messages=begun)
        assert refused.status == 400
        assert json.loads(refused.body)["error"]["type"] == "invalid_request_error"
        assert (await post(messages=begun[:1])).status == 200

    served(Settings(faults=(Fault(kind="no_prefill"),)), use)
