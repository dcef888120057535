"""Bedrock's dialect: signatures, the binary event stream, and errors as AWS says them."""

import json
import struct
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.converse.test_reply import EVENTS, FULL

from weighbridge.errors import UsageError
from weighbridge.providers.bedrock import BedrockDialect
from weighbridge.providers.dialect import FailedCall, reader_of
from weighbridge.providers.presets import PRESETS
from weighbridge.providers.provider import Model, Provider
from weighbridge.providers.sigv4 import Credentials, sign
from weighbridge.transport.eventstream import BrokenFrame, EventStreamReader
from weighbridge.transport.sse import EventReader
from weighbridge.wire.failure import ErrorClass
from weighbridge.wire.reading import answer_from_events, answer_from_reply

HOST = "bedrock-runtime.us-east-1.amazonaws.com"
NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET}
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
TARGETS = [
    ("/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse", b'{"a":1}', None),
    (
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/converse-stream",
        '{"é":1}'.encode(),
        "TOKEN//==",
    ),
]
SIGNATURES = [  # made by botocore 1.44.8
    "0b3c0dff4b23cc8258a88d71f1732df7e0ceb46b45073b31971bde19cf45faa8",
    "26d1fadc702eb12b576433a34753bf9bcd4b3a4fbc1183445f3565cb4f4a9f6d",
]


def dialect(key: str | None = None, environment: dict[str, str] | None = None, base_url: str = "") -> BedrockDialect:
    provider = Provider("aws", base_url or f"https://{HOST}", PRESETS["bedrock"], key=key)
    return BedrockDialect(provider, KEYS if environment is None else environment)


def frame(payload: bytes, *, kind: str = "event", name: str = "messageStart", **more: str) -> bytes:
    """One message as AWS frames it, written from its description."""
    named = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}[kind]
    headers = b"\x01x\x00" + b"\x01y\x04\x00\x00\x00\x05"  # a truth value and a number, which are stepped over
    for key, value in {":message-type": kind, named: name, ":content-type": "application/json", **more}.items():
        headers += bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return message + struct.pack(">I", crc32(message))


BODY = b"".join(frame(json.dumps(data).encode(), name=name) for name, data in EVENTS)


def through(pieces: list[bytes]) -> tuple[list[dict[str, Any]], bool]:
    stream = dialect().streaming("chat")
    reader = reader_of(stream)
    events = [event for piece in pieces for event in reader.feed(piece)] + reader.finish()
    chunks = [json.loads(chunk) for event in events for chunk in stream.feed(event)]
    return [{**chunk, "id": "", "created": 0} for chunk in [*chunks, *stream.finish()]], stream.finished


# --- the request


def signed(target: str, body: bytes, token: str | None) -> dict[str, str]:
    credentials = Credentials("AKIDEXAMPLE", SECRET, token)
    return sign(credentials, host=HOST, target=target, body=body, region="us-east-1", service="bedrock", now=NOW)


@pytest.mark.parametrize(("case", "signature"), list(zip(TARGETS, SIGNATURES, strict=True)))
def test_signatures_are_those_of_aws(case: tuple[str, bytes, str | None], signature: str) -> None:
    target, body, token = case
    found = signed(target, body, token)
    assert found["Authorization"].endswith(f"Signature={signature}")
    assert found.get("X-Amz-Security-Token") == token


@given(
    st.text("abcXYZ019-_.~%:/ é", max_size=20),
    st.binary(max_size=30),
    st.none() | st.text("abc/+=", min_size=1, max_size=9),
)
def test_signatures_are_those_botocore_makes(model: str, body: bytes, token: str | None) -> None:
    """AWS's own implementation, where it is installed: any model's name, any body, with and without a token."""
    auth = pytest.importorskip("botocore.auth")
    from urllib.parse import quote

    from botocore.awsrequest import AWSRequest  # type: ignore[import-not-found,unused-ignore]
    from botocore.credentials import Credentials as Theirs  # type: ignore[import-not-found,unused-ignore]

    target = f"/model/{quote('m' + model, safe='')}/converse"
    request = AWSRequest("POST", f"https://{HOST}{target}", data=body, headers={"Content-Type": "application/json"})
    request.context["timestamp"] = NOW.strftime("%Y%m%dT%H%M%SZ")
    signer = auth.SigV4Auth(Theirs("AKIDEXAMPLE", SECRET, token), "bedrock", "us-east-1")
    signer._modify_request_before_signing(request)
    request.headers.replace_header("X-Amz-Date", request.context["timestamp"])
    canonical = signer.canonical_request(request)
    theirs = signer.signature(signer.string_to_sign(request, canonical), request)
    ours = signed(target, body, token)
    assert ours["Authorization"].endswith(theirs)


