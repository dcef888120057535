"""Lines for finished exchanges."""

import json
from typing import Any

import pytest
from tests.gateway.worlds import recorded

from weighbridge.gateway.logs import Log, line, log, text
from weighbridge.records.exchange import Exchange, Route
from weighbridge.wire.answer import Usage
from weighbridge.wire.failure import Failure

SERVED = recorded(
    at=1_800_000_000.25,
    key="anna",
    tenant="team-a",
    usage=Usage(input=30, output=12, cached=20),
    cost=0.0005,
    ttft=0.25,
    total=1.5,
    streamed=True,
    request='{"messages":[{"content":"SECRET"}]}',
    reply="SECRET",
    finish_reason="stop",
    trace="0af7651916cd43dd8448eb211c80319c",
)


def said(record: Exchange) -> Any:
    return json.loads(line(record))


def test_a_line_says_who_where_how_it_ended_and_how_long() -> None:
    assert said(SERVED) == {
        "time": "2027-01-15T08:00:00.250Z",
        "event": "exchange",
        "id": "wbx_1",
        "endpoint": "it",
        "api": "chat",
        "outcome": "ok",
        "status": 200,
        "key": "anna",
        "tenant": "team-a",
        "target": "a",
        "reason": "priority",
        "attempts": 1,
        "streamed": True,
        "finish_reason": "stop",
        "input_tokens": 30,
        "output_tokens": 12,
        "cached_tokens": 20,
        "cost_usd": 0.0005,
        "ttft_ms": 250.0,
        "total_ms": 1500.0,
        "trace": "0af7651916cd43dd8448eb211c80319c",
    }


def test_people_read_it_in_one_line() -> None:
    assert text(SERVED) == "2027-01-15T08:00:00.250Z ok 200 it a 30+12 tokens $0.000500 1.500s wbx_1"
    shadow = recorded(outcome="failed", status=None, failure=Failure("timeout", "x"), shadow_of="wbx_0", cost=None)
    assert text(shadow) == "1970-01-01T00:00:01.000Z failed (timeout) - it a ?+? tokens $? - wbx_1 shadow_of=wbx_0"
    assert text(recorded(cache="exact", cost=0.0)).endswith("wbx_1 cache=exact")


@pytest.mark.parametrize("form", [line, text])
def test_no_content_is_logged(form: Any) -> None:
    """Neither bodies, nor a vendor's words on a failure, which may quote them."""
    failed = recorded(outcome="failed", status=400, failure=Failure("content_filter", "you said SECRET", code="SECRET"))
    assert "SECRET" not in form(SERVED) + form(failed)
    assert "content_filter" in form(failed)


@pytest.mark.parametrize("form", [line, text])
def test_the_name_of_an_endpoint_that_does_not_exist_is_not_logged(form: Any) -> None:
    """It is whatever somebody wrote: a prompt, a key, a forged line."""
    unknown = recorded(outcome="refused", status=404, endpoint="x\n2027 ok", attempts=(), route=Route())
    assert "2027 ok" not in form(unknown)
    assert "\n" not in form(unknown)


def test_lines_are_written_whole_and_in_order() -> None:
    written: list[str] = []
    made = Log("json", written.append)
    for n in range(1200):
        made.note(recorded(total=float(n)))
    made.close(30.0)
    lines = "".join(written).splitlines()
    assert [json.loads(one)["total_ms"] for one in lines] == [n * 1000.0 for n in range(1200)]
    assert made.dropped == 0


def test_off_is_off_and_stderr_is_where_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    assert log("off") is None
    made = log("text")
    assert made is not None
    made.note(SERVED)
    made.close(30.0)
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"{text(SERVED)}\n")
