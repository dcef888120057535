"""`weighbridge samples` as a person types it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weighbridge.cli import main as frame
from weighbridge.samples.sampleset import SampleSet

ROWS = [
    {"prompt": "Where is my order? I am anna@example.com", "answer": "on its way", "tag": "orders"},
    {"prompt": "Where is my order? I am bob@example.com", "answer": "on its way", "tag": "orders"},
    {"prompt": "How do I return shoes?", "answer": "with the label", "tag": "returns"},
    {"prompt": "How do I return a coat?", "answer": "with the label", "tag": "returns"},
]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `weighbridge samples …` in a folder with export.jsonl; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "export.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    def ran(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = frame.run(["samples", *arguments])
        written = capsys.readouterr()
        return code, written.out, written.err

    return ran


@pytest.fixture
def imported(run: Run) -> Run:
    """The same, with samples.jsonl imported from the export."""
    assert run("import", "export.jsonl", "-o", "samples.jsonl")[0] == 0
    return run


def said(out: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out)
    assert found.pop("schema") == "weighbridge.samples/1"
    return found


def test_import_says_what_became_of_the_export(run: Run) -> None:
    code, out, err = run("import", "export.jsonl", "--out", "samples/shop.jsonl", "--tag", "shop", "--tag", "may")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "3 samples from plain to samples/shop.jsonl",
        "1 doubles left out",
        "2 places redacted",
    ]
    samples = SampleSet.load(Path("samples/shop.jsonl")).samples
    assert [sample.tags for sample in samples] == [
        ("orders", "shop", "may"),
        ("returns", "shop", "may"),
        ("returns", "shop", "may"),
    ]
    assert b"example.com" not in Path("samples/shop.jsonl").read_bytes()


def test_import_for_machines(run: Run) -> None:
    code, out, _ = run("import", "export.jsonl", "-o", "s.jsonl", "--redact", "none", "--json")
    assert code == 0
    assert said(out) == {"file": "s.jsonl", "format": "plain", "samples": 4, "doubles": 0, "redacted": 0, "bad": []}


def test_import_takes_columns_formats_and_production_answers(run: Run) -> None:
    Path("chat.csv").write_text("frage;antwort\nWo ist sie?;unterwegs\n", "utf-8")
    assert run("import", "chat.csv", "-o", "s.jsonl", "--prompt-column", "frage", "--answer-column", "Antwort")[0] == 0
    assert SampleSet.load(Path("s.jsonl")).samples[0].expected == ("unterwegs",)
    row = {"request_id": "1", "messages": [{"role": "user", "content": "Hi"}], "response": "Hello"}
    Path("log.jsonl").write_text(json.dumps(row))
    assert run("import", "log.jsonl", "-o", "s.jsonl", "--format", "litellm", "--expect-answer")[0] == 0
    assert SampleSet.load(Path("s.jsonl")).samples[0].expected == ("Hello",)
    asked = {"custom_id": "1", "url": "/v1/chat/completions", "body": {"messages": row["messages"]}}
    Path("in.jsonl").write_text(json.dumps(asked))
    Path("out.jsonl").write_text(json.dumps({"custom_id": "1", "response": {"body": {"choices": [{"text": "Hey"}]}}}))
    assert run("import", "in.jsonl", "-o", "s.jsonl", "--output-file", "out.jsonl", "--expect-answer")[0] == 0
    assert SampleSet.load(Path("s.jsonl")).samples[0].expected == ("Hey",)


def test_a_bad_row_stops_the_import_and_writes_nothing(run: Run) -> None:
    with Path("export.jsonl").open("a") as file:
        file.write('{"prompt": "brok\n')
    code, out, err = run("import", "export.jsonl", "-o", "s.jsonl")
    assert (code, out) == (2, "")
    assert err == (
        "error: export.jsonl:5: not JSON: Input data was truncated. Mend the row, or leave such rows out with"
        " --skip-bad\n"
    )
    assert not Path("s.jsonl").exists()
    code, out, _ = run("import", "export.jsonl", "-o", "s.jsonl", "--skip-bad", "--near")
    assert code == 0
    assert out.splitlines()[-2:] == ["1 bad rows left out", "export.jsonl:5: not JSON: Input data was truncated"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["import", "export.jsonl", "-o", "./export.jsonl"], "export.jsonl: the samples would overwrite the export."),
        (["import", "none.jsonl", "-o", "s.jsonl"], "none.jsonl: cannot be read: No such file or directory"),
        (["import", "empty.jsonl", "-o", "s.jsonl"], "empty.jsonl: it holds no row. Formats: plain, "),
        (["import", "export.jsonl", "-o", "s.jsonl", "--format", "excel"], "no format is called 'excel'. There are: "),
        (["import", "export.jsonl", "-o", "s.jsonl", "--redact", "name"], "'name' is nothing that can be redacted. "),
        (["import", "export.jsonl", "-o", "s.jsonl", "--answer-column", "a"], "no row has an answer in the column 'a'"),
        (["import", "export.jsonl"], "--out"),
        (["check", "none.jsonl"], "none.jsonl: samples cannot be read: No such file or directory"),
        (["check", "empty.jsonl"], "empty.jsonl: it holds no sample. A line is like "),
        (["check", "export.jsonl"], "export.jsonl:1: Object missing required field `request` (and 3 more bad lines)."),
        (["take", "export.jsonl", "0", "-o", "s.jsonl"], "0 samples cannot be drawn. Give how many, 1 or more"),
        (["take", "export.jsonl", "many", "-o", "s.jsonl"], "many"),
        (["redact", "export.jsonl", "-o", "s.jsonl", "--kinds", "ssn"], "There are: key, email, card, phone, none"),
    ],
)
def test_bad_usage_is_one_line_exit_code_2_and_no_file(arguments: list[str], line: str, run: Run) -> None:
    Path("empty.jsonl").write_text("")
    before = Path("export.jsonl").read_bytes()
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert line in err
    assert len(err.splitlines()) == 1
    assert Path("export.jsonl").read_bytes() == before
    assert not Path("s.jsonl").exists()


def test_a_refusing_disk_is_exit_code_3(run: Run) -> None:
    code, _, err = run("import", "export.jsonl", "-o", "export.jsonl/s.jsonl")
    assert code == 3
    assert err.startswith("error: export.jsonl/s.jsonl: samples cannot be written: ")


def test_check_counts_what_is_in_a_file(imported: Run) -> None:
    code, out, _ = imported("check", "samples.jsonl")
    assert code == 0
    assert out.splitlines() == [
        "3 samples, 3 of them with an expected answer or a check, in 0 clusters",
        "  returns: 2",
        "  orders: 1",
    ]
    with Path("samples.jsonl").open("a") as file:
        file.write(Path("samples.jsonl").read_text().splitlines()[0] + "\n{}\n")
    code, out, _ = imported("check", "samples.jsonl", "--skip-bad", "--json")
    found = said(out)
    assert (code, found["samples"], found["equal"], found["tags"]) == (0, 3, 1, {"orders": 1, "returns": 2})
    assert found["bad"] == ["samples.jsonl:5: Object missing required field `request`"]
    _, out, _ = imported("check", "samples.jsonl", "--skip-bad")
    assert out.splitlines()[-2:] == [
        "1 equal samples count once",
        "1 bad lines, the first: samples.jsonl:5: Object missing required field `request`",
    ]


def test_show_prints_the_first_samples_whole(imported: Run) -> None:
    code, out, _ = imported("show", "samples.jsonl", "--count", "1")
    first = SampleSet.load(Path("samples.jsonl")).samples[0]
    assert code == 0
    assert out.splitlines()[0] == first.id
    assert json.loads(out.removeprefix(first.id).rpartition("}")[0] + "}")["expected"] == ["on its way"]
    assert out.splitlines()[-1] == "1 of 3 samples"
    _, out, _ = imported("show", "samples.jsonl", "--json")
    assert [entry["id"] for entry in said(out)["samples"]] == [
        sample.id for sample in SampleSet.load(Path("samples.jsonl")).samples
    ]


def test_take_draws_the_same_ones_every_time(imported: Run) -> None:
    code, out, _ = imported("take", "samples.jsonl", "2", "--out", "two.jsonl", "--equal", "--seed", "7")
    assert (code, out) == (0, "2 of 3 samples to two.jsonl\n")
    assert sorted(sample.tags for sample in SampleSet.load(Path("two.jsonl")).samples) == [("orders",), ("returns",)]
    first = Path("two.jsonl").read_bytes()
    code, out, _ = imported(
        "take", "samples.jsonl", "2", "-o", "two.jsonl", "--stratify", "tag", "--equal", "--seed", "7", "--json"
    )
    assert said(out) == {"file": "two.jsonl", "samples": 2, "of": 3, "seed": 7}
    assert Path("two.jsonl").read_bytes() == first


def test_redact_cleans_a_file_in_place_and_twice_changes_nothing(run: Run) -> None:
    run("import", "export.jsonl", "-o", "s.jsonl", "--redact", "none")
    code, out, _ = run("redact", "s.jsonl", "-o", "s.jsonl", "--kinds", "phone")
    assert (code, out) == (0, "0 places replaced in 4 samples, to s.jsonl\n")
    code, out, _ = run("redact", "s.jsonl", "-o", "s.jsonl", "--json")
    assert said(out) == {"file": "s.jsonl", "samples": 4, "redacted": 2}
    once = Path("s.jsonl").read_bytes()
    assert b"example.com" not in once
    assert run("redact", "s.jsonl", "-o", "t.jsonl")[0] == 0
    assert SampleSet.load(Path("t.jsonl")).samples == SampleSet.load(Path("s.jsonl")).samples


def test_schema_is_json(run: Run) -> None:
    code, out, _ = run("schema")
    assert code == 0
    assert "request" in json.loads(out)["$defs"]["Sample"]["properties"]
