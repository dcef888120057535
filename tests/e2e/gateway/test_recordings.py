"""Every recorded reply, served by a simulator and fetched through the gateway with an official SDK, reads as it does
without the gateway; those of other APIs read as they would by their own SDK."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anthropic
import openai
from tests.e2e.gateway.conftest import Serve, Simulate
from tests.wire.generate.recorded import recordings as gemini_recordings
from tests.wire.generate.recorded import replies as gemini_replies
from tests.wire.messages import anthropic_recordings
from tests.wire.recorded import exchanges, streamed

from weighbridge.simulator.process import Running

Row = dict[str, Any]


def mark(number: int) -> str:
    """What a request says so that the simulator plays this recording."""
    return f"recording {number:05d}."


def playing(simulate: Simulate, folder: Path, rows: Iterable[Row], path: str) -> Running:
    """A provider that answers `mark(n)` with the n-th recording, byte by byte."""
    answers = folder / "answers.jsonl"
    with answers.open("w", encoding="utf-8") as file:
        for number, row in enumerate(rows):
            media = (
                "text/event-stream"
                if row["response_body"].lstrip().startswith(("data:", "event:", ":"))
                else "application/json"
            )
            reply = {"status": row["status"], "headers": {"content-type": media}, "body": row["response_body"]}
            file.write(json.dumps({"ask": mark(number), "path": path, **reply}) + "\n")
    return simulate(answers=str(answers))


def served_by(serve: Serve, preset: str, url: str, model: str = "m") -> str:
    price = {"input": 1, "output": 2}
    said = {
        "providers": {"a": {"preset": preset, "base_url": url, "key": "$RECORDING_KEY"}},
        "models": {"a": {"provider": "a", "model": model, "price": price}},
        "endpoints": {"it": {"candidates": ["a"]}},
    }
    return serve(said, env={"RECORDING_KEY": "sk-recorded"}).url


def said_to(client: openai.OpenAI, model: str, number: int, *, stream: bool) -> Any:
    """What the SDK reads: a reply, the chunks of a stream with its usage, as plain data; or the error it raises."""
    messages: Any = [{"role": "user", "content": mark(number)}]
    options: Any = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    try:
        found = client.chat.completions.create(model=model, messages=messages, **options)
        return [one.model_dump(warnings=False) for one in found] if stream else found.model_dump(warnings=False)
    except openai.APIError as error:
        return error


def read(chunks: list[dict[str, Any]]) -> tuple[list[Any], Any]:
    """A stream's chunks without usage, and the usage: where it stands differs between providers, and not here."""
    usage = None
    found = []
    for chunk in chunks:
        own, groq = chunk.pop("usage", None), chunk.pop("x_groq", None) or {}
        usage = own or groq.get("usage") or usage
        if chunk["choices"]:
            found.append(chunk)
    return found, usage


def test_chat_completions_read_the_same(shared_data: Path, simulate: Simulate, serve: Serve, tmp_path: Path) -> None:
    rows = [row for row in exchanges(shared_data) if row["status"] == 200 and "/chat/completions" in row["uri"]]
    assert len(rows) > 400
    provider = playing(simulate, tmp_path, rows, "/v1/chat/completions")
    through = openai.OpenAI(base_url=served_by(serve, "simulator", provider.url), api_key="k", max_retries=0)
    straight = openai.OpenAI(base_url=provider.url, api_key="k", max_retries=0)
    for number, row in enumerate(rows):
        stream = streamed(row)
        want, have = said_to(straight, "m", number, stream=stream), said_to(through, "it", number, stream=stream)
        if isinstance(want, openai.APIError):  # an error inside a 200 is an error there too, in the provider's words
            assert isinstance(have, openai.APIError), row["file"]
            assert want.message in have.message, row["file"]
        elif stream:
            assert read(have) == read(want), row["file"]
        else:
            assert have == want, row["file"]


def test_embeddings_read_the_same(shared_data: Path, simulate: Simulate, serve: Serve, tmp_path: Path) -> None:
    rows = [row for row in recorded(shared_data) if row["status"] == 200 and path_of(row).endswith("/embeddings")]
    assert len(rows) > 30
    provider = playing(simulate, tmp_path, rows, "/v1/embeddings")
    through = openai.OpenAI(base_url=served_by(serve, "simulator", provider.url), api_key="k", max_retries=0)
    straight = openai.OpenAI(base_url=provider.url, api_key="k", max_retries=0)
    for number, row in enumerate(rows):
        want, have = (
            client.embeddings.create(model=model, input=mark(number)).model_dump(warnings=False)
            for client, model in ((straight, "m"), (through, "it"))
        )
        assert have == want, row["file"]


