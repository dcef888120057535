"""The files that each page says a reader has, and the services it says are running."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from weighbridge.quickstart import files as quickstart

Make = Callable[[Path, str], None]
"""Puts files into a folder; also given the base URL of a simulator that runs."""

SUPPORT: Final = """
providers:
  sim: {{preset: simulator, base_url: "{url}"}}
models:
  mini: {{provider: sim, model: mini, price: {{input: 0.25, output: 2}}}}
  sonnet: {{provider: sim, model: sonnet, price: {{input: 3, output: 15}}}}
endpoints:
  support-reply: {{candidates: [mini, sonnet], success: right}}
evaluations:
  support-weekly:
    endpoint: support-reply
    samples: {{file: samples/support.jsonl}}
    scorers:
      right: {{contains: {{}}}}
"""


@dataclass(frozen=True, slots=True)
class World:
    """`before` makes the folder a page begins in. `after` makes what a reader does by hand after a command. `fresh`
    names sections that begin in an empty folder. `first` are commands that a page takes for done."""

    before: Make | None = None
    after: dict[str, Make] = field(default_factory=dict)
    fresh: frozenset[str] = frozenset()
    first: tuple[str, ...] = ()


def lines(path: Path, *rows: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def asked(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def _quickstart(folder: Path, url: str) -> None:
    """What `make quickstart` leaves, with a simulator in the place of both models."""
    port = int(url.rpartition(":")[2].partition("/")[0])
    quickstart.copy(folder / "weighbridge-quickstart", dict.fromkeys(quickstart.PORTS, port))


def _export(folder: Path) -> None:
    rows = [{"prompt": f"What does the scale read on day {day}?", "answer": "road"} for day in range(12)]
    lines(folder / "export.jsonl", *rows)


def _configured(folder: Path, url: str) -> None:
    (folder / "weighbridge.yaml").write_text(SUPPORT.format(url=url), "utf-8")


def _own(folder: Path, url: str) -> None:
    """The starter, changed to what the page goes on with, and an export of one's own traffic."""
    _configured(folder, url)
    _export(folder)


def _measured(folder: Path, url: str) -> None:
    _own(folder, url)
    rows = [
        {"request": asked(f"Day {day}?"), "expected": ["road"], "tags": ["a" if day % 2 else "b"]} for day in range(12)
    ]
    lines(folder / "samples" / "support.jsonl", *rows)


def _exports(folder: Path, _: str) -> None:
    """One small export of each format."""
    message = asked("Hi")["messages"]
    choices = [{"message": {"role": "assistant", "content": "Hello"}}]
    lines(
        folder / "observations.jsonl",
        {"id": "o", "traceId": "t", "type": "GENERATION", "input": message, "output": "Hello"},
    )
    said = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "Hello"}]}])
    given = {"gen_ai.input.messages": json.dumps(message), "gen_ai.output.messages": said}
    attributes = [{"key": name, "value": {"stringValue": value}} for name, value in given.items()]
    lines(
        folder / "spans.jsonl",
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"spanId": "1", "attributes": attributes}]}]}]},
    )
    row = '1,acompletion,0.1,"[{""role"": ""user"", ""content"": ""Hi""}]"'
    (folder / "spend_logs.csv").write_text(f"request_id,call_type,spend,messages\n{row}\n2,acompletion,0.1,{{}}\n")
    stored = {"object": "chat.completion", "id": "c", "messages": message, "choices": choices}
    (folder / "completions.json").write_text(json.dumps({"object": "list", "data": [stored]}))
    lines(
        folder / "batch_input.jsonl",
        {"custom_id": "1", "url": "/v1/chat/completions", "body": {"model": "m", "messages": message}},
    )
    lines(
        folder / "batch_output.jsonl",
        {"custom_id": "1", "response": {"status_code": 200, "body": {"choices": choices}}},
    )


WORLDS: Final = {
    "README.md": World(before=_quickstart, after={"weighbridge init": _own}, fresh=frozenset({"Your own traffic"})),
    "deploying.md": World(before=_configured),
    "reading-results.md": World(before=_measured, first=("weighbridge eval support-weekly",) * 2),
    "samples.md": World(before=_exports),
}
