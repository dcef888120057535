"""YAML files as values with lines, and the one line each damaged or hostile file gives."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.config.document import MAX_BYTES, parse, read, scalar
from weighbridge.config.problem import ConfigError


def refusal(source: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(source, "w.yaml")
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_every_value_knows_its_line() -> None:
    """Keys and list items are marked; an unwritten path has its nearest ancestor's line."""
    document = parse("models:\n  mini:\n    model: x\nlist:\n  - 1\n  - {a: 2}\n", "w.yaml")
    assert document.value == {"models": {"mini": {"model": "x"}}, "list": [1, {"a": 2}]}
    assert document.line(("models", "mini", "model")) == 3
    assert document.line(("models", "mini", "price", "input")) == 2
    assert document.line(("list", 1, "a")) == 6
    assert document.line(("nowhere",)) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("2026-01-01", "2026-01-01"),
        ("0o17", "0o17"),
        ("0x1f", "0x1f"),
        (".nan", ".nan"),
        (".inf", ".inf"),
        ("1e400", "1e400"),
        ("true", True),
        ("~", None),
        ("-7", -7),
        ("007", 7),
        ("1.5e3", 1500.0),
        (".5", 0.5),
        ("9" * 25, 1e25),
        ("4/s", "4/s"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: Any) -> None:
    """Norway stays text, a clock time is no number in base 60, and no number is infinite."""
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_quotes_and_str_tags_make_text() -> None:
    assert parse("a: '5'\nb: \"true\"\nc: !!str 5\nd: |\n  5\n", "w").value == {
        "a": "5",
        "b": "true",
        "c": "5",
        "d": "5\n",
    }


def test_an_anchor_may_be_used_again_and_is_marked_where_it_is_used() -> None:
    document = parse("a: &p {x: 1}\nb: *p\nc: &q [*p]\nd: *q\n", "w.yaml")
    assert document.value == {"a": {"x": 1}, "b": {"x": 1}, "c": [{"x": 1}], "d": [{"x": 1}]}
    assert document.line(("b", "x")) == 2
    assert document.line(("d", 0, "x")) == 4
    document.value["b"]["x"] = 2
    assert document.value["a"]["x"] == 1, "a copy, not the same mapping"


def test_a_mapping_may_take_in_another_and_its_own_keys_win() -> None:
    """Merge keys, which YAML 1.2 dropped and everybody writes: in any order, and what they bring has their line."""
    document = parse("a: &a {x: 1, y: {z: 2}}\nb:\n  x: 3\n  <<: *a\nc: {<<: [{x: 8}, *a], y: 4}\n", "w.yaml")
    assert document.value["b"] == {"x": 3, "y": {"z": 2}}
    assert document.value["c"] == {"x": 8, "y": 4}
    assert (document.line(("b", "x")), document.line(("b", "y", "z"))) == (3, 4)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", "w.yaml: the file is empty. `weighbridge init` writes a starter."),
        ("# only a comment\n", "w.yaml: the file is empty"),
        ("---\n...\n", "w.yaml: the file is empty"),
        ("just text", "w.yaml:1: the file must hold sections"),
        ("- a\n", "w.yaml:1: the file must hold sections"),
        ("a:\n\tb: 1\n", "w.yaml:2: a tab in the indentation. YAML takes spaces only."),
        ("a: 1\nb: 2\na: 3\n", "w.yaml:3: a is given twice (first on line 1)"),
        ("m:\n  x: 1\n  x: 2\n", "w.yaml:3: m.x is given twice (first on line 2)"),
        ("a: b: c\n", "w.yaml:1: not YAML: mapping values are not allowed"),
        (
            "x: 1\na: [1,\nb: c\n",
            "w.yaml:2: not YAML: a flow sequence that is never closed. Close the [ that opens here.",
        ),
        ("a: 'x\n\n\n", "w.yaml:1: not YAML: a quoted scalar that is never closed"),
        ('a: "\\q"\n', "w.yaml:1: not YAML: found unknown escape character"),
        ("a: {x: 1\n", "w.yaml:1: not YAML: a flow mapping that is never closed"),
        ("a: 1\n  b: 2\n", "w.yaml:2: not YAML:"),
        ("a: @x\n", "w.yaml:1: not YAML:"),
        ("a: \x01\n", "w.yaml:1: a control character"),
        ("a: 1\n---\nb: 2\n", "w.yaml:2: a second document"),
        ("a: *x\n", "w.yaml:1: "),
        ("a: &x [*x]\n", "w.yaml:1: *x has no finished anchor &x before it"),
        (
            "a: !!python/object/apply:os.getcwd []\n",
            "w.yaml:1: YAML tag 'tag:yaml.org,2002:python/object/apply:os.getcwd'",
        ),
        ("a: !mine 3\n", "w.yaml:1: YAML tag '!mine' is not accepted"),
        ("a:\n  <<: 3\n", "w.yaml:2: `<<` under a does not lead to a mapping. Write it as `<<: *name`."),
        ("a: {<<: [{x: 1}, y]}\n", "w.yaml:1: `<<` under a does not lead to a mapping"),
        ("b: &b {x: 1}\na:\n  <<: *b\n  <<: *b\n", "w.yaml:4: a.<< is given twice (first on line 3)"),
        ("? [a, b]\n: 1\n", "w.yaml:1: a key under the top is not a word"),
        ("a: {'': 1}\n", "w.yaml:1: an empty key under a"),
    ],
)
def test_what_is_not_one_mapping_is_refused_in_one_line(source: str, expected: str) -> None:
    assert refusal(source).startswith(expected)


