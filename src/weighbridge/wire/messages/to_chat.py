"""A Messages request as a chat request.

Everything is said in OpenAI's words where it has any. The rest stays in the chat under Anthropic's own names, so that
nothing is lost on the way to a Claude: `cache_control` and blocks of its own on parts, `thinking_blocks` and, where a
turn holds more than thoughts, text and calls, `content_blocks` on messages, `is_error` on results, fields of its own at
the top. `weighbridge.wire.messages.plain` takes them out again for everyone else, and says what that loses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from weighbridge.wire.messages.blocks import part_of
from weighbridge.wire.messages.replies import assistant_message
from weighbridge.wire.translation import asked

_Say = Callable[[dict[str, Any], Any], None]


def chat_from_messages(request: dict[str, Any]) -> dict[str, Any]:
    """The request in OpenAI's words. Raises Untranslatable for what is no Messages request."""
    chat: dict[str, Any] = {"model": asked.needed(request.get("model"), "model"), "messages": []}
    _instruct(chat["messages"], request.get("system"))
    for place, message in enumerate(asked.objects(request.get("messages"), "messages")):
        _turn(chat["messages"], message, f"messages[{place}]")
    for name, value in request.items():
        if value is None or name in {"model", "system", "messages"}:
            continue
        say = _FIELDS.get(name)
        if say is not None:
            say(chat, value)
        else:
            chat[name] = asked.bounded(value, name)
    return chat


# --- messages


def _instruct(messages: list[dict[str, Any]], system: Any) -> None:
    if system is None or system in ("", []):
        return
    messages.append({"role": "system", "content": _content(system, "system")})


def _content(content: Any, where: str) -> str | list[dict[str, Any]]:
    if content is None or isinstance(content, str):
        return content or ""
    return [part_of(block, f"{where}[{place}]") for place, block in enumerate(asked.objects(content, where))]


def _turn(messages: list[dict[str, Any]], message: dict[str, Any], where: str) -> None:
    role = asked.needed(message.get("role"), f"{where}.role")
    content = message.get("content")
    if role == "system":
        messages.append({"role": "system", "content": _content(content, f"{where}.content")})
    elif role == "assistant":
        if isinstance(content, str) or not content:
            messages.append({"role": "assistant", "content": _content(content, f"{where}.content")})
        else:
            messages.append(assistant_message(asked.objects(content, f"{where}.content"), f"{where}.content", asked))
    elif role == "user":
        _said_by_user(messages, content, f"{where}.content")
    else:
        raise asked.fail(f"{where}.role is {role!r}; known are user, assistant and system")


def _said_by_user(messages: list[dict[str, Any]], content: Any, where: str) -> None:
    """Results of tools are messages of their own in a chat, and come before what the user says."""
    if content is None or isinstance(content, str):
        messages.append({"role": "user", "content": content or ""})
        return
    parts = []
    blocks = asked.objects(content, where)
    for place, block in enumerate(blocks):
        if block.get("type") == "tool_result":
            messages.append(_result(block, f"{where}[{place}]"))
        else:
            parts.append(part_of(block, f"{where}[{place}]"))
    if parts or not blocks:
        messages.append({"role": "user", "content": parts})


def _result(block: dict[str, Any], where: str) -> dict[str, Any]:
    id_ = asked.needed(block.get("tool_use_id"), f"{where}.tool_use_id")
    said: dict[str, Any] = {
        "role": "tool",
        "tool_call_id": id_,
        "content": _content(block.get("content"), f"{where}.content"),
    }
    if block.get("is_error") is True:
        said["is_error"] = True
    if block.get("cache_control") is not None:
        said["cache_control"] = asked.bounded(block["cache_control"], f"{where}.cache_control")
    return said


# --- parameters


def _limit(chat: dict[str, Any], value: Any) -> None:
    chat["max_tokens"] = asked.whole(value, "max_tokens")


def _stream(chat: dict[str, Any], value: Any) -> None:
    """A stream of Anthropic's always tells its usage."""
    if value is True:
        chat["stream"] = True
        chat["stream_options"] = {"include_usage": True}


