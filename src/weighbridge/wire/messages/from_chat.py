"""A chat request as a Messages request, and the names of what it asks for that this API cannot do.

What only Anthropic knows (`thinking`, `top_k`, its server tools, `cache_control`, …) may stand in a chat request under
Anthropic's own name, and goes through as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from weighbridge.wire.messages.models import Abilities, abilities
from weighbridge.wire.messages.turns import Turns
from weighbridge.wire.translation import asked

NATIVE: Final = frozenset(
    {
        *("thinking", "container", "mcp_servers", "context_management", "cache_control", "inference_geo", "speed"),
        "output_config",
    }
)
"""Top-level fields of Anthropic's own that a chat request may carry."""

_SEEN: Final = frozenset(
    {"model", "messages", "max_tokens", "max_completion_tokens", "tool_choice", "metadata", "user"}
)
"""Read outside the table below."""

_HINTS: Final = frozenset(
    {
        *("stream_options", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "store"),
        *("parallel_tool_calls", "anthropic_only"),
    }
)
"""Left out without a word: none changes the answer (usage always comes; `parallel_tool_calls` is read with the tools;
nothing is stored here, whatever is asked; `anthropic_only` is for everyone else, see `plain`)."""


class _Request:
    """One request on its way. Every method named in `_FIELDS` says one field of it."""

    def __init__(self, chat: dict[str, Any]) -> None:
        self.chat = chat
        self.model = asked.text(chat.get("model"), "model")
        self.can: Abilities = abilities(self.model)
        self.said: dict[str, Any] = {}
        self.cannot: dict[str, None] = {}

    def translate(self) -> dict[str, Any]:
        chat, said = self.chat, self.said
        if "model" in chat:
            said["model"] = self.model
        said["max_tokens"] = self._limit()
        self._converse()
        for name, value in chat.items():
            if value is None or name in _SEEN or name in _HINTS:
                continue
            say = _FIELDS.get(name)
            if say is not None:
                say(self, value)
            elif name in NATIVE:
                said[name] = self._native(name, value)
            else:
                self.cannot[name] = None
        self._choose()
        self._identify()
        return said

    def _limit(self) -> int:
        """Needed here, and left open by most chat requests, where it means "as much as it takes": so the most the
        model may be asked for; 4,096, which every model takes, for one we do not know."""
        for name in ("max_completion_tokens", "max_tokens"):
            limit = asked.whole(self.chat.get(name), name)
            if limit is not None:
                return limit
        return self.can.output

    def _converse(self) -> None:
        turns = Turns(system_turns=self.can.system_turns)
        for place, message in enumerate(asked.objects(self.chat.get("messages"), "messages")):
            turns.add(message, f"messages[{place}]")
        if turns.system is not None:
            self.said["system"] = turns.system
        self.said["messages"] = turns.messages
        self.cannot.update(turns.cannot)

    # --- parameters

    def stream(self, value: Any) -> None:
        if value is True:
            self.said["stream"] = True

    def stop(self, value: Any) -> None:
        """An end that is only white space is refused here."""
        ends = [value] if isinstance(value, str) else asked.array(value, "stop")
        texts = [asked.text(end, f"stop[{place}]") for place, end in enumerate(ends)]
        if kept := [text for text in texts if text.strip()]:
            self.said["stop_sequences"] = kept
        if len(kept) < len(texts):
            self.cannot["stop"] = None

    def temperature(self, value: Any) -> None:
        """Up to 1 here, up to 2 in chat. Models without sampling parameters do what 1 says."""
        wanted = asked.number(value, "temperature") or 0
        if not self.can.sampling:
            if wanted != 1:
                self.cannot["temperature"] = None
        elif 0 <= wanted <= 1:
            self.said["temperature"] = wanted
        else:
            self.cannot["temperature"] = None

    def top_p(self, value: Any) -> None:
        wanted = asked.number(value, "top_p")
        if self.can.sampling:
            self.said["top_p"] = wanted
        elif wanted != 1:
            self.cannot["top_p"] = None

    def top_k(self, value: Any) -> None:
        wanted = asked.whole(value, "top_k")
        if self.can.sampling:
            self.said["top_k"] = wanted
        else:
            self.cannot["top_k"] = None

    def n(self, value: Any) -> None:
        if asked.whole(value, "n") != 1:
            self.cannot["n"] = None

    def modalities(self, value: Any) -> None:
        if asked.array(value, "modalities") not in ([], ["text"]):
            self.cannot["modalities"] = None

    def service_tier(self, value: Any) -> None:
        tier = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}.get(
            asked.text(value, "service_tier")
        )
        if tier is None:
            self.cannot["service_tier"] = None
        else:
            self.said["service_tier"] = tier

    def _identify(self) -> None:
        metadata = asked.object(self.chat.get("metadata"), "metadata")
        named = self.chat.get("user"), metadata.get("user_id"), self.chat.get("safety_identifier")
        user = next((value for value in named if value is not None), None)
        if user is not None:
            self.said["metadata"] = {"user_id": asked.text(user, "user")}
        if set(metadata) - {"user_id"}:
            self.cannot["metadata"] = None

    # --- the form of the answer, and how much thought it gets

    def response_format(self, value: Any) -> None:
        wanted = asked.object(value, "response_format")
        kind = asked.needed(wanted.get("type"), "response_format.type")
        if kind == "text":
            return
        if kind != "json_schema" or not self.can.formats:
            self.cannot["response_format"] = None
            return
        named = asked.object(wanted.get("json_schema"), "response_format.json_schema")
        schema = asked.object(named.get("schema"), "response_format.json_schema.schema")
        described = asked.text(named.get("description"), "response_format.json_schema.description")
        if described and "description" not in schema:
            schema = {"description": described, **schema}
        schema = asked.bounded(schema, "response_format.json_schema.schema")
        self._configure("format", {"type": "json_schema", "schema": schema})

    def reasoning_effort(self, value: Any) -> None:
        """Anthropic's own words for it, where the request has them, win."""
        effort = asked.text(value, "reasoning_effort")
        own = asked.object(self.chat.get("output_config"), "output_config").get("effort")
        if own is not None or self.chat.get("thinking") is not None:
            return
        if effort == "none":
            self.said["thinking"] = {"type": "disabled"}
        elif self.can.effort and effort in _EFFORTS:
            self.said["thinking"] = {"type": "adaptive"}
            self._configure("effort", _EFFORTS[effort])
        else:
            self.cannot["reasoning_effort"] = None

    def _configure(self, name: str, value: Any) -> None:
        self.said["output_config"] = {**self.said.get("output_config", {}), name: value}

    def _native(self, name: str, value: Any) -> Any:
        if name == "output_config":
            known = asked.object(value, name)
            return {**asked.bounded(known, name), **self.said.get(name, {})}
        return asked.bounded(value, name)

    # --- tools

    def tools(self, value: Any) -> None:
        said = []
        for place, tool in enumerate(asked.objects(value, "tools")):
            found = self._tool(tool, f"tools[{place}]")
            if found is not None:
                said.append(found)
        if said:
            self.said["tools"] = said

    def _tool(self, tool: dict[str, Any], where: str) -> dict[str, Any] | None:
        kind = asked.text(tool.get("type"), f"{where}.type") or "function"
        if kind != "function":
            if kind == "custom" and "custom" in tool:  # a grammar of OpenAI's, which has no words here
                self.cannot["tools.custom"] = None
                return None
            return asked.bounded(tool, where)  # type: ignore[no-any-return]  # one of Anthropic's own
        function = asked.object(tool.get("function"), f"{where}.function")
        said: dict[str, Any] = {"name": asked.needed(function.get("name"), f"{where}.function.name")}
        if described := asked.text(function.get("description"), f"{where}.function.description"):
            said["description"] = described
        schema = asked.object(function.get("parameters"), f"{where}.function.parameters")
        said["input_schema"] = _object_schema(asked.bounded(schema, f"{where}.function.parameters"))
        if function.get("strict") is True:
            if self.can.formats:
                said["strict"] = True
            else:
                self.cannot["tools.strict"] = None
        for source in (function, tool):
            for name, extra in source.items():
                if name not in _TOOL_FIELDS and extra is not None:
                    said[name] = asked.bounded(extra, f"{where}.{name}")
        return said

    def _choose(self) -> None:
        """Who may call what. Without tools there is nothing to choose."""
        choice = self.chat.get("tool_choice")
        one_at_a_time = self.chat.get("parallel_tool_calls") is False
        if "tools" not in self.said:
            if choice not in (None, "none", "auto"):
                self.cannot["tool_choice"] = None
            return
        said = self._choice(choice)
        if said is None and one_at_a_time:
            said = {"type": "auto"}
        if said is not None:
            if one_at_a_time and said["type"] != "none":
                said["disable_parallel_tool_use"] = True
            self.said["tool_choice"] = said

    def _choice(self, choice: Any) -> dict[str, Any] | None:
        if choice is None:
            return None
        if isinstance(choice, str):
            said = {"auto": "auto", "required": "any", "any": "any", "none": "none"}.get(choice)  # Mistral says any too
            if said is None:
                raise asked.fail(f"tool_choice is {choice!r}; known are auto, required, none and a function")
            return {"type": said}
        wanted = asked.object(choice, "tool_choice")
        if wanted.get("type") != "function":
            self.cannot["tool_choice"] = None
            return None
        function = asked.object(wanted.get("function"), "tool_choice.function")
        return {"type": "tool", "name": asked.needed(function.get("name"), "tool_choice.function.name")}

    def unless_nothing(self, name: str, value: Any) -> None:
        """Fields whose value may say that nothing is asked for."""
        if value not in (False, 0, {}, []):
            self.cannot[name] = None


