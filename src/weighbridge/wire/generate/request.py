"""A chat request as a generateContent request.

Source: https://ai.google.dev/api/generate-content and https://ai.google.dev/gemini-api/docs/openai
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from weighbridge.wire.generate.contents import Conversation
from weighbridge.wire.generate.schema import cleaned
from weighbridge.wire.parameters import unsaid
from weighbridge.wire.translation import asked

_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576, "max": 24_576}
_LEVELS = (
    {"none": "minimal"} | {one: one for one in ("minimal", "low", "medium", "high")} | {"xhigh": "high", "max": "high"}
)
_BY_BUDGET = re.compile(r"gemini-(?:1|2)(?:\D|$)|gemini-(?:flash|pro)-")

_SEED_LIMIT = 2**31


def generate_from_chat(request: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The generateContent request, and the names of what it cannot say, which is left out of it.

    `request["model"]` is Gemini's name of the model: generations differ in how they are told to think. The model and
    whether to stream stand in the URL, not here. Raises Untranslatable for what is no chat request.
    """
    asked.bounded(request, "the request")
    model = asked.text(request.get("model"), "model")
    conversation = Conversation(signed=_by_level(model))
    for place, message in enumerate(asked.objects(request.get("messages"), "messages")):
        conversation.add(message, f"messages[{place}]")
    if not conversation.contents:
        # A system prompt alone is an answerable chat at OpenAI; Gemini wants a turn to answer.
        conversation.contents.append({"role": "user", "parts": conversation.system or [{"text": ""}]})
        conversation.system = []
    saying = _Saying(request, model)
    saying.say()
    body: dict[str, Any] = {"contents": conversation.contents}
    if conversation.system:
        body["systemInstruction"] = {"parts": conversation.system}
    details = conversation.details - {"auto"}
    if len(conversation.details) == 1 and details & {"low", "high"}:
        saying.config["mediaResolution"] = f"MEDIA_RESOLUTION_{details.pop().upper()}"
    if "tools" not in saying.top:
        saying.top.pop("toolConfig", None)  # nothing to choose from
    body |= saying.top
    if saying.config:
        body["generationConfig"] = saying.config
    return body, list(dict.fromkeys([*conversation.cannot, *saying.cannot]))


def _by_level(model: str) -> bool:
    """True for Gemini 3 and later: they are told a level of thinking, and want their function calls signed."""
    return model.rpartition("/")[2].startswith("gemini-") and not _BY_BUDGET.match(model.rpartition("/")[2])


