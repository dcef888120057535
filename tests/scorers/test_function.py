"""`python`: a function of the user's, in a process of its own.

The functions are real ones that do real harm; each verdict is asked of a real process.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from tests.scorers.judging import expecting

from weighbridge.errors import UsageError
from weighbridge.scorers.function import PythonFunction, Settings
from weighbridge.scorers.score import Score
from weighbridge.wire.answer import Answer

MODULE = """
import ctypes, os, signal, subprocess, sys, threading, time

calls = 0

def right(text, sample, answer):
    return text in sample["expected"]

def harm(text, sample, answer):
    global calls
    calls += 1
    if text == "hang": time.sleep(3600)
    if text == "spin":
        while True: pass
    if text == "raise": raise ValueError("no such thing")
    if text == "exit": sys.exit(3)
    if text == "interrupt": raise KeyboardInterrupt
    if text == "die": os._exit(7)
    if text == "crash": ctypes.string_at(0)
    if text == "recurse": return harm(text, sample, answer)
    if text == "print":
        print('{"number": 1, "said": {"value": 0}}', flush=True)
        os.write(1, b'{"number": 2, "said": {"value": 0}}\\n')
        subprocess.run(["echo", "from a child"])
    if text == "read": return input()
    if text == "close":
        os.close(0), os.close(1)
    if text == "fork":
        os.fork()
    if text == "memory": return len(bytearray(2**31)) > 0
    if text == "long": return {"value": 1, "explanation": "x" * 2**21}
    if text == "stop": os.kill(os.getpid(), signal.SIGSTOP)
    if text == "child":
        child = subprocess.Popen(["sleep", "3600"])
        return {"value": 1, "extracted": child.pid}
    return True

def returns(text, sample, answer):
    return eval(text)

def told(text, sample, answer):
    found = [text, sample["expected"], answer.get("finish_reason"), sys.path[0] == os.getcwd()]
    return {"value": 1, "extracted": found}

not_a_function = 42
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MODULE)
    return tmp_path


@pytest.fixture
def scorer(folder: Path) -> Iterator[PythonFunction]:
    made = PythonFunction("it", Settings(function="mine:harm", megabytes=1024), folder)
    yield made
    made.close()


def say(scorer: PythonFunction, text: str) -> Score:
    return scorer.score(expecting("yes"), Answer(text=text))


def assert_unscorable_with(score: Score, why: str) -> None:
    assert (score.value, score.passed) == (None, None)
    assert why in score.explanation


def made(folder: Path, function: str, **settings: Any) -> PythonFunction:
    return PythonFunction("it", Settings(function=f"mine:{function}", **settings), folder)


def test_it_is_given_the_text_the_sample_and_the_answer(folder: Path) -> None:
    with contextlib.closing(made(folder, "told")) as scorer:
        score = scorer.score(expecting("yes"), Answer(text="no", finish_reason="stop"))
    assert (score.value, score.passed) == (1.0, True)
    assert score.extracted == ["no", ["yes"], "stop", True]


def test_a_bool_is_a_verdict(folder: Path) -> None:
    with contextlib.closing(made(folder, "right")) as scorer:
        assert say(scorer, "yes").value == 1.0
        assert say(scorer, "no").value == 0.0


@pytest.mark.parametrize(
    ("text", "value", "passed"),
    [
        ("True", 1.0, True),
        ("0", 0.0, False),
        ("0.5", 0.5, True),
        ("0.49", 0.49, False),
        ('{"value": 0.75, "explanation": "nearly"}', 0.75, True),
        ('__import__("numpy").float64(0.25)', 0.25, False),
        ('__import__("numpy").bool_(True)', 1.0, True),
    ],
)
def test_what_it_returns_is_a_value_in_0_to_1(folder: Path, text: str, value: float, passed: bool) -> None:
    with contextlib.closing(made(folder, "returns")) as scorer:
        score = say(scorer, text)
    assert (score.value, score.passed) == (value, passed)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("None", "the function returned None"),
        ('{"value": None, "explanation": "no ground truth"}', "no ground truth"),
        ("{}", "the function returned None"),
        ("1.5", "the function returned 1.5"),
        ("-1", "the function returned -1"),
        ("100", "the function returned 100"),
        ('float("nan")', "the function returned None"),
        ('float("inf")', "the function returned None"),
        ('"yes"', "the function returned 'yes'"),
        ("[1]", "the function returned [1]"),
        ("object()", "cannot be written as JSON"),
        ("lambda: 1", "cannot be written as JSON"),
    ],
)
def test_what_is_no_such_value_cannot_score(folder: Path, text: str, why: str) -> None:
    """inspect_ai#4286: a value of 1.5 or NaN must not enter a mean, and 'cannot tell' is not a zero."""
    with contextlib.closing(made(folder, "returns")) as scorer:
        assert_unscorable_with(say(scorer, text), why)
        assert say(scorer, "1").value == 1.0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("raise", "ValueError: no such thing"),
        ("exit", "SystemExit: 3"),
        ("interrupt", "KeyboardInterrupt"),
        ("recurse", "RecursionError"),
        ("read", "EOFError"),
        ("memory", "MemoryError"),
        ("long", "bytes are too many"),
    ],
)
def test_what_it_raises_is_the_reason_and_the_process_lives_on(scorer: PythonFunction, text: str, why: str) -> None:
    """sys.exit, Ctrl-C, a stack without end, input(), 2 GB where 1 is allowed, and 2 MB of explanation."""
    assert say(scorer, "fine").value == 1.0
    process = scorer._process
    assert_unscorable_with(say(scorer, text), why)
    assert say(scorer, "fine").value == 1.0
    assert scorer._process is process