_TOOL_FIELDS: Final = frozenset({"type", "function", "name", "description", "parameters", "strict"})
_EFFORTS: Final = {"minimal": "low", **{name: name for name in ("low", "medium", "high", "xhigh", "max")}}


def _nothing(name: str) -> Callable[[_Request, Any], None]:
    return lambda request, value: request.unless_nothing(name, value)


_FIELDS: Final[dict[str, Callable[[_Request, Any], None]]] = {
    "stream": _Request.stream,
    "stop": _Request.stop,
    "temperature": _Request.temperature,
    "top_p": _Request.top_p,
    "top_k": _Request.top_k,
    "n": _Request.n,
    "modalities": _Request.modalities,
    "service_tier": _Request.service_tier,
    "response_format": _Request.response_format,
    "reasoning_effort": _Request.reasoning_effort,
    "tools": _Request.tools,
    **{
        name: _nothing(name)
        for name in ("logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty")
    },
}


def _object_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema as this API wants it: of an object. One without parameters takes none."""
    if not schema:
        return {"type": "object", "properties": {}}
    return schema if schema.get("type") else {"type": "object", **schema}


def messages_from_chat(chat: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A chat request as a Messages request, and the names of what it cannot say, which it then leaves out.

    Raises Untranslatable for what is no chat request.
    """
    request = _Request(chat)
    return request.translate(), list(request.cannot)
