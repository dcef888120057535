"""OpenAI's dialect: how a request is put to a provider that speaks it, and how its replies and errors are read."""

from __future__ import annotations

from typing import Any

import msgspec

from weighbridge.providers import retry_after
from weighbridge.providers.candidate import Api
from weighbridge.providers.dialect import FailedCall, Outgoing
from weighbridge.providers.openai_errors import classify
from weighbridge.providers.provider import Model, Provider
from weighbridge.transport.client import Route
from weighbridge.transport.faults import (
    CallFailed,
    ConnectFailed,
    ConnectionLost,
    LimitExceeded,
    ProtocolViolation,
    TimedOut,
    TLSFailed,
)
from weighbridge.transport.reply import Reply
from weighbridge.transport.sse import EventTooLong, stamped_events
from weighbridge.wire.answer import Answer, Latency
from weighbridge.wire.failure import ErrorClass, Failure
from weighbridge.wire.reading import StreamFailed, Unreadable, answer_from_events, answer_from_reply, error_text, shown

__all__ = ["FailedCall", "OpenAIDialect", "Outgoing"]

_PATHS: dict[Api, str] = {"chat": "/chat/completions", "completions": "/completions"}
_MESSAGE_LENGTH = 500
_SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias")


class OpenAIDialect:
    """One provider, spoken to in OpenAI's dialect. Routes are made once, here."""

    def __init__(self, provider: Provider) -> None:
        headers = provider.request_headers()
        self.provider = provider
        self._routes = {api: Route.to("POST", provider.url(path), headers) for api, path in _PATHS.items()}
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
            raise FailedCall(self._in_band(error, reply), error.partial) from None
        except (Unreadable, EventTooLong) as error:
            raise FailedCall(Failure("protocol", self._cut(str(error)), status=reply.status)) from None

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

    def failure(self, status: int | None, headers: list[tuple[str, str]], body: bytes) -> Failure:
        """What an HTTP error was."""
        try:
            said = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            said = None
        if isinstance(said, list) and said:  # Gemini's endpoint wraps its error in a list
            said = said[0]
        error = said.get("error", said) if isinstance(said, dict) else None
        message = self._message(error) if error is not None else f"HTTP {status}: {shown(body)}"
        codes = _codes(error)
        return Failure(
            classify(status, tuple(code.lower() for code in codes), message),
            self._cut(message),
            status=status,
            code=codes[0] if codes else None,
            retry_after=retry_after.from_reply(headers, said),
        )

    def _in_band(self, error: StreamFailed, reply: Reply) -> Failure:
        """An error inside a 200: its own code may hold the status it would have had."""
        try:
            said = msgspec.json.decode(error.body)
        except msgspec.DecodeError:
            said = {}
        inner = said.get("error") if isinstance(said, dict) else None
        status = next(
            (
                value
                for name in ("status_code", "status", "code")
                if isinstance(inner, dict) and isinstance(value := inner.get(name), int) and 400 <= value < 600
            ),
            None,
        )
        failure = self.failure(status, reply.headers, error.body)
        if status is None and failure.error_class == "protocol":
            return msgspec.structs.replace(failure, error_class="capacity", status=reply.status)
        return msgspec.structs.replace(failure, status=reply.status)

    def failure_of(self, error: CallFailed) -> Failure:
        """What a failure below HTTP was."""
        error_class = next(found for kind, found in _BY_FAULT if isinstance(error, kind))
        status = error.reply.status if error.reply is not None else None
        return Failure(error_class, self._cut(str(error)), status=status)

    def _message(self, error: Any) -> str:
        text = error_text(error)
        raw = (
            error.get("metadata", {}).get("raw")
            if isinstance(error, dict) and isinstance(error.get("metadata"), dict)
            else None
        )
        return f"{text}: {raw}" if isinstance(raw, str) else text

    def _cut(self, text: str) -> str:
        plain = "".join(char if char.isprintable() else " " for char in text)
        return self.provider.redacted(plain)[:_MESSAGE_LENGTH]


_BY_FAULT: tuple[tuple[type[CallFailed], ErrorClass], ...] = (
    (TimedOut, "timeout"),
    (ConnectFailed, "network"),
    (TLSFailed, "network"),
    (ConnectionLost, "network"),
    (ProtocolViolation, "protocol"),
    (LimitExceeded, "protocol"),
    (CallFailed, "network"),
)


def _codes(error: Any) -> list[str]:
    if not isinstance(error, dict):
        return []
    return [value for name in ("code", "type", "status") if isinstance(value := error.get(name), str) and value]
