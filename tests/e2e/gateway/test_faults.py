"""Sixteen ways for a provider to fail, each with bounds on attempts and time, under the default configuration."""

import time
from collections.abc import Callable
from typing import Any

import openai
import pytest
from tests.e2e.gateway.conftest import PATIENCE_S, Serve, Served, Simulate, ask, config, stream

from weighbridge.simulator.process import Running

WORDS = 60


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    began = time.monotonic()
    return call(), time.monotonic() - began


def failing(simulate: Simulate, gap: float = 0.002, **fault: Any) -> Running:
    return simulate(tokens={"constant": WORDS}, gap={"constant": gap}, faults=[fault])


def healthy(simulate: Simulate) -> Running:
    return simulate(tokens={"constant": WORDS}, gap={"constant": 0.002})


def passed(one: Running, two: Running) -> float:
    """Seconds from a request's coming to `one` to its coming to `two`: the gateway's own time, and nobody else's."""
    until = time.monotonic() + PATIENCE_S
    while not (one.log() and two.log()):  # which hold what has ended
        assert time.monotonic() < until, "a request goes on"
        time.sleep(0.02)
    return two.log()[0].received - one.log()[0].received


def targets(served: Served) -> list[str]:
    """Who was tried, in order."""
    return [attempt.target for attempt in served.records()[-1].attempts]


def test_a_rate_limit_with_retry_after_is_waited_out_without_hammering(simulate: Simulate, serve: Serve) -> None:
    """litellm#7669: no attempt before the two seconds are over, and the second one answers."""
    one = failing(simulate, kind="429_retry_after", first=1, retry_after=2)
    served = serve(config([one]))
    reply, took = timed(lambda: ask(served))
    assert len(reply.choices[0].message.content.split()) == WORDS
    assert took >= 1.9
    assert one.stats().requests == 2


def test_a_rate_limit_with_retry_after_fails_over_where_it_can(simulate: Simulate, serve: Serve) -> None:
    one, two = failing(simulate, kind="429_retry_after", retry_after=30), healthy(simulate)
    served = serve(config([one, two]))
    for _ in range(5):
        ask(served)
    assert one.stats().requests == 1
    assert two.stats().requests == 5


def test_a_rate_limit_for_ever_ends_in_a_bounded_429(simulate: Simulate, serve: Serve) -> None:
    """At most four attempts in three seconds, six in all; litellm#4259: a 429 stays a 429."""
    one = failing(simulate, kind="429")
    served = serve(config([one]))
    with pytest.raises(openai.RateLimitError):
        ask(served)
    assert one.stats().requests <= 6
    first = [entry.received for entry in one.log()]
    assert sum(at - first[0] <= 3 for at in first) <= 4


def test_a_single_500_is_tried_again(simulate: Simulate, serve: Serve) -> None:
    one = failing(simulate, kind="500", first=1)
    served = serve(config([one]))
    assert len(stream(served).split()) == WORDS
    assert one.stats().requests == 2


def test_a_503_for_ever_fails_over_and_then_is_left_alone(simulate: Simulate, serve: Serve) -> None:
    """Portkey#1289: the breaker opens."""
    one, two = failing(simulate, kind="503"), healthy(simulate)
    served = serve(config([one, two]))
    for _ in range(20):
        assert len(stream(served).split()) == WORDS
    assert one.stats().requests < 12
    assert two.stats().completed == 20


def test_a_503_for_ever_without_a_fallback_is_a_bounded_503(simulate: Simulate, serve: Serve) -> None:
    one = failing(simulate, kind="503")
    served = serve(config([one]))
    with pytest.raises(openai.InternalServerError) as caught:
        ask(served)
    assert caught.value.status_code == 503
    assert one.stats().requests <= 6


def test_the_only_target_known_to_be_down_is_a_503_at_once_that_says_when_to_come_back(
    simulate: Simulate, serve: Serve
) -> None:
    """Nobody is kept waiting for its next probe."""
    one = failing(simulate, kind="503")
    served = serve(config([one], route={"attempts": 1, "wait": "1ms"}))
    for _ in range(5):
        with pytest.raises(openai.InternalServerError):
            ask(served)
    with pytest.raises(openai.InternalServerError, match="too long to wait") as caught:
        ask(served)
    assert caught.value.status_code == 503
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 2
    assert one.stats().requests == 5
    record = served.records(6)[-1]
    assert (record.outcome, record.attempts) == ("failed", ())


