"""Sample by sample: what was asked, what each candidate answered, and how it was judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from weighbridge.replay.result import Result
from weighbridge.samples.sample import Sample
from weighbridge.store.rows import Key, Scored
from weighbridge.store.run import Run

SHORTEST_CUT = 160
LONGEST_CUT = 8_000
MOST_BYTES = 11 * 2**20


class Cell(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One candidate's answer to one sample. With repeats: `passes` of `times` succeeded, and the answer shown is the
    first that did not (or the first). `success` is of that answer; None: it could not be judged."""

    success: bool | None
    text: str = ""
    error: str = ""
    scores: tuple[tuple[str, float | None, bool | None, str, str], ...] = ()
    cost: float | None = None
    ttft: float | None = None
    total: float | None = None
    passes: int = 0
    times: int = 1


class Row(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One sample: `differs` where some candidates passed it and others did not."""

    sample: str
    tags: tuple[str, ...] = ()
    prompt: str = ""
    expected: tuple[str, ...] = ()
    cells: dict[str, Cell] = {}
    differs: bool = False


class Explorer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Rows, those where candidates differ first; `cut` says in a sentence what was left out to keep it small."""

    rows: tuple[Row, ...]
    samples: int
    cut: str = ""


def explorer(run: Run, *, most_bytes: int = MOST_BYTES) -> Explorer:
    """Raises UsageError where the run's journal or samples are damaged."""
    samples = run.samples()
    rows = sorted(_rows(samples, run.results(), run.scored()), key=lambda row: not row.differs)
    for cut in (LONGEST_CUT, 2_000, 600, SHORTEST_CUT):
        shorter = [_shortened(row, cut) for row in rows]
        kept = _fitting(shorter, most_bytes)
        if kept == len(rows):
            return Explorer(rows=tuple(shorter), samples=len(rows), cut=_texts_cut(rows, cut))
    left = len(rows) - kept
    sentence = f"{left:,} of {len(rows):,} samples were left out to keep this page small (all are in the run's tables)."
    return Explorer(rows=tuple(shorter[:kept]), samples=len(rows), cut=f"{_texts_cut(rows, cut)} {sentence}".strip())


def _fitting(rows: Sequence[Row], most_bytes: int) -> int:
    encode, size = msgspec.json.Encoder().encode, 0
    for count, row in enumerate(rows):
        size += len(encode(row)) + 1
        if size > most_bytes:
            return count
    return len(rows)


def _rows(samples: Mapping[str, Sample], results: Mapping[Key, Result], scored: Mapping[Key, Scored]) -> Iterable[Row]:
    grouped: dict[str, dict[str, list[tuple[Result, Scored | None]]]] = {}
    for key in sorted(results, key=lambda key: key[2]):
        pair = (results[key], scored.get(key))
        grouped.setdefault(results[key].sample, {}).setdefault(results[key].candidate, []).append(pair)
    order = [name for name in samples if name in grouped]
    for name in [*order, *(name for name in grouped if name not in samples)]:
        sample = samples.get(name)
        cells = {candidate: _cell(pairs) for candidate, pairs in grouped[name].items()}
        shares = {cell.passes / cell.times for cell in cells.values()}
        yield Row(
            sample=name,
            tags=sample.tags if sample else (),
            prompt=prompt_text(sample.request) if sample else "",
            expected=tuple(as_text(value) for value in sample.expected) if sample else (),
            cells=cells,
            differs=len(shares) > 1,
        )


def _cell(pairs: Sequence[tuple[Result, Scored | None]]) -> Cell:
    passed = [_success(result, scored) for result, scored in pairs]
    shown = next((place for place, value in enumerate(passed) if value is not True), 0)
    result, scored = pairs[shown]
    latency = result.answer.latency if result.answer else None
    return Cell(
        success=passed[shown],
        text=answer_text(result),
        error=f"{result.failure.error_class}: {result.failure.message}" if result.failure else "",
        scores=_judged(scored),
        cost=result.cost,
        ttft=latency.ttft if latency else None,
        total=latency.total if latency else None,
        passes=sum(value is True for value in passed),
        times=len(pairs),
    )


def _judged(scored: Scored | None) -> tuple[tuple[str, float | None, bool | None, str, str], ...]:
    scores = scored.scores if scored else ()
    return tuple(
        (score.scorer, score.value, score.passed, score.explanation, as_text(score.extracted)) for score in scores
    )


def _success(result: Result, scored: Scored | None) -> bool | None:
    if result.answer is None:
        return False
    return scored.success if scored else None


def answer_text(result: Result) -> str:
    """What a person reads as the answer: text, a refusal, or the tools called."""
    if result.answer is None:
        return ""
    answer = result.answer
    calls = [f"→ {call.name}({call.arguments})" for call in answer.tool_calls]
    return "\n".join(part for part in (answer.text, answer.refusal, *calls) if part)


def prompt_text(request: Mapping[str, Any]) -> str:
    """The messages or the prompt of a request as a person reads them; parts that are no text are named."""
    messages = request.get("messages")
    if not isinstance(messages, list):
        return as_text(request.get("prompt"))
    if len(messages) == 1 and isinstance(messages[0], dict):
        return _content(messages[0].get("content"))
    return "\n\n".join(
        f"{message.get('role', '?')}: {_content(message.get('content'))}"
        for message in messages
        if isinstance(message, dict)
    )


def _content(content: Any) -> str:
    if not isinstance(content, list):
        return as_text(content)
    parts = [part if isinstance(part, dict) else {} for part in content]
    return " ".join(str(part["text"]) if "text" in part else f"[{part.get('type', '?')}]" for part in parts)


def as_text(value: Any) -> str:
    """Text as it is, anything else as JSON, None as nothing."""
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()


def _shortened(row: Row, most: int) -> Row:
    cells = {
        name: msgspec.structs.replace(
            cell,
            text=cut_text(cell.text, most),
            scores=tuple((a, b, c, cut_text(why, most), cut_text(taken, most)) for a, b, c, why, taken in cell.scores),
        )
        for name, cell in row.cells.items()
    }
    expected = tuple(cut_text(value, most) for value in row.expected[:10])
    return msgspec.structs.replace(row, prompt=cut_text(row.prompt, most), expected=expected, cells=cells)


def cut_text(text: str, most: int) -> str:
    """At most `most` characters, with a mark where something was cut."""
    return text if len(text) <= most else f"{text[:most]}… [{len(text) - most:,} more characters]"


def _texts_cut(rows: Iterable[Row], most: int) -> str:
    texts = (text for row in rows for text in (row.prompt, *(cell.text for cell in row.cells.values())))
    count = sum(len(text) > most for text in texts)
    return f"{count:,} texts were cut to {most:,} characters." if count else ""
