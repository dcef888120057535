"""A chat request as a Converse request.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from weighbridge.wire.converse.turns import Turns
from weighbridge.wire.parameters import unsaid
from weighbridge.wire.translation import asked

_NATIVE: Final = {
    "guardrailConfig": "guardrailConfig",
    "performanceConfig": "performanceConfig",
    "additionalModelRequestFields": "additionalModelRequestFields",
    "requestMetadata": "requestMetadata",
}
"""Fields of Converse's own, which a chat request may carry beside OpenAI's."""

_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
_TIERS: Final = {"default": "default", "priority": "priority", "flex": "flex"}


def converse_from_chat(request: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The Converse request, and the names of what it cannot say, which is left out of it. The model and whether to
    stream stand in the URL. Raises Untranslatable for what is no chat request."""
    asked.bounded(request, "the request")
    turns = Turns()
    for place, message in enumerate(asked.objects(request.get("messages"), "messages")):
        turns.add(message, f"messages[{place}]")
    if not turns.messages and turns.system:  # a system prompt alone is an answerable chat at OpenAI
        turns.messages, turns.system = [{"role": "user", "content": turns.system}], []
    if not turns.messages:
        raise asked.fail("the request has no message that says anything")
    saying = _Saying()
    saying.say(request)
    body: dict[str, Any] = {"messages": turns.messages}
    if turns.system:
        body["system"] = turns.system
    if saying.config:
        body["inferenceConfig"] = saying.config
    if "toolConfig" in saying.top and "tools" not in saying.top["toolConfig"]:
        del saying.top["toolConfig"]  # nothing to choose from
    return body | saying.top, list(dict.fromkeys([*turns.cannot, *saying.cannot]))


class _Saying:
    """The parameters of one request, each in Converse's words."""

    def __init__(self) -> None:
        self.top: dict[str, Any] = {}
        self.config: dict[str, Any] = {}
        self.cannot: list[str] = []

    def say(self, request: dict[str, Any]) -> None:
        for name, value in request.items():
            if unsaid(name, value):
                continue
            if name in _NATIVE:
                self.top[_NATIVE[name]] = asked.object(value, name)
            elif name in _WAYS:
                _WAYS[name](self, value)
            else:
                self.cannot.append(name)

    def temperature(self, value: Any) -> None:
        self.config["temperature"] = asked.number(value, "temperature")

    def top_p(self, value: Any) -> None:
        self.config["topP"] = asked.number(value, "top_p")

    def max_tokens(self, value: Any) -> None:
        self.config["maxTokens"] = asked.whole(value, "max_tokens")

    def stop(self, value: Any) -> None:
        stops = [value] if isinstance(value, str) else asked.array(value, "stop")
        self.config["stopSequences"] = [asked.needed(stop, f"stop[{place}]") for place, stop in enumerate(stops)]

    def effort(self, value: Any) -> None:
        effort = asked.needed(value, "reasoning_effort")
        if effort in _EFFORTS:
            self.top.setdefault("outputConfig", {})["effort"] = _EFFORTS[effort]
        else:
            self.cannot.append("reasoning_effort")

    def tier(self, value: Any) -> None:
        tier = asked.needed(value, "service_tier")
        if tier in _TIERS:
            self.top["serviceTier"] = {"type": _TIERS[tier]}
        else:
            self.cannot.append("service_tier")

    def response_format(self, value: Any) -> None:
        form = asked.object(value, "response_format")
        kind = asked.needed(form.get("type"), "response_format.type")
        if kind == "json_schema":
            named = asked.object(form.get("json_schema"), "response_format.json_schema")
            schema = asked.object(named.get("schema"), "response_format.json_schema.schema")
            said = {"schema": msgspec.json.encode(schema).decode()}
            for name in ("name", "description"):
                if text := asked.text(named.get(name), f"response_format.json_schema.{name}"):
                    said[name] = text
            structure = {"type": "json_schema", "structure": {"jsonSchema": said}}
            self.top.setdefault("outputConfig", {})["textFormat"] = structure
        elif kind != "text":
            self.cannot.append("response_format")

    def tools(self, value: Any) -> None:
        said = []
        for place, tool in enumerate(asked.objects(value, "tools")):
            kind = asked.needed(tool.get("type", "function"), f"tools[{place}].type")
            if kind == "function":
                said.append({"toolSpec": _specification(tool.get("function"), f"tools[{place}].function")})
            else:
                self.cannot.append(f"tools.{kind}")
        if said:
            self.top.setdefault("toolConfig", {})["tools"] = said

    def tool_choice(self, value: Any) -> None:
        config = self.top.setdefault("toolConfig", {})
        if value == "auto":
            config["toolChoice"] = {"auto": {}}
        elif value == "required":
            config["toolChoice"] = {"any": {}}
        elif isinstance(value, str):
            self.cannot.append(f"tool_choice.{value}")
        else:
            choice = asked.object(value, "tool_choice")
            kind = asked.needed(choice.get("type", "function"), "tool_choice.type")
            if kind != "function":
                self.cannot.append(f"tool_choice.{kind}")
                return
            function = asked.object(choice.get("function"), "tool_choice.function")
            config["toolChoice"] = {"tool": {"name": asked.needed(function.get("name"), "tool_choice.function.name")}}


def _specification(value: Any, where: str) -> dict[str, Any]:
    function = asked.object(value, where)
    schema = asked.object(function.get("parameters"), f"{where}.parameters")
    said: dict[str, Any] = {
        "name": asked.needed(function.get("name"), f"{where}.name"),
        "inputSchema": {"json": schema or {"type": "object", "properties": {}}},
    }
    if description := asked.text(function.get("description"), f"{where}.description"):
        said["description"] = description
    if function.get("strict") is True:
        said["strict"] = True
    return said


_WAYS: Final[dict[str, Callable[[_Saying, Any], None]]] = {
    "temperature": _Saying.temperature,
    "top_p": _Saying.top_p,
    "max_tokens": _Saying.max_tokens,
    "max_completion_tokens": _Saying.max_tokens,
    "stop": _Saying.stop,
    "reasoning_effort": _Saying.effort,
    "service_tier": _Saying.tier,
    "response_format": _Saying.response_format,
    "tools": _Saying.tools,
    "tool_choice": _Saying.tool_choice,
}
