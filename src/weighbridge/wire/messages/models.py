"""What a model of the Messages API takes, by its name.

Sources: https://platform.claude.com/docs/en/about-claude/models/overview and the pages on structured outputs, effort,
adaptive thinking and mid-conversation system messages (seen 2026-11).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

_NAME: Final = re.compile(
    r"claude[-.](?:(?P<major>\d)(?:[-.](?P<minor>\d))?[-.](?P<family>[a-z]+)"
    r"|(?P<family_>[a-z]+)-(?P<major_>\d)(?:[-.](?P<minor_>\d{1,2}))?(?!\d))"
)


class Abilities(NamedTuple):
    """`output` is the most tokens it may be asked for. `formats`: a JSON schema for the answer and strict tools.
    `effort`: `output_config.effort` with adaptive thinking. `sampling`: temperature, top_p and top_k.
    `system_turns`: system messages within the conversation."""

    output: int = 4096
    formats: bool = False
    effort: bool = False
    sampling: bool = True
    system_turns: bool = False


UNKNOWN: Final = Abilities()
"""A model that is no Claude we know: what every server that speaks this API takes."""


@lru_cache(maxsize=256)
def abilities(model: str) -> Abilities:
    """Of a model, named as at Anthropic, Bedrock, Vertex or OpenRouter."""
    found = _NAME.search(model.lower())
    if found is None:
        return UNKNOWN
    family = found["family"] or found["family_"]
    version = int(found["major"] or found["major_"]), int(found["minor"] or found["minor_"] or 0)
    opus = family == "opus"
    return Abilities(
        output=_output(version, opus=opus),
        formats=version >= ((4, 1) if opus else (4, 5)),
        effort=version >= (4, 6),
        sampling=version < ((4, 7) if opus else (5, 0)),
        system_turns=version >= ((4, 8) if opus else (5, 0)),
    )


def _output(version: tuple[int, int], *, opus: bool) -> int:
    if version < (3, 5):
        return 4096
    if version < (3, 7):
        return 8192
    if opus and version < (4, 5):
        return 32_000
    return 128_000 if version >= ((4, 6) if opus else (5, 0)) else 64_000
