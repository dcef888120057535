"""Two real models on this machine behind the gateway: what it says of them is true."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest
from tests.e2e.gateway.conftest import Served
from tests.e2e.gateway.herd import herd

from weighbridge.quickstart.models import running

pytestmark = [pytest.mark.slow, pytest.mark.local_models, pytest.mark.timeout(600)]

NAMES = ("smollm2", "gemma3")
ASKED: list[Any] = [{"role": "user", "content": "Name three colours, briefly."}]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    found = {name: _free_port() for name in NAMES}
    with running(found):
        yield found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, ports: dict[str, int]) -> Iterator[Served]:
    """An endpoint for each model, and one whose first target does not answer."""
    said: dict[str, Any] = {
        "providers": {
            name: {"preset": "llama.cpp", "base_url": f"http://127.0.0.1:{port}/v1"} for name, port in ports.items()
        },
        "models": {name: {"provider": name, "model": name, "price": {"input": 0.02, "output": 0.08}} for name in NAMES},
        "endpoints": {name: {"candidates": [name]} for name in NAMES},
    }
    said["providers"]["dead"] = {"preset": "llama.cpp", "base_url": f"http://127.0.0.1:{_free_port()}/v1"}
    said["models"]["dead"] = {"provider": "dead", "model": "dead", "price": {"input": 1, "output": 1}}
    said["endpoints"]["both"] = {"candidates": ["dead", *NAMES]}
    with ExitStack() as stack:
        yield stack.enter_context(herd(tmp_path_factory.mktemp("local"), said))


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_is_the_models_own(served: Served, ports: dict[str, int], name: str) -> None:
    """At temperature 0, through the gateway or not, streamed or not: the same text, tokens and finish reason."""
    options: Any = {"messages": ASKED, "temperature": 0, "seed": 1, "max_tokens": 40}
    with (
        served.client() as client,
        openai.OpenAI(base_url=f"http://127.0.0.1:{ports[name]}/v1", api_key="none") as vendor,
    ):
        direct = vendor.chat.completions.create(model=name, **options)
        whole = client.chat.completions.create(model=name, **options)
        chunks = list(client.chat.completions.create(model=name, stream=True, **options))
    assert whole.choices[0].message.content == direct.choices[0].message.content
    assert whole.choices[0].finish_reason == direct.choices[0].finish_reason
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == direct.choices[0].message.content
    records = [record for record in served.records(2) if record.endpoint == name]
    assert direct.usage is not None
    assert {record.usage.output for record in records} == {direct.usage.completion_tokens}
    costs = [(0.02 * (record.usage.input or 0) + 0.08 * (record.usage.output or 0)) / 1e6 for record in records]
    assert [record.cost for record in records] == pytest.approx(costs)


def test_a_model_that_is_down_is_stood_in_for(served: Served) -> None:
    with served.client() as client:
        raw = client.chat.completions.with_raw_response.create(model="both", messages=ASKED, max_tokens=10)
    assert raw.headers["x-weighbridge-target"] == NAMES[0]
    assert raw.parse().choices[0].message.content


def test_a_client_that_leaves_frees_the_model(served: Served) -> None:
    """A model on a CPU has one seat: whoever comes next does not wait for an answer that nobody reads."""
    with served.client(timeout=100) as client:
        stream = client.chat.completions.create(model=NAMES[0], messages=ASKED, max_tokens=2000, stream=True)
        next(stream)
        stream.close()
        assert client.chat.completions.create(model=NAMES[0], messages=ASKED, max_tokens=5).choices
    assert any(record.outcome == "cancelled" for record in served.records())
