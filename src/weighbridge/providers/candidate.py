"""A candidate: a model plus what would be sent to it. This is what an evaluation compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from weighbridge.errors import UsageError
from weighbridge.providers.provider import Model
from weighbridge.wire.reading import text_of

Api = Literal["chat", "completions", "embeddings", "count_tokens"]
"""What a provider is asked for; a sample is always one of the first two. `count_tokens` is of Anthropic's own words."""


_RIVALS_OF_COMPLETIONS: Final = 5  # no more are to be had there


class Shot(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One worked example. With a `tag`, only samples so tagged get it."""

    user: str
    assistant: str
    tag: str | None = None


class Template(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a chat is written out as text for a base model. `turn` holds {user} and {assistant}, `ask` {user}, `system`
    {system}; nothing else in braces is touched."""

    turn: str
    ask: str
    system: str = ""

    def render(self, messages: Sequence[dict[str, Any]]) -> str:
        """The prompt. Raises UsageError for a message that cannot be written as text (images, tools)."""
        parts: list[str] = []
        asked: list[str] = []
        for message in messages:
            role, text = message.get("role"), _plain(message)
            if role in {"system", "developer"}:
                parts.append(self.system.replace("{system}", text))
            elif role == "user":
                asked.append(text)
            elif role == "assistant":
                parts.append(_filled(self.turn, "\n".join(asked), text))
                asked = []
            else:
                raise UsageError(f"a message of role {role!r} cannot be written as text for a base model")
        return "".join(parts) + self.ask.replace("{user}", "\n".join(asked))


def _filled(turn: str, user: str, assistant: str) -> str:
    before, mark, after = turn.partition("{assistant}")
    return before.replace("{user}", user) + (assistant if mark else "") + after.replace("{user}", user)


def _plain(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list) and any(isinstance(part, dict) and part.get("type") != "text" for part in content):
        raise UsageError("a message with parts that are not text cannot be sent to a base model as text")
    return text_of(content)[0]


@dataclass(frozen=True, slots=True)
class Candidate:
    """`system` takes the place of a sample's own system prompt. `shots` come after it, before the conversation.
    `params` win over the sample's. `api` None: as the sample says, or completions where there is a template. `logprobs`
    asks for each token's log-probability and so many rivals', unless the sample or `params` say what they want."""

    name: str
    model: Model
    system: str | None = None
    shots: tuple[Shot, ...] = ()
    template: Template | None = None
    api: Api | None = None
    params: dict[str, Any] = field(default_factory=dict)
    logprobs: int | None = None

    def request(self, sample: dict[str, Any], api: Api, tags: Sequence[str] = ()) -> tuple[Api, dict[str, Any]]:
        """What is sent for a sample's request: which API, and the body without `model`.

        Raises UsageError where the request cannot be sent by this candidate's API.
        """
        if api in {"embeddings", "count_tokens"}:
            return api, self._as_it_is(sample, api)
        wanted = self.speaks(api)
        if api == "completions":
            if wanted == "chat":
                raise UsageError(f"candidate {self.name} speaks chat, and the sample is a plain prompt")
            return "completions", {**self._sure("completions"), **sample, **self.params}
        body = {**sample, "messages": self._messages(sample.get("messages") or [], tags)}
        if wanted == "chat":
            return "chat", {**self._sure("chat"), **body, **self.params}
        if self.template is None:
            raise UsageError(
                f"candidate {self.name} speaks completions, and the sample is a chat",
                mend="Give it a template: {turn: …, ask: …}",
            )
        kept = {name: value for name, value in body.items() if name in _COMPLETION_PARAMS}
        if "max_completion_tokens" in body and "max_tokens" not in kept:
            kept["max_tokens"] = body["max_completion_tokens"]
        prompt = self.template.render(body["messages"])
        return "completions", {"prompt": prompt, **self._sure("completions"), **kept, **self.params}

    def speaks(self, api: Api = "chat") -> Api:
        """The API it is asked by, where the sample is of `api`."""
        return self.api or ("completions" if self.template is not None else api)

    def _sure(self, api: Api) -> dict[str, Any]:
        """The parameters that ask for log-probabilities, as each API spells them."""
        rivals = self.logprobs
        if rivals is None:
            return {}
        if api == "completions":
            return {"logprobs": min(rivals, _RIVALS_OF_COMPLETIONS)}
        return {"logprobs": True, "top_logprobs": rivals} if rivals else {"logprobs": True}

    def _as_it_is(self, request: dict[str, Any], api: Api) -> dict[str, Any]:
        """What has no conversation of ours; where its tokens are counted, what is sent before it counts too."""
        if api == "embeddings":
            return {**request, **self.params}
        opening = {} if self.system is None else {"system": self.system}
        return {**request, **opening, "messages": self._messages(request.get("messages") or [], ())[bool(opening) :]}

    def _messages(self, messages: Sequence[dict[str, Any]], tags: Sequence[str]) -> list[dict[str, Any]]:
        own = [message for message in messages if message.get("role") in {"system", "developer"}]
        rest = [message for message in messages if message.get("role") not in {"system", "developer"}]
        opening = own if self.system is None else [{"role": "system", "content": self.system}]
        examples = [
            message
            for shot in self.shots
            if shot.tag is None or shot.tag in tags
            for message in ({"role": "user", "content": shot.user}, {"role": "assistant", "content": shot.assistant})
        ]
        return [*opening, *examples, *rest]


_COMPLETION_PARAMS = frozenset(
    {
        *("max_tokens", "temperature", "top_p", "stop", "seed", "n", "presence_penalty", "frequency_penalty"),
        *("logit_bias", "user", "best_of", "echo", "suffix", "top_k", "min_p", "repeat_penalty"),
    }
)
"""What of a chat request still means the same to /v1/completions."""
