"""A provider that does as it is asked: it calls the tools it is given, and answers in the schema it is told.

No model: arguments are made from their schema, with the numbers and quoted texts of the question where they fit.
Clients that test whole conversations (LangChain, LlamaIndex, the SDKs) need no more.
"""

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

from tests.e2e.gateway.upstream import DONE, Call, event, refusal

WORDS = "The scale reads what the road has brought."
_ids = itertools.count(1)


def provider(call: Call) -> None:
    """The script of a `scripted` provider."""
    path, body = call.path.partition("?")[0], call.body
    if path.endswith("/chat/completions"):
        _chat(call, body)
    elif path.endswith("/completions"):
        _completion(call, body)
    elif path.endswith("/embeddings"):
        call.reply(embeddings(body))
    else:
        call.reply(refusal(f"nothing at {path}", "invalid_request_error"), 404)


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    size = body.get("dimensions") or 8
    vectors = [[((len(str(text)) * 7 + n) % 13) / 13 for n in range(size)] for text in texts]
    data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
    usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}


# --- chat


def _chat(call: Call, body: dict[str, Any]) -> None:
    messages = [message_of(body) for _ in range(body.get("n") or 1)]
    reply = _base(body, "chat.completion")
    if not body.get("stream"):
        reply["choices"] = [_choice(body, n, message) for n, message in enumerate(messages)]
        call.reply({**reply, "usage": _usage(body, messages)})
        return
    call.stream(itertools.chain(_streamed(body, messages), [DONE]))


def message_of(body: dict[str, Any]) -> dict[str, Any]:
    """The assistant's message: tool calls where tools are to be used, else text."""
    asked = _asked(body)
    tools = [tool["function"] for tool in body.get("tools") or () if tool.get("type") == "function"]
    choice, last = body.get("tool_choice", "auto"), body["messages"][-1]["role"] if body.get("messages") else "user"
    if tools and choice != "none" and last in {"user", "system", "developer"}:
        if isinstance(choice, dict):
            tools = [tool for tool in tools if tool["name"] == choice["function"]["name"]]
        named = [tool for tool in tools if tool["name"].lower() in asked.lower()] or tools[:1]
        calls = [_tool_call(tool, asked) for tool in named]
        if re.search(r"twice|two cities|and in|in parallel", asked) and body.get("parallel_tool_calls", True):
            calls.append(_tool_call(named[0], asked))
        one = body.get("parallel_tool_calls") is False
        return {"role": "assistant", "content": None, "tool_calls": calls[:1] if one else calls}
    return {"role": "assistant", "content": _text(body, asked), "refusal": None}


def _text(body: dict[str, Any], asked: str) -> str:
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return json.dumps(fill(wanted["json_schema"]["schema"], asked))
    if wanted.get("type") == "json_object":
        return json.dumps(dict.fromkeys(re.findall(r"'(\w+)'", asked) or ["answer"], "yes"))
    text = WORDS
    for stop in _listed(body.get("stop")):
        text = text.partition(stop)[0]
    return text


def _streamed(body: dict[str, Any], messages: list[dict[str, Any]]) -> Iterator[bytes]:
    base = {**_base(body, "chat.completion.chunk"), "usage": None}
    include = bool((body.get("stream_options") or {}).get("include_usage"))
    if not include:
        del base["usage"]
    for n, message in enumerate(messages):
        yield _chunk(base, n, {"role": "assistant", "content": "" if message["content"] is not None else None})
        for piece in _deltas(message):
            logprobs = {"content": _logprobs(body, piece["content"])} if "content" in piece and _tells(body) else None
            yield _chunk(base, n, piece, logprobs=logprobs)
        yield _chunk(base, n, {}, finish="tool_calls" if "tool_calls" in message else "stop")
    if include:
        yield event({**base, "choices": [], "usage": _usage(body, messages)})


