"""A generateContent reply as a chat reply, and the parts that a stream's chunks share with it."""

from __future__ import annotations

import hashlib
import time
import uuid
from datetime import datetime
from typing import Any

import msgspec

from weighbridge.errors import WeighbridgeError
from weighbridge.wire.translation import sent

FINISH_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(
        (
            *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"),
            *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER"),
        ),
        "content_filter",
    ),
}
_CALLED = frozenset({"UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"})
"""The model called functions nobody declared, or many: the app can answer that. Every other reason that is not named
here or above (MALFORMED_FUNCTION_CALL, OTHER, …) is of a turn that came to nothing usable: never a success."""

_KEPT = ("groundingMetadata", "urlContextMetadata", "citationMetadata", "safetyRatings")


class Blocked(WeighbridgeError):
    """The prompt was refused before a word was made. `reason` is Gemini's own, such as PROHIBITED_CONTENT."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"the prompt was blocked ({reason}){f': {message}' if message else ''}")
        self.reason = reason


def chat_reply_from_generate(reply: dict[str, Any], model: str) -> dict[str, Any]:
    """The chat reply; `model` is told where the reply does not name its own.

    Raises Blocked where the prompt was refused, Unreadable for what is no reply or an unusable turn.
    """
    sent.bounded(reply, "the reply")
    candidates = sent.objects(reply.get("candidates"), "candidates")
    if not candidates:
        raise_for_feedback(reply)
        raise sent.fail("a reply without candidates")
    head = Head(reply, model)
    choices = []
    for place, candidate in enumerate(candidates):
        index = sent.whole(candidate.get("index"), f"candidates[{place}].index") or place
        turn = Turn(head, index)
        delta = turn.take(candidate, f"candidates[{place}]")
        choices.append(_choice(turn, delta, candidate, f"candidates[{place}]"))
    said = head.document("chat.completion", choices)
    if (usage := usage_from(reply.get("usageMetadata"))) is not None:
        said["usage"] = usage
    return said


def _choice(turn: Turn, delta: dict[str, Any], candidate: dict[str, Any], where: str) -> dict[str, Any]:
    finish = turn.finish(candidate, where)
    message = {"role": "assistant", "content": delta.pop("content", None), "refusal": None, **delta}
    for call in message.get("tool_calls") or ():
        call.pop("index")  # only a stream numbers them
    google = message.get("extra_content", {}).get("google", {})
    for entry in (*message.get("images", ()), *google.get("parts", ())):
        entry.pop("index")
    if message["content"] is None and finish == "content_filter":
        message["refusal"] = sent.text(candidate.get("finishMessage"), f"{where}.finishMessage") or None
    return {
        "index": turn.index,
        "message": message,
        "logprobs": logprobs_from(candidate.get("logprobsResult"), where),
        "finish_reason": finish or "stop",
        **native(candidate),
    }


def raise_for_feedback(reply: dict[str, Any]) -> None:
    """Raises Blocked where the reply says that the prompt was refused."""
    feedback = sent.object(reply.get("promptFeedback"), "promptFeedback")
    if reason := sent.text(feedback.get("blockReason"), "promptFeedback.blockReason"):
        raise Blocked(reason, sent.text(feedback.get("blockReasonMessage"), "promptFeedback.blockReasonMessage"))


class Head:
    """What every chunk of a reply repeats: its id, time and model. The first that names them counts."""

    def __init__(self, reply: dict[str, Any], model: str) -> None:
        vendors = sent.text(reply.get("responseId"), "responseId")
        self.id = vendors or uuid.uuid4().hex
        self.created = _seconds(sent.text(reply.get("createTime"), "createTime"))
        self.model = (sent.text(reply.get("modelVersion"), "modelVersion") or model).removeprefix("models/")

    def document(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }


class Turn:
    """One candidate, whole or piece by piece: numbers its calls and knows how it ended."""

    def __init__(self, head: Head, index: int) -> None:
        self.index = index
        self._head = head
        self._calls = self._pictures = self._rest = 0

    def take(self, candidate: dict[str, Any], where: str) -> dict[str, Any]:
        """The parts of a candidate as a delta, all that is in lists numbered on from the last piece: OpenAI's SDKs put
        them together by `index`, and raise where there is none."""
        content = sent.object(candidate.get("content"), f"{where}.content")
        texts: dict[str, list[str]] = {"content": [], "reasoning_content": []}
        delta: dict[str, Any] = {}
        google: dict[str, Any] = {}
        for place, part in enumerate(sent.objects(content.get("parts"), f"{where}.content.parts")):
            at = f"{where}.content.parts[{place}]"
            signature = sent.text(part.get("thoughtSignature"), f"{at}.thoughtSignature")
            if "functionCall" in part:
                delta.setdefault("tool_calls", []).append(self._call(part["functionCall"], signature, at))
                continue
            if signature:
                google["thought_signature"] = signature
            if "text" in part:
                texts["reasoning_content" if part.get("thought") else "content"].append(
                    sent.text(part["text"], f"{at}.text")
                )
            elif "inlineData" in part:
                delta.setdefault("images", []).append({**_picture(part["inlineData"], at), "index": self._pictures})
                self._pictures += 1
            elif rest := {name: value for name, value in part.items() if name not in {"thoughtSignature", "thought"}}:
                # Searches and code run at Google's: no words for them here.
                google.setdefault("parts", []).append({**rest, "index": self._rest})
                self._rest += 1
        delta |= {name: "".join(said) for name, said in texts.items() if said}
        if google:
            delta["extra_content"] = {"google": google}
        return delta

    def _call(self, value: Any, signature: str, where: str) -> dict[str, Any]:
        call = sent.object(value, f"{where}.functionCall")
        number = self._calls
        self._calls += 1
        arguments = sent.object(call.get("args"), f"{where}.functionCall.args")
        said: dict[str, Any] = {
            "index": number,
            "id": sent.text(call.get("id"), f"{where}.functionCall.id") or self._id(number),
            "type": "function",
            "function": {
                "name": sent.needed(call.get("name"), f"{where}.functionCall.name"),
                "arguments": msgspec.json.encode(arguments).decode(),
            },
        }
        if signature:
            said["extra_content"] = {"google": {"thought_signature": signature}}
        return said

    def _id(self, number: int) -> str:
        """Of the same reply always the same, in a conversation never twice, and within OpenAI's 40 characters."""
        named = f"{self._head.id}:{self.index}:{number}".encode()
        return f"call_{hashlib.blake2b(named, digest_size=12).hexdigest()}"

    def finish(self, candidate: dict[str, Any], where: str) -> str | None:
        """Why it ended, in OpenAI's words; None where it has not. Raises Unreadable for an unusable turn."""
        reason = sent.text(candidate.get("finishReason"), f"{where}.finishReason")
        if reason in {"", "FINISH_REASON_UNSPECIFIED"}:
            return None
        said = FINISH_REASONS.get(reason)
        if self._calls and (said == "stop" or reason in _CALLED):
            return "tool_calls"
        if said is None:
            message = sent.text(candidate.get("finishMessage"), f"{where}.finishMessage")
            raise sent.fail(f"the model's turn ended as {reason}{f': {message}' if message else ''}")
        return said


