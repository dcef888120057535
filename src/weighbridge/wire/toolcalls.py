"""Tool calls from fragments, however loosely a server numbers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from weighbridge.wire.answer import ToolCall
from weighbridge.wire.views import FunctionView, ToolCallView


def arguments_text(arguments: str | dict[str, Any] | None) -> str:
    """Arguments as JSON text; an object sent in place of text is written out."""
    if isinstance(arguments, dict):
        return msgspec.json.encode(arguments).decode()
    return arguments or ""


class ToolCalls:
    """Fragments belong to the call of their `index`; without one, to the call of their id; without either, to the last.

    A fragment that names a function under an index that is complete already opens a new call: some servers number all
    parallel calls 0. A new id on a nameless fragment of the same index does not. `last` is the number, counted from 0,
    of the call that the last fragment went to.
    """

    def __init__(self) -> None:
        self._calls: list[dict[str, Any]] = []
        self._by_index: dict[int, dict[str, Any]] = {}
        self.last = -1

    def add(self, fragments: Sequence[ToolCallView]) -> bool:
        """Takes fragments in; True where they bear a token (a name or arguments)."""
        token = False
        for fragment in fragments:
            function = fragment.function
            if function is None and fragment.custom:
                function = _custom(fragment.custom)
            function = function or FunctionView()
            call = self._place(fragment, function)
            self.last = call["number"]
            call["id"] = call["id"] or fragment.id or ""
            call["type"] = fragment.type or call["type"]
            call["name"] = call["name"] or function.name or ""
            text = arguments_text(function.arguments)
            call["arguments"].append(text)
            token = token or bool(function.name or text)
        return token

    def add_function(self, function: FunctionView) -> bool:
        """The older `function_call` delta: there is only one."""
        return self.add([ToolCallView(index=0, function=function)])

    def _place(self, fragment: ToolCallView, function: FunctionView) -> dict[str, Any]:
        index = fragment.index
        known = self._by_index.get(index) if index is not None else self._without_index(fragment, function)
        if known is not None and not self._starts_another(known, fragment, function):
            return known
        call: dict[str, Any] = {"number": len(self._calls), "id": "", "type": "function", "name": "", "arguments": []}
        self._calls.append(call)
        if index is not None:
            self._by_index[index] = call
        return call

    def _without_index(self, fragment: ToolCallView, function: FunctionView) -> dict[str, Any] | None:
        if fragment.id:
            for call in self._calls:
                if call["id"] == fragment.id:
                    return call
            if function.name:
                return None
        return self._calls[-1] if self._calls else None

    @staticmethod
    def _starts_another(known: dict[str, Any], fragment: ToolCallView, function: FunctionView) -> bool:
        return bool(
            function.name and fragment.id and known["name"] and known["id"] != fragment.id and any(known["arguments"])
        )

    def read(self) -> tuple[ToolCall, ...]:
        return tuple(
            ToolCall(call["id"], call["name"], "".join(call["arguments"]), call["type"]) for call in self._calls
        )


def _custom(said: dict[str, Any]) -> FunctionView:
    """A custom tool's call as a function's; a provider may have put anything in its fields."""
    name, text = said.get("name"), said.get("input")
    return FunctionView(name if isinstance(name, str) else None, text if isinstance(text, str | dict) else None)
