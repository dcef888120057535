"""OpenAI's dialect: how a request is put to a provider that speaks it, and how its replies and errors are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from weighbridge.errors import UsageError
from weighbridge.providers.candidate import Api
from weighbridge.providers.dialect import FailedCall, Outgoing
from weighbridge.providers.failing import Failures, ReadsFailures
from weighbridge.providers.provider import Model, Provider
from weighbridge.transport.client import Route
from weighbridge.transport.sse import Event
from weighbridge.wire.messages import ANTHROPIC_ONLY, plain_chat
from weighbridge.wire.reading import shown
from weighbridge.wire.translation import plain
from weighbridge.wire.views import decode_reply

__all__ = ["FailedCall", "OpenAIDialect", "Outgoing"]

_PATHS: Final[dict[Api, str]] = {
    "chat": "/chat/completions",
    "completions": "/completions",
    "embeddings": "/embeddings",
}
_SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias")
_HINTS: Final = frozenset({"stream_options", "user"})
"""Refused by some, and left out without a word: neither changes the answer (usage is sent and counted anyway)."""

_DOES_ANYWAY: Final = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0, "top_logprobs": 0}
_DONE: Final = b"[DONE]"
_DONE_AT_MOST: Final = 16
_UNDECODABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class OpenAIDialect(ReadsFailures):
    """One provider, spoken to in OpenAI's dialect. Routes are made once, here."""

    verbatim = True

    def __init__(self, provider: Provider) -> None:
        headers = provider.request_headers()
        self.provider = provider
        self._routes = {api: Route.to("POST", provider.url(path), headers) for api, path in _PATHS.items()}
        self._failures = Failures(provider)
        self._encode = msgspec.json.Encoder().encode
        preset = provider.preset
        self._refuses = tuple(preset.refuses)
        self._asks_usage = preset.stream_usage == "asked"
        self.asks_usage = b'"stream_options":{"include_usage":true},' if self._asks_usage else b""
        """What a stream's body must have besides, as its first field."""
        self._old_limit = preset.max_tokens == "max_tokens" and preset.prices != "openai"

    def outgoing(self, model: Model, api: Api, body: dict[str, Any], *, stream: bool) -> Outgoing:
        """The request for one call; `body` is as the candidate makes it, without `model`. Raises UsageError for an API
        that is not OpenAI's, and Untranslatable where Anthropic's words cannot be read."""
        return Outgoing(self.route(model, api), self._encode(self.body(model, api, body, stream=stream)))

    def route(self, model: Model, api: Api) -> Route:  # noqa: ARG002 - others have one for each model
        """Where a call goes. Raises UsageError for an API that is not OpenAI's."""
        route = self._routes.get(api)
        if route is None:
            raise self._foreign(api)
        return route

    def _foreign(self, api: Api) -> UsageError:
        return UsageError(f"{self.provider.name} speaks OpenAI's dialect, which has no {api}")

    def passes(self, model: Model, api: Api, fields: Mapping[str, Any], *, stream: bool) -> bool:
        """Whether `body` would change nothing in a client's own words but the model's name, and for a stream add
        `asks_usage`: then they need not be encoded anew."""
        if ANTHROPIC_ONLY in fields or "stream_options" in fields or (stream and "stream" not in fields):
            return False
        if api == "chat" and (model.reasons or (self._old_limit and "max_completion_tokens" in fields)):
            return False
        for name in self._refuses:  # noqa: SIM110 - a loop, not a generator for every request
            if name in fields:
                return False
        return True

    def body(self, model: Model, api: Api, body: dict[str, Any], *, stream: bool) -> dict[str, Any]:
        """The body as this provider wants it spelled. `model` stands first, as in the SDKs."""
        if ANTHROPIC_ONLY in body:
            body, _ = plain_chat(plain(body))
        sent: dict[str, Any] = {"model": model.model}
        sent.update(body)
        if api == "chat":
            self._spell_limit(model, sent)
        if stream:
            sent["stream"] = True
            if self._asks_usage:
                sent["stream_options"] = {**(sent.get("stream_options") or {}), "include_usage": True}
        else:
            sent.pop("stream", None)
            sent.pop("stream_options", None)
        for name in self._refuses:
            sent.pop(name, None)
        return sent

    def _spell_limit(self, model: Model, sent: dict[str, Any]) -> None:
        if model.reasons:
            if "max_tokens" in sent:
                sent.setdefault("max_completion_tokens", sent.pop("max_tokens"))
            for name in _SAMPLING:
                sent.pop(name, None)
            return
        if self._old_limit and "max_completion_tokens" in sent:
            sent.setdefault("max_tokens", sent.pop("max_completion_tokens"))

    # --- for the gateway: bytes in, bytes out

    def cannot(self, model: Model, api: Api, body: Mapping[str, Any]) -> tuple[str, ...]:
        """What this provider refuses, or a reasoning model does. Values may be msgspec.Raw."""
        if api not in _PATHS:
            return (api,)
        sampling = _SAMPLING if api == "chat" and model.reasons else ()
        refused = (*self.provider.preset.refuses, *sampling, ANTHROPIC_ONLY)
        return tuple(
            dict.fromkeys(name for name in refused if name in body and name not in _HINTS and _asks(name, body[name]))
        )

    def whole(self, api: Api, body: bytes) -> bytes:
        """The body as it is, once it is seen to be a reply. Raises FailedCall."""
        try:
            view = decode_reply(body)
        except _UNDECODABLE as error:
            raise self._failures.unreadable(f"not a reply of this API ({error}): {shown(body)}") from None
        if not view.choices and (api != "embeddings" or view.error is not None):
            if view.error is not None:
                raise FailedCall(self._failures.in_band(body))
            raise self._failures.unreadable(f"a reply without choices: {shown(body)}")
        return body

    def streaming(self, api: Api) -> OpenAIStreaming:  # noqa: ARG002
        return OpenAIStreaming(self._failures)


class OpenAIStreaming:
    """A stream whose chunks are OpenAI's already: each is looked at and passed on as it came.

    `finished` counts a finish reason as the end: some servers never send [DONE].
    """

    __slots__ = ("_failures", "finished")

    def __init__(self, failures: Failures) -> None:
        self._failures = failures
        self.finished = False

    def feed(self, event: Event) -> list[bytes]:
        """Raises FailedCall for an error among the chunks, and for what is none."""
        data = event.data
        if len(data) < _DONE_AT_MOST and data.strip() == _DONE:
            self.finished = True
            return []
        try:
            view = decode_reply(data)
        except _UNDECODABLE as error:
            raise self._failures.unreadable(f"not a chunk of this API ({error}): {shown(data)}") from None
        if view.error is not None or event.event == b"error":
            raise FailedCall(self._failures.in_band(data))
        for choice in view.choices or ():
            if choice.finish_reason is not None:
                self.finished = True
        return [data]

    def finish(self) -> list[bytes]:
        return []


def _asks(name: str, value: Any) -> bool:
    """False where the value is what the provider does anyway."""
    said = msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
    return said is not None and said is not False and said not in ({}, []) and said != _DOES_ANYWAY.get(name)
