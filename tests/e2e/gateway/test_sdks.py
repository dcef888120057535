"""The official SDKs and curl before the gateway: what they do against the vendor they do here."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import anthropic
import openai
import pytest
from pydantic import BaseModel
from tests.e2e.gateway.conftest import Served
from tests.e2e.gateway.herd import herd
from tests.e2e.gateway.upstream import one, scripted
from tests.sdk.provider import WORDS, provider

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
SAY: list[Any] = [{"role": "user", "content": "Say something"}]
PICTURE: list[Any] = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        ],
    }
]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


class City(BaseModel):
    """What a structured answer holds."""

    name: str
    people: int


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One gateway before a provider that does as it is asked."""
    with ExitStack() as stack:
        upstream = stack.enter_context(scripted(provider))
        yield stack.enter_context(herd(tmp_path_factory.mktemp("sdks"), one(upstream.url)))


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with served.client() as found:
        yield found


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


# --- OpenAI's, in Python


def test_a_chat(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="it", messages=SAY)
    assert reply.choices[0].message.content == WORDS
    assert reply.usage is not None
    assert reply.usage.completion_tokens > 0


def test_a_tool(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="it", messages=user("The weather in 'Oslo'?"), tools=[WEATHER])
    assert reply.choices[0].finish_reason == "tool_calls"
    calls = reply.choices[0].message.tool_calls
    assert calls is not None
    call: Any = calls[0]
    assert json.loads(call.function.arguments) == {"city": "Oslo"}
    back = {"role": "tool", "tool_call_id": call.id, "content": "fine"}
    messages: Any = [*user("The weather?"), reply.choices[0].message, back]
    assert client.chat.completions.create(model="it", messages=messages, tools=[WEATHER]).choices[0].message.content


def test_parallel_tools_in_a_stream(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="it", messages=user("weather, in parallel"), tools=[WEATHER]) as stream:
        final = stream.get_final_completion()
    calls: Any = final.choices[0].message.tool_calls
    assert final.choices[0].finish_reason == "tool_calls"
    assert len({call.id for call in calls}) == 2
    assert [json.loads(call.function.arguments) for call in calls] == [{"city": "some text"}] * 2


def test_a_picture(client: openai.OpenAI) -> None:
    assert client.chat.completions.create(model="it", messages=PICTURE).choices[0].message.content == WORDS


def test_a_structured_answer(client: openai.OpenAI) -> None:
    reply = client.chat.completions.parse(model="it", messages=user("5 people in 'Oslo'"), response_format=City)
    assert reply.choices[0].message.parsed == City(name="Oslo", people=5)


def test_a_structured_answer_in_a_stream(client: openai.OpenAI) -> None:
    asked = user("5 people in 'Oslo'")
    with client.chat.completions.stream(model="it", messages=asked, response_format=City) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.parsed == City(name="Oslo", people=5)


def test_log_probabilities(client: openai.OpenAI) -> None:
    """litellm#17165: they were refused although the backend has them."""
    reply = client.chat.completions.create(model="it", messages=SAY, logprobs=True, top_logprobs=1)
    told = reply.choices[0].logprobs
    assert told is not None
    assert told.content is not None
    assert told.content[0].top_logprobs[0].token == "The"
    chunks = client.chat.completions.create(model="it", messages=SAY, logprobs=True, stream=True)
    assert any(chunk.choices[0].logprobs for chunk in chunks)


def test_two_answers(client: openai.OpenAI) -> None:
    assert len(client.chat.completions.create(model="it", messages=SAY, n=2).choices) == 2
    texts = ["", ""]
    for chunk in client.chat.completions.create(model="it", messages=SAY, n=2, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == [WORDS, WORDS]


def test_a_completion_of_old(client: openai.OpenAI) -> None:
    assert client.completions.create(model="it", prompt="Say").choices[0].text == WORDS
    pieces = client.completions.create(model="it", prompt="Say", stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == WORDS


def test_embeddings(client: openai.OpenAI) -> None:
    reply = client.embeddings.create(model="it", input=["a", "b"], encoding_format="float")
    assert [len(one.embedding) for one in reply.data] == [8, 8]


def test_responses(client: openai.OpenAI) -> None:
    assert client.responses.create(model="it", input="Say something").output_text == WORDS
    with client.responses.stream(model="it", input="Say something") as stream:
        assert stream.get_final_response().output_text == WORDS


def test_a_raw_response_has_its_ids(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="it", messages=SAY)
    assert raw.headers["x-weighbridge-target"] == "a"
    assert raw.parse()._request_id == raw.headers["x-request-id"]


def test_the_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["it"]


def test_one_model(client: openai.OpenAI) -> None:
    assert client.models.retrieve("it").id == "it"


async def _asynchronous(served: Served) -> None:
    async with openai.AsyncOpenAI(base_url=served.url, api_key="none", max_retries=0) as client:
        reply = await client.chat.completions.create(model="it", messages=SAY)
        assert reply.choices[0].message.content == WORDS
        text = ""
        async for chunk in await client.chat.completions.create(model="it", messages=SAY, stream=True):
            text += chunk.choices[0].delta.content or ""
        assert text == WORDS
        async with client.chat.completions.stream(model="it", messages=user("weather"), tools=[WEATHER]) as stream:
            final = await stream.get_final_completion()
        assert final.choices[0].message.tool_calls
        parsed = await client.chat.completions.parse(model="it", messages=user("'Oslo'"), response_format=City)
        assert parsed.choices[0].message.parsed is not None
        assert [model.id async for model in client.models.list()] == ["it"]
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="nobody", messages=SAY)


def test_the_asynchronous_client(served: Served) -> None:
    asyncio.run(_asynchronous(served))


# --- Anthropic's

TOOL: Any = {"name": "weather", "input_schema": WEATHER["function"]["parameters"]}


@pytest.fixture
def claude(served: Served) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=served.origin, api_key="none", max_retries=0) as found:
        yield found