@pytest.mark.parametrize(
    ("model", "stream", "target"),
    [
        (CLAUDE, False, "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse"),
        (
            "arn:aws:bedrock:x:1:inference-profile/y",
            True,
            "/model/arn%3Aaws%3Abedrock%3Ax%3A1%3Ainference-profile%2Fy/converse-stream",
        ),
    ],
)
def test_requests_go_to_the_model_signed(model: str, stream: bool, target: str) -> None:
    spoken = dialect(environment={**KEYS, "AWS_SESSION_TOKEN": "temporary-token"})
    out = spoken.outgoing(Model("m", spoken.provider, model), "chat", HELLO, stream=stream)
    head = out.route.request(out.body).decode("latin-1")
    assert (out.route.origin.host, out.route.target) == (HOST, target)
    assert "/us-east-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token" in head
    assert "X-Amz-Security-Token: temporary-token\r\n" in head
    assert f"Host: {HOST}\r\n" in head
    assert SECRET not in head
    assert json.loads(out.body) == {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}


def test_a_bearer_key_is_carried_as_one() -> None:
    spoken = dialect(key="bedrock-api-key-0123", environment={})
    tail = spoken.outgoing(Model("m", spoken.provider, CLAUDE), "chat", HELLO, stream=False).route.tail
    assert b"Authorization: Bearer bedrock-api-key-0123\r\n" in tail
    assert b"X-Amz-Date" not in tail


def test_what_is_missing_is_said_at_once() -> None:
    with pytest.raises(UsageError, match="no AWS credentials"):
        dialect(environment={})
    with pytest.raises(UsageError, match="needs a base_url"):
        BedrockDialect(Provider("aws", "", PRESETS["bedrock"]), KEYS)
    with pytest.raises(UsageError, match="names no region"):
        dialect(base_url="https://proxy.example")
    dialect(base_url="https://proxy.example", environment={**KEYS, "AWS_REGION": "eu-west-1"})
    with pytest.raises(UsageError, match="speaks chat"):
        dialect().outgoing(Model("m", dialect().provider, CLAUDE), "completions", {"prompt": "x"}, stream=False)


def test_what_it_cannot_do_is_named() -> None:
    model = Model("m", dialect().provider, CLAUDE)
    assert dialect().cannot(model, "chat", {**HELLO, "seed": 1, "n": 2}) == ("seed", "n")
    assert dialect().cannot(model, "completions", {"prompt": "x"}) == ("prompt",)
    assert dialect().cannot(model, "chat", {"messages": 5}) == ()


# --- what came back


def test_a_whole_reply_is_openais() -> None:
    found = answer_from_reply(dialect().whole("chat", json.dumps(FULL).encode()))
    assert (found.text, found.finish_reason) == ("Let me see.", "tool_calls")
    for body in (b"", b"[]", b"{}", b'{"output": 5}'):
        with pytest.raises(FailedCall) as caught:
            dialect().whole("chat", body)
        assert caught.value.failure.error_class == "protocol"


def test_a_stream_cut_anywhere_gives_the_same_chunks() -> None:
    """Binary frames cut at every byte, and sent byte by byte (aibrix PR#2653)."""
    whole, finished = through([BODY])
    assert finished
    found = answer_from_events([(1.0, json.dumps(chunk).encode()) for chunk in whole], intended=0.0)
    assert (found.text, len(found.tool_calls), found.usage.input) == ("Let me see.", 2, 1310)
    assert through([BODY[place : place + 1] for place in range(len(BODY))]) == (whole, True)
    for cut in range(1, len(BODY)):
        assert through([BODY[:cut], BODY[cut:]]) == (whole, True)


def test_a_cut_stream_is_not_finished() -> None:
    """Portkey#1797: whatever its place, a cut before the turn's end leaves the stream without one."""
    end = BODY.index(frame(json.dumps(EVENTS[-2][1]).encode(), name="messageStop"))
    for cut in range(0, end, 7):
        assert not through([BODY[:cut]])[1]


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_a_changed_byte_never_passes(place: int, flip: int) -> None:
    """The checksums find every changed byte: an error, or a stream that is never finished, and nothing made up."""
    broken = BODY[:place] + bytes([BODY[place] ^ flip]) + BODY[place + 1 :]
    try:
        chunks, finished = through([broken])
    except FailedCall as error:
        assert error.failure.error_class == "protocol"  # noqa: PT017
    else:
        assert not finished
        assert chunks == through([BODY])[0][: len(chunks)]


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_broken(data: bytes) -> None:
    try:
        EventStreamReader().feed(data)
    except BrokenFrame as error:
        assert "event stream" in str(error)  # noqa: PT017