@pytest.mark.parametrize("opener", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused_before_it_can_kill_the_process(opener: str) -> None:
    """The composer of libyaml recurses in C: 100,000 open brackets end the process with a segmentation fault."""
    assert refusal("a: " * (opener == "[") + opener * 100_000).startswith("w.yaml:1: ")


def test_a_bomb_of_anchors_is_refused_by_what_it_expands_to() -> None:
    """A billion laughs: each anchor nine aliases of the one before."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for last, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]")
    assert "more than 100,000 values once anchors are expanded" in refusal("\n".join(lines))


def test_a_huge_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    """100 MB of zeros, sparse on the disk: one line, and at once."""
    file = tmp_path / "w.yaml"
    with file.open("wb") as stream:
        stream.truncate(100 * 2**20)
    with pytest.raises(ConfigError, match="larger than 1 MB"):
        read(file)
    file.write_bytes(b"# " + b"x" * (MAX_BYTES - 10) + b"\na: 1\n")
    assert read(file).value == {"a": 1}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a: 1\nb: caf\xe9\n", "w.yaml:2: not UTF-8 text. Save the file as UTF-8."),
        ("a: 1\n".encode("utf-16"), "w.yaml:1: not UTF-8 text"),
        (b"a: \x00\n", "w.yaml:1: a control character"),
    ],
)
def test_bytes_that_are_no_text_name_their_line(data: bytes, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "w.yaml"
    file.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        read(file)
    assert str(caught.value).startswith(f"{tmp_path}/{expected}")


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    file = tmp_path / "w.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    document = read(file)
    assert (document.value, document.line(("b",))) == ({"a": 1, "b": 2}, 2)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: no such file\. `weighbridge init` writes a starter"):
        read(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read: is a directory"):
        read(tmp_path)
    if os.geteuid() != 0:
        locked = tmp_path / "locked.yaml"
        locked.touch(mode=0o000)
        with pytest.raises(ConfigError, match="cannot be read: permission denied"):
            read(locked)


@given(st.text(alphabet="ab:- \n\t[]{}&*!|>'\"#%@`,?~0\x00\x85\ud7ff", max_size=60))
def test_any_text_is_a_document_or_one_line(source: str) -> None:
    """Fuzzed: a mapping whose every top-level key has a line, or a ConfigError of one line."""
    try:
        document = parse(source, "w.yaml")
    except ConfigError as error:
        line = str(error)
    else:
        line = ""
        assert all(document.line((key,)) for key in document.value)
    assert "\n" not in line