def test_a_message(claude: anthropic.Anthropic) -> None:
    reply = claude.messages.create(model="it", max_tokens=100, system="Be brief", messages=SAY)
    assert reply.content[0].type == "text"
    assert (reply.content[0].text, reply.stop_reason) == (WORDS, "end_turn")
    assert reply.usage.output_tokens > 0


def test_a_message_in_a_stream(claude: anthropic.Anthropic) -> None:
    """envoyproxy/ai-gateway#2352: `input_tokens` was 0 in the stream."""
    with claude.messages.stream(model="it", max_tokens=100, messages=SAY) as stream:
        assert "".join(stream.text_stream) == WORDS
        final = stream.get_final_message()
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens > 0
    assert final.usage.input_tokens > 0


@pytest.mark.parametrize("streamed", [False, True])
def test_a_message_with_tools(claude: anthropic.Anthropic, streamed: bool) -> None:
    asked = {"model": "it", "max_tokens": 100, "messages": user("The weather in 'Oslo', in parallel"), "tools": [TOOL]}
    options: Any = asked
    if streamed:
        with claude.messages.stream(**options) as stream:
            reply: Any = stream.get_final_message()
    else:
        reply = claude.messages.create(**options)
    calls = [block for block in reply.content if block.type == "tool_use"]
    assert reply.stop_reason == "tool_use"
    assert [call.input for call in calls] == [{"city": "Oslo"}] * 2
    assert len({call.id for call in calls}) == 2


def test_a_message_to_nobody_is_anthropics_error(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        claude.messages.create(model="nobody", max_tokens=5, messages=SAY)
    body: Any = caught.value.body
    assert body["type"] == "error"
    assert body["error"]["type"] == "not_found_error"


# --- curl


def curl(served: Served, path: str, *words: str) -> str:
    command = ["curl", "--silent", "--show-error", "--max-time", "20", *words, f"{served.origin}{path}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_curl(served: Served) -> None:
    said = json.dumps({"model": "it", "messages": SAY})
    reply = json.loads(curl(served, "/v1/chat/completions", "--json", said))
    assert reply["choices"][0]["message"]["content"] == WORDS
    streamed = json.dumps({"model": "it", "messages": SAY, "stream": True})
    lines = curl(served, "/v1/chat/completions", "--no-buffer", "--json", streamed).splitlines()
    assert lines[-2] == "data: [DONE]"
    assert all(not line or line.startswith("data: ") for line in lines)


def test_curl_with_a_long_body_waits_for_100_and_gets_it(served: Served) -> None:
    said = json.dumps({"model": "it", "messages": user("x" * 2_000_000)})
    head = ("--header", "Expect: 100-continue", "--header", "Content-Type: application/json")
    reply = subprocess.run(
        ["curl", "--silent", "--max-time", "20", *head, "--data", "@-", f"{served.url}/chat/completions"],
        input=said, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert json.loads(reply)["choices"]


def test_curl_over_a_connection_it_keeps(served: Served) -> None:
    said = json.dumps({"model": "it", "messages": SAY})
    url = f"{served.url}/chat/completions"
    outputs = ["--output", "/dev/null"] * 2
    command = ["curl", "--silent", "--write-out", "%{num_connects} ", *outputs, "--json", said, url, url]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1 0 "


@pytest.mark.parametrize("how", [("--head", 405), ("--http1.0", 404)])
def test_curl_in_odd_ways(served: Served, how: tuple[str, int]) -> None:
    option, status = how
    path = "/v1/chat/completions" if option == "--head" else "/nowhere"
    found = curl(served, path, option, "--output", "/dev/null", "--write-out", "%{http_code}")
    assert int(found) == status
