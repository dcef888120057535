"""Rows of any file, and what importers make of times, replies and JSON within JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from weighbridge.errors import UsageError
from weighbridge.samples.importers.record import BadRow, answer_text, parsed, rows, seconds, sent, text_of_reply


def read(folder: Path, name: str, data: str | bytes) -> list[tuple[str, Any]]:
    """(line, row), with what is said in place of a bad row."""
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return [(where.removeprefix(str(path)), row.what if isinstance(row, BadRow) else row) for where, row in rows(path)]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", '{"q": "é"}\n\n{"q": "b"}\n'),
        ("a.jsonl", b'\xef\xbb\xbf{"q": "\xc3\xa9"}\r\n\r\n{"q": "b"}'),
        ("a.csv", "q\né\n\nb\n"),
        ("a.csv", b"\xef\xbb\xbfq\r\n\xc3\xa9\r\n\r\nb\r\n"),
    ],
)
def test_a_byte_order_mark_crlf_and_blank_lines_are_no_part_of_rows(tmp_path: Path, name: str, data: Any) -> None:
    """And each row is named by the line it stands on."""
    first = 1 if name == "a.jsonl" else 2
    assert read(tmp_path, name, data) == [(f":{first}", {"q": "é"}), (f":{first + 2}", {"q": "b"})]


@pytest.mark.parametrize(
    "data",
    ['[{"q": 1}, {"q": 2}]', '{"object": "list", "data": [{"q": 1}, {"q": 2}]}', '{"traces": [{"q":1},{"q":2}]}'],
)
def test_a_json_file_is_a_list_or_holds_one(tmp_path: Path, data: str) -> None:
    assert read(tmp_path, "a.json", data) == [(", entry 1", {"q": 1}), (", entry 2", {"q": 2})]


def test_a_json_file_may_be_one_object_or_an_object_a_line(tmp_path: Path) -> None:
    assert read(tmp_path, "a.json", '{"q":\n 1}') == [(", entry 1", {"q": 1})]
    assert read(tmp_path, "a.json", '{"q": 1}\n{"q": 2}\n[]\n') == [
        (":1", {"q": 1}),
        (":2", {"q": 2}),
        (":3", "not an object"),
    ]


def test_what_is_no_object_is_a_bad_row_and_the_others_stay(tmp_path: Path) -> None:
    lines = [b'{"q": 1}', b"{", b"3", b'{"q": "\xff"}', b'{"q": ' + b"[" * 100_000, b'{"q": 2}']
    found = read(tmp_path, "a.jsonl", b"\n".join(lines))
    assert [where for where, _ in found] == [":1", ":2", ":3", ":4", ":5", ":6"]
    assert [row for _, row in found] == [
        {"q": 1},
        "not JSON: Input data was truncated",
        "not an object",
        "not UTF-8",
        "nested too deeply",
        {"q": 2},
    ]


@pytest.mark.parametrize(
    ("data", "line", "why"),
    [
        ('[\n  {"q": 1},\n  {"q" 2}\n]', 3, "expected ':'"),
        ('{\n  "data": [\n    {"q": 1},\n', 3, "truncated"),
        ('[\n{"q": 1},\n{"q": 2},\n{"q": 3}\n', 4, "truncated"),
    ],
)
def test_a_broken_json_document_is_said_with_the_line_it_breaks_on(
    tmp_path: Path, data: str, line: int, why: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, "a.json", data)
    assert caught.value.where == f"{tmp_path / 'a.json'}:{line}"
    assert why in caught.value.what


def test_a_json_document_too_deep_or_not_utf_8_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nested too deeply"):
        read(tmp_path, "a.json", "[" * 100_000)
    with pytest.raises(UsageError, match="not UTF-8"):
        read(tmp_path, "a.json", b'[\n{"q": "\xff"}\n]')


def test_csv_takes_quotes_semicolons_tabs_and_line_breaks_in_fields(tmp_path: Path) -> None:
    text = 'q,a\n"one, ""two""\nthree",x\nlast,\n'
    assert read(tmp_path, "a.csv", text) == [(":2", {"q": 'one, "two"\nthree', "a": "x"}), (":4", {"q": "last"})]
    assert read(tmp_path, "a.csv", "q;a\n1,5;x\n") == [(":2", {"q": "1,5", "a": "x"})]
    assert read(tmp_path, "a.tsv", "q\ta\n1;5\tx\n") == [(":2", {"q": "1;5", "a": "x"})]


def test_too_many_fields_are_a_bad_row_on_its_line(tmp_path: Path) -> None:
    text = 'q\n"two\nlines"\n\na,b\nlast\n'
    assert read(tmp_path, "a.csv", text) == [
        (":2", {"q": "two\nlines"}),
        (":5", "more fields than the header names"),
        (":6", {"q": "last"}),
    ]


def test_a_quotation_mark_that_never_closes_does_not_swallow_the_rest(tmp_path: Path) -> None:
    text = "q,a\n" + "fine,yes\n" * 499 + '"open,yes\n' + "fine,yes\n" * 500
    with pytest.raises(UsageError) as caught:
        read(tmp_path, "a.csv", text)
    assert str(caught.value).startswith(f"{tmp_path / 'a.csv'}:501: not CSV: ")
    assert str(caught.value).endswith("Look at the quotation marks from there on")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_spreadsheets_other_encodings_say_what_to_do(tmp_path: Path, encoding: str) -> None:
    """UTF-16 without a mark is UTF-8 with NULs, which no JSON is; Windows-1252 is told by its line."""
    with pytest.raises(UsageError, match=r"UTF-16, not UTF-8\. Save the file as UTF-8"):
        read(tmp_path, "a.csv", b"\xff\xfe" + "q\nü\n".encode("utf-16-le"))
    with pytest.raises(UsageError, match=r"a\.csv:3: not UTF-8\. Save the file as UTF-8"):
        read(tmp_path, "a.csv", "q\nfine\nMüller\n".encode("cp1252"))
    found = read(tmp_path, "b.jsonl", json.dumps({"q": 1}).encode(encoding).removeprefix(b"\xff\xfe"))
    assert [row for _, row in found if isinstance(row, dict)] == []


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_an_empty_file_has_no_rows_and_a_missing_one_is_said(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, name, "") == []
    assert read(tmp_path, name, "\n\n") == []
    with pytest.raises(UsageError, match="cannot be read: No such file or directory"):
        list(rows(tmp_path / f"no-{name}"))


def test_a_field_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    text = "long " * 2_000_000
    assert read(tmp_path, "a.csv", f'q\n"{text}"\n') == [(":2", {"q": text})]
    assert read(tmp_path, "a.jsonl", json.dumps({"q": text})) == [(":1", {"q": text})]


@pytest.mark.parametrize(
    ("value", "when"),
    [
        ("2024-05-01T10:00:00Z", 1714557600.0),
        ("2024-05-01 10:00:00", 1714557600.0),
        ("2024-05-01T12:00:00.500+02:00", 1714557600.5),
        (1714557600, 1714557600.0),
        ("1714557600", 1714557600.0),
        (1714557600500, 1714557600.5),
        (1714557600500000, 1714557600.5),
        ("1714557600500000000", 1714557600.5),
        ("yesterday", None),
        ("", None),
        (-1, None),
        (True, None),
        (None, None),
        ("nan", None),
        (10**30, None),
        ("9999-99-99", None),
    ],
)
def test_times_are_read_in_any_of_the_usual_forms(value: Any, when: float | None) -> None:
    assert seconds(value) == when


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("Hi", "Hi"),
        ({"choices": [{"message": {"role": "assistant", "content": "Hi"}}]}, "Hi"),
        ({"choices": [{"text": "Hi"}]}, "Hi"),
        ({"role": "assistant", "content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]}, "Hi"),
        ({"role": "assistant", "content": None, "tool_calls": []}, None),
        ({"choices": []}, None),
        ({}, None),
        (None, None),
        (3, None),
    ],
)
def test_the_text_of_a_reply(reply: Any, text: str | None) -> None:
    assert text_of_reply(reply) == text


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        ('{"role": "assistant", "content": "Hi"}', "Hi"),
        ('{"total": 3.10}', '{"total": 3.10}'),  # the model's own JSON, as it wrote it
        ({"total": 3}, '{"total":3}'),
        ({"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}, None),
        ({}, None),
        ([], None),
        (None, None),
        ("{not json", "{not json"),
    ],
)
def test_an_output_is_a_replys_text_or_what_the_model_wrote(output: Any, answer: str | None) -> None:
    assert answer_text(output) == answer


def test_json_within_text_is_read_and_other_text_stays() -> None:
    assert parsed('[{"role": "user"}]') == [{"role": "user"}]
    assert parsed('"quoted"') == "quoted"
    assert parsed("{almost") == "{almost"
    assert parsed("[" * 100_000) == "[" * 100_000
    assert parsed("42") == "42"  # a number in a CSV is text
    assert parsed(42) == 42


def test_a_request_is_kept_without_the_model_and_what_only_its_sender_knew() -> None:
    body = {"model": "gpt-5-mini", "stream": True, "stream_options": {}, "user": "u1", "metadata": {}, "store": True}
    kept = {"messages": [], "tools": [], "temperature": 0, "tool_choice": "auto"}
    assert sent({**body, **kept, "seed": None}) == kept
