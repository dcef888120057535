"""A gateway that starts on a full disk serves, says what it loses, and makes good what it can once there is room."""

import time
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from tests.e2e.conftest import MOUNT_BYTES
from tests.e2e.gateway.conftest import PATIENCE_S, Serve, Served, Simulate, ask, config


def lost(served: Served) -> int:
    found: int = httpx2.get(f"{served.origin}/ready", timeout=30).json()["records_lost"]
    return found


def until_paid(served: Served) -> None:
    """Waits for a request under a budget to be let in."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            served.client().chat.completions.create(model="paid", messages=[{"role": "user", "content": "Hi"}])
        except openai.InternalServerError as error:
            assert error.code == "budget_unavailable"  # noqa: PT017 - until it is one no more
            assert time.monotonic() < until, "there is room, and the budget is still not kept"
            time.sleep(0.2)
        else:
            return


def test_a_full_disk_at_the_start_loses_records_and_budgets_but_no_request(
    small_disk: Path, simulate: Simulate, serve: Serve
) -> None:
    said: dict[str, Any] = config([simulate()])
    said["endpoints"]["paid"] = {"candidates": ["a"], "budget": {"day": 5}}
    filler = small_disk / "something else"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(bytes(MOUNT_BYTES + 1))
    served = serve(said, env={"WEIGHBRIDGE_HOME": str(small_disk / "home")})
    served.home = small_disk / "home"
    assert ask(served).choices[0].finish_reason == "stop"
    with pytest.raises(openai.InternalServerError) as caught:
        served.client().chat.completions.create(model="paid", messages=[{"role": "user", "content": "Hi"}])
    assert (caught.value.status_code, caught.value.code) == (503, "budget_unavailable")
    assert "retry-after" in caught.value.response.headers
    until = time.monotonic() + PATIENCE_S
    while lost(served) < 2:
        assert time.monotonic() < until
        time.sleep(0.02)
    filler.unlink()
    until_paid(served)
    assert served.records()[-1].endpoint == "paid"
    assert not list(served.home.rglob("*.tmp"))
