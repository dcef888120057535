"""`weighbridge init`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from weighbridge.cli import console, schema
from weighbridge.config.schema import HEADER
from weighbridge.errors import UsageError
from weighbridge.providers.presets import PRESETS
from weighbridge.store import atomic

SCHEMA_FILE: Final = ".weighbridge/weighbridge.schema.json"
SAMPLES_FILE: Final = "samples/starter.jsonl"

STARTERS: Final[dict[str, str]] = {
    "openai": "gpt-5-mini",
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-2.5-flash",
    "deepseek": "deepseek-chat",
    "mistral": "mistral-small-latest",
    "groq": "llama-3.1-8b-instant",
    "xai": "grok-4-fast",
    "together": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "fireworks": "accounts/fireworks/models/gpt-oss-20b",
    "openrouter": "openai/gpt-5-mini",
}
"""A small, cheap and priced model at each vendor, by preset: something to begin with, to be changed."""

QUESTIONS: Final = (
    ("What is the capital of France?", "Paris", "places"),
    ("Which river flows through Cairo?", "Nile", "places"),
    ("On which continent is Kenya?", "Africa", "places"),
    ("Which planet is closest to the Sun?", "Mercury", "science"),
    ("What is the chemical symbol of gold?", "Au", "science"),
    ("How many legs does a spider have?", "8", "science"),
    ("What is 17 plus 25?", "42", "sums"),
    ("What is 9 times 8?", "72", "sums"),
)


@dataclass(frozen=True, slots=True)
class Starter:
    """One provider to begin with: what it is called, how it is written, and one model there."""

    name: str
    provider: str
    model: str
    price: str = ""
    note: str = ""


_LOCAL = Starter(
    name="local",
    provider="{preset: llama.cpp, base_url: http://127.0.0.1:8081/v1}",
    model="local-model",
    price=", price: {input: 0.02, output: 0.08}",
    note="# No key was found in the environment, so this begins with a server on this machine. Start one there, such\n"
    "# as `llama-server -m model.gguf --port 8081`. Its price is made up: say what a million tokens cost you.\n",
)


def init(
    file: Path = Path("weighbridge.yaml"),
    *,
    force: bool = False,
) -> None:
    """Write a starter weighbridge.yaml from the keys in the environment, with a few samples, so that
    `weighbridge eval` works at once.

    Parameters
    ----------
    file
        Where to write it. Samples and the schema for editors go beside it.
    force
        Overwrite what is there.
    """
    found = starters(os.environ)
    written = {
        file: text(found),
        file.parent / SAMPLES_FILE: samples(),
        file.parent / SCHEMA_FILE: schema.text(),
    }
    theirs = [path for path in list(written)[:2] if path.exists()]
    if theirs and not force:
        what = "is there already, so nothing was written"
        raise UsageError(what, where=str(theirs[0]), mend="--force overwrites it.")
    for path, content in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, content.encode())
    names = ", ".join(starter.name for starter in found)
    console.print_note(f"wrote {', '.join(map(str, written))} (providers: {names})")
    console.print_note("next: `weighbridge doctor`, then `weighbridge eval`")


def starters(env: Mapping[str, str]) -> list[Starter]:
    """A provider for each vendor whose key is set, or one on this machine if there is none."""
    found = [
        Starter(name=name, provider=f"{{preset: {name}}}", model=model)
        for name, model in STARTERS.items()
        if any(env.get(variable) for variable in key_variables(name))
    ]
    return found or [_LOCAL]


def key_variables(preset: str) -> tuple[str, ...]:
    """The environment variables in which a vendor's key is looked for."""
    variable = PRESETS[preset].key_variable
    return (variable,) if variable else ()


def text(found: list[Starter]) -> str:
    """The configuration for these providers, as a person reads it."""
    width = max(len(starter.name) for starter in found) + 1
    first = found[0].name
    providers = [f"  {f'{starter.name}:':<{width}} {starter.provider}" for starter in found]
    models = [
        f"  {f'{starter.name}-small:':<{width + 6}} {{provider: {starter.name}, model: {starter.model}{starter.price}}}"
        for starter in found
    ]
    names = ", ".join([*(f"{starter.name}-small" for starter in found), f"{first}-terse"])
    return TEMPLATE.format(
        header=f"{HEADER}{SCHEMA_FILE}",
        note="".join(starter.note for starter in found),
        providers="\n".join(providers),
        models="\n".join(models),
        first=first,
        candidates=names,
        samples=SAMPLES_FILE,
    )


def samples() -> str:
    """A few short questions with their answers, as JSON Lines."""
    lines = []
    for question, answer, tag in QUESTIONS:
        content = f"{question} Answer with one word or number."
        request = {"messages": [{"role": "user", "content": content}], "max_tokens": 2000}
        sample = {"request": request, "expected": [answer], "tags": [tag], "origin": {"written": "weighbridge init"}}
        lines.append(msgspec.json.encode(sample).decode() + "\n")
    return "".join(lines)


TEMPLATE: Final = """\
{header}
# What may be called, what must be met, and what is measured. `weighbridge doctor` checks it, docs/configuration.md
# explains every key.

{note}providers:                       # accounts and servers; keys come from the environment
{providers}

models:                          # what may be called, under your own names; prices come from genai-prices
{models}

candidates:                      # a model plus what is sent to it; a bare model is a candidate too
  {first}-terse: {{model: {first}-small, system: Answer with the bare answer and nothing else.}}

endpoints:
  answers:                       # the name your app asks for as `model`
    candidates: [{candidates}]
    success: right               # a rule over the scorers below, such as: right and not long
    constraints:
      quality: {{min: 80%, confidence: 95%}}
      # cost_per_success: {{max: $0.002}}
      # ttft_p95: {{max: 800ms}}
      total_p95: {{max: 30s}}
      error_rate: {{max: 5%}}

evaluations:
  first-look:
    endpoint: answers
    samples: {{file: {samples}}}
    scorers:
      right: {{contains: {{word: true}}}}   # the expected answer stands in the reply, as a word of its own
    repeats: 1
    arrivals: {{concurrency: 2}}   # or {{poisson: 4/s}}: as users come
    budget: $1                   # stops before it is exceeded
"""
