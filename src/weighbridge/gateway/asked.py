"""What a client asked for: the body's top-level keys, each value untouched until somebody must look at it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from weighbridge.gateway.refusal import Refusal
from weighbridge.providers.candidate import Api
from weighbridge.wire.reading import shown

_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode
_whole: Final = msgspec.json.Decoder(dict[str, Any]).decode
_MODEL: Final = b'"model"'
_COLON: Final = ord(":")
_SPACE: Final = ord(" ")
_BACKSLASH: Final = b"\\"  # one byte is found at once
_ESCAPES: Final = b"\\u006"  # of all the letters in "model"
_TRUE: Final = b"true"
_BOOLEANS: Final = frozenset({b"true", b"false", b"null"})
_DULL: Final = frozenset(
    {b"null", b"[]", b"{}", b"false", b"1", b"0", b'"none"', b'"auto"', b'"text"', b'{"type":"text"}'}
)
"""Values that ask for nothing special, whatever the key."""

NEEDS: Final = frozenset(
    {
        *("tools", "functions", "response_format", "logprobs", "top_logprobs", "logit_bias", "n", "seed", "audio"),
        *("modalities", "reasoning_effort", "presence_penalty", "frequency_penalty", "prediction", "suffix", "echo"),
        *("best_of", "web_search_options", "parallel_tool_calls"),
    }
)
"""Optional parameters that some providers do not have."""

_IMAGES: Final = (b'"image_url"', b'"input_image"')
_AUDIO: Final = b'"input_audio"'


class Asked:
    """One request. `name` is the endpoint asked for, `fields` the body without `model`: values are msgspec.Raw but for
    `stream_options`, which is decoded where it is there at all. `size` is the body's, in bytes; `limit` is how many
    tokens the client allows for the answer (None: it does not say)."""

    __slots__ = ("_document", "_model", "api", "body", "fields", "include_usage", "limit", "name", "size", "stream")

    def __init__(self, api: Api, body: bytes) -> None:
        """Raises Refusal (400) where the body is no JSON object with a `model`."""
        fields: dict[str, Any]
        try:
            fields = _fields(body)
            name = fields.pop("model", None)
            self._model: bytes = b"" if name is None else bytes(name)
            self.name = _text(name) if name is not None else ""
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise Refusal.bad(f"the body is not a JSON object of this API ({error}): {shown(body[:400])}") from None
        if not self.name:
            raise Refusal.bad("the body names no `model`", mend="Name one of the endpoints GET /v1/models lists")
        self.api: Api = api
        self.body = body
        self.fields = fields
        self.size = len(body)
        stream = fields.get("stream")
        self.stream = stream is not None and _is_true(stream)
        self.include_usage = False
        if "stream_options" in fields:
            self._options(fields)
        self.limit = _limit(fields)
        self._document: dict[str, Any] | None = None

    def _options(self, fields: dict[str, Any]) -> None:
        try:
            options = msgspec.json.decode(fields["stream_options"])
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise Refusal.bad(f"stream_options is not JSON: {error}") from None
        if options is None:
            del fields["stream_options"]
        elif isinstance(options, dict):
            fields["stream_options"] = options
            self.include_usage = options.get("include_usage") is True
        else:
            raise Refusal.bad("stream_options is not an object")

    def naming(self, model: bytes, first: bytes = b"") -> bytes | None:
        """The body with another model (as JSON text), and `first` before its other fields; None where the place of the
        name is not plain to see.

        It is plain where `"model"` stands in the body only once (that is the key, for there is one, and no letter of it
        may be written as an escape) and the name follows as JSON is usually written.
        """
        body, own = self.body, self._model
        key = body.find(_MODEL)
        value = key + len(_MODEL)
        if key < 0 or body[value] != _COLON:
            return None
        value += 1
        if body[value] == _SPACE:
            value += 1
        if not body.startswith(own, value) or (_BACKSLASH in body and _ESCAPES in body):
            return None
        if body.find(_MODEL, value) >= 0:
            return None
        head = body[:value]
        if first:
            brace = head.find(b"{") + 1
            head = head[:brace] + first + head[brace:]
        return head + model + body[value + len(own) :]

    def document(self) -> dict[str, Any]:
        """The whole body without `model`, decoded once, for those who must read it. Not to be changed.

        Raises Refusal for a value that is not JSON.
        """
        if self._document is None:
            try:
                self._document = _whole(self.body)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                raise Refusal.bad(f"the body is not JSON all through: {error}") from None
            self._document.pop("model", None)
        return self._document

    def needs(self) -> frozenset[str]:
        """What it asks for that not every target can do: names of NEEDS ("json_schema" and "json_object" for a
        response_format), "images" and "input_audio"."""
        fields = self.fields
        needs = NEEDS.intersection(fields)
        if needs:
            needs = frozenset(name for name in needs if bytes(fields[name]) not in _DULL)
            if "response_format" in needs:
                schema = b'"json_schema"' in bytes(fields["response_format"])
                needs = (needs - {"response_format"}) | {"json_schema" if schema else "json_object"}
        messages = fields.get("messages")
        if messages is not None:
            said = bytes(messages)
            if any(mark in said for mark in _IMAGES):
                needs |= {"images"}
            if _AUDIO in said:
                needs |= {"input_audio"}
        return needs


def _is_true(stream: Any) -> bool:
    said = bytes(stream)
    if said not in _BOOLEANS:
        raise Refusal.bad("`stream` is neither true nor false")
    return said == _TRUE


_limits: Final[dict[bytes, int | None]] = {}
_MOST_LIMITS: Final = 4096
_LIMIT_DIGITS: Final = 9


def _limit(fields: dict[str, Any]) -> int | None:
    """Tokens the client allows for the answer; None where it does not say."""
    value = fields.get("max_completion_tokens") or fields.get("max_tokens")
    if value is None:
        return None
    text = bytes(value)
    known = _limits.get(text, -1)  # clients name the same few numbers again and again
    if known != -1:
        return known
    number = int(text) if text.isdigit() and len(text) <= _LIMIT_DIGITS else None
    if len(text) <= _LIMIT_DIGITS and len(_limits) < _MOST_LIMITS:
        _limits[text] = number
    return number
