"""Clients that hang up: the provider's call ends at once, nothing is tried again, and what was made is billed."""

import hashlib
import http.client
import json
import threading
import time
from collections.abc import Callable

import pytest
from tests.e2e.gateway.conftest import PATIENCE_S, Serve, Served, Simulate, config
from tests.e2e.gateway.upstream import Call, answer, delta, event, many, one, refusal, scripted

from weighbridge.records.exchange import Exchange
from weighbridge.simulator.process import Running


class Sent:
    """A request that was sent, and whose reply nobody has read yet."""

    def __init__(
        self, served: Served, said: str = "Say something", *, stream: bool = False, model: str = "it", key: str = "k"
    ) -> None:
        self._connection = http.client.HTTPConnection(served.origin.removeprefix("http://"), timeout=PATIENCE_S)
        body = {"model": model, "messages": [{"role": "user", "content": said}], "stream": stream}
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        self._connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        self._reply: http.client.HTTPResponse | None = None

    def lines(self, count: int) -> bytes:
        """So many lines of the reply's body."""
        self._reply = self._reply or self._connection.getresponse()
        return b"".join(self._reply.readline() for _ in range(count))

    def reply(self) -> tuple[int, http.client.HTTPMessage, bytes]:
        """All of it."""
        found = self._connection.getresponse()
        try:
            return found.status, found.headers, found.read()
        finally:
            found.close()
            self._connection.close()

    def leave(self) -> None:
        self._connection.close()
        if self._reply is not None:
            self._reply.close()


