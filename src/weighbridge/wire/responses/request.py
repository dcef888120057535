"""A request for /v1/responses as a chat request.

Source: https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weighbridge.wire.responses.items import Messages
from weighbridge.wire.translation import asked

_LOGPROBS = "message.output_text.logprobs"

_SAME = {
    **{
        name: name
        for name in (
            *("model", "temperature", "top_p", "parallel_tool_calls", "user", "metadata", "service_tier"),
            *("prompt_cache_key", "prompt_cache_retention", "safety_identifier", "presence_penalty"),
            "frequency_penalty",
        )
    },
    "max_output_tokens": "max_completion_tokens",
}
"""Parameters that mean in a chat what they mean here."""

_ASKS_NOTHING: dict[str, tuple[Any, ...]] = {
    "store": (False,),
    "background": (False,),
    "truncation": ("disabled",),
    "top_logprobs": (0,),
}
_ELSEWHERE = frozenset({"input", "instructions", "stream", "stream_options", "max_tool_calls"})
"""Said elsewhere; `max_tool_calls` bounds OpenAI's own tools, none of which a chat has."""


def chat_from_responses(request: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The chat request, and the names of what it cannot say (state kept at OpenAI, OpenAI's own tools, …), which is
    left out of it. Raises Untranslatable for what is no request for a response."""
    asked.bounded(request, "the request")
    saying = _Saying(request)
    saying.say()
    chat = saying.chat
    if request.get("stream"):
        chat["stream"] = True
        chat["stream_options"] = {"include_usage": True}
    return chat, list(dict.fromkeys(saying.cannot))


class _Saying:
    """One request, parameter by parameter."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.cannot: list[str] = []
        self.chat: dict[str, Any] = {}

    def say(self) -> None:
        self.chat["messages"] = self._messages()
        for name, value in self.request.items():
            if value is None or name in _ELSEWHERE or value in _ASKS_NOTHING.get(name, ()):
                continue
            if name in _SAME:
                self.chat[_SAME[name]] = value
            elif name in _WAYS:
                _WAYS[name](self, value)
            else:
                self.cannot.append(name)

    def _messages(self) -> list[dict[str, Any]]:
        messages = Messages()
        if instructions := asked.text(self.request.get("instructions"), "instructions"):
            messages.said.append({"role": "system", "content": instructions})
        given = self.request.get("input")
        if isinstance(given, str):
            messages.said.append({"role": "user", "content": given})
        else:
            for place, item in enumerate(asked.objects(given, "input")):
                messages.add(item, f"input[{place}]")
        if not messages.said:
            raise asked.fail("the request has no input")
        self.cannot += messages.cannot
        return messages.said

    # --- each parameter that takes more than another name

    def include(self, value: Any) -> None:
        """What else could be included belongs to tools a chat has not, or is in no chat's reply."""
        if _LOGPROBS in asked.array(value, "include"):
            self.chat["logprobs"] = True

    def top_logprobs(self, value: Any) -> None:
        self.chat["logprobs"] = True
        self.chat["top_logprobs"] = asked.whole(value, "top_logprobs")

    def reasoning(self, value: Any) -> None:
        """A summary is not asked for: what a chat model tells of its thoughts, it tells anyway."""
        effort = asked.text(asked.object(value, "reasoning").get("effort"), "reasoning.effort")
        if effort:
            self.chat["reasoning_effort"] = effort

    def text(self, value: Any) -> None:
        text = asked.object(value, "text")
        if verbosity := asked.text(text.get("verbosity"), "text.verbosity"):
            self.chat["verbosity"] = verbosity
        form = asked.object(text.get("format"), "text.format")
        kind = asked.text(form.get("type"), "text.format.type")
        if kind == "json_schema":
            schema = {name: form[name] for name in ("name", "description", "schema", "strict") if name in form}
            self.chat["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif kind == "json_object":
            self.chat["response_format"] = {"type": "json_object"}
        elif kind not in {"", "text"}:
            self.cannot.append("text.format")

    def tools(self, value: Any) -> None:
        said = []
        for place, tool in enumerate(asked.objects(value, "tools")):
            where = f"tools[{place}]"
            kind = asked.needed(tool.get("type"), f"{where}.type")
            if kind == "function":
                said.append(_function(tool, where))
            elif kind == "custom":
                said.append(_custom(tool, where))
            else:
                self.cannot.append(f"tools.{kind}")
        if said:
            self.chat["tools"] = said

    def tool_choice(self, value: Any) -> None:
        if isinstance(value, str):
            self.chat["tool_choice"] = value
            return
        choice = asked.object(value, "tool_choice")
        kind = asked.needed(choice.get("type"), "tool_choice.type")
        if kind in {"function", "custom"}:
            self.chat["tool_choice"] = _named(choice, kind, "tool_choice")
        elif kind == "allowed_tools":
            tools = asked.objects(choice.get("tools"), "tool_choice.tools")
            known = [tool for tool in tools if tool.get("type") == "function"]
            allowed = [_named(tool, "function", f"tool_choice.tools[{place}]") for place, tool in enumerate(known)]
            mode = asked.text(choice.get("mode"), "tool_choice.mode") or "auto"
            self.chat["tool_choice"] = {"type": kind, kind: {"mode": mode, "tools": allowed}}
            if len(known) < len(tools):
                self.cannot.append("tool_choice.tools")
        else:
            self.cannot.append(f"tool_choice.{kind}")


def _function(tool: dict[str, Any], where: str) -> dict[str, Any]:
    function: dict[str, Any] = {"name": asked.needed(tool.get("name"), f"{where}.name")}
    for name in ("description", "parameters", "strict"):
        if tool.get(name) is not None:
            function[name] = tool[name]
    return {"type": "function", "function": function}


def _custom(tool: dict[str, Any], where: str) -> dict[str, Any]:
    custom: dict[str, Any] = {"name": asked.needed(tool.get("name"), f"{where}.name")}
    if description := asked.text(tool.get("description"), f"{where}.description"):
        custom["description"] = description
    form = asked.object(tool.get("format"), f"{where}.format")
    if form.get("type") == "grammar":
        custom["format"] = {"type": "grammar", "grammar": {name: form.get(name) for name in ("syntax", "definition")}}
    elif form:
        custom["format"] = form
    return {"type": "custom", "custom": custom}


def _named(choice: dict[str, Any], kind: str, where: str) -> dict[str, Any]:
    return {"type": kind, kind: {"name": asked.needed(choice.get("name"), f"{where}.name")}}


_WAYS: dict[str, Callable[[_Saying, Any], None]] = {
    "include": _Saying.include,
    "top_logprobs": _Saying.top_logprobs,
    "reasoning": _Saying.reasoning,
    "text": _Saying.text,
    "tools": _Saying.tools,
    "tool_choice": _Saying.tool_choice,
}