# --- other APIs: a model for each recording, since not every API has a prompt that a simulator can look for


def named(number: int) -> str:
    return f"recording-{number:05d}"


def replayed(
    simulate: Simulate, serve: Serve, folder: Path, preset: str, rows: list[Row], *, under: str, base: str
) -> tuple[str, str]:
    """A gateway with an endpoint for each recording, and its provider's origin. `under` is the path of the API, with
    `{}` for the model where it has one, and `base` what of it is the provider's base URL."""
    answers = folder / "answers.jsonl"
    with answers.open("w", encoding="utf-8") as file:
        for number, row in enumerate(rows):
            stream = row["response_body"].lstrip().startswith(("data:", "event:"))
            path = under.format(named(number), "streamGenerateContent" if stream else "generateContent")
            which = {"path": path} if "{" in under else {"path": path, "model": named(number)}
            headers = {"content-type": "text/event-stream" if stream else "application/json"}
            said = {"status": row["status"], "headers": headers, "body": row["response_body"]}
            file.write(json.dumps({**which, **said}) + "\n")
    provider = simulate(answers=str(answers))
    price = {"input": 1, "output": 2}
    names = [named(number) for number in range(len(rows))]
    said = {
        "providers": {"a": {"preset": preset, "base_url": provider.origin + base, "key": "$RECORDING_KEY"}},
        "models": {name: {"provider": "a", "model": name, "price": price} for name in names},
        "endpoints": {name: {"candidates": [name]} for name in names},
    }
    return serve(said, env={"RECORDING_KEY": "sk-recorded"}).url, provider.origin


def test_anthropics_messages_come_out_as_chats(
    shared_data: Path, simulate: Simulate, serve: Serve, tmp_path: Path
) -> None:
    """The same text, tool calls, usage and stop reason."""
    rows = [row for row in anthropic_recordings.exchanges(shared_data) if row["status"] == 200]
    url, _ = replayed(simulate, serve, tmp_path, "anthropic-native", rows, under="/v1/messages", base="/v1")
    client = openai.OpenAI(base_url=url, api_key="k", max_retries=0)
    for number, row in enumerate(rows):
        stream = anthropic_recordings.streamed(row)
        want = message_of(row)
        have = put_together(client, named(number), stream=stream)
        content = want["content"]
        assert have["text"] == anthropic_recordings.text(content), row["file"]
        assert have["calls"] == anthropic_recordings.calls(content), row["file"]
        assert have["usage"]["completion_tokens"] == want["usage"]["output_tokens"], row["file"]
        assert have["usage"]["prompt_tokens"] >= want["usage"]["input_tokens"], row["file"]
        assert have["reason"] == REASONS[want["stop_reason"]], row["file"]


def test_anthropics_messages_read_the_same_to_anthropics_sdk(
    shared_data: Path, simulate: Simulate, serve: Serve, tmp_path: Path
) -> None:
    """Through /v1/messages, where they were a chat in between: the same text, tool calls, usage and stop reason."""
    rows = [row for row in anthropic_recordings.exchanges(shared_data) if row["status"] == 200]
    url, origin = replayed(simulate, serve, tmp_path, "anthropic-native", rows, under="/v1/messages", base="/v1")
    through = anthropic.Anthropic(base_url=url.removesuffix("/v1"), api_key="k", max_retries=0)
    straight = anthropic.Anthropic(base_url=origin, api_key="k", max_retries=0)
    for number, row in enumerate(rows):
        want, have = (
            asked(client, named(number), stream=anthropic_recordings.streamed(row)) for client in (straight, through)
        )
        assert anthropic_recordings.text(have["content"]) == anthropic_recordings.text(want["content"]), row["file"]
        assert anthropic_recordings.calls(have["content"]) == anthropic_recordings.calls(want["content"]), row["file"]
        assert have["usage"]["output_tokens"] == want["usage"]["output_tokens"], row["file"]
        assert have["usage"]["input_tokens"] == want["usage"]["input_tokens"], row["file"]
        assert have["stop_reason"] == want["stop_reason"], row["file"]