def test_a_reset_before_headers_fails_over(simulate: Simulate, serve: Serve) -> None:
    """Portkey#267: a lost network is no 200."""
    one, two = failing(simulate, kind="reset"), healthy(simulate)
    served = serve(config([one, two]))
    assert len(stream(served).split()) == WORDS
    assert targets(served)[-1] == "b"
    assert len(targets(served)) <= 3


@pytest.mark.slow
def test_no_answer_is_one_attempt_and_then_another_target(simulate: Simulate, serve: Serve) -> None:
    """bifrost#7034: some limit always fires while the head is awaited."""
    one, two = failing(simulate, kind="silent", seconds=120), healthy(simulate)
    served = serve(config([one, two]))
    assert len(stream(served).split()) == WORDS
    assert targets(served) == ["a", "b"]
    assert passed(one, two) < 15


@pytest.mark.slow
def test_a_first_token_that_is_late_fails_over_in_time(simulate: Simulate, serve: Serve) -> None:
    one = simulate(tokens={"constant": WORDS}, ttft={"constant": 20.0}, role="early")
    two = healthy(simulate)
    served = serve(config([one, two]))
    assert len(stream(served).split()) == WORDS
    assert targets(served) == ["a", "b"]
    assert passed(one, two) < 15


def test_a_stream_that_is_cut_is_a_clear_error(simulate: Simulate, serve: Serve) -> None:
    """Portkey#1797: never a clean end. The SDK raises, after what was delivered; the record says `cut`."""
    one, two = failing(simulate, kind="cut", after=40), healthy(simulate)
    served = serve(config([one, two]))
    with pytest.raises(openai.APIError):
        stream(served)
    record = served.records()[-1]
    assert record.outcome == "cut"
    assert record.usage.output == 40  # paid for


@pytest.mark.slow
def test_a_stream_that_stalls_is_a_clear_error(simulate: Simulate, serve: Serve) -> None:
    """tensorzero#6328: the gap between tokens has a limit of its own."""
    one, two = failing(simulate, kind="stall", after=20), healthy(simulate)
    served = serve(config([one, two]))
    began = time.monotonic()
    with pytest.raises(openai.APIError):
        stream(served)
    assert time.monotonic() - began < 25
    assert served.records()[-1].outcome == "cut"


def test_a_malformed_chunk_is_a_clear_error(simulate: Simulate, serve: Serve) -> None:
    one, two = failing(simulate, 0.05, kind="malformed", after=9), healthy(simulate)
    served = serve(config([one, two]))
    with pytest.raises(openai.APIError):
        stream(served)
    record = served.records()[-1]
    assert record.outcome == "cut"
    assert record.failure is not None
    assert record.failure.error_class == "protocol"


@pytest.mark.parametrize(("kind", "hold"), [("cut", 5), ("malformed", 5), ("cut", None)])
def test_with_stream_rescue_a_broken_stream_is_a_whole_answer(
    simulate: Simulate, serve: Serve, kind: str, hold: int | None
) -> None:
    """The fallback answers anew with the same text: only what the client does not have is passed on."""
    one, two = failing(simulate, kind=kind, after=20), healthy(simulate)
    rescue = {"prefill": False} | ({"hold": hold} if hold is not None else {})
    served = serve(config([one, two], route={"stream_rescue": rescue}))
    with openai.OpenAI(base_url=two.url, api_key="none") as direct:
        whole = direct.chat.completions.create(
            model="simulated", messages=[{"role": "user", "content": "Say something"}]
        )
    assert stream(served) == whole.choices[0].message.content
    record = served.records()[-1]
    assert (record.outcome, record.route.target) == ("ok", "b")