def native(candidate: dict[str, Any]) -> dict[str, Any]:
    """What has no field in OpenAI's choice: the vendor's own reason, and where its claims are from."""
    kept: dict[str, Any] = {}
    reason = candidate.get("finishReason")
    if isinstance(reason, str) and FINISH_REASONS.get(reason) not in {"stop", "length"}:
        kept["native_finish_reason"] = reason
    if extra := {name: candidate[name] for name in _KEPT if candidate.get(name)}:
        kept["extra_content"] = {"google": extra}
    return kept


def logprobs_from(value: Any, where: str) -> dict[str, Any] | None:
    """`logprobsResult` as OpenAI's `logprobs`; None where there is none."""
    if value is None:
        return None
    at = f"{where}.logprobsResult"
    result = sent.object(value, at)
    tops = sent.objects(result.get("topCandidates"), f"{at}.topCandidates")
    chosen = sent.objects(result.get("chosenCandidates"), f"{at}.chosenCandidates")
    content = []
    for place, one in enumerate(chosen):
        rivals = tops[place].get("candidates") if place < len(tops) else None
        named = f"{at}.topCandidates[{place}].candidates"
        content.append(
            {**_token(one, at), "top_logprobs": [_token(rival, named) for rival in sent.objects(rivals, named)]}
        )
    return {"content": content, "refusal": None}


def _token(one: dict[str, Any], where: str) -> dict[str, Any]:
    token = sent.text(one.get("token"), f"{where}.token")
    logprob = sent.number(one.get("logProbability"), f"{where}.logProbability") or 0.0
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def usage_from(value: Any) -> dict[str, Any] | None:
    """`usageMetadata` as OpenAI's `usage`; None where it counts nothing.

    Thoughts are beside the answer's tokens there and within them here, results of Google's own tools beside the
    prompt's and within them here; what came from the cache is within the prompt in both.
    """
    counted = sent.object(value, "usageMetadata")
    if not any(name in counted for name in ("promptTokenCount", "candidatesTokenCount", "totalTokenCount")):
        return None
    counts = {name: sent.count(counted.get(name), f"usageMetadata.{name}") for name in _COUNTS}
    thoughts = counts["thoughtsTokenCount"]
    given = counts["promptTokenCount"] + counts["toolUsePromptTokenCount"]
    made = counts["candidatesTokenCount"] + thoughts
    return {
        "prompt_tokens": given,
        "completion_tokens": made,
        "total_tokens": given + made,
        "prompt_tokens_details": {
            "cached_tokens": counts["cachedContentTokenCount"],
            "audio_tokens": _audio(counted, "promptTokensDetails"),
        },
        "completion_tokens_details": {
            "reasoning_tokens": thoughts,
            "audio_tokens": _audio(counted, "candidatesTokensDetails"),
        },
    }


_COUNTS = (
    "promptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "toolUsePromptTokenCount",
    "cachedContentTokenCount",
)


def _audio(counted: dict[str, Any], name: str) -> int:
    where = f"usageMetadata.{name}"
    return sum(
        sent.count(entry.get("tokenCount"), f"{where}.tokenCount")
        for entry in sent.objects(counted.get(name), where)
        if entry.get("modality") == "AUDIO"
    )


def _picture(value: Any, where: str) -> dict[str, Any]:
    data = sent.object(value, f"{where}.inlineData")
    kind = sent.text(data.get("mimeType"), f"{where}.inlineData.mimeType")
    url = f"data:{kind};base64,{sent.text(data.get('data'), f'{where}.inlineData.data')}"
    return {"type": "image_url", "image_url": {"url": url}}


def _seconds(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        return int(time.time())
