"""`weighbridge samples`: bring production traffic in, look at it, draw from it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from weighbridge.cli import console

if TYPE_CHECKING:
    from weighbridge.samples.importers.formats import Imported

SCHEMA = "weighbridge.samples/1"

app = App(name="samples", help="Import, check, redact and draw samples.")

Out = Annotated[Path, Parameter(name=["--out", "-o"])]


@app.command(name="import")
def import_(
    file: Path,
    /,
    *,
    out: Out,
    format: str | None = None,  # noqa: A002 -- what people call it
    output_file: Path | None = None,
    prompt_column: str | None = None,
    answer_column: str | None = None,
    expect_answer: bool = False,
    tag: list[str] | None = None,
    redact: str = "key,email,card,phone",
    near: bool = False,
    skip_bad: bool = False,
    json: bool = False,
) -> int:
    """Turn an export into samples: CSV or JSON Lines, OpenAI, Langfuse, OpenTelemetry or LiteLLM.

    Parameters
    ----------
    file
        The export.
    out
        The sample file to write.
    format
        plain, openai-stored, openai-batch, langfuse, otel or litellm; else told from the file.
    output_file
        For openai-batch: the output file that belongs to it.
    prompt_column
        For plain: the column that holds the prompt; else guessed.
    answer_column
        For plain: the column that holds the right answer; else guessed.
    expect_answer
        Take production's answers for ground truth.
    tag
        A tag for every sample. May be repeated.
    redact
        What to replace: any of key, email, card, phone with commas between; or none.
    near
        Also leave out requests that differ only in case, white space, punctuation and digits.
    skip_bad
        Leave out rows that cannot be read, and say so; else stop at the first.
    json
        Print one JSON object on stdout.
    """
    from weighbridge.samples.importers import formats  # noqa: PLC0415 -- `--help` answers without it

    found = formats.read(
        _apart(file, out),
        format_=format,
        output_file=output_file,
        prompt_column=prompt_column,
        answer_column=answer_column,
        expect_answer=expect_answer,
        tags=tag or (),
        redact=_kinds(redact),
        near=near,
        skip_bad=skip_bad,
    )
    return _imported(found, out, json=json)


def _apart(file: Path, out: Path) -> Path:
    """The export, which the samples must not overwrite."""
    from weighbridge.errors import UsageError  # noqa: PLC0415

    if out.resolve() == file.resolve():
        raise UsageError("the samples would overwrite the export", where=str(file), mend="Name another file with --out")
    return file


def _imported(found: Imported, out: Path, *, json: bool) -> int:
    """Writes what was imported, and says so."""
    from weighbridge.samples.sampleset import save  # noqa: PLC0415

    written = save(found.samples, out)
    said = {
        "file": str(out),
        "format": found.format,
        "samples": written,
        "doubles": found.doubles,
        "redacted": found.redacted,
        "bad": found.bad,
    }
    line = f"{written} samples from {found.format} to {out}"
    extras = [
        f"{found.doubles} doubles left out",
        f"{found.redacted} places redacted",
        f"{len(found.bad)} bad rows left out",
    ]
    counts = (found.doubles, found.redacted, len(found.bad))
    _report(json, said, [line, *(text for count, text in zip(counts, extras, strict=True) if count), *found.bad[:5]])
    return 0


@app.command
def check(file: Path, /, *, skip_bad: bool = False, json: bool = False) -> int:
    """Read a sample file and say what is in it; the first bad line is an error.

    Parameters
    ----------
    file
        The sample file.
    skip_bad
        Count bad lines instead of stopping at the first.
    json
        Print one JSON object on stdout.
    """
    from weighbridge.samples.sampleset import SampleSet  # noqa: PLC0415

    found = SampleSet.load(file, skip_bad=skip_bad)
    tags = Counter(tag for sample in found.samples for tag in sample.tags)
    judged = sum(bool(sample.expected or sample.checks) for sample in found.samples)
    clusters = len({sample.cluster for sample in found.samples if sample.cluster is not None})
    said = {
        "file": str(file),
        "samples": len(found),
        "with_ground_truth": judged,
        "clusters": clusters,
        "tags": dict(tags),
        "equal": found.twice,
        "bad": found.bad,
        "sha256": found.digest,
    }
    lines = [f"{len(found)} samples, {judged} of them with an expected answer or a check, in {clusters} clusters"]
    lines += [f"  {tag}: {count}" for tag, count in tags.most_common()]
    lines += [f"{found.twice} equal samples count once"] if found.twice else []
    lines += [f"{len(found.bad)} bad lines, the first: {found.bad[0]}"] if found.bad else []
    _report(json, said, lines)
    return 0


@app.command
def show(file: Path, /, *, count: int = 3, json: bool = False) -> int:
    """Print the first samples of a file, to read.

    Parameters
    ----------
    file
        The sample file.
    count
        How many.
    json
        Print one JSON object on stdout.
    """
    import msgspec  # noqa: PLC0415

    from weighbridge.samples.sampleset import SampleSet  # noqa: PLC0415

    found = SampleSet.load(file, skip_bad=True)
    shown = found.samples[: max(count, 0)]
    said = {"file": str(file), "of": len(found), "samples": [{"id": sample.id, "sample": sample} for sample in shown]}
    lines = [f"{sample.id}\n{msgspec.json.format(msgspec.json.encode(sample), indent=2).decode()}" for sample in shown]
    _report(json, said, [*lines, f"{len(shown)} of {len(found)} samples"])
    return 0


@app.command
def take(
    file: Path,
    count: int,
    /,
    *,
    out: Out,
    stratify: Literal["tag"] | None = None,
    equal: bool = False,
    seed: int = 0,
    json: bool = False,
) -> int:
    """Draw some of many samples, the same ones every time.

    Parameters
    ----------
    file
        The sample file.
    count
        How many to draw.
    out
        The sample file to write.
    stratify
        `tag`: draw of each tag in proportion.
    equal
        With stratify: the same number of each tag.
    seed
        Another seed draws others.
    json
        Print one JSON object on stdout.
    """
    from weighbridge.errors import UsageError  # noqa: PLC0415
    from weighbridge.samples import sampling  # noqa: PLC0415
    from weighbridge.samples.sampleset import SampleSet, save  # noqa: PLC0415

    if count < 1:
        raise UsageError(f"{count} samples cannot be drawn", mend="Give how many, 1 or more")
    found = SampleSet.load(file)
    drawn = sampling.take(found.samples, count, stratify="tag" if equal else stratify, equal=equal, seed=seed)
    save(drawn, out)
    said = {"file": str(out), "samples": len(drawn), "of": len(found), "seed": seed}
    _report(json, said, [f"{len(drawn)} of {len(found)} samples to {out}"])
    return 0


@app.command
def redact(file: Path, /, *, out: Out, kinds: str = "key,email,card,phone", json: bool = False) -> int:
    """Replace personal data and keys in a sample file.

    Parameters
    ----------
    file
        The sample file.
    out
        The sample file to write.
    kinds
        Any of key, email, card, phone, with commas between.
    json
        Print one JSON object on stdout.
    """
    from weighbridge.samples.redact import redacted  # noqa: PLC0415
    from weighbridge.samples.sampleset import SampleSet, save  # noqa: PLC0415

    wanted = _kinds(kinds)
    found = SampleSet.load(file)
    cleaned, changed = redacted(found.samples, wanted)
    save(cleaned, out)
    said = {"file": str(out), "samples": len(cleaned), "redacted": changed}
    _report(json, said, [f"{changed} places replaced in {len(cleaned)} samples, to {out}"])
    return 0


@app.command
def capture(
    *,
    out: Out,
    endpoint: str | None = None,
    since: str | None = None,
    outcome: Literal["ok", "failed", "cancelled", "refused", "cut"] | None = None,
    take: int | None = None,
    seed: int = 0,
    json: bool = False,
) -> int:
    """Turn what the gateway recorded into samples, with the times they arrived at.

    Parameters
    ----------
    out
        The sample file to write.
    endpoint
        Only requests to this endpoint.
    since
        Only requests since: 90m, 24h or 7d ago, or a date.
    outcome
        Only requests that ended so.
    take
        How many to draw of the distinct requests, the same ones every time.
    seed
        Another seed draws others.
    json
        Print one JSON object on stdout.
    """
    import time  # noqa: PLC0415

    from weighbridge.samples import capture as capturing  # noqa: PLC0415
    from weighbridge.samples.sampleset import save  # noqa: PLC0415
    from weighbridge.store.exchanges import captured  # noqa: PLC0415
    from weighbridge.store.finding import home_folder  # noqa: PLC0415

    home = home_folder()
    after = None if since is None else capturing.since_of(since, time.time())
    exchanges = captured(home, endpoint=endpoint, since=after, outcome=outcome)
    found = capturing.capture(exchanges, take=capturing.checked_take(take), seed=seed)
    capturing.check_found(found, home)
    save(found.samples, out)
    _report(json, {"file": str(out), **found.counts()}, found.lines(out))
    return 0


@app.command
def schema() -> int:
    """Print the JSON Schema of one line of a sample file."""
    import msgspec  # noqa: PLC0415

    from weighbridge.samples.schema import json_schema  # noqa: PLC0415

    print(msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode())
    return 0


def _kinds(text: str) -> Any:
    from weighbridge.errors import UsageError  # noqa: PLC0415
    from weighbridge.samples.redact import KINDS  # noqa: PLC0415

    wanted = [] if text == "none" else [part.strip() for part in text.split(",") if part.strip()]
    unknown = [part for part in wanted if part not in KINDS]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is nothing that can be redacted", mend=f"There are: {', '.join(KINDS)}, none")
    return wanted


def _report(json: bool, said: dict[str, Any], lines: list[str]) -> None:
    if json:
        console.print_json(SCHEMA, said)
        return
    for line in lines:
        console.out().print(line, markup=False, soft_wrap=True)