class _Saying:
    """The parameters of one request, each in Gemini's words."""

    def __init__(self, request: dict[str, Any], model: str) -> None:
        self.request = request
        self.model = model
        self.top: dict[str, Any] = {}
        self.config: dict[str, Any] = {}
        self.cannot: list[str] = []

    def say(self) -> None:
        for name, value in self.request.items():
            if unsaid(name, value) or (name == "service_tier" and value == "default"):  # it has one tier
                continue
            if name in _NUMBERS:
                self.config[_NUMBERS[name]] = asked.number(value, name)
            elif name in _WHOLES:
                self.config[_WHOLES[name]] = asked.whole(value, name)
            elif name in _WAYS:
                _WAYS[name](self, value)
            else:
                self.cannot.append(name)

    # --- each parameter that takes more than another name

    def seed(self, value: Any) -> None:
        seed = asked.whole(value, "seed") or 0
        if -_SEED_LIMIT <= seed < _SEED_LIMIT:  # OpenAI's seeds have 64 bits, Gemini's 32
            self.config["seed"] = seed
        else:
            self.cannot.append("seed")

    def modalities(self, value: Any) -> None:
        asked_for = [
            asked.needed(one, f"modalities[{place}]") for place, one in enumerate(asked.array(value, "modalities"))
        ]
        if set(asked_for) <= {"text", "image"}:
            self.config["responseModalities"] = [one.upper() for one in asked_for]
        else:
            self.cannot.append("modalities")

    def stop(self, value: Any) -> None:
        stops = [value] if isinstance(value, str) else asked.array(value, "stop")
        self.config["stopSequences"] = [asked.needed(stop, f"stop[{place}]") for place, stop in enumerate(stops)]

    def logprobs(self, value: Any) -> None:
        if value is not True:
            raise asked.fail("logprobs must be true or false")
        self.config["responseLogprobs"] = True

    def response_format(self, value: Any) -> None:
        form = asked.object(value, "response_format")
        kind = form.get("type")
        if kind == "text":
            return
        if kind == "json_schema":
            named = asked.object(form.get("json_schema"), "response_format.json_schema")
            schema = asked.object(named.get("schema"), "response_format.json_schema.schema")
            self.config["responseMimeType"] = "application/json"
            if schema:
                self.config["responseJsonSchema"] = cleaned(schema)
        elif kind == "json_object":
            self.config["responseMimeType"] = "application/json"
        elif isinstance(kind, str):
            self.cannot.append("response_format")
        else:
            raise asked.fail("response_format.type must be text, json_object or json_schema")

    def effort(self, value: Any) -> None:
        effort = asked.needed(value, "reasoning_effort")
        if effort not in _LEVELS:
            raise asked.fail(f"reasoning_effort is {effort!r}; known are {', '.join(_LEVELS)}")
        thinking = self.config.setdefault("thinkingConfig", {})
        if _by_level(self.model):
            thinking.setdefault("thinkingLevel", _LEVELS[effort])
        else:
            thinking.setdefault("thinkingBudget", _BUDGETS[effort])
        if effort not in {"none", "minimal"}:
            thinking.setdefault("includeThoughts", True)  # whoever sets an effort reads `reasoning_content`

    def tools(self, value: Any) -> None:
        declared = []
        for place, tool in enumerate(asked.objects(value, "tools")):
            kind = asked.needed(tool.get("type", "function"), f"tools[{place}].type")
            if kind == "function":
                declared.append(_declaration(tool.get("function"), f"tools[{place}].function"))
            else:
                self.cannot.append(f"tools.{kind}")
        self._declare(declared)

    def functions(self, value: Any) -> None:
        functions = asked.objects(value, "functions")
        self._declare([_declaration(one, f"functions[{place}]") for place, one in enumerate(functions)])

    def _declare(self, declared: list[dict[str, Any]]) -> None:
        if declared:
            self.top.setdefault("tools", []).append({"functionDeclarations": declared})

    def tool_choice(self, value: Any) -> None:
        if value in ("auto", "none", "required", "any"):
            self._calling({"required": "ANY", "any": "ANY"}.get(value, value.upper()))
            return
        choice = asked.object(value, "tool_choice")
        kind = asked.needed(choice.get("type", "function"), "tool_choice.type")
        if kind == "function":
            function = asked.object(choice.get("function"), "tool_choice.function")
            self._calling("ANY", asked.needed(function.get("name"), "tool_choice.function.name"))
        elif kind == "allowed_tools":
            self._allowed(asked.object(choice.get("allowed_tools"), "tool_choice.allowed_tools"))
        else:
            self.cannot.append(f"tool_choice.{kind}")

    def _allowed(self, allowed: dict[str, Any]) -> None:
        where = "tool_choice.allowed_tools.tools"
        names = [
            asked.needed(asked.object(tool.get("function"), where).get("name"), f"{where}[{place}].function.name")
            for place, tool in enumerate(asked.objects(allowed.get("tools"), where))
        ]
        # VALIDATED: text, or a call of one of these.
        self._calling("ANY" if allowed.get("mode") == "required" else "VALIDATED", *names)

    def _calling(self, mode: str, *names: str) -> None:
        config: dict[str, Any] = {"mode": mode}
        if names:
            config["allowedFunctionNames"] = list(names)
        self.top["toolConfig"] = {"functionCallingConfig": config}

    def function_call(self, value: Any) -> None:
        self.tool_choice(value if isinstance(value, str) else {"type": "function", "function": value})

    def google(self, value: Any) -> None:
        """`extra_body: {google: …}`, as Google's own OpenAI endpoint takes it."""
        for name, given in asked.object(asked.object(value, "extra_body").get("google"), "extra_body.google").items():
            if name == "thinking_config":
                thinking = asked.object(given, "extra_body.google.thinking_config")
                config = self.config.setdefault("thinkingConfig", {})
                config.update({_camel(key): one for key, one in thinking.items()})
            elif name in {"cached_content", "safety_settings"}:
                self.top[_camel(name)] = given
            else:
                self.cannot.append(f"extra_body.google.{name}")


def _declaration(value: Any, where: str) -> dict[str, Any]:
    function = asked.object(value, where)
    said: dict[str, Any] = {"name": asked.needed(function.get("name"), f"{where}.name")}
    if description := asked.text(function.get("description"), f"{where}.description"):
        said["description"] = description
    schema = asked.object(function.get("parameters"), f"{where}.parameters")
    if schema:
        said["parametersJsonSchema"] = cleaned(schema)
    return said


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


_NUMBERS = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_WHOLES = {
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
    "n": "candidateCount",
    "top_logprobs": "logprobs",
}
_WAYS: dict[str, Callable[[_Saying, Any], None]] = {
    "stop": _Saying.stop,
    "seed": _Saying.seed,
    "modalities": _Saying.modalities,
    "logprobs": _Saying.logprobs,
    "response_format": _Saying.response_format,
    "reasoning_effort": _Saying.effort,
    "tools": _Saying.tools,
    "functions": _Saying.functions,
    "tool_choice": _Saying.tool_choice,
    "function_call": _Saying.function_call,
    "extra_body": _Saying.google,
}
