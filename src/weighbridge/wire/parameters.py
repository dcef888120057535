"""Parameters of a chat request that need no words in another dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

ACCOUNTING: Final = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "user", "safety_identifier", "metadata"),
        *("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"),
    }
)
"""What tells OpenAI whom to bill and how to deliver, and changes nothing of the answer; or is said elsewhere."""

ASKS_NOTHING: Final[Mapping[str, tuple[Any, ...]]] = {
    "n": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "store": (False,),
    "parallel_tool_calls": (True,),
    "modalities": (["text"],),
    "service_tier": ("auto",),
    "verbosity": ("medium",),
    "logit_bias": ({},),
    "stop": ([],),
}
"""Values that ask for what is done anyway: saying them would only fail where a model does not know the parameter."""


def unsaid(name: str, value: Any) -> bool:
    """Whether a parameter need not be said at all."""
    return value is None or name in ACCOUNTING or value in ASKS_NOTHING.get(name, ())