@pytest.mark.parametrize(
    ("text", "why"),
    [("die", "(exit code 7)"), ("crash", f"(signal {int(signal.SIGSEGV)})")],
)
def test_a_process_that_dies_is_replaced(scorer: PythonFunction, text: str, why: str) -> None:
    assert_unscorable_with(say(scorer, text), f"its process ended without an answer {why}")
    assert say(scorer, "fine").value == 1.0


@pytest.mark.parametrize("text", ["hang", "spin", "stop"])
def test_one_that_hangs_is_stopped_and_replaced(folder: Path, text: str) -> None:
    """It sleeps for an hour, spins for ever, or stops itself; a further second would change nothing."""
    with contextlib.closing(made(folder, "harm", seconds=0.3)) as scorer:
        assert_unscorable_with(say(scorer, text), "took more than 0.3 s")
        assert scorer._process is None


def test_what_it_prints_is_not_taken_for_a_verdict(scorer: PythonFunction) -> None:
    """Not even where it looks like one, or comes from a program it starts."""
    assert [say(scorer, text).value for text in ("print", "fine", "print", "fine")] == [1.0] * 4


def test_closing_its_stdin_and_stdout_does_not_cut_it_off(scorer: PythonFunction) -> None:
    assert [say(scorer, text).value for text in ("close", "fine")] == [1.0, 1.0]


def test_a_fork_that_returns_too_gives_no_second_verdict(folder: Path) -> None:
    """Both processes come back from the function. Two verdicts for one question would shift all that follow."""
    with contextlib.closing(made(folder, "harm")) as scorer:
        for text, value in [("fork", 1.0), ("raise", None), ("fork", 1.0), ("exit", None), ("fine", 1.0)]:
            assert say(scorer, text).value == value


def test_closing_ends_what_the_function_started(scorer: PythonFunction) -> None:
    child = say(scorer, "child").extracted
    os.kill(child, 0)
    scorer.close()
    until = monotonic() + 10
    while not has_ended(child):  # a killed process needs a moment on a processor to end
        assert monotonic() < until, "what the function started goes on"
        sleep(0.01)
    scorer.close()


def has_ended(process: int) -> bool:
    """No such process, or one that has ended and whose parent has yet to take note."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except ProcessLookupError:
        return True
    except FileNotFoundError:  # gone in between, or no such folder on this system
        return False


def test_the_same_question_gets_the_same_verdict(scorer: PythonFunction) -> None:
    """deepeval#1265, #1895: a score must not depend on what was scored before it, or that something broke."""
    alone = say(scorer, "fine")
    for text in ("raise", "die", "print", "fork"):
        say(scorer, text)
        assert say(scorer, "fine") == alone


def test_large_answers_go_through(folder: Path) -> None:
    with contextlib.closing(made(folder, "right")) as scorer:
        assert scorer.score(expecting("x" * 2**20), Answer(text="x" * 2**20)).passed


def test_it_works_where_a_thousand_sockets_are_open(folder: Path) -> None:
    """`select` refuses descriptors above 1,023, which a run with many connections has in use."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip("needs 1,200 open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1200, hard))
    held: list[int] = []
    try:
        with Path(os.devnull).open("rb") as nothing:
            while not held or held[-1] < 1100:
                held.append(os.dup(nothing.fileno()))
        with contextlib.closing(made(folder, "right")) as scorer:
            assert say(scorer, "yes").value == 1.0
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("mine", "is not module:function"),
        (":right", "is not module:function"),
        ("mine:", "is not module:function"),
        ("none:right", "No module named 'none'"),
        ("mine:wrong", "no attribute 'wrong'"),
        ("mine:not_a_function", "not_a_function is not a function"),
        ("broken:right", "SyntaxError"),
        ("undefined:right", "NameError"),
        ("leaving:right", "SystemExit"),
        ("gone:right", "its process ended without an answer (exit code 9)"),
    ],
)
def test_a_function_that_cannot_be_had_is_refused_before_anything_is_sent(
    folder: Path, function: str, why: str
) -> None:
    (folder / "broken.py").write_text("def right(:")
    (folder / "undefined.py").write_text("right = wrong")
    (folder / "leaving.py").write_text("import sys; sys.exit(1)")
    (folder / "gone.py").write_text("import os; os._exit(9)")
    with pytest.raises(UsageError) as caught:
        PythonFunction("it", Settings(function=function), folder)
    assert why in str(caught.value)


def test_a_file_beside_the_configuration_does_not_shadow_python(folder: Path) -> None:
    """A `random.py` or `json.py` of the user's must not stop our own process from starting."""
    for name in ("json", "random", "signal", "importlib", "msgspec"):
        (folder / f"{name}.py").write_text("raise RuntimeError('shadowed')")
    (folder / "plain.py").write_text("def yes(text, sample, answer):\n    return True\n")
    with contextlib.closing(PythonFunction("it", Settings(function="plain:yes"), folder)) as scorer:
        assert say(scorer, "x").value == 1.0


def test_a_module_that_prints_when_it_is_imported_is_harmless(folder: Path) -> None:
    (folder / "loud.py").write_text("print('{}')\ndef yes(text, sample, answer):\n    return True\n")
    with contextlib.closing(PythonFunction("it", Settings(function="loud:yes"), folder)) as scorer:
        assert say(scorer, "x").value == 1.0
