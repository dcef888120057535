"""`weighbridge simulate` as a person starts it."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "weighbridge", "simulate"]


@contextmanager
def running(*arguments: str) -> Iterator[str]:
    """Its base URL."""
    with subprocess.Popen([*COMMAND, "--port", "0", *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()
        assert process.wait(timeout=60) == 0
        assert process.stdout.read() == b""  # one line for machines, and no more


def post(url: str, **body: Any) -> Any:
    data = json.dumps({"prompt": "hello there", **body}).encode()
    with urllib.request.urlopen(f"{url}/completions", data=data, timeout=60) as reply:
        return json.loads(reply.read())


def test_flags_win_over_the_scenario_and_the_rest_of_it_stays(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("tokens: 3\nreasoning_tokens: 2\nfingerprint: fp_mine\n")
    with running("--scenario", str(scenario), "--tokens", "5", "--model", "a", "--model", "b") as url:
        reply = post(url)
        assert reply["system_fingerprint"] == "fp_mine"
        assert reply["usage"]["completion_tokens"] == 5 + 2
        with urllib.request.urlopen(f"{url}/models", timeout=60) as models:
            assert [model["id"] for model in json.loads(models.read())["data"]] == ["a", "b"]


def test_answers_of_a_scenario_are_beside_it(tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text('{"ask": "hello", "answer": "good day"}\n')
    (tmp_path / "scenario.yaml").write_text("answers: answers.jsonl\n")
    with running("--scenario", str(tmp_path / "scenario.yaml")) as url:
        assert post(url)["choices"][0]["text"] == "good day"


def test_faults_and_limits_may_be_given_as_flags() -> None:
    with running("--fault", "503=100%", "--limit", "requests_per_minute=1") as url:
        for status in (503, 429):
            with pytest.raises(urllib.error.HTTPError) as caught:
                post(url)
            assert caught.value.code == status
            caught.value.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ttft", "soon"], "'soon' is not a distribution: 'soon' is not a duration"),
        (["--gap", "uniform:2,1"], "from its lower end to its upper"),
        (["--fault", "418"], "--fault 418: "),
        (["--fault", "500=much"], "--fault 500=much: "),
        (["--fault", "500=150%"], "--fault 500=150%: "),
        (["--limit", "concurrent=0"], "--limit concurrent=0: Expected `int` >= 1"),
        (["--limit", "concurrent"], "Write it as concurrent=8"),
        (["--limit", "patience=8"], "--limit patience=8: "),
        (["--scenario", "none.yaml"], "none.yaml: the scenario cannot be read"),
        (["--answers", "none.jsonl"], "none.jsonl: the answers cannot be read"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--port", "0", *arguments], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_port_in_use_is_one_line_and_exit_code_3() -> None:
    with running() as url:
        port = url.rpartition(":")[2].partition("/")[0]
        done = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "cannot listen: " in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