def test_a_fallback_that_rejects_an_assistant_prefill_is_asked_anew(simulate: Simulate, serve: Serve) -> None:
    """One refusal, and the rescue goes on by restart: the whole answer, and no word of it twice."""
    one, two = failing(simulate, kind="cut", after=20), failing(simulate, kind="no_prefill")
    served = serve(config([one, two], route={"stream_rescue": {"hold": 5, "prefill": True}}))
    assert stream(served) == ask(served).choices[0].message.content
    record = served.records(2)[0]
    assert (record.outcome, record.route.target) == ("ok", "b")
    assert [attempt.target for attempt in record.attempts] == ["a", "b", "b"]
    assert record.attempts[1].status == 400
    assert two.stats().faults == {"no_prefill": 1}


def test_a_fallback_that_rejects_an_assistant_prefill_and_may_not_restart_ends_in_a_clear_error(
    simulate: Simulate, serve: Serve
) -> None:
    """Two attempts, then the error event on which the SDK raises: never a short success, and never a 400 to the client
    for a message it did not send."""
    one, two = failing(simulate, kind="cut", after=20), failing(simulate, kind="no_prefill")
    rescue = {"hold": 5, "prefill": True, "restart": False}
    served = serve(config([one, two], route={"stream_rescue": rescue}))
    with pytest.raises(openai.APIError):
        stream(served)
    record = served.records()[-1]
    assert record.outcome == "cut"
    assert [attempt.target for attempt in record.attempts][:2] == ["a", "b"]
    assert len(record.attempts) <= 4
    assert two.stats().requests == 1


def test_a_missing_done_is_no_reason_to_wait_or_to_fail(simulate: Simulate, serve: Serve) -> None:
    """OmniRoute#6777."""
    served = serve(config([failing(simulate, kind="no_done")]))
    text, took = timed(lambda: stream(served))
    assert len(text.split()) == WORDS
    assert took < 12  # a wait would be one of 15 s, as long as a gap may be
    assert served.records()[-1].outcome == "ok"


def test_a_context_too_long_is_one_attempt_and_then_a_larger_window(simulate: Simulate, serve: Serve) -> None:
    """litellm#10793. Without a larger window it is one attempt and a 400 that says so."""
    one, two = failing(simulate, kind="context_length"), healthy(simulate)
    said = config([one, two])
    said["models"]["a"]["context"], said["models"]["b"]["context"] = 8_192, 128_000
    served = serve(said)
    assert ask(served).choices[0].finish_reason == "stop"
    assert targets(served) == ["a", "b"]
    assert one.stats().requests == 1


def test_a_content_filter_is_one_attempt_and_its_reason_is_passed_on(simulate: Simulate, serve: Serve) -> None:
    one, two = failing(simulate, kind="content_filter"), healthy(simulate)
    served = serve(config([one, two]))
    with pytest.raises(openai.BadRequestError) as caught:
        ask(served)
    assert caught.value.code == "content_filter"
    assert (one.stats().requests, two.stats().requests) == (1, 0)


@pytest.mark.slow
def test_a_primary_that_was_down_is_back_soon_after_it_is_healthy(simulate: Simulate, serve: Serve) -> None:
    """The breaker really closes again: served meanwhile, and back within 30 s of its recovery."""
    one = simulate(faults=[{"kind": "503", "until": 20}])
    two = simulate()
    served = serve(config([one, two]))
    began = time.monotonic()
    while one.stats().completed < 3:
        ask(served)
        assert time.monotonic() - began < 20 + 30
        time.sleep(0.25)
    assert all(record.outcome == "ok" for record in served.records())


def test_a_fallback_is_named_and_billed_as_itself(simulate: Simulate, serve: Serve) -> None:
    """bifrost#6973: nothing of the failed target's headers reaches the client."""
    one, two = failing(simulate, kind="500"), healthy(simulate)
    served = serve(config([one, two]))
    raw = served.client().chat.completions.with_raw_response.create(
        model="it", messages=[{"role": "user", "content": "Hi"}]
    )
    usage = raw.parse().usage
    assert usage is not None
    assert raw.headers["x-weighbridge-target"] == "b"
    record = served.records()[-1]
    won = record.attempts[-1]
    assert (won.target, won.provider) == ("b", "b")
    assert won.cost == pytest.approx((2 * usage.prompt_tokens + 3 * usage.completion_tokens) / 1e6)
    assert all(attempt.cost == 0 for attempt in record.attempts[:-1])
