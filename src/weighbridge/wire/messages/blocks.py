"""One part of a chat message as one block of Anthropic's, and back.

Anthropic's blocks that OpenAI has no word for stand in a chat's `content` as they are: no OpenAI-compatible provider
knows them (`weighbridge.wire.messages.plain` says which those are), and Anthropic gets them back unchanged.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from weighbridge.wire.translation import asked

_NATIVE: Final = frozenset(
    {
        *("document", "image", "search_result", "container_upload", "tool_reference", "tool_addition"),
        *("tool_removal", "compaction", "thinking", "redacted_thinking", "server_tool_use", "mcp_tool_use"),
    }
)
_UNNAMED: Final = "document.pdf"
_TEXT_EXTRAS: Final = ("cache_control", "citations")


def is_native(kind: str) -> bool:
    """True for a type of block that only Anthropic knows."""
    return kind in _NATIVE or (kind.endswith("_tool_result") and kind != "tool_result")


def block_of(part: dict[str, Any], where: str) -> dict[str, Any] | str:
    """A part as a block; where the Messages API has none for it, its type. Raises Untranslatable."""
    kind = asked.needed(part.get("type"), f"{where}.type")
    if kind in {"text", "refusal"}:
        block: dict[str, Any] = {"type": "text", "text": asked.text(part.get(kind), f"{where}.{kind}")}
        return _carried(block, part, _TEXT_EXTRAS)
    if kind == "image_url":
        return _carried({"type": "image", "source": _image(part.get("image_url"), f"{where}.image_url")}, part)
    if kind == "file":
        document = _document(asked.object(part.get("file"), f"{where}.file"), f"{where}.file")
        return _carried(document, part) if isinstance(document, dict) else document
    if is_native(kind):
        return asked.bounded(part, where)  # type: ignore[no-any-return]  # a dict comes back as it went in
    return kind


def _carried(
    block: dict[str, Any], part: dict[str, Any], names: tuple[str, ...] = ("cache_control",)
) -> dict[str, Any]:
    for name in names:
        if part.get(name) is not None:
            block[name] = asked.bounded(part[name], name)
    return block


def _image(image: Any, where: str) -> dict[str, Any]:
    """`detail` has no counterpart: it sets a price more than an answer, and Anthropic sees every image whole."""
    url = image if isinstance(image, str) else asked.object(image, where).get("url")
    return _source(asked.needed(url, f"{where}.url"), f"{where}.url", "image/")


def _document(file: dict[str, Any], where: str) -> dict[str, Any] | str:
    name = asked.text(file.get("filename"), f"{where}.filename")
    titled = {"title": name} if name and name != _UNNAMED else {}
    if file.get("file_data") is not None:
        data = asked.needed(file["file_data"], f"{where}.file_data")
        source = _source(data if ":" in data[:8] else f"data:application/pdf;base64,{data}", f"{where}.file_data", "")
        if source.get("media_type") not in {"application/pdf", "text/plain", None}:
            return "file"
        return {"type": "document", "source": source, **titled}
    id_ = asked.needed(file.get("file_id"), f"{where}.file_id")
    return {"type": "document", "source": {"type": "file", "file_id": id_}, **titled}


def _source(url: str, where: str, media_prefix: str) -> dict[str, Any]:
    """A data URL or a link as a source; `where` names it in errors."""
    if url.startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:"):
        raise asked.fail(f"{where} is neither a link nor a data URL")
    media, *flags = head.removeprefix("data:").split(";")
    if not media.startswith(media_prefix) or "/" not in media:
        raise asked.fail(f"{where} is a data URL of {media or 'no type'}")
    encoded = "base64" in flags
    if media == "text/plain":
        return {"type": "text", "media_type": media, "data": _plain(data, where, encoded=encoded)}
    if not encoded:
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return {"type": "base64", "media_type": media, "data": data}


def _plain(data: str, where: str, *, encoded: bool) -> str:
    try:
        return (base64.b64decode(data, validate=True) if encoded else unquote_to_bytes(data)).decode()
    except (binascii.Error, ValueError) as error:
        raise asked.fail(f"{where} is not text: {error}") from None


def part_of(block: dict[str, Any], where: str) -> dict[str, Any]:
    """A block as a part of a chat message. Raises Untranslatable."""
    kind = asked.needed(block.get("type"), f"{where}.type")
    if kind == "text":
        asked.text(block.get("text"), f"{where}.text")
        return {**block, "text": block.get("text") or ""}
    if kind == "image":
        source = asked.object(block.get("source"), f"{where}.source")
        if (url := _url(source, f"{where}.source")) is not None:
            return _carried({"type": "image_url", "image_url": {"url": url}}, block)
    if kind == "document":
        source = asked.object(block.get("source"), f"{where}.source")
        said = {name for name in block if block[name] is not None} <= {"type", "source", "title", "cache_control"}
        if said and source.get("type") == "base64" and source.get("media_type") == "application/pdf":
            name = asked.text(block.get("title"), f"{where}.title") or _UNNAMED
            file = {"filename": name, "file_data": _url(source, f"{where}.source")}
            return _carried({"type": "file", "file": file}, block)
    return asked.bounded(block, where)  # type: ignore[no-any-return]


def _url(source: dict[str, Any], where: str) -> str | None:
    kind = source.get("type")
    if kind == "url":
        return asked.needed(source.get("url"), f"{where}.url")
    if kind == "base64":
        media = asked.needed(source.get("media_type"), f"{where}.media_type")
        return f"data:{media};base64,{asked.needed(source.get('data'), f'{where}.data')}"
    return None
