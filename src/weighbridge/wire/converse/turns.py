"""The conversation: chat messages as Converse's `system` and `messages`."""

from __future__ import annotations

import re
from typing import Any, Final

from weighbridge.wire.translation import asked, call_arguments

_IMAGES: Final = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
_DOCUMENTS: Final = frozenset({"pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"})
_NAME: Final = re.compile(r"[^A-Za-z0-9\s()\[\]-]+")


class Turns:
    """Messages, said one after the other. `cannot` names what of them has no words here.

    System messages, wherever they stand, make the one system prompt. Users and assistants take turns: what follows in
    the same role joins the turn, results of tools as the user's.
    """

    def __init__(self) -> None:
        self.system: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []
        self.cannot: list[str] = []
        self._documents = 0

    def add(self, message: dict[str, Any], where: str) -> None:
        """Raises Untranslatable for a message that is none."""
        role = asked.needed(message.get("role"), f"{where}.role")
        if message.get("name") is not None and role in {"system", "developer", "user", "assistant"}:
            self._lacks("name")
        if role in {"system", "developer"}:
            blocks = self._blocks(message.get("content"), f"{where}.content")
            self.system.extend(block for block in blocks if "text" in block)
        elif role == "user":
            self._turn("user", self._blocks(message.get("content"), f"{where}.content"))
        elif role == "assistant":
            self._turn("assistant", self._answer(message, where))
        elif role == "tool":
            self._turn("user", [self._result(message, where)])
        else:
            raise asked.fail(f"{where}.role is {role!r}; known are system, developer, user, assistant and tool")

    def _lacks(self, name: str) -> None:
        if name not in self.cannot:
            self.cannot.append(name)

    def _turn(self, role: str, blocks: list[dict[str, Any]]) -> None:
        if not blocks:
            return  # Converse refuses an empty turn and an empty text alike
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"].extend(blocks)
        else:
            self.messages.append({"role": role, "content": blocks})

    def _answer(self, message: dict[str, Any], where: str) -> list[dict[str, Any]]:
        blocks = [_thought(block, where) for block in asked.objects(message.get("thinking_blocks"), where)]
        blocks += self._blocks(message.get("content"), f"{where}.content")
        if refusal := asked.text(message.get("refusal"), f"{where}.refusal"):
            blocks.append({"text": refusal})
        if message.get("audio") is not None:
            self._lacks("audio")
        for place, call in enumerate(asked.objects(message.get("tool_calls"), f"{where}.tool_calls")):
            at = f"{where}.tool_calls[{place}]"
            if call.get("type", "function") != "function":
                self._lacks(f"tools.{call['type']}")
                continue
            function = asked.object(call.get("function"), f"{at}.function")
            use = {
                "toolUseId": asked.needed(call.get("id"), f"{at}.id"),
                "name": asked.needed(function.get("name"), f"{at}.function.name"),
                "input": call_arguments(function.get("arguments"), at),
            }
            blocks.append({"toolUse": use})
        return blocks

    def _result(self, message: dict[str, Any], where: str) -> dict[str, Any]:
        content = self._blocks(message.get("content"), f"{where}.content")
        id_ = asked.needed(message.get("tool_call_id"), f"{where}.tool_call_id")
        result: dict[str, Any] = {"toolUseId": id_, "content": content or [{"text": " "}]}
        if message.get("is_error") is True:
            result["status"] = "error"
        return {"toolResult": result}

    # --- content

    def _blocks(self, content: Any, where: str) -> list[dict[str, Any]]:
        if content is None or isinstance(content, str):
            return [{"text": content}] if content else []
        said = []
        for place, part in enumerate(asked.objects(content, where)):
            found = self._block(part, f"{where}[{place}]")
            if found is not None and found.get("text") != "":
                said.append(found)
        return said

    def _block(self, part: dict[str, Any], where: str) -> dict[str, Any] | None:
        kind = asked.needed(part.get("type"), f"{where}.type")
        if kind in {"text", "refusal"}:
            return {"text": asked.text(part.get(kind), f"{where}.{kind}")}
        if kind == "image_url":
            image = part.get("image_url")
            url = image if isinstance(image, str) else asked.object(image, f"{where}.image_url").get("url")
            return self._image(asked.needed(url, f"{where}.image_url.url"))
        if kind == "input_audio":
            audio = asked.object(part.get("input_audio"), f"{where}.input_audio")
            form = asked.needed(audio.get("format"), f"{where}.input_audio.format")
            return {"audio": {"format": form, "source": {"bytes": asked.needed(audio.get("data"), where)}}}
        if kind == "file":
            return self._file(asked.object(part.get("file"), f"{where}.file"), f"{where}.file")
        self._lacks(kind)
        return None

    def _image(self, url: str) -> dict[str, Any] | None:
        if url.startswith("s3://"):
            form = url.rpartition(".")[2].lower()
            return {"image": {"format": "jpeg" if form == "jpg" else form, "source": {"s3Location": {"uri": url}}}}
        kind, data = _data(url)
        if kind not in _IMAGES or not data:  # Bedrock fetches nothing
            self._lacks("image_url")
            return None
        return {"image": {"format": _IMAGES[kind], "source": {"bytes": data}}}

    def _file(self, file: dict[str, Any], where: str) -> dict[str, Any] | None:
        name = asked.text(file.get("filename"), f"{where}.filename")
        given = asked.text(file.get("file_data"), f"{where}.file_data")
        if not given:
            self._lacks("file_id")
            return None
        kind, data = _data(given) if given.startswith("data:") else ("", given)
        form = name.rpartition(".")[2].lower() or kind.rpartition("/")[2]
        form = form if form in _DOCUMENTS else kind.rpartition("/")[2]
        if form not in _DOCUMENTS or not data:
            self._lacks("file")
            return None
        self._documents += 1  # names must differ, and may hold few characters
        plain = " ".join(_NAME.sub(" ", name.rpartition(".")[0]).split()) or "document"
        return {"document": {"format": form, "name": f"{plain} {self._documents}", "source": {"bytes": data}}}


def _data(url: str) -> tuple[str, str]:
    """Type and base64 of a data URL; empty for any other."""
    head, comma, data = url.partition(",")
    if not comma or not head.lower().startswith("data:") or not head.lower().endswith(";base64"):
        return "", ""
    return head[5:].partition(";")[0].lower(), data


def _thought(block: dict[str, Any], where: str) -> dict[str, Any]:
    at = f"{where}.thinking_blocks"
    if block.get("type") == "redacted_thinking":
        return {"reasoningContent": {"redactedContent": asked.text(block.get("data"), f"{at}.data")}}
    text = {"text": asked.text(block.get("thinking"), f"{at}.thinking")}
    if signature := asked.text(block.get("signature"), f"{at}.signature"):
        text["signature"] = signature
    return {"reasoningContent": {"reasoningText": text}}
