"""Exchanges whose bodies were recorded, as samples: what was asked, when, and what people said of the answer."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from weighbridge.errors import UsageError
from weighbridge.records.exchange import Exchange, Feedback
from weighbridge.samples.importers.record import seconds, sent, text_of_reply
from weighbridge.samples.redact import KINDS, Kind, Redactor
from weighbridge.samples.replayable import Unusable, object_of, request_of
from weighbridge.samples.sample import Sample

_GOOD: Final = 0.5  # a mean score from here on is `feedback:good`
_AGO: Final = re.compile(r"(\d+(?:\.\d+)?) ?(m|h|d)", re.ASCII)
_MOST_REASONS: Final = 5
_SECONDS: Final = {"m": 60.0, "h": 3600.0, "d": 86400.0}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Sample).decode


@dataclass(slots=True)
class Captured:
    """Samples in order of arrival, and what became of the `exchanges` they were made from: `doubles` asked what another
    had asked, `unusable` hold no request that can be replayed, by why not, `not_drawn` are beyond `take`."""

    samples: list[Sample] = field(default_factory=list)
    exchanges: int = 0
    doubles: int = 0
    unusable: Counter[str] = field(default_factory=Counter)
    not_drawn: int = 0

    def counts(self) -> dict[str, Any]:
        return {
            "samples": len(self.samples),
            "exchanges": self.exchanges,
            "doubles": self.doubles,
            "unusable": self.unusable.total(),
            "why_unusable": dict(self.unusable.most_common(_MOST_REASONS)),
            "not_drawn": self.not_drawn,
        }

    def lines(self, out: Path) -> list[str]:
        """What happened, for a person."""
        lines = [f"{len(self.samples)} samples from {self.exchanges} exchanges to {out}"]
        lines += [f"{self.doubles} doubles left out"] if self.doubles else []
        lines += [f"{self.not_drawn} distinct requests not drawn"] if self.not_drawn else []
        lines += [f"{count} cannot be replayed: {why}" for why, count in self.unusable.most_common(_MOST_REASONS)]
        others = self.unusable.total() - sum(count for _, count in self.unusable.most_common(_MOST_REASONS))
        lines += [f"{others} cannot be replayed for other reasons"] if others else []
        return lines


@dataclass(slots=True)
class _Kept:
    """One request, as encoded: a fifth of the memory of its objects."""

    at: float
    line: bytes
    said: list[Feedback]


def capture(
    found: Iterable[tuple[Exchange, Sequence[Feedback]]], *, take: int | None = None, seed: int = 0
) -> Captured:
    """Samples of exchanges; equal requests are one, which arrived with the first of them. `take` draws so many of the
    distinct requests, the same ones every time; no more than twice as many are held. Shadow traffic is left out: its
    originals are there."""
    told = Captured()
    kept: dict[str, _Kept] = {}
    seen: set[int] = set()
    for exchange, said in found:
        if exchange.shadow_of is not None:
            continue
        told.exchanges += 1
        try:
            sample = sample_of(exchange)
        except Unusable as error:
            told.unusable[str(error)] += 1
            continue
        name = sample.id
        told.doubles += int(name, 16) in seen
        seen.add(int(name, 16))
        _keep(kept, name, _Kept(exchange.at, _encode(sample), list(said)))
        if take is not None and len(kept) > 2 * take:
            _thin(kept, take, seed)
    if take is not None:
        _thin(kept, take, seed)
    told.not_drawn = len(seen) - len(kept)
    ordered = sorted(kept.items(), key=lambda entry: (entry[1].at, entry[0]))
    first = ordered[0][1].at if ordered else 0.0
    told.samples = [_finished(entry, first) for _, entry in ordered]
    return told


def _keep(kept: dict[str, _Kept], name: str, new: _Kept) -> None:
    before = kept.get(name)
    if before is not None:
        new.said = before.said + new.said
        if before.at <= new.at:
            new.at, new.line = before.at, before.line
    kept[name] = new


def _thin(kept: dict[str, _Kept], take: int, seed: int) -> None:
    """Leaves those whose hashes are smallest: a draw that depends on nothing but the requests and the seed."""

    def rank(name: str) -> bytes:
        return hashlib.blake2b(name.encode(), key=str(seed).encode(), digest_size=16).digest()

    for name in sorted(kept, key=rank)[take:]:
        del kept[name]


def _finished(entry: _Kept, first: float) -> Sample:
    sample = _decode(entry.line)
    scores = [feedback.score for feedback in entry.said if feedback.score is not None]
    comments = [feedback.comment for feedback in entry.said if feedback.comment]
    origin, tags = dict(sample.origin), sample.tags
    if scores:
        mean = sum(scores) / len(scores)
        origin["score"] = mean
        tags = (*tags, "feedback:good" if mean >= _GOOD else "feedback:bad")
    if comments:
        origin["comments"] = comments
    return msgspec.structs.replace(sample, arrived=entry.at - first, origin=origin, tags=tags)


def sample_of(exchange: Exchange) -> Sample:
    """One exchange's request. Raises Unusable where it holds none that can be replayed."""
    api, body = request_of(exchange)
    ended = () if exchange.outcome == "ok" else (f"outcome:{exchange.outcome}",)
    tags = (f"endpoint:{exchange.endpoint}", *ended)
    return Sample(request=sent(body), api=api, tags=tags, cluster=_conversation(body), origin=_origin(exchange))


def _origin(exchange: Exchange) -> dict[str, Any]:
    served = exchange.served
    told = {
        "format": "exchange",
        "id": exchange.id,
        "candidate": exchange.route.target,
        "model": (served.answered or served.model) if served else None,
        "answer": text_of_reply(object_of(exchange.reply)),
    }
    return {name: value for name, value in told.items() if value is not None}


def _conversation(body: dict[str, Any]) -> str | None:
    """What the app calls the conversation, unless redaction took it."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        return None
    named = (metadata.get(name) for name in ("conversation_id", "session_id", "thread_id"))
    return next((str(name) for name in named if name and not str(name).startswith("<")), None)


def json_redactor(kinds: Sequence[Kind] = KINDS) -> Callable[[bytes], bytes]:
    """For `records.capture.Capture`: JSON without personal data and keys. Raises ValueError for what is no JSON."""

    def redact(body: bytes) -> bytes:
        return _encode(Redactor(kinds).value(msgspec.json.decode(body)))

    return redact


def since_of(text: str, now: float) -> float:
    """Unix seconds of `90m`, `24h` or `7d` ago, or of an ISO date or time. Raises UsageError for anything else."""
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        return now - float(ago[1]) * _SECONDS[ago[2]]
    at = seconds(text) if "-" in text else None
    if at is None:
        raise UsageError(
            f"{text!r} is no time", where="--since", mend="Give how long ago (90m, 24h, 7d) or a date (2026-10-25)"
        )
    return at


def checked_take(take: int | None) -> int | None:
    if take is not None and take < 1:
        raise UsageError(f"{take} samples cannot be drawn", where="--take", mend="Give how many, 1 or more")
    return take


def check_found(found: Captured, home: Path) -> None:
    """Raises UsageError where there is no sample to write."""
    if found.samples:
        return
    if found.exchanges:
        what = f"none of {found.exchanges} exchanges holds a request that can be replayed"
        why = "; ".join(f"{count}: {why}" for why, count in found.unusable.most_common(_MOST_REASONS))
        raise UsageError(f"{what} ({why})" if why else what, where=str(home))
    raise UsageError(
        "no exchange with its body was recorded, or none that fits",
        where=str(home),
        mend="Set `capture: {share: 5%}` at the endpoint and send it some traffic",
    )
