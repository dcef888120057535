"""AWS Bedrock's dialect: Converse and ConverseStream, signed with an access key or carried by a bearer key."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import msgspec

from weighbridge.errors import UsageError
from weighbridge.providers.bedrock_errors import TABLE
from weighbridge.providers.candidate import Api
from weighbridge.providers.dialect import FailedCall, Outgoing
from weighbridge.providers.failing import Failures, ReadsFailures
from weighbridge.providers.provider import Model, Provider
from weighbridge.providers.sigv4 import Credentials, sign
from weighbridge.transport.client import Route
from weighbridge.transport.eventstream import BrokenFrame, EventStreamReader
from weighbridge.transport.sse import Event
from weighbridge.wire.converse import ChatFromConverse, chat_reply_from_converse, converse_from_chat
from weighbridge.wire.failure import Failure
from weighbridge.wire.reading import Unreadable, shown
from weighbridge.wire.translation import plain

_REGION: Final = re.compile(r"(?:^|\.)bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")
_SERVICE: Final = "bedrock"
_UNDECODABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_encode = msgspec.json.Encoder().encode


class BedrockDialect(ReadsFailures):
    """One AWS account in one region. `base_url` is https://bedrock-runtime.REGION.amazonaws.com, `Model.model` a model,
    an inference profile or its ARN. The provider's key is a Bedrock API key; without one AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN sign. Raises UsageError where there is neither, or no region.
    """

    verbatim = False

    def __init__(self, provider: Provider, environment: Mapping[str, str] = os.environ) -> None:
        self.provider = provider
        if not provider.base_url:
            mend = "Write https://bedrock-runtime.REGION.amazonaws.com"
            raise UsageError(f"provider {provider.name} needs a base_url", mend=mend)
        self._credentials = None if provider.key else Credentials.of(environment)
        if not provider.key and self._credentials is None:
            mend = "Set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            raise UsageError(f"provider {provider.name} has no AWS credentials", mend=mend)
        self._region = _region(provider, environment) if self._credentials else ""
        self._failures = Failures(_secretive(provider, self._credentials), TABLE)
        self._routes: dict[tuple[str, bool], Route] = {}

    def cannot(self, model: Model, api: Api, body: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        """What has no words in Converse; nothing for a body that is no request, which `outgoing` refuses."""
        if api != "chat":
            return ("prompt",)
        try:
            return tuple(converse_from_chat(plain(body))[1])
        except UsageError:
            return ()

    def outgoing(self, model: Model, api: Api, body: dict[str, Any], *, stream: bool) -> Outgoing:
        """The request for one call, signed as of now. Raises UsageError for a body that is no chat request."""
        if api != "chat":
            raise UsageError(f"provider {self.provider.name} speaks chat, and the request is a plain prompt")
        data = _encode(converse_from_chat(plain(body))[0])
        route = self._route(model.model, stream)
        if self._credentials is None:
            return Outgoing(route, data)
        signed = sign(
            self._credentials,
            host=route.origin.authority,
            target=route.target,
            body=data,
            region=self._region,
            service=_SERVICE,
            now=datetime.now(UTC),
        )
        return Outgoing(route.adding(signed), data)

    def _route(self, model: str, stream: bool) -> Route:
        route = self._routes.get((model, stream))
        if route is None:
            url = self.provider.url(f"model/{quote(model, safe='')}/converse{'-stream' if stream else ''}")
            media = {"Accept": "application/vnd.amazon.eventstream" if stream else "application/json"}
            headers = {**self.provider.request_headers(), **media, **self.provider.headers}
            route = self._routes[model, stream] = Route.to("POST", url, headers)
        return route

    # --- what came back

    def whole(self, api: Api, body: bytes) -> bytes:  # noqa: ARG002  # there is only chat
        """The reply as OpenAI's. Raises FailedCall for what is none."""
        said = _object(self._failures, body)
        try:
            return _encode(chat_reply_from_converse(said, ""))
        except Unreadable as error:
            raise self._failures.unreadable(str(error)) from None

    def streaming(self, api: Api) -> BedrockStreaming:  # noqa: ARG002
        return BedrockStreaming(self._failures)

    def failure(self, status: int | None, headers: Sequence[tuple[str, str]], body: bytes) -> Failure:
        """What an HTTP error was: AWS names it in a header, and its body holds only the message."""
        kind = next((value for name, value in headers if name == "x-amzn-errortype"), "")
        return self._failures.over_http(status, headers, _named(kind, body))


class BedrockStreaming:
    """One ConverseStream. Its bytes are framed as AWS does, so it brings its own `reader`."""

    __slots__ = ("_failures", "_stream")

    def __init__(self, failures: Failures) -> None:
        self._failures = failures
        self._stream = ChatFromConverse()

    @property
    def finished(self) -> bool:
        """True once the turn said why it ended."""
        return self._stream.finished

    def reader(self) -> BedrockReader:
        """What cuts the stream's bytes into events."""
        return BedrockReader(self._failures)

    def feed(self, event: Event) -> list[bytes]:
        """Raises FailedCall for an exception among the events, and for what is no event of this API."""
        name = event.event.decode("utf-8", "replace")
        if event.id in {b"exception", b"error"}:
            failure = self._failures.over_http(None, (), _named(name, event.data))
            raise FailedCall(msgspec.structs.replace(failure, status=200))
        try:
            return [_encode(chunk) for chunk in self._stream.feed(name, _object(self._failures, event.data))]
        except Unreadable as error:
            raise self._failures.unreadable(str(error)) from None

    def finish(self) -> list[bytes]:
        return []


class BedrockReader:
    """AWS's frames as events; a frame that is broken is a FailedCall."""

    __slots__ = ("_failures", "_frames")

    def __init__(self, failures: Failures) -> None:
        self._failures = failures
        self._frames = EventStreamReader()

    def feed(self, data: bytes) -> list[Event]:
        try:
            return self._frames.feed(data)
        except BrokenFrame as error:
            raise self._failures.unreadable(str(error)) from None

    def finish(self) -> list[Event]:
        return self._frames.finish()


def _region(provider: Provider, environment: Mapping[str, str]) -> str:
    found = _REGION.search(Route.to("POST", provider.base_url).origin.host)
    region = found[1] if found else environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if not region:
        raise UsageError(f"provider {provider.name} names no region", mend="Set AWS_REGION")
    return region


def _secretive(provider: Provider, credentials: Credentials | None) -> Provider:
    """The provider as its failures see it: AWS echoes what was signed, and a session's token is part of it."""
    if credentials is None:
        return provider
    secrets = {"secret": credentials.secret, "token": credentials.token or ""}
    return replace(provider, headers={**provider.headers, **secrets})


def _object(failures: Failures, body: bytes) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(body)
    except _UNDECODABLE as error:
        raise failures.unreadable(f"not a reply of this API ({error}): {shown(body)}") from None
    if not isinstance(said, dict):
        raise failures.unreadable(f"not a reply of this API: {shown(body)}")
    return said


def _named(kind: str, body: bytes) -> bytes:
    """An error of AWS as OpenAI's, with the name that stands in a header; as it was where it is no JSON object."""
    try:
        said = msgspec.json.decode(body)
    except _UNDECODABLE:
        return body
    if not isinstance(said, dict):
        return body
    message = said.get("message", said.get("Message"))
    code = (kind or str(said.get("__type") or "")).partition(":")[0].rpartition("#")[2]
    return _encode({"error": {"message": message, "code": code or None}})