def _deltas(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for word in re.findall(r"\s*\S+", message["content"] or ""):
        yield {"content": word}
    for index, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        begun = {"name": function["name"], "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call["id"], "type": "function", "function": begun}]}
        said = function["arguments"]
        for start in range(0, len(said), 7):
            yield {"tool_calls": [{"index": index, "function": {"arguments": said[start : start + 7]}}]}


def _chunk(
    base: dict[str, Any], index: int, delta: dict[str, Any], *, finish: str | None = None, logprobs: Any = None
) -> bytes:
    choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
    return event({**base, "choices": [choice]})


def _choice(body: dict[str, Any], index: int, message: dict[str, Any]) -> dict[str, Any]:
    logprobs = {"content": _logprobs(body, message["content"] or ""), "refusal": None} if _tells(body) else None
    finish = "tool_calls" if "tool_calls" in message else "stop"
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": finish}


def _logprobs(body: dict[str, Any], text: str) -> list[dict[str, Any]]:
    told = [
        {"token": word, "logprob": -0.25 - n, "bytes": list(word.encode())}
        for n, word in enumerate(re.findall(r"\s*\S+", text)[:1])
    ]
    return [{**one, "top_logprobs": told[: body.get("top_logprobs") or 0]} for one in told]


def _tells(body: dict[str, Any]) -> bool:
    return body.get("logprobs") is True


# --- completions


def _completion(call: Call, body: dict[str, Any]) -> None:
    base = _base(body, "text_completion")
    count = body.get("n") or 1
    if not body.get("stream"):
        choices = [{"index": n, "text": WORDS, "logprobs": None, "finish_reason": "stop"} for n in range(count)]
        call.reply({**base, "choices": choices, "usage": _usage(body, [])})
        return
    pieces = [*re.findall(r"\s*\S+", WORDS), ""]
    chunks = [
        event(
            {
                **base,
                "choices": [{"index": 0, "text": word, "logprobs": None, "finish_reason": None if word else "stop"}],
            }
        )
        for word in pieces
    ]
    call.stream([*chunks, DONE])


# --- what they have in common


def _base(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{next(_ids)}", "object": kind, "created": 1, "model": body["model"]}


def _usage(body: dict[str, Any], messages: list[dict[str, Any]]) -> dict[str, Any]:
    given, made = len(json.dumps(body)) // 4, len(json.dumps(messages)) // 4 + 1
    details = {"prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}}
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made, **details}


def _asked(body: dict[str, Any]) -> str:
    """The last words of a user."""
    for message in reversed(body.get("messages") or []):
        if message["role"] == "user":
            content = message["content"]
            if isinstance(content, str):
                return content
            return " ".join(str(part.get("text", "")) for part in content or () if isinstance(part, dict))
    return ""


def _tool_call(tool: dict[str, Any], asked: str) -> dict[str, Any]:
    arguments = json.dumps(fill(tool.get("parameters") or {}, asked))
    function = {"name": tool["name"], "arguments": arguments}
    return {"id": f"call_{next(_ids)}", "type": "function", "function": function}


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def fill(schema: dict[str, Any], asked: str) -> Any:
    """A value that fits, made of the question where it can be."""
    numbers = iter(re.findall(r"-?\d+(?:\.\d+)?", asked))
    return _fill(schema, schema.get("$defs", {}), numbers, asked)


def _fill(schema: dict[str, Any], defs: dict[str, Any], numbers: Iterator[str], asked: str) -> Any:
    if "$ref" in schema:
        return _fill(defs[schema["$ref"].rpartition("/")[2]], defs, numbers, asked)
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return _fill(schema[name][0], defs, numbers, asked)
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object" and not {"const", "enum"} & schema.keys():
        properties = schema.get("properties", {})
        return {name: _fill(one, defs, numbers, asked) for name, one in properties.items()}
    if kind == "array":
        return [_fill(schema.get("items") or {"type": "string"}, defs, numbers, asked)]
    return _plain(schema, kind, numbers, asked)


def _plain(schema: dict[str, Any], kind: str, numbers: Iterator[str], asked: str) -> Any:
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if kind in {"integer", "number"}:
        number = float(next(numbers, "1"))
        return int(number) if kind == "integer" else number
    quoted = re.search(r"'([^']+)'|\"([^\"]+)\"", asked)
    return {"boolean": True, "null": None}.get(kind, (quoted[1] or quoted[2]) if quoted else "some text")
