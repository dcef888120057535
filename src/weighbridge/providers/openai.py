"""OpenAI's dialect: how a request is put to a provider that speaks it, and how its replies and errors are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from weighbridge.providers.candidate import Api
from weighbridge.providers.dialect import FailedCall, Outgoing
from weighbridge.providers.failing import Failures
from weighbridge.providers.provider import Model, Provider
from weighbridge.transport.client import Route
from weighbridge.transport.faults import CallFailed
from weighbridge.transport.reply import Reply
from weighbridge.transport.sse import Event, EventTooLong, stamped_events
from weighbridge.wire.answer import Answer, Latency
from weighbridge.wire.failure import Failure
from weighbridge.wire.reading import StreamFailed, Unreadable, answer_from_events, answer_from_reply, shown
from weighbridge.wire.views import decode_reply

__all__ = ["FailedCall", "OpenAIDialect", "Outgoing"]

_PATHS: dict[Api, str] = {"chat": "/chat/completions", "completions": "/completions"}
_SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias")
_HINTS: Final = frozenset({"stream_options", "user"})
"""Refused by some, and left out without a word: neither changes the answer (usage is sent and counted anyway)."""

_DOES_ANYWAY: Final = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0, "top_logprobs": 0}
_DONE: Final = b"[DONE]"
_DONE_AT_MOST: Final = 16
_UNDECODABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class OpenAIDialect:
    """One provider, spoken to in OpenAI's dialect. Routes are made once, here."""

    verbatim = True

    def __init__(self, provider: Provider) -> None:
        headers = provider.request_headers()
        self.provider = provider
        self._routes = {api: Route.to("POST", provider.url(path), headers) for api, path in _PATHS.items()}
        self._failures = Failures(provider)
        self._encode = msgspec.json.Encoder().encode

    def outgoing(self, model: Model, api: Api, body: dict[str, Any], *, stream: bool) -> Outgoing:
        """The request for one call; `body` is as the candidate makes it, without `model`."""
        return Outgoing(self._routes[api], self._encode(self.body(model, api, body, stream=stream)))

    def body(self, model: Model, api: Api, body: dict[str, Any], *, stream: bool) -> dict[str, Any]:
        """The body as this provider wants it spelled. `model` stands first, as in the SDKs."""
        sent = {"model": model.model, **body}
        preset = self.provider.preset
        if api == "chat":
            self._spell_limit(model, sent)
        if stream:
            sent["stream"] = True
            if preset.stream_usage == "asked":
                sent["stream_options"] = {**(sent.get("stream_options") or {}), "include_usage": True}
        else:
            sent.pop("stream", None)
            sent.pop("stream_options", None)
        for name in preset.refuses:
            sent.pop(name, None)
        return sent

    def _spell_limit(self, model: Model, sent: dict[str, Any]) -> None:
        if model.reasons:
            if "max_tokens" in sent:
                sent.setdefault("max_completion_tokens", sent.pop("max_tokens"))
            for name in _SAMPLING:
                sent.pop(name, None)
            return
        preset = self.provider.preset
        if preset.max_tokens == "max_tokens" and preset.prices != "openai" and "max_completion_tokens" in sent:
            sent.setdefault("max_tokens", sent.pop("max_completion_tokens"))

    # --- what came back

    def answer(self, reply: Reply, *, streamed: bool) -> Answer:
        """Reads a reply. Raises FailedCall for an HTTP error, an error inside a 200, what is no reply of this API, and
        a stream that was cut."""
        if reply.status != 200:
            raise FailedCall(self.failure(reply.status, reply.headers, reply.body))
        media = reply.header("content-type") or ""
        try:
            if streamed and not media.startswith("application/json"):
                return self._streamed(reply)
            return self._whole(reply)
        except StreamFailed as error:
            failure = self._failures.in_band(error.body, reply.headers, status=reply.status)
            raise FailedCall(failure, error.partial) from None
        except (Unreadable, EventTooLong) as error:
            raise self._failures.unreadable(str(error), reply.status) from None

    def _whole(self, reply: Reply) -> Answer:
        answer = answer_from_reply(reply.body)
        timing = reply.timing
        end = timing.end if timing.end is not None else timing.started
        latency = Latency(
            total=end - timing.intended,
            ttfb=timing.first_byte - timing.intended if timing.first_byte is not None else None,
            lateness=timing.started - timing.intended,
        )
        return msgspec.structs.replace(answer, latency=latency)

    def _streamed(self, reply: Reply) -> Answer:
        timing = reply.timing
        events = stamped_events(reply.reads)
        if not events:
            raise Unreadable(f"a stream without events: {shown(reply.body)}")
        answer = answer_from_events(events, intended=timing.intended)
        if answer.latency is not None:
            end = timing.end if timing.end is not None else events[-1][0]
            answer = msgspec.structs.replace(
                answer,
                latency=msgspec.structs.replace(
                    answer.latency,
                    total=end - timing.intended,
                    ttfb=timing.first_byte - timing.intended if timing.first_byte is not None else None,
                    lateness=timing.started - timing.intended,
                ),
            )
        if not answer.complete:
            said = f"the stream ended after {answer.chunks} chunks without a finish reason"
            raise FailedCall(Failure("network", said, status=reply.status), answer)
        return answer

    def partial(self, reply: Reply | None, intended: float) -> Answer | None:
        """What of a streamed answer had come before the call failed; None where nothing was readable."""
        if reply is None or reply.status != 200 or not reply.reads:
            return None
        try:
            answer = answer_from_events(stamped_events(reply.reads), intended=intended)
        except (Unreadable, StreamFailed, EventTooLong):
            return None
        return answer if answer.chunks else None

    # --- failures

    def failure(self, status: int | None, headers: Sequence[tuple[str, str]], body: bytes) -> Failure:
        """What an HTTP error was."""
        return self._failures.over_http(status, headers, body)

    def in_band(self, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> Failure:
        """What an error inside a 200 was."""
        return self._failures.in_band(body, headers)

    def failure_of(self, error: CallFailed) -> Failure:
        """What a failure below HTTP was."""
        return self._failures.below_http(error)

    # --- for the gateway: bytes in, bytes out

    def cannot(self, model: Model, api: Api, body: Mapping[str, Any]) -> tuple[str, ...]:
        """What this provider refuses, or a reasoning model does. Values may be msgspec.Raw."""
        refused = (*self.provider.preset.refuses, *(_SAMPLING if api == "chat" and model.reasons else ()))
        if not refused:
            return ()
        return tuple(
            dict.fromkeys(name for name in refused if name in body and name not in _HINTS and _asks(name, body[name]))
        )

    def whole(self, api: Api, body: bytes) -> bytes:  # noqa: ARG002  # both apis look the same from here
        """The body as it is, once it is seen to be a reply. Raises FailedCall."""
        try:
            view = decode_reply(body)
        except _UNDECODABLE as error:
            raise self._failures.unreadable(f"not a reply of this API ({error}): {shown(body)}") from None
        if not view.choices:
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
    plain = msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
    return plain is not None and plain is not False and plain != {} and plain != _DOES_ANYWAY.get(name)
