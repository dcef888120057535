"""docs/scorers.md: every example on the page is real."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.scorers.judging import expecting

from weighbridge.config.load import loads
from weighbridge.scorers.panel import Panel
from weighbridge.scorers.registry import KINDS
from weighbridge.wire.answer import Answer, Latency

PAGE = (Path(__file__).parents[2] / "docs" / "scorers.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
EXAMPLES = [text for language, text in BLOCK.findall(PAGE) if language == "yaml"]
PYTHON = [text for language, text in BLOCK.findall(PAGE) if language == "python"]

HEAD = """\
providers: {local: {base_url: "http://127.0.0.1:1/v1"}}
models: {m: {provider: local, model: m, price: {input: 1, output: 1}}}
endpoints: {e: {candidates: [m], success: %s}}
evaluations:
  v:
    endpoint: e
    samples: {file: samples.jsonl}
"""

# For each name on the page: what is expected, an answer that passes, and one that fails.
CASES: dict[tuple[str, str], tuple[Any, str, str]] = {
    ("right", "exact"): ("Paris", "Paris.", "It is Paris"),
    ("right", "contains"): ("10", "It is 10.", "It is 110"),
    ("right", "regex"): ("Rome", "The answer is Bonn. No: the answer is (Rome)", "The answer is Bonn"),
    ("right", "numeric"): ("#### 12", "#### 6 was the example\n#### 12.01 (2 boxes)", "12 #### 13"),
    ("mood", "choice"): ("negative", "It is Negative.", "positive"),
    ("schema", "json_schema"): ("", 'Sure: {"reply": "Hi"}', '{"reply": 1}'),
    ("field_f1", "json_fields"): (
        {"greeting": "Hi", "lines": [{"sku": "x", "n": 1, "note": "a"}, {"sku": "y", "n": 2}]},
        '{"lines": [{"sku": "Y", "n": 2.01}, {"sku": "X", "n": 1}]}',
        '{"lines": [{"sku": "x", "n": 1}]}',
    ),
    ("polite", "python"): ("", "Would you wait, please?", "Wait!"),
    ("short", "length"): ("", "A few words", "word " * 281),
    ("quick", "latency"): ("", "quick", "slow"),
    ("right", "any_of"): ("Paris", "It is Paris", "It is Rome"),
}


def read(example: str) -> Mapping[str, Any]:
    """The scorers of an example, read as part of a whole weighbridge.yaml."""
    names = re.findall(r"^  (\w+):", example, re.MULTILINE)
    body = "".join(f"    {line}\n" for line in example.splitlines())
    config = loads(HEAD % " and ".join(names) + body, Path("weighbridge.yaml"), env={})
    _, section = config.evaluation("v")
    return section.scorers


def said(text: str) -> Answer:
    return Answer(text=text, latency=Latency(total=9.0 if text == "slow" else 2.0, ttft=0.5))


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_valid_configuration_and_tells_right_from_wrong(example: str, tmp_path: Path) -> None:
    (tmp_path / "judges.py").write_text(PYTHON[0])
    for name, spec in read(example).items():
        expected, right, wrong = CASES[name, next(iter(spec))]
        panel = Panel.of({name: spec}, base=tmp_path)
        for text, passed in ((right, True), (wrong, False)):
            (score,) = panel.judge(expecting(expected), said(text))
            assert score.passed is passed, (text, score)
        panel.close()


def test_every_kind_has_an_example_and_a_place_in_the_table() -> None:
    shown = {kind for example in EXAMPLES for kind in KINDS if re.search(rf"\b{kind}:", example)}
    assert shown == set(KINDS)
    assert len(EXAMPLES) == 12
    for kind in KINDS:
        assert re.search(rf"^\| \[.*`{kind}`.*\]\(#", PAGE, re.MULTILINE), kind


def test_every_setting_of_every_scorer_is_named_on_the_page() -> None:
    """A setting that is not described is not there for its user."""
    from weighbridge.scorers import (
        choice,
        contains,
        exact,
        function,
        json_fields,
        json_schema,
        latency,
        length,
        numeric,
        pattern,
    )

    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
    modules = {
        "exact": exact,
        "contains": contains,
        "regex": pattern,
        "numeric": numeric,
        "choice": choice,
        "json_schema": json_schema,
        "json_fields": json_fields,
        "python": function,
        "length": length,
        "latency": latency,
    }
    for kind, module in modules.items():
        for setting in module.Settings.__struct_fields__:
            assert f"`{setting}`" in sections[kind], (kind, setting)


def test_the_function_of_the_page_cannot_tell_about_an_empty_answer(tmp_path: Path) -> None:
    """As its comment says."""
    (tmp_path / "judges.py").write_text(PYTHON[0])
    panel = Panel.of({"polite": {"python": "judges:polite"}}, base=tmp_path)
    (score,) = panel.judge(expecting(), Answer())
    assert score.value is None
    panel.close()
