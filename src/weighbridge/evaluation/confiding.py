"""Asking candidates how sure they were of each token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from weighbridge.providers.candidate import Candidate
from weighbridge.providers.dialects import dialect_of


def asked(candidates: Mapping[str, Candidate], rivals: int) -> tuple[dict[str, Candidate], list[str]]:
    """Each candidate with a request for log-probabilities (and so many `rivals` for each token); and the names of those
    that cannot tell, which are left as they are."""
    found: dict[str, Candidate] = {}
    mute: list[str] = []
    for name, candidate in candidates.items():
        wanted = {"logprobs": True, "top_logprobs": max(rivals, 1)}
        if dialect_of(candidate.model.provider).cannot(candidate.model, candidate.speaks(), wanted):
            mute.append(name)
            found[name] = candidate
        else:
            found[name] = replace(candidate, logprobs=rivals)
    return found, mute