def _stop(chat: dict[str, Any], value: Any) -> None:
    ends = [
        asked.text(end, f"stop_sequences[{place}]") for place, end in enumerate(asked.array(value, "stop_sequences"))
    ]
    if ends:
        chat["stop"] = ends


def _metadata(chat: dict[str, Any], value: Any) -> None:
    user = asked.text(asked.object(value, "metadata").get("user_id"), "metadata.user_id")
    if user:
        chat["user"] = user


def _tier(chat: dict[str, Any], value: Any) -> None:
    tier = asked.text(value, "service_tier")
    chat["service_tier"] = "default" if tier == "standard_only" else tier


def _number(name: str) -> _Say:
    def say(chat: dict[str, Any], value: Any) -> None:
        chat[name] = asked.number(value, name)

    return say


# --- tools and the form of the answer


def _tools(chat: dict[str, Any], value: Any) -> None:
    tools = [_tool(tool, f"tools[{place}]") for place, tool in enumerate(asked.objects(value, "tools"))]
    if tools:
        chat["tools"] = tools


def _tool(tool: dict[str, Any], where: str) -> dict[str, Any]:
    if (asked.text(tool.get("type"), f"{where}.type") or "custom") != "custom":
        return asked.bounded(tool, where)  # type: ignore[no-any-return]  # the server's own: stays what it is
    function: dict[str, Any] = {"name": asked.needed(tool.get("name"), f"{where}.name")}
    if described := asked.text(tool.get("description"), f"{where}.description"):
        function["description"] = described
    schema = asked.object(tool.get("input_schema"), f"{where}.input_schema")
    function["parameters"] = asked.bounded(schema, f"{where}.input_schema")
    if tool.get("strict") is True:
        function["strict"] = True
    own = {name: extra for name, extra in tool.items() if name not in _TOOL_FIELDS and extra is not None}
    return {"type": "function", "function": function, **asked.bounded(own, where)}


def _choice(chat: dict[str, Any], value: Any) -> None:
    choice = asked.object(value, "tool_choice")
    kind = asked.needed(choice.get("type"), "tool_choice.type")
    if kind == "tool":
        name = asked.needed(choice.get("name"), "tool_choice.name")
        chat["tool_choice"] = {"type": "function", "function": {"name": name}}
    elif kind in _CHOICES:
        chat["tool_choice"] = _CHOICES[kind]
    else:
        raise asked.fail(f"tool_choice.type is {kind!r}; known are auto, any, tool and none")
    if choice.get("disable_parallel_tool_use") is True:
        chat["parallel_tool_calls"] = False


def _format(chat: dict[str, Any], value: Any) -> None:
    wanted = asked.object(value, "output_format")
    if asked.needed(wanted.get("type"), "output_format.type") != "json_schema":
        raise asked.fail(f"output_format.type is {wanted['type']!r}; known is json_schema")
    schema = asked.bounded(asked.object(wanted.get("schema"), "output_format.schema"), "output_format.schema")
    chat["response_format"] = {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": True},
    }


def _configure(chat: dict[str, Any], value: Any) -> None:
    config = asked.object(value, "output_config")
    if config.get("format") is not None:
        _format(chat, config["format"])
    own = {name: extra for name, extra in config.items() if name != "format" and extra is not None}
    if own:
        chat["output_config"] = asked.bounded(own, "output_config")
    effort = asked.text(config.get("effort"), "output_config.effort")
    if effort:
        chat["reasoning_effort"] = effort


_TOOL_FIELDS: Final = frozenset({"type", "name", "description", "input_schema", "strict"})
_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}
_FIELDS: Final[dict[str, _Say]] = {
    "max_tokens": _limit,
    "stream": _stream,
    "stop_sequences": _stop,
    "metadata": _metadata,
    "service_tier": _tier,
    "temperature": _number("temperature"),
    "top_p": _number("top_p"),
    "top_k": _number("top_k"),
    "tools": _tools,
    "tool_choice": _choice,
    "output_format": _format,
    "output_config": _configure,
}
