"""What no type can say: references that lead nowhere, limits nobody can meet, secrets written out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path as File
from typing import Any, Final

import msgspec

from weighbridge.config import rule
from weighbridge.config.decode import Found
from weighbridge.config.environment import references, without_references
from weighbridge.config.problem import Path, dotted, nearest
from weighbridge.config.sections import (
    ARRIVALS,
    Arrivals,
    CandidateSection,
    Constraints,
    EndpointSection,
    EvaluationSection,
    ModelSection,
    ProviderSection,
    Sections,
    TemplateSection,
)
from weighbridge.config.serving import FleetSection

_SCORER_NAME = re.compile(r"[A-Za-z_][\w.]*(?:-[\w.]+)*")
_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie|password", re.IGNORECASE)
_SERVER = re.compile(r"(?:rediss?|valkeys?)://[^\s/@?#]+(?:/\d*)?")
_ABSURD_PRICE: Final = 10_000.0
_OURS: Final = {
    "model": "Name the model under `model:`.",
    "messages": "Prompts go under `system:` and `shots:`.",
    "prompt": "Prompts go under `system:` and `template:`.",
    "stream": "Set `stream:` in the evaluation.",
    "stream_options": "Usage is always asked for.",
    "n": "Use `repeats:` in the evaluation.",
}


def check(sections: Sections, names: dict[str, set[str]], folder: File, presets: Iterable[str]) -> Iterator[Found]:
    """Everything wrong between sections. `names` are the names written in each section, readable or not, so that a
    broken model is not reported again as a missing one; `folder` is where files are looked up."""
    known = set(presets)
    for name, provider in sections.providers.items():
        yield from _provider(provider, ("providers", name), known)
    if sections.gateway.fleet is not None:
        yield from _fleet(sections.gateway.fleet)
    for name, model in sections.models.items():
        yield from _model(model, ("models", name), names["providers"])
    for name, candidate in sections.candidates.items():
        yield from _candidate(name, candidate, names["models"])
    for name, endpoint in sections.endpoints.items():
        yield from _endpoint(endpoint, ("endpoints", name), names["models"] | names["candidates"])
    for name, evaluation in sections.evaluations.items():
        yield from _evaluation(evaluation, ("evaluations", name), sections, names["endpoints"], folder)


def _reference(name: str, path: Path, known: set[str], kind: str) -> Iterator[Found]:
    if name not in known:
        mend = nearest(name, known) or f"Add it under `{kind}:`."
        yield path, f"{dotted(path)} names {name!r}, which is not under `{kind.replace('/', '` or `')}`", mend


def _provider(provider: ProviderSection, path: Path, presets: set[str]) -> Iterator[Found]:
    if provider.preset is not None and provider.preset not in presets:
        yield (*path, "preset"), f"no preset {provider.preset!r}", nearest(provider.preset, presets)
    if provider.preset is None and provider.base_url is None:
        yield path, f"{dotted(path)} needs a `preset` or a `base_url`", "Say where to call."
    url = provider.base_url or ""
    if url and not references(url) and not re.match(r"https?://[^\s/@]+(/|$)", url):
        secret = "@" in url
        what = "holds a user name or password" if secret else "is not an http:// or https:// address"
        mend = "Put the key in the environment." if secret else "Write it as https://host/v1."
        yield (*path, "base_url"), f"{dotted(path)}.base_url {what}", mend
    if provider.key is not None and not re.fullmatch(r"\$\w+|\$\{\w+\}", provider.key):
        mend = "Put the key in the environment and write its name: `key: $NAME`."
        yield (*path, "key"), f"{dotted(path)}.key must name an environment variable", mend
    for header, value in provider.headers.items():
        if _SECRET_HEADER.search(header) and not references(value):
            mend = "Put the secret in the environment and write $NAME."
            yield (*path, "headers", header), f"header {header} holds its secret in the file", mend


def _fleet(fleet: FleetSection) -> Iterator[Found]:
    """A password may stand in the environment, and nowhere else."""
    path: Path = ("gateway", "fleet", "url")
    before, at, _ = fleet.url.rpartition("@")
    user, colon, password = before.rpartition("://")[2].partition(":")
    if at and without_references(password if colon else user):
        yield path, f"{dotted(path)} holds a password", "Put the URL in the environment and write $VALKEY_URL."
    elif not references(fleet.url) and not _SERVER.fullmatch(fleet.url):
        yield path, f"{dotted(path)} is no URL of a Valkey or Redis server", "Write it as valkey://host:6379."


def _model(model: ModelSection, path: Path, providers: set[str]) -> Iterator[Found]:
    yield from _reference(model.provider, (*path, "provider"), providers, "providers")
    for name in model.price.__struct_fields__ if model.price is not None else ():
        price = getattr(model.price, name)
        if price is not None and price > _ABSURD_PRICE:
            place = (*path, "price", name)
            yield place, f"{dotted(place)} is ${price:g}, which no model costs", "Prices are USD per million tokens."


def _candidate(name: str, candidate: CandidateSection, models: set[str]) -> Iterator[Found]:
    path: Path = ("candidates", name)
    if name in models:
        yield path, f"{name!r} is both a candidate and a model, so nobody can tell them apart", "Rename one."
    yield from _reference(candidate.model, (*path, "model"), models, "models")
    yield from _params(candidate.params, (*path, "params"))
    if candidate.template is not None:
        yield from _template(candidate, candidate.template, path)


def _params(params: dict[str, Any], path: Path) -> Iterator[Found]:
    for key, value in params.items():
        place = (*path, key)
        if key in _OURS:
            yield place, f"{dotted(place)} is not for params", _OURS[key]
        if not _is_json(value):
            yield place, f"{dotted(place)} is no JSON value", ""


def _template(candidate: CandidateSection, template: TemplateSection, path: Path) -> Iterator[Found]:
    if candidate.api == "chat":
        yield (*path, "api"), f"{dotted(path)} has a template and api: chat, which takes none", "Delete one of them."
    for field, holes in (("turn", ("{user}", "{assistant}")), ("ask", ("{user}",))):
        for hole in holes:
            if hole not in getattr(template, field):
                place = (*path, "template", field)
                yield place, f"{dotted(place)} does not hold {hole}", "Say where it goes."
    if candidate.system is not None and "{system}" not in template.system:
        place = (*path, "template")
        yield place, f"{dotted(place)}.system does not hold {{system}}, so the prompt would be lost", "Add it."


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _endpoint(endpoint: EndpointSection, path: Path, candidates: set[str]) -> Iterator[Found]:
    place = (*path, "candidates")
    if not endpoint.candidates:
        yield place, f"{dotted(place)} is empty", "Name at least one candidate or model."
    for n, name in enumerate(endpoint.candidates):
        yield from _reference(name, (*place, n), candidates, "candidates/models")
        if name in endpoint.candidates[:n]:
            yield (*place, n), f"{dotted(place)} names {name!r} twice", "Keep one."
    if endpoint.shadow is not None:
        yield from _reference(
            endpoint.shadow.candidate, (*path, "shadow", "candidate"), candidates, "candidates/models"
        )
    try:
        rule.parse(endpoint.success) if endpoint.success is not None else None
    except rule.RuleError as error:
        mend = "Such as: schema and field_f1 >= 0.9"
        yield (*path, "success"), f"{dotted(path)}.success: {error}", mend
    yield from _limits(endpoint.constraints, (*path, "constraints"))


def _limits(constraints: Constraints, path: Path) -> Iterator[Found]:
    quality = constraints.quality
    if quality is not None and not 0.5 <= quality.confidence < 1:
        place = (*path, "quality", "confidence")
        yield place, f"{dotted(place)} must be at least 50% and under 100%", "95% is usual."
    before: dict[str, tuple[float, float]] = {}
    for measure, quantile, seconds in constraints.latencies():
        lower = before.get(measure)
        if lower is not None and seconds < lower[1]:
            name = f"{measure}_p{quantile * 100:.0f}"
            what = f"{name} max {seconds:g} s is below {measure}_p{lower[0] * 100:.0f} max {lower[1]:g} s"
            yield (*path, name), f"{what}, which then can never matter", "Raise the one or lower the other."
        before[measure] = (quantile, seconds)


def _evaluation(
    evaluation: EvaluationSection, path: Path, sections: Sections, endpoints: set[str], folder: File
) -> Iterator[Found]:
    yield from _reference(evaluation.endpoint, (*path, "endpoint"), endpoints, "endpoints")
    yield from _arrivals(evaluation.arrivals, (*path, "arrivals"))
    if evaluation.budget == 0:
        yield (
            (*path, "budget"),
            f"{dotted(path)}.budget is $0, so nothing could be sent",
            "Raise it, or delete the line.",
        )
    for name, spec in evaluation.scorers.items():
        place = (*path, "scorers", name)
        if len(spec) != 1:
            yield place, f"{dotted(place)} must name one kind of scorer", "Such as: {json_schema: reply.json}"
        if not _SCORER_NAME.fullmatch(name) or name in {"and", "or", "not"}:
            yield place, f"{name!r} cannot be a scorer's name in a rule", "Use letters, digits, _ and -."
    endpoint = sections.endpoints.get(evaluation.endpoint)
    if endpoint is None:
        return
    yield from _rule_names(evaluation, endpoint, path, lambda: _sample_checks(folder / evaluation.samples.file))
    if not evaluation.stream and any(measure == "ttft" for measure, _, _ in endpoint.constraints.latencies()):
        what = f"endpoint {evaluation.endpoint!r} limits TTFT, which is not measured with stream: false"
        yield (*path, "stream"), what, "Set stream: true, or drop the ttft limits."


def _arrivals(arrivals: Arrivals, path: Path) -> Iterator[Found]:
    chosen = [name for name in ARRIVALS if getattr(arrivals, name) is not None]
    if len(chosen) != 1:
        what = f"{dotted(path)} must be one of {', '.join(ARRIVALS)}"
        yield path, f"{what}, not {' and '.join(chosen) or 'none'}", "Such as: {poisson: 4/s}"


def _rule_names(
    evaluation: EvaluationSection, endpoint: EndpointSection, path: Path, in_samples: Callable[[], set[str] | None]
) -> Iterator[Found]:
    """A name in the rule must be a scorer of the evaluation or a check some sample brings."""
    if endpoint.success is None:
        what = f"endpoint {evaluation.endpoint!r} has no success rule, and an evaluation needs one"
        yield (*path, "endpoint"), what, "Add a line such as `success: schema and field_f1 >= 0.9` to the endpoint."
        return
    try:
        unknown = rule.parse(endpoint.success).names - set(evaluation.scorers)
    except rule.RuleError:
        return  # reported at the endpoint
    checks = in_samples() if unknown else set[str]()
    if checks is None:
        return  # no readable sample file yet: what it brings cannot be known here
    for name in sorted(unknown - checks):
        what = f"the success rule of {evaluation.endpoint!r} asks for {name!r}, which no scorer or sample check gives"
        mend = nearest(name, checks | set(evaluation.scorers)) or f"Add it under {dotted(path)}.scorers."
        yield (*path, "scorers"), what, mend


class _Checks(msgspec.Struct):
    checks: dict[str, msgspec.Raw] = {}


def _sample_checks(file: File) -> set[str] | None:
    """Names of the checks in a sample file; None where it cannot be read (the samples part says why, when asked)."""
    decoder = msgspec.json.Decoder(_Checks)
    names: set[str] = set()
    try:
        with file.open("rb") as lines:
            for line in lines:
                try:
                    names.update(decoder.decode(line).checks)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue  # a bad line is reported, or skipped, where samples are read
    except OSError:
        return None
    return names
