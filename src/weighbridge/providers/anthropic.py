"""Anthropic's Messages API, spoken natively: how a chat is put to it, and how its replies, streams and errors read.

Anyone who speaks this API at another address is a provider with the preset `anthropic-native` and a `base_url`.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import time
from typing import Any, Final

import msgspec

from weighbridge.errors import UsageError
from weighbridge.providers.anthropic_errors import TABLE
from weighbridge.providers.candidate import Api
from weighbridge.providers.dialect import FailedCall, Outgoing
from weighbridge.providers.failing import Failures, ReadsFailures
from weighbridge.providers.provider import Model, Provider
from weighbridge.transport.client import Route
from weighbridge.transport.sse import Event
from weighbridge.wire.messages import ChatFromMessages, chat_reply_from_messages, messages_from_chat
from weighbridge.wire.reading import StreamFailed, Unreadable, shown
from weighbridge.wire.translation import Untranslatable

VERSION: Final = "2023-06-01"
_UNDECODABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_COUNTED: Final = frozenset({"messages", "system", "tools", "tool_choice", "thinking", "output_config", "mcp_servers"})
"""What of a request `count_tokens` takes."""

_PLURAL: Final[dict[Api, str]] = {"completions": "text completions", "embeddings": "embeddings"}
_FREE: Final = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


class AnthropicDialect(ReadsFailures):
    """One provider, spoken to in Anthropic's dialect. Routes are made once, here."""

    verbatim = False

    def __init__(self, provider: Provider) -> None:
        # Names in one case: a version of one's own takes the place of the preset's, and does not stand beside it.
        headers = {"anthropic-version": VERSION}
        headers |= {name.lower(): value for name, value in provider.request_headers().items()}
        self.provider = provider
        self._route = Route.to("POST", provider.url("/messages"), headers)
        self._count = Route.to("POST", provider.url("/messages/count_tokens"), headers)
        self._failures = Failures(provider, TABLE)
        self._encode = msgspec.json.Encoder().encode

    def cannot(self, model: Model, api: Api, body: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of what a request asks for that is not to be had here: all of a text completion, for one.

        Values may be msgspec.Raw. A malformed request asks for nothing that is missing: `outgoing` says what is wrong.
        """
        if api == "count_tokens":
            return ()
        if api != "chat":
            return (api,)
        try:
            return tuple(messages_from_chat(_decoded({"model": model.model, **body}))[1])
        except Untranslatable:
            return ()

    def outgoing(self, model: Model, api: Api, body: dict[str, Any], *, stream: bool) -> Outgoing:
        """The request for one call; `body` is OpenAI's (but Anthropic's own for `count_tokens`), without `model`.
        Raises UsageError (Untranslatable for what is no chat request)."""
        if api == "count_tokens":
            return self.counting(model, body)
        if api != "chat":
            raise UsageError(
                f"{self.provider.name} speaks Anthropic's Messages API, which has no {_PLURAL[api]}",
                mend="Send it a chat",
            )
        said, _ = messages_from_chat(_decoded({**body, "model": model.model}))
        said.pop("stream", None)
        if stream:
            said["stream"] = True
        return Outgoing(self._route, self._encode(said))

    def counting(self, model: Model, request: dict[str, Any]) -> Outgoing:
        """A request that counts the tokens of a Messages request, as it came to /v1/messages/count_tokens."""
        said = {name: value for name, value in request.items() if name in _COUNTED}
        return Outgoing(self._count, self._encode({"model": model.model, **said}))

    def whole(self, api: Api, body: bytes) -> bytes:
        """The body of a 200, not streamed, as a chat completion; a count with `usage` beside it, as counting is free.
        Raises FailedCall."""
        try:
            reply = msgspec.json.decode(body)
            if not isinstance(reply, dict):
                raise self._failures.unreadable(f"not a reply of the Messages API: {shown(body)}")
            if api == "count_tokens":
                return self._encode({"input_tokens": self._counted(reply, body), "usage": _FREE})
            return self._encode(chat_reply_from_messages(reply, created=int(time())))
        except StreamFailed as error:
            raise FailedCall(self._failures.in_band(error.body)) from None
        except (*_UNDECODABLE, Unreadable) as error:
            said = f"not a reply of the Messages API ({error}): {shown(body)}"
            raise self._failures.unreadable(said) from None

    def _counted(self, reply: dict[str, Any], body: bytes) -> int:
        count = reply.get("input_tokens")
        if isinstance(count, int) and not isinstance(count, bool):
            return count
        if reply.get("error") is not None:
            raise FailedCall(self._failures.in_band(body))
        raise self._failures.unreadable(f"not a count of tokens: {shown(body)}")

    def streaming(self, api: Api) -> AnthropicStreaming:  # noqa: ARG002
        return AnthropicStreaming(self._failures)


class AnthropicStreaming:
    """One stream as chunks of a chat completion."""

    __slots__ = ("_chat", "_encode", "_failures")

    def __init__(self, failures: Failures) -> None:
        self._failures = failures
        self._chat = ChatFromMessages(created=int(time()))
        self._encode = msgspec.json.Encoder().encode

    @property
    def finished(self) -> bool:
        return self._chat.finished

    def feed(self, event: Event) -> list[bytes]:
        """Raises FailedCall for `event: error` (litellm#5512, Portkey#722) and for what is no event of this API."""
        try:
            data = msgspec.json.decode(event.data)
            if not isinstance(data, dict):
                raise self._failures.unreadable(f"not an event of the Messages API: {shown(event.data)}")
            chunks = self._chat.feed(event.event.decode("utf-8", "replace"), data)
        except StreamFailed as error:
            raise FailedCall(self._failures.in_band(error.body)) from None
        except (*_UNDECODABLE, Unreadable) as error:
            said = f"not an event of the Messages API ({error}): {shown(event.data)}"
            raise self._failures.unreadable(said) from None
        return [self._encode(chunk) for chunk in chunks]

    def finish(self) -> list[bytes]:
        """Usage as far as it was told, where the stream was cut before its end."""
        try:
            return [self._encode(chunk) for chunk in self._chat.finish()]
        except Unreadable as error:
            raise self._failures.unreadable(str(error)) from None


def _decoded(body: dict[str, Any]) -> dict[str, Any]:
    """The body with every value decoded; the gateway leaves alone what it does not decide on."""
    try:
        return {
            name: msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
            for name, value in body.items()
        }
    except _UNDECODABLE as error:
        raise Untranslatable(f"the request is not JSON: {error}") from None
