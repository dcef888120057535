"""Sample by sample: what was asked, what each candidate answered, and how it was judged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from weighbridge.replay.result import Result
from weighbridge.samples.sample import Sample
from weighbridge.scorers.score import Score
from weighbridge.store.lake import columns
from weighbridge.store.rows import Key
from weighbridge.store.run import Run

MOST_SAMPLES = 5_000
"""Of a larger run only so many are read again with their texts: all the answers may be more than memory holds."""
MOST_HELD = 64 * 2**20
"""Characters of all texts, before it is known how much of them is shown."""
MOST_BYTES = 11 * 2**20
CUTS = (8_000, 2_000, 600, 160)
_MOST_EXPECTED = 10


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
    """One sample: `differs` where the candidates did not pass it equally often."""

    sample: str
    tags: tuple[str, ...] = ()
    prompt: str = ""
    expected: tuple[str, ...] = ()
    cells: dict[str, Cell] = {}
    differs: bool = False


class Explorer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Rows, those where candidates differ most first; `cut` says in sentences what was left out to keep it small."""

    rows: tuple[Row, ...]
    samples: int
    cut: str = ""


def explorer(run: Run, *, most_bytes: int = MOST_BYTES, most_samples: int = MOST_SAMPLES) -> Explorer:
    """Raises UsageError where the run's tables, journal or samples are damaged."""
    tallies = _by_difference(_tallies(run), run.manifest.sample_ids)
    cuts = _cuts(tallies[:most_samples])
    held = _held(run, tallies[:most_samples], cuts[0])
    for cut in cuts:
        rows = [one.shown(cut) for one in held]
        kept = _fitting(rows, most_bytes)
        if kept == len(rows):
            break
    said = [_texts_cut(held[:kept], cut)]
    if left := len(tallies) - kept:
        said.append(
            f"{left:,} of {len(tallies):,} samples were left out to keep this page small, those on which candidates "
            "differ least (all are in the run's tables)."
        )
    return Explorer(rows=tuple(rows[:kept]), samples=len(tallies), cut=" ".join(filter(None, said)))


def _cuts(tallies: Sequence[_Tally]) -> tuple[int, ...]:
    """How long a text may be: the first of these when it is read, the others where the page becomes too large."""
    texts = sum(1 + 2 * len(tally.passed) for tally in tallies)  # prompts, answers, and what was said of them
    return tuple(cut for cut in CUTS if cut * texts <= MOST_HELD) or CUTS[-1:]


def _fitting(rows: Sequence[Row], most_bytes: int) -> int:
    encode, size = msgspec.json.Encoder().encode, 0
    for count, row in enumerate(rows):
        size += len(encode(row)) + 1
        if size > most_bytes:
            return count
    return len(rows)


# --- which samples, and which answer to each


class _Tally:
    """What came of one sample, by candidate: whether each repeat passed, in order, as (repeat, passed)."""

    __slots__ = ("passed", "sample")

    def __init__(self, sample: str) -> None:
        self.sample = sample
        self.passed: dict[str, list[tuple[int, bool | None]]] = defaultdict(list)

    def passes(self, candidate: str) -> int:
        return sum(value is True for _, value in self.passed[candidate])

    def shown(self, candidate: str) -> tuple[int, bool | None]:
        """The first repeat that did not pass, or the first."""
        repeats = self.passed[candidate]
        return next((one for one in repeats if one[1] is not True), repeats[0])

    @property
    def spread(self) -> float:
        """How far apart the candidates are: 0 where they passed it equally often, at most 1."""
        shares = [self.passes(name) / len(repeats) for name, repeats in self.passed.items()]
        return max(shares) - min(shares)


def _tallies(run: Run) -> dict[str, _Tally]:
    found: dict[str, _Tally] = {}
    names = ("candidate", "sample", "repeat", "success")
    for candidate, sample, repeat, success in zip(*columns(run, names).values(), strict=True):
        if sample not in found:
            found[sample] = _Tally(sample)
        found[sample].passed[candidate].append((repeat, success))
    return found


def _by_difference(tallies: Mapping[str, _Tally], order: Sequence[str]) -> list[_Tally]:
    """Those that differ most first; among equals, as they were replayed."""
    replayed = [tallies[name] for name in order if name in tallies]
    known = set(order)
    others = [tally for name, tally in tallies.items() if name not in known]
    return sorted([*replayed, *others], key=lambda tally: -tally.spread)


