"""The conversation: chat messages as Gemini's `systemInstruction` and `contents`."""

from __future__ import annotations

import mimetypes
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec

from weighbridge.wire.translation import asked, call_arguments, decoded

SKIP_SIGNATURE = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
"""What Gemini 3 takes for a function call whose signature is lost: another model made it, or the app did not keep it.
It is `skip_thought_signature_validator` in base64, as bytes are in this API.

Source: https://ai.google.dev/gemini-api/docs/thought-signatures
"""

_AUDIO = {"wav": "audio/wav", "mp3": "audio/mp3", "flac": "audio/flac", "opus": "audio/opus", "pcm16": "audio/pcm"}


class Conversation:
    """Messages, said one after the other. `cannot` names what of them has no words here.

    System messages, wherever they stand, make the one system instruction. Results of tools that follow each other make
    one turn, as Gemini wants all answers to the calls of one turn together.
    """

    def __init__(self, *, signed: bool) -> None:
        self.system: list[dict[str, Any]] = []
        self.contents: list[dict[str, Any]] = []
        self.cannot: list[str] = []
        self.details: set[str] = set()
        self._signed = signed
        self._names: dict[str, str] = {}
        self._results: list[dict[str, Any]] | None = None

    def add(self, message: dict[str, Any], where: str) -> None:
        """Raises Untranslatable for a message that is none, or a tool's result whose call was never made."""
        role = asked.needed(message.get("role"), f"{where}.role")
        if message.get("name") is not None and role in {"system", "developer", "user", "assistant"}:
            self._lacks("name")
        if role in {"tool", "function"}:
            self._result(message, where)
            return
        self._results = None
        if role in {"system", "developer"}:
            self.system.extend(self._parts(message.get("content"), f"{where}.content"))
        elif role == "user":
            parts = self._parts(message.get("content"), f"{where}.content")
            self.contents.append({"role": "user", "parts": parts or [{"text": ""}]})
        elif role == "assistant":
            self.contents.append({"role": "model", "parts": self._answer(message, where)})
        else:
            raise asked.fail(f"{where}.role is {role!r}; known are system, developer, user, assistant and tool")

    def _lacks(self, name: str) -> None:
        if name not in self.cannot:
            self.cannot.append(name)

    # --- what the model said

    def _answer(self, message: dict[str, Any], where: str) -> list[dict[str, Any]]:
        parts = self._parts(message.get("content"), f"{where}.content")
        if refusal := asked.text(message.get("refusal"), f"{where}.refusal"):
            parts.append({"text": refusal})
        if message.get("audio") is not None:
            self._lacks("audio")
        if parts and (signature := _signature(message, where)):
            parts[-1]["thoughtSignature"] = signature
        calls = asked.objects(message.get("tool_calls"), f"{where}.tool_calls")
        if not calls and message.get("function_call") is not None:
            calls = [{"function": message["function_call"]}]
        for place, call in enumerate(calls):
            self._call(parts, call, f"{where}.tool_calls[{place}]", first=place == 0)
        return parts or [{"text": ""}]

    def _call(self, parts: list[dict[str, Any]], call: dict[str, Any], where: str, *, first: bool) -> None:
        if call.get("type", "function") != "function":
            self._lacks(f"tools.{call['type']}")
            return
        function = asked.object(call.get("function"), f"{where}.function")
        name = asked.needed(function.get("name"), f"{where}.function.name")
        id_ = asked.text(call.get("id"), f"{where}.id")
        said: dict[str, Any] = {"name": name, "args": call_arguments(function.get("arguments"), where)}
        if id_:
            said["id"] = id_
            self._names[id_] = name
        part: dict[str, Any] = {"functionCall": said}
        if signature := _signature(call, where):
            part["thoughtSignature"] = signature
        elif self._signed and first:  # only the first call of a turn is signed
            part["thoughtSignature"] = SKIP_SIGNATURE
        parts.append(part)

    # --- what tools said

    def _result(self, message: dict[str, Any], where: str) -> None:
        id_ = asked.text(message.get("tool_call_id"), f"{where}.tool_call_id")
        name = self._names.get(id_) or asked.text(message.get("name"), f"{where}.name")
        if not name:
            raise asked.fail(f"{where} answers the call {id_!r}, which no message before it makes")
        said: dict[str, Any] = {"name": name}
        if id_:
            said["id"] = id_
        parts = self._parts(message.get("content"), f"{where}.content")
        said["response"] = _response("".join(part["text"] for part in parts if "text" in part))
        if pictures := [part for part in parts if "text" not in part]:
            said["parts"] = pictures
        if self._results is None:
            self._results = []
            self.contents.append({"role": "user", "parts": self._results})
        self._results.append({"functionResponse": said})

    # --- content

    def _parts(self, content: Any, where: str) -> list[dict[str, Any]]:
        if content is None:
            return []
        if isinstance(content, str):
            return [{"text": content}] if content else []
        said = []
        for place, part in enumerate(asked.objects(content, where)):
            found = self._part(part, f"{where}[{place}]")
            if found is not None:
                said.append(found)
        return said

    def _part(self, part: dict[str, Any], where: str) -> dict[str, Any] | None:
        kind = asked.needed(part.get("type"), f"{where}.type")
        if kind in {"text", "refusal"}:
            return {"text": asked.text(part.get(kind), f"{where}.{kind}")}
        if kind == "image_url":
            image = part.get("image_url")
            image = {"url": image} if isinstance(image, str) else asked.object(image, f"{where}.image_url")
            self.details.add(asked.text(image.get("detail"), f"{where}.image_url.detail") or "auto")
            return _media(asked.needed(image.get("url"), f"{where}.image_url.url"), f"{where}.image_url.url")
        if kind == "input_audio":
            audio = asked.object(part.get("input_audio"), f"{where}.input_audio")
            form = asked.needed(audio.get("format"), f"{where}.input_audio.format")
            data = asked.needed(audio.get("data"), f"{where}.input_audio.data")
            return {"inlineData": {"mimeType": _AUDIO.get(form, f"audio/{form}"), "data": data}}
        if kind == "file":
            return self._file(asked.object(part.get("file"), f"{where}.file"), where)
        self._lacks(kind)
        return None

    def _file(self, file: dict[str, Any], where: str) -> dict[str, Any] | None:
        data = asked.text(file.get("file_data"), f"{where}.file.file_data")
        if not data:  # a file kept at OpenAI is not to be had at Google
            self._lacks("file_id")
            return None
        if data.startswith(("data:", "https://", "http://", "gs://")):
            return _media(data, f"{where}.file.file_data")
        name = asked.text(file.get("filename"), f"{where}.file.filename")
        return {"inlineData": {"mimeType": mimetypes.guess_type(name)[0] or "application/pdf", "data": data}}


