"""One answer under one scorer, made the way weighbridge.yaml makes it."""

from pathlib import Path
from typing import Any

from weighbridge.samples.sample import Sample
from weighbridge.scorers.registry import build
from weighbridge.scorers.score import Score
from weighbridge.wire.answer import Answer


def expecting(*expected: Any, **request: Any) -> Sample:
    return Sample(request={"messages": [{"role": "user", "content": "?"}], **request}, expected=expected)


def judge(kind: str, text: str, *expected: Any, base: Path | None = None, **settings: Any) -> Score:
    """The score of `text` where any of `expected` is right."""
    scorer = build("it", kind, settings, base=base or Path())
    return scorer.score(expecting(*expected), Answer(text=text))