# --- what they hold, read once more


class _Text(msgspec.Struct, frozen=True):
    """The beginning of a text, as much as is ever shown, and how long the whole is."""

    head: str
    length: int

    @classmethod
    def of(cls, text: str, most: int) -> _Text:
        return cls(text[:most], len(text))

    def cut(self, most: int) -> str:
        """At most `most` characters, with a mark where something was cut."""
        left = self.length - most
        return f"{self.head[:most]}… [{left:,} more characters]" if left > 0 else self.head


class _Judged(msgspec.Struct, frozen=True):
    score: Score  # without what is in the texts
    why: _Text
    taken: _Text

    @classmethod
    def of(cls, score: Score, most: int) -> _Judged:
        bare = msgspec.structs.replace(score, explanation="", extracted=None)
        return cls(bare, _Text.of(score.explanation, most), _Text.of(as_text(score.extracted), most))

    def shown(self, cut: int) -> tuple[str, float | None, bool | None, str, str]:
        score = self.score
        return (score.scorer, score.value, score.passed, self.why.cut(cut), self.taken.cut(cut))


class _Held(msgspec.Struct):
    """A row before it is known how much of its texts is shown."""

    row: Row  # its prompt, expected values and cells are yet to come
    cells: dict[str, Cell]  # and their texts and scores
    prompt: _Text = _Text("", 0)
    expected: tuple[_Text, ...] = ()
    texts: dict[str, _Text] = {}
    scores: dict[str, tuple[_Judged, ...]] = {}

    def shown(self, cut: int) -> Row:
        cells = {
            name: msgspec.structs.replace(
                cell,
                text=self.texts[name].cut(cut) if name in self.texts else "",
                scores=tuple(one.shown(cut) for one in self.scores.get(name, ())),
            )
            for name, cell in self.cells.items()
        }
        expected = tuple(text.cut(cut) for text in self.expected)
        return msgspec.structs.replace(self.row, prompt=self.prompt.cut(cut), expected=expected, cells=cells)


def _held(run: Run, tallies: Sequence[_Tally], most: int) -> list[_Held]:
    """Their rows, each text up to `most` characters."""
    held: dict[str, _Held] = {}
    wanted: dict[Key, bool | None] = {}
    for tally in tallies:
        held[tally.sample] = _Held(Row(sample=tally.sample, differs=tally.spread > 0), {})
        for candidate in tally.passed:
            repeat, success = tally.shown(candidate)
            wanted[candidate, tally.sample, repeat] = success
    by_name = {tally.sample: tally for tally in tallies}
    for sample in run.each_sample():
        if sample.id in held:
            _keep_sample(held[sample.id], sample, most)
    for result in run.each_result():
        if result.key in wanted:
            one = held[result.sample]
            one.texts[result.candidate] = _Text.of(answer_text(result), most)
            one.cells[result.candidate] = _cell(result, by_name[result.sample], success=wanted[result.key])
    for scored in run.each_scored():
        if scored.key in wanted:
            held[scored.sample].scores[scored.candidate] = tuple(_Judged.of(one, most) for one in scored.scores)
    return list(held.values())


def _keep_sample(held: _Held, sample: Sample, most: int) -> None:
    held.row = msgspec.structs.replace(held.row, tags=sample.tags)
    held.prompt = _Text.of(prompt_text(sample.request), most)
    held.expected = tuple(_Text.of(as_text(value), most) for value in sample.expected[:_MOST_EXPECTED])


def _cell(result: Result, tally: _Tally, *, success: bool | None) -> Cell:
    """All but its text and scores."""
    latency = result.answer.latency if result.answer else None
    failure = result.failure
    return Cell(
        success=success,
        error=f"{failure.error_class}: {failure.message}" if failure else "",
        cost=result.cost,
        ttft=latency.ttft if latency else None,
        total=latency.total if latency else None,
        passes=tally.passes(result.candidate),
        times=len(tally.passed[result.candidate]),
    )


def _texts_cut(held: Iterable[_Held], most: int) -> str:
    count = sum(text.length > most for one in held for text in (one.prompt, *one.texts.values()))
    return f"{count:,} texts were cut to {most:,} characters." if count else ""


# --- texts as people read them


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


def cut_text(text: str, most: int) -> str:
    """At most `most` characters, with a mark where something was cut."""
    return text if len(text) <= most else f"{text[:most]}… [{len(text) - most:,} more characters]"
