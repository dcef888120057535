"""`$NAME` in a configuration value: where it stands, and what it expands to."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_LOOKS_SECRET = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|ghp|hf|key)[-_][A-Za-z0-9_-]{16,}|\bAIza[A-Za-z0-9_-]{30,}|\bBearer\s+[A-Za-z0-9._-]{16,}"
)


def references(text: str) -> tuple[str, ...]:
    """Names of the environment variables a text refers to, in order."""
    return tuple(match[1] or match[2] for match in _REFERENCE.finditer(text))


def expand(text: str, env: Mapping[str, str]) -> str:
    """The text with every reference replaced. Raises KeyError with the name of one that is not set or empty."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if not env.get(name):
            raise KeyError(name)
        return env[name]

    return _REFERENCE.sub(value, text)


def without_references(text: str) -> str:
    """What of a text stands in the file itself."""
    return _REFERENCE.sub("", text)


def without_secrets(source: str) -> str:
    """A source text with everything that looks like a key replaced: comments may hold what values may not."""
    return _LOOKS_SECRET.sub("[redacted]", source)
