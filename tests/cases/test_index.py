"""The indexes of cases are whole: every case of a page is in its index, and every test that is named there is there and
names the case."""

import ast
import os
from functools import cache
from pathlib import Path

import pytest
from tests.cases import gateway_index, index
from tests.cases.page import Index

ROOT = Path(__file__).parents[2]
EVALUATION, GATEWAY = index.INDEX, gateway_index.INDEX
INDEXES = pytest.mark.parametrize("index", [EVALUATION, GATEWAY], ids=["evaluation", "gateway"])
TESTS = [(each, *test) for each in (EVALUATION, GATEWAY) for test in each.tests()]


@pytest.mark.parametrize(("index", "path", "name", "cases"), TESTS, ids=[name for _, _, name, _ in TESTS])
def test_the_test_that_holds_a_case_is_there_and_names_it(index: Index, path: str, name: str, cases: list[str]) -> None:
    docstrings = _docstrings(ROOT / path)
    assert name in docstrings, f"{path} has no {name}"
    assert set(cases) <= index.cases_in(docstrings[name])


@INDEXES
def test_a_case_is_held_by_one_test_or_has_its_reason(index: Index) -> None:
    held = index.cases()
    assert len(held) == len(set(held))
    assert not set(held) & set(index.not_here)


@INDEXES
def test_every_case_of_the_page_is_in_the_index(index: Index) -> None:
    folder = Path(os.environ.get("WEIGHBRIDGE_SHARED_DATA", ROOT.parent / "shared" / "data")).parent
    path = folder / index.page
    if not path.is_file():
        reason = f"needs the page of cases ({path})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    named = set().union(*(index.cases_in(line) for line in path.read_text().splitlines() if line.startswith("- ")))
    assert len(named) > index.least
    assert named == set(index.cases()) | set(index.not_here)


@pytest.mark.parametrize(
    ("index", "text", "cases"),
    [
        (EVALUATION, "UKGov/inspect_ai#4206 (+PR #4260) and #7", "inspect_ai#4206 inspect_ai#4260 inspect_ai#7"),
        (EVALUATION, "deepeval PR #2948 / #262", "deepeval#2948 deepeval#262"),
        (EVALUATION, "(guidellm#1048, fix PR #1053)", "guidellm#1048 guidellm#1053"),
        (EVALUATION, "vllm PR #3768, sglang PR #29251", "vllm#3768 sglang#29251"),
        (EVALUATION, "promptfoo#5847 (PRs #9066, #9448)", "promptfoo#5847 promptfoo#9066 promptfoo#9448"),
        (EVALUATION, "lm-eval#2533 is no 64 KB", "lm-evaluation-harness#2533"),
        (EVALUATION, "someone/new-tool#5", "new-tool#5"),
        (GATEWAY, "BerriAI/litellm#8450 - and", "litellm#8450"),
        (GATEWAY, "litellm#5512, #6532, #6957: x.", "litellm#5512 litellm#6532 litellm#6957"),
        (GATEWAY, "x. Portkey#722/PR#741", "Portkey#722 Portkey#741"),
        (GATEWAY, "litellm PR#33736/PR#30630 and PR #36008", "litellm#33736 litellm#30630 litellm#36008"),
        (GATEWAY, "Portkey-AI/gateway#1072", "Portkey#1072"),
        (GATEWAY, "envoyproxy/ai-gateway#1754", "ai-gateway#1754"),
    ],
)
def test_cases_are_read_in_all_their_spellings(index: Index, text: str, cases: str) -> None:
    assert index.cases_in(text) == set(cases.split())


@cache
def _docstrings(path: Path) -> dict[str, str]:
    """Of every test function of a file."""
    tree = ast.parse(path.read_text())
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return {node.name: ast.get_docstring(node) or "" for node in functions}