def test_geminis_replies_come_out_as_chats(shared_data: Path, simulate: Simulate, serve: Serve, tmp_path: Path) -> None:
    """The same text, tool calls, usage and a finish reason; a blocked prompt is an error."""
    rows = [row for row in gemini_recordings(shared_data) if row["status"] == 200]
    assert len(rows) > 200
    under, base = "/v1beta/models/{}:{}", "/v1beta"
    url, _ = replayed(simulate, serve, tmp_path, "gemini-native", rows, under=under, base=base)
    client = openai.OpenAI(base_url=url, api_key="k", max_retries=0)
    for number, row in enumerate(rows):
        if "promptFeedback" in row["response_body"]:
            continue
        told = gemini_replies(row)
        parts = [
            part
            for reply in told
            for candidate in reply.get("candidates", ())[:1]
            for part in candidate.get("content", {}).get("parts", ())
        ]
        have = put_together(client, named(number), stream=len(told) > 1 or "stream" in row["uri"])
        text = "".join(part["text"] for part in parts if "text" in part and not part.get("thought"))
        calls = [
            (part["functionCall"]["name"], part["functionCall"].get("args") or {})
            for part in parts
            if "functionCall" in part
        ]
        assert have["text"].startswith(text) or text in have["text"], row["file"]
        assert [(name, arguments) for _, name, arguments in have["calls"]] == calls, row["file"]
        # Chunks count what was made so far, and the last one may leave out what those before it told.
        most = {
            name: max(reply.get("usageMetadata", {}).get(name, 0) for reply in told)
            for name in ("candidatesTokenCount", "thoughtsTokenCount")
        }
        made = most["candidatesTokenCount"] + most["thoughtsTokenCount"]
        assert have["usage"]["completion_tokens"] == made, row["file"]
        assert have["usage"]["prompt_tokens"] >= told[-1]["usageMetadata"]["promptTokenCount"], row["file"]
        assert have["reason"], row["file"]


REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "stop",
}


def recorded(folder: Path) -> list[Row]:
    with gzip.open(folder / "wire" / "recorded.jsonl.gz", "rt") as file:
        return [json.loads(line) for line in file]


def path_of(row: Row) -> str:
    return str(row["uri"]).partition("?")[0]


def message_of(row: Row) -> dict[str, Any]:
    """Anthropic's message, whole or put together from its stream."""
    if not anthropic_recordings.streamed(row):
        found: dict[str, Any] = json.loads(row["response_body"])
        return found
    events = anthropic_recordings.events(row["response_body"])
    return anthropic_recordings.put_together(pair for pair in events if pair[0] != "ping")


def asked(client: anthropic.Anthropic, model: str, *, stream: bool) -> dict[str, Any]:
    messages: Any = [{"role": "user", "content": "Go on"}]
    if not stream:
        return client.messages.create(model=model, max_tokens=99, messages=messages).model_dump(warnings=False)
    with client.messages.stream(model=model, max_tokens=99, messages=messages) as events:
        return events.get_final_message().model_dump(warnings=False)


def put_together(client: openai.OpenAI, model: str, *, stream: bool) -> dict[str, Any]:
    """A chat's text, calls (id, name, arguments), usage and finish reason, whole or streamed."""
    messages: Any = [{"role": "user", "content": "Go on"}]
    if not stream:
        reply = client.chat.completions.create(model=model, messages=messages).model_dump(warnings=False)
        choice = reply["choices"][0]
        calls = choice["message"]["tool_calls"] or []
        text = choice["message"]["content"] or ""
        return {"text": text, "calls": as_calls(calls), "usage": reply["usage"], "reason": choice["finish_reason"]}
    with client.chat.completions.stream(
        model=model, messages=messages, stream_options={"include_usage": True}
    ) as events:
        reply = events.get_final_completion().model_dump(warnings=False)
    choice = reply["choices"][0]
    calls = choice["message"]["tool_calls"] or []
    text = choice["message"]["content"] or ""
    return {"text": text, "calls": as_calls(calls), "usage": reply["usage"], "reason": choice["finish_reason"]}


def as_calls(calls: list[dict[str, Any]]) -> list[tuple[str, str, Any]]:
    return [(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls]