def test_frames_are_those_botocore_reads() -> None:
    eventstream = pytest.importorskip("botocore.eventstream")
    buffer = eventstream.EventStreamBuffer()
    buffer.add_data(BODY)
    theirs = [(message.headers[":event-type"], message.payload) for message in buffer]
    assert [(event.event.decode(), event.data) for event in EventStreamReader().feed(BODY)] == theirs


def test_other_streams_are_server_sent_events() -> None:
    assert isinstance(reader_of(None), EventReader)
    assert isinstance(reader_of(object()), EventReader)


EXCEPTIONS: list[tuple[str, str, ErrorClass]] = [
    ("throttlingException", "Too many tokens, please wait", "rate_limit"),
    ("modelStreamErrorException", "the model broke off", "capacity"),
    ("internalServerException", "internal", "capacity"),
    ("serviceUnavailableException", "busy", "capacity"),
    ("validationException", "Input is too long for requested model.", "context_length"),
    ("validationException", "bad field", "invalid_request"),
]


@pytest.mark.parametrize(("name", "message", "error_class"), EXCEPTIONS)
def test_exceptions_in_the_stream_are_failures(name: str, message: str, error_class: ErrorClass) -> None:
    """litellm#5512 for this provider: an exception inside a 200 is an error of its class, never an end."""
    data = frame(json.dumps({"message": message}).encode(), kind="exception", name=name)
    with pytest.raises(FailedCall) as caught:
        through([frame(b'{"role":"assistant"}'), data])
    failure = caught.value.failure
    assert (failure.error_class, failure.code, failure.message) == (error_class, name, message)


def test_an_error_message_of_the_stream_is_a_failure() -> None:
    with pytest.raises(FailedCall, match="it broke") as caught:
        through([frame(b"", kind="error", name="InternalFailure", **{":error-message": "it broke"})])
    assert caught.value.failure.error_class == "capacity"


ERRORS: list[tuple[int, str, str, ErrorClass]] = [
    (429, "ThrottlingException", "Too many requests", "rate_limit"),
    (400, "ServiceQuotaExceededException", "quota", "rate_limit"),
    (429, "ModelNotReadyException", "not ready", "capacity"),
    (408, "ModelTimeoutException", "took too long", "timeout"),
    (424, "ModelErrorException", "the model failed", "capacity"),
    (503, "ServiceUnavailableException", "busy", "capacity"),
    (403, "AccessDeniedException", "You don't have access to the model", "auth"),
    (403, "ExpiredTokenException", "The security token included in the request is expired", "auth"),
    (400, "ValidationException", "Input is too long for requested model.", "context_length"),
    (400, "ValidationException", "The provided model identifier is invalid.", "invalid_request"),
    (404, "ResourceNotFoundException", "Could not resolve the foundation model", "invalid_request"),
]


@pytest.mark.parametrize(("status", "kind", "message", "error_class"), ERRORS)
def test_awss_errors_are_classed(status: int, kind: str, message: str, error_class: ErrorClass) -> None:
    """Their name stands in a header, or in the body under `__type`."""
    headers = [("x-amzn-errortype", f"{kind}:http://internal.amazon.com/coral/")]
    for failure in (
        dialect().failure(status, headers, json.dumps({"message": message}).encode()),
        dialect().failure(status, [], json.dumps({"Message": message, "__type": f"com.amazon#{kind}"}).encode()),
    ):
        assert (failure.error_class, failure.status, failure.code) == (error_class, status, kind)
        assert failure.message == message


def test_what_was_signed_is_not_passed_on() -> None:
    """AWS echoes what it was sent when a signature does not match, the session's token with it."""
    spoken = dialect(environment={**KEYS, "AWS_SESSION_TOKEN": "temporary-token"})
    body = json.dumps({"message": "x-amz-security-token:temporary-token"}).encode()
    assert "temporary-token" not in spoken.failure(403, [], body).message
    assert "temporary-token" not in repr(spoken._credentials)
