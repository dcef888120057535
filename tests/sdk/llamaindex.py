"""LlamaIndex before the gateway: chat, completion, streams, tools, structured answers, sync and async.

Run by .ci/sdk-suites, in an environment of its own.
"""

import os

import openai
import pytest
from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock  # type: ignore[import-not-found]
from llama_index.core.tools import FunctionTool  # type: ignore[import-not-found]
from llama_index.llms.openai_like import OpenAILike  # type: ignore[import-not-found]
from pydantic import BaseModel

WORDS = "The scale reads what the road has brought."
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


class City(BaseModel):
    """What a structured answer holds."""

    name: str
    people: int


def llm(**more: object) -> OpenAILike:
    common = {"api_base": os.environ["WEIGHBRIDGE_URL"], "api_key": "none", "max_retries": 0}
    return OpenAILike(model="it", is_chat_model=True, is_function_calling_model=True, **common, **more)


def asked(text: str = "Say something") -> list[ChatMessage]:
    return [ChatMessage(role="user", content=text)]


def weather(city: str) -> str:
    """The weather in a city."""
    return f"fine in {city}"


def test_chat() -> None:
    reply = llm().chat(asked())
    assert reply.message.content == WORDS
    assert reply.raw.usage.completion_tokens > 0


def test_complete() -> None:
    assert llm().complete("Say something").text == WORDS
    plain = OpenAILike(
        model="it", is_chat_model=False, api_base=os.environ["WEIGHBRIDGE_URL"], api_key="none", max_retries=0
    )
    assert plain.complete("Say something").text == WORDS
    assert [piece.text for piece in plain.stream_complete("Say something")][-1] == WORDS


def test_streams() -> None:
    pieces = list(llm().stream_chat(asked()))
    assert pieces[-1].message.content == WORDS
    assert len(pieces) >= 8


async def test_async() -> None:
    assert (await llm().achat(asked())).message.content == WORDS
    pieces = [piece async for piece in await llm().astream_chat(asked())]
    assert pieces[-1].message.content == WORDS


def test_tools() -> None:
    tool = FunctionTool.from_defaults(weather)
    reply = llm().chat_with_tools([tool], user_msg="What is the weather in 'Oslo'?")
    (call,) = llm().get_tool_calls_from_response(reply)
    assert (call.tool_name, call.tool_kwargs) == ("weather", {"city": "Oslo"})


def test_parallel_tools() -> None:
    tool = FunctionTool.from_defaults(weather)
    reply = llm().chat_with_tools([tool], user_msg="The weather, in parallel", allow_parallel_tool_calls=True)
    calls = llm().get_tool_calls_from_response(reply)
    assert len(calls) == 2
    assert len({call.tool_id for call in calls}) == 2


def test_tools_in_a_stream() -> None:
    tool = FunctionTool.from_defaults(weather)
    *_, last = llm().stream_chat_with_tools([tool], user_msg="What is the weather in 'Oslo'?")
    (call,) = llm().get_tool_calls_from_response(last)
    assert call.tool_kwargs == {"city": "Oslo"}


def test_tool_and_predict() -> None:
    tool = FunctionTool.from_defaults(weather)
    reply = llm().predict_and_call([tool], user_msg="What is the weather in 'Oslo'?")
    assert "fine in Oslo" in str(reply)


@pytest.mark.parametrize("native", [True, False])
def test_structured_answers(native: bool) -> None:
    structured = llm(should_use_structured_outputs=native).as_structured_llm(City)
    city = structured.chat(asked("Which city has 5 people? 'Oslo'")).raw
    assert (city.name, city.people) == ("Oslo", 5)


def test_pictures() -> None:
    blocks = [TextBlock(text="What is this?"), ImageBlock(image=PIXEL.encode(), image_mimetype="image/png")]
    assert llm().chat([ChatMessage(role="user", blocks=blocks)]).message.content == WORDS


def test_errors_are_the_sdks() -> None:
    with pytest.raises(openai.NotFoundError, match="There are: it"):
        OpenAILike(
            model="nobody", is_chat_model=True, api_base=os.environ["WEIGHBRIDGE_URL"], api_key="none", max_retries=0
        ).chat(asked())
