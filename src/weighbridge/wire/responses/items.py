"""Input items as chat messages."""

from __future__ import annotations

from typing import Any

from weighbridge.wire.translation import asked

_ROLES = frozenset({"user", "assistant", "system", "developer"})
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})


class Messages:
    """Items, said one after the other. `cannot` names what of them has no words in a chat.

    Calls that follow each other, and the text before them, are one turn of the assistant: a chat wants the answers to
    all calls of a turn after it. Thoughts of earlier turns are not said again: a chat never takes them.
    """

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.cannot: list[str] = []

    def add(self, item: dict[str, Any], where: str) -> None:
        """Raises Untranslatable for an item that is none."""
        kind = asked.text(item.get("type"), f"{where}.type") or "message"
        if kind == "message":
            self._message(item, where)
        elif kind == "function_call":
            name = asked.needed(item.get("name"), f"{where}.name")
            arguments = asked.text(item.get("arguments"), f"{where}.arguments")
            self._call(item, "function", {"name": name, "arguments": arguments}, where)
        elif kind == "custom_tool_call":
            name = asked.needed(item.get("name"), f"{where}.name")
            self._call(item, "custom", {"name": name, "input": asked.text(item.get("input"), f"{where}.input")}, where)
        elif kind in _OUTPUTS:
            id_ = asked.needed(item.get("call_id"), f"{where}.call_id")
            self.said.append(
                {"role": "tool", "tool_call_id": id_, "content": self._content(item.get("output"), f"{where}.output")}
            )
        elif kind != "reasoning":
            self._lacks("item_reference" if kind == "item_reference" else f"input.{kind}")

    def _message(self, item: dict[str, Any], where: str) -> None:
        role = asked.needed(item.get("role"), f"{where}.role")
        if role not in _ROLES:
            raise asked.fail(f"{where}.role is {role!r}; known are user, assistant, system and developer")
        self.said.append({"role": role, "content": self._content(item.get("content"), f"{where}.content")})

    def _call(self, item: dict[str, Any], kind: str, function: dict[str, str], where: str) -> None:
        call = {"id": asked.needed(item.get("call_id"), f"{where}.call_id"), "type": kind, kind: function}
        last = self.said[-1] if self.said else {}
        if last.get("role") != "assistant":
            last = {"role": "assistant", "content": None}
            self.said.append(last)
        last.setdefault("tool_calls", []).append(call)

    def _content(self, content: Any, where: str) -> str | list[dict[str, Any]]:
        if content is None or isinstance(content, str):
            return content or ""
        parts = []
        for place, part in enumerate(asked.objects(content, where)):
            if (said := self._part(part, f"{where}[{place}]")) is not None:
                parts.append(said)
        if all(part["type"] == "text" for part in parts):  # many servers take only plain text
            return "".join(part["text"] for part in parts)
        return parts

    def _part(self, part: dict[str, Any], where: str) -> dict[str, Any] | None:
        kind = asked.needed(part.get("type"), f"{where}.type")
        if kind in {"input_text", "output_text", "text"}:
            return {"type": "text", "text": asked.text(part.get("text"), f"{where}.text")}
        if kind == "refusal":
            return {"type": "refusal", "refusal": asked.text(part.get("refusal"), f"{where}.refusal")}
        if kind == "input_image":
            return self._image(part, where)
        if kind == "input_audio":
            return {"type": "input_audio", "input_audio": asked.object(part.get("input_audio"), f"{where}.input_audio")}
        if kind == "input_file":
            return self._file(part, where)
        self._lacks(f"input.{kind}")
        return None

    def _image(self, part: dict[str, Any], where: str) -> dict[str, Any] | None:
        url = asked.text(part.get("image_url"), f"{where}.image_url")
        if not url:  # kept at OpenAI, out of a chat's reach
            self._lacks("file_id")
            return None
        image = {"url": url}
        if detail := asked.text(part.get("detail"), f"{where}.detail"):
            image["detail"] = detail
        return {"type": "image_url", "image_url": image}

    def _file(self, part: dict[str, Any], where: str) -> dict[str, Any] | None:
        file = {
            name: text
            for name in ("file_data", "file_id", "filename")
            if (text := asked.text(part.get(name), f"{where}.{name}"))
        }
        if "file_data" not in file and "file_id" not in file:
            self._lacks("file_url" if part.get("file_url") is not None else "input_file")
            return None
        return {"type": "file", "file": file}

    def _lacks(self, name: str) -> None:
        if name not in self.cannot:
            self.cannot.append(name)
