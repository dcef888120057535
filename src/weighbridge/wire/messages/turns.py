"""A chat's messages as Anthropic's `system` and `messages`."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import msgspec

from weighbridge.wire.messages.blocks import block_of
from weighbridge.wire.translation import DEEPEST, asked, deeper_than, unnumbered

_ID: Final = re.compile(r"[A-Za-z0-9_-]+")
_UNSAID: Final = re.compile(r"[^A-Za-z0-9_-]")
_UNDECODABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeError)

Content = str | list[dict[str, Any]]


class Turns:
    """Messages, taken one after the other. `cannot` names what of them has no words here.

    Leading system messages make `system`; later ones stay where they are for a model that takes them there, and go to
    the others (as in Anthropic's own endpoint for OpenAI's clients). Results of tools that follow each other, and what
    the user says right after them, make one turn: the API wants all results of a turn together and first.
    """

    def __init__(self, *, system_turns: bool) -> None:
        self.messages: list[dict[str, Any]] = []
        self.cannot: dict[str, None] = {}
        self._system: list[Content] = []
        self._system_turns = system_turns
        self._results: list[dict[str, Any]] | None = None

    @property
    def system(self) -> Content | None:
        """A text where there is one; else the blocks of all of them; None where there is none."""
        if len(self._system) == 1:
            return self._system[0]
        blocks = [block for content in self._system for block in _as_blocks(content)]
        return blocks or None

    def add(self, message: dict[str, Any], where: str) -> None:
        """Raises Untranslatable for what is no message."""
        role = asked.needed(message.get("role"), f"{where}.role")
        if message.get("name") is not None and role != "tool":
            self.cannot["name"] = None
        if role == "tool":
            self._result(message, where)
            return
        results, self._results = self._results, None
        if role in {"system", "developer"}:
            self._instruct(message, where)
        elif role == "user":
            content = self._content(message.get("content"), f"{where}.content")
            if results is not None:
                results.extend(_as_blocks(content))
            else:
                self.messages.append({"role": "user", "content": content})
        elif role == "assistant":
            self.messages.append({"role": "assistant", "content": self._answer(message, where)})
        else:
            known = "system, developer, user, assistant and tool"
            raise asked.fail(f"{where}.role is {role!r}; known are {known}. Send tools and tool_calls for functions")

    def _instruct(self, message: dict[str, Any], where: str) -> None:
        content = self._content(message.get("content"), f"{where}.content")
        if self.messages and self._system_turns:
            self.messages.append({"role": "system", "content": content})
        elif content:
            self._system.append(content)

    # --- content

    def _content(self, content: Any, where: str) -> Content:
        if content is None or isinstance(content, str):
            return content or ""
        blocks: list[dict[str, Any]] = []
        for place, part in enumerate(asked.objects(content, where)):
            block = block_of(part, f"{where}[{place}]")
            if isinstance(block, str):
                self.cannot[block] = None
            else:
                blocks.append(block)
        if len(blocks) > 1:  # an empty text is refused, and says nothing beside others
            blocks = [block for block in blocks if block.get("text") != "" or block["type"] != "text"]
        return blocks

    def _answer(self, message: dict[str, Any], where: str) -> Content:
        """What the model said, as it said it where the blocks were kept (see `to_chat`)."""
        if message.get("audio") is not None:
            self.cannot["audio"] = None
        if message.get("function_call") is not None:
            raise asked.fail(f"{where}.function_call is of an older API. Send tool_calls")
        if kept := unnumbered(asked.objects(message.get("content_blocks"), f"{where}.content_blocks")):
            return [asked.bounded(block, f"{where}.content_blocks") for block in kept if not _unsigned(block)]
        thoughts = [
            asked.bounded(block, f"{where}.thinking_blocks")
            for block in unnumbered(asked.objects(message.get("thinking_blocks"), f"{where}.thinking_blocks"))
            if not _unsigned(block)
        ]
        content = self._content(message.get("content"), f"{where}.content")
        refusal = asked.text(message.get("refusal"), f"{where}.refusal")
        if refusal and not content:
            content = refusal
        calls = [
            self._call(call, f"{where}.tool_calls[{place}]")
            for place, call in enumerate(asked.objects(message.get("tool_calls"), f"{where}.tool_calls"))
        ]
        said = [call for call in calls if call is not None]
        return [*thoughts, *_as_blocks(content), *said] if thoughts or said else content

    # --- tools

    def _call(self, call: dict[str, Any], where: str) -> dict[str, Any] | None:
        kind = asked.text(call.get("type"), f"{where}.type") or "function"
        if kind != "function":
            self.cannot[f"tools.{kind}"] = None
            return None
        function = asked.object(call.get("function"), f"{where}.function")
        name = asked.needed(function.get("name"), f"{where}.function.name")
        block = {
            "type": "tool_use",
            "id": tool_id(asked.needed(call.get("id"), f"{where}.id")),
            "name": name,
            "input": input_of(function.get("arguments"), f"{where}.function.arguments"),
        }
        if call.get("cache_control") is not None:
            block["cache_control"] = asked.bounded(call["cache_control"], f"{where}.cache_control")
        return block

    def _result(self, message: dict[str, Any], where: str) -> None:
        id_ = tool_id(asked.needed(message.get("tool_call_id"), f"{where}.tool_call_id"))
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": id_}
        if content := self._content(message.get("content"), f"{where}.content"):
            block["content"] = content
        if message.get("is_error") is True:
            block["is_error"] = True
        if message.get("cache_control") is not None:
            block["cache_control"] = asked.bounded(message["cache_control"], f"{where}.cache_control")
        if self._results is None:
            self._results = []
            self.messages.append({"role": "user", "content": self._results})
        self._results.append(block)


def _as_blocks(content: Content) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content


def _unsigned(block: dict[str, Any]) -> bool:
    """Thinking that no Claude signed (another model's, or made up): the API refuses it, so it is not shown again."""
    return block.get("type") == "thinking" and not block.get("signature")


def tool_id(id_: str) -> str:
    """The id as this API takes it: letters, digits, `_` and `-`. The same id always becomes the same, and no two
    become one."""
    if _ID.fullmatch(id_):
        return id_
    mark = hashlib.blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{_UNSAID.sub('_', id_)[:40]}_{mark}"


def input_of(arguments: Any, where: str) -> dict[str, Any]:
    """Arguments, a JSON text or the object itself, as the object this API wants; nothing is an empty one."""
    if isinstance(arguments, str) and arguments.strip():
        try:
            arguments = msgspec.json.decode(arguments)
        except _UNDECODABLE as error:
            raise asked.fail(f"{where} is not JSON: {error}") from None
    if arguments is None or arguments == "" or (isinstance(arguments, str) and not arguments.strip()):
        return {}
    if not isinstance(arguments, dict):
        raise asked.fail(f"{where} is not an object, as the Messages API wants it")
    if deeper_than(arguments, DEEPEST):
        raise asked.fail(f"{where} is nested more than {DEEPEST} deep")
    return arguments
