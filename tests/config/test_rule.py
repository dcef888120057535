"""The success rule: what it accepts, what it answers, and where it says an error is."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.config.rule import RuleError, Scores, parse

SCORES: Scores = {"schema": (1.0, True), "f1": (0.9, True), "refusal": (0.0, False), "judge": (None, None)}


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("schema", True),
        ("refusal", False),
        ("not refusal", True),
        ("schema and f1 >= 0.9", True),
        ("schema and f1 > 0.9", False),
        ("f1 >= 90%", True),
        ("f1 == .9", True),
        ("f1 != 0.9 or schema", True),
        ("f1 < 1 and f1 <= 0.9", True),
        ("not (schema and refusal)", True),
        ("not schema or refusal", False),
        ("refusal or schema and f1 > 0.95", False),
        ("(refusal or schema) and f1 > 0.5", True),
        ("NOT refusal AND schema", True),
        ("not f1 > 0.95", True),
    ],
)
def test_a_rule_holds_as_it_reads(text: str, held: bool) -> None:
    """`not` binds tighter than `and`, `and` tighter than `or`; parentheses win."""
    assert parse(text).holds(SCORES) is held


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("judge", None),
        ("judge > 0.5", None),
        ("not judge", None),
        ("judge and schema", None),
        ("judge and refusal", False),
        ("judge or schema", True),
        ("judge or refusal", None),
        ("missing", None),
    ],
)
def test_an_unscorable_score_is_neither_true_nor_false(text: str, held: bool | None) -> None:
    """UKGovernmentBEIS/inspect_ai#4286: an inconclusive score must not turn into a pass or a fail on the way."""
    assert parse(text).holds(SCORES) is held


def test_names_are_those_of_every_scorer_asked_for() -> None:
    assert parse("a and (b-2 >= 0.5 or not c.d)").names == {"a", "b-2", "c.d"}


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("", "empty", 1),
        ("schema and", "expected the name of a scorer, but it ends", 11),
        ("schema schema", "expected `and`, `or` or the end", 8),
        ("f1 >= high", "expected a number", 7),
        ("f1 >= 90", "between 0 and 1", 7),
        ("(schema", r"expected `\)`", 8),
        ("schema)", "expected `and`", 7),
        ("schema & f1", "not '&'", 8),
        ("0.9 <= f1", "expected the name", 1),
        ("f1 = 0.9", "not '='", 4),
        ("f1 >= -1", "expected a number", 7),
        ("and", "expected the name", 1),
        ("(" * 60 + "a" + ")" * 60, "nested deeper", 51),
        ("not " * 5000 + "a", "nested deeper", 201),
    ],
)
def test_an_error_names_its_column(text: str, message: str, column: int) -> None:
    with pytest.raises(RuleError, match=message) as caught:
        parse(text)
    assert caught.value.column == column
    assert "\n" not in str(caught.value)


def test_a_rule_prints_as_a_rule_that_means_the_same() -> None:
    rule = parse("not (a or b >= 50%) and c")
    again = parse(str(rule))
    for values in product((None, 0.2, 0.7), repeat=3):
        scores: Scores = {n: (v, None if v is None else v > 0.5) for n, v in zip("abc", values, strict=True)}
        assert rule.holds(scores) is again.holds(scores)


@given(st.text(alphabet="ab ()<>=!0.9%andornot&\n\té", max_size=40))
def test_any_text_is_a_rule_or_a_rule_error(text: str) -> None:
    """Whatever is typed: a rule that can be asked, or one error with a column inside or just behind the text."""
    column = 1
    try:
        assert parse(text).holds({}) is None
    except RuleError as error:
        column = error.column
    assert 1 <= column <= len(text) + 1


@given(st.recursive(st.sampled_from("abc"), lambda part: st.tuples(st.sampled_from(["and", "or"]), part, part)))
def test_rules_agree_with_python(tree: object) -> None:
    """With every score known, a rule says what Python's own `and` and `or` say."""

    def written(node: object) -> str:
        return node if isinstance(node, str) else f"({written(node[1])} {node[0]} {written(node[2])})"  # type: ignore[index]  # a tree of tuples

    text = written(tree)
    for a, b, c in product((True, False), repeat=3):
        scores: Scores = {"a": (float(a), a), "b": (float(b), b), "c": (float(c), c)}
        expected = eval(text, {"__builtins__": {}}, {"a": a, "b": b, "c": c})  # noqa: S307 -- the independent implementation, on text built above
        assert parse(text).holds(scores) is expected