def until(done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def asked(one: Running) -> Callable[[], bool]:
    return lambda: one.stats().requests > 0


def test_a_client_that_hangs_up_in_a_stream_cancels_it_and_pays_for_what_was_made(
    simulate: Simulate, serve: Serve
) -> None:
    """BerriAI/litellm PR#33736, PR#30630: a hang-up made the tokens free. bifrost#6972: it was a coin flip. Here
    ten times."""
    slow = simulate(tokens={"constant": 400}, gap={"constant": 0.05})
    served = serve(config([slow]))
    for _ in range(10):
        client = Sent(served, stream=True)
        client.lines(10)
        client.leave()
    for record in served.records(10):
        assert record.outcome == "cancelled"
        assert 0 < (record.usage.output or 0) < 200
        assert record.cost is not None
        assert record.cost > 0
    until(lambda: len(slow.log()) == 10, "the provider's calls were not ended")
    assert {entry.outcome for entry in slow.log()} == {"disconnected"}
    assert all(entry.tokens < 200 for entry in slow.log())


def test_the_tokens_billed_after_a_hang_up_are_those_that_came(serve: Serve) -> None:
    """BerriAI/litellm PR#36008 reads the provider's stream to its end to bill right: we count what came, and cancel."""
    ended = threading.Event()

    def script(call: Call) -> None:
        call.stream([event(delta(word)) for word in ("one", "two", "three")], end=False)
        if call.wait_until_left(20):
            ended.set()

    with scripted(script) as upstream:
        served = serve(one(upstream.url))
        client = Sent(served, stream=True)
        assert b"three" in client.lines(6)
        client.leave()
        assert ended.wait(20), "the provider's call was not cancelled"
        assert len(upstream.calls) == 1
    (record,) = served.records()
    assert (record.outcome, record.usage.output) == ("cancelled", 3)
    assert record.usage.input is not None
    assert record.cost == pytest.approx((record.usage.input * 10 + 3 * 40) / 1e6)


def test_a_client_that_hangs_up_before_a_whole_answer_cancels_it_and_is_on_record(
    simulate: Simulate, serve: Serve
) -> None:
    """litellm#13245: the cost of an answer nobody waited for was lost. Here the call is cancelled, and its cost is
    unknown, never 0."""
    slow = simulate(latency={"constant": 15.0})
    served = serve(config([slow]))
    client = Sent(served)
    until(asked(slow), "the provider was not asked")
    client.leave()
    (record,) = served.records()
    assert (record.outcome, record.status) == ("cancelled", None)
    assert record.cost is None or record.cost > 0
    assert [attempt.target for attempt in record.attempts] == ["a"]
    until(lambda: slow.stats().concurrent == 0, "the provider's call was not cancelled")


def test_nothing_is_tried_again_for_a_client_that_has_left(serve: Serve) -> None:
    """bifrost#7035: ten attempts in twenty minutes, past `max_retries`, for nobody."""

    def script(call: Call) -> None:
        call.reply(refusal("Overloaded", code="overloaded_error"), 503, Retry_After="2")

    with scripted(script) as upstream:
        served = serve(one(upstream.url, route={"attempts": 6}))
        for streamed in (False, True):
            before = len(upstream.calls)
            client = Sent(served, stream=streamed)
            until(lambda before=before: len(upstream.calls) > before, "the provider was not asked")  # type: ignore[misc]
            client.leave()
            assert len(served.records(1 + streamed)[-1].attempts) <= 2
        seen = len(upstream.calls)
        time.sleep(3)
        assert len(upstream.calls) == seen
    assert {record.outcome for record in served.records(2)} == {"cancelled"}


def test_a_hang_up_is_no_fault_of_the_target(serve: Serve) -> None:
    """Many clients that leave do not take a target out of service."""

    def script(call: Call) -> None:
        if call.body["messages"][0]["content"] == "Stay":
            call.reply(answer())
        else:
            call.wait_until_left(20)

    with scripted(script) as upstream:
        served = serve(many([upstream.url, "http://127.0.0.1:9/v1"]))
        for number in range(8):
            client = Sent(served, "Leave")
            until(lambda number=number: len(upstream.calls) > number, "the provider was not asked")  # type: ignore[misc]
            client.leave()
        served.records(8)
        status, headers, _ = Sent(served, "Stay").reply()
        assert (status, headers["X-Weighbridge-Target"]) == (200, "a")


def test_slots_come_back_after_hang_ups_and_time_outs(serve: Serve) -> None:
    """litellm#20256: `max_parallel_requests` leaked a slot for each time-out, until the key was dead."""

    def script(call: Call) -> None:
        if call.body["messages"][0]["content"] == "Stall":
            call.stream([event(delta("Half"))], end=False)
        call.wait_until_left(20)

    refused = threading.Event()

    def holding(call: Call) -> None:
        refused.wait(20)
        call.reply(answer())

    with scripted(script) as upstream, scripted(holding) as well:
        said = many([upstream.url, well.url])
        route = {"first_token": "400ms", "answer": "400ms", "gap": "400ms", "total": "1s", "attempts": 1}
        said["endpoints"] = {"it": {"candidates": ["a"], "route": route}, "well": {"candidates": ["b"]}}
        said["keys"] = {"mine": {"hash": hashlib.sha256(b"k").hexdigest(), "limits": {"concurrent": 4}}}
        served = serve(said)
        total = 0
        for leaves in (False, True, False, True):
            for content, streamed in (("Wait", False), ("Wait", True), ("Stall", True)):
                clients = [Sent(served, content, stream=streamed) for _ in range(4)]
                for client in clients:
                    if leaves:
                        client.leave()
                    else:
                        client.reply()
                total += 4
                assert "refused" not in outcomes(served.records(total))
        four = [Sent(served, model="well") for _ in range(4)]
        until(lambda: len(well.calls) == 4, "a slot is not free again")
        assert Sent(served, model="well").reply()[0] == 429
        refused.set()
        assert [client.reply()[0] for client in four] == [200] * 4


def silent(call: Call) -> None:
    call.wait_until_left(20)


def outcomes(records: list[Exchange]) -> list[str]:
    return [record.outcome for record in records]


def test_a_silent_provider_is_left_when_the_time_for_its_head_is_over(serve: Serve) -> None:
    """bifrost#7034: neither time-out fired while the response's head was awaited, for 120 s."""
    with scripted(silent) as upstream:
        served = serve(one(upstream.url, route={"first_token": "300ms", "answer": "300ms", "total": "2s"}))
        began = time.monotonic()
        for streamed in (False, True):
            assert Sent(served, stream=streamed).reply()[0] == 504
        assert time.monotonic() - began < 15
        assert all(call.left.wait(10) for call in upstream.calls)
    assert outcomes(served.records(2)) == ["failed", "failed"]


def test_a_stream_that_stalls_is_cut_when_its_gap_is_over(serve: Serve) -> None:
    """tensorzero/tensorzero#6328: without a limit between tokens a stalled stream lived for 15 minutes."""

    def script(call: Call) -> None:
        call.stream([event(delta("Half"))], end=False)
        call.wait_until_left(20)

    with scripted(script) as upstream:
        served = serve(one(upstream.url, route={"gap": "300ms"}))
        body = Sent(served, stream=True).reply()[2]
        assert b'"error"' in body
        assert b"[DONE]" not in body
        assert upstream.calls[0].left.wait(10)
    assert outcomes(served.records()) == ["cut"]