def _media(url: str, where: str) -> dict[str, Any]:
    """A data URL within the request, any other by reference."""
    if url[:5].lower() != "data:":
        if "://" not in url:
            raise asked.fail(f"{where} is neither a data URL nor a link")
        kind = mimetypes.guess_type(_path(url))[0]
        return {"fileData": {"fileUri": url, **({"mimeType": kind} if kind else {})}}
    head, comma, data = url[5:].partition(",")
    kind, *options = head.split(";")
    if not comma:
        raise asked.fail(f"{where} is a data URL without data")
    if "base64" not in {option.strip().lower() for option in options}:
        text = unquote_to_bytes(data)
        data = msgspec.json.encode(text).decode().strip('"')  # msgspec writes bytes as base64
    return {"inlineData": {"mimeType": kind or "text/plain", "data": data}}


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:  # a bracket that is no IPv6 address
        return ""


def _response(text: str) -> dict[str, Any]:
    """A tool's result as the object Gemini wants: `output` is the name it documents for plain results."""
    found = decoded(text) if text.lstrip().startswith("{") else None
    return found if isinstance(found, dict) else {"output": text}


def _signature(carrier: dict[str, Any], where: str) -> str:
    """The thought signature where Google's own OpenAI endpoint puts it too."""
    extra = asked.object(carrier.get("extra_content"), f"{where}.extra_content")
    google = asked.object(extra.get("google"), f"{where}.extra_content.google")
    return asked.text(google.get("thought_signature"), f"{where}.extra_content.google.thought_signature")
