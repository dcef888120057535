"""What a request meets: everything taken or nothing, given back once, and told in OpenAI's words."""

import asyncio
import contextlib
import errno
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import MeasurementError
from weighbridge.gateway.admission import headers
from weighbridge.gateway.admission.admission import Admission
from weighbridge.gateway.admission.board import Board
from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.grant import ANONYMOUS, Grant
from weighbridge.gateway.admission.rules import Rules, budget, limit

NOW = 1_800_000_000.0
REQUESTS, TOKENS, AT_ONCE = limit("requests", "3/min"), limit("tokens", "100/min"), limit("concurrent", 2)


def grant(*limits: object, budgets: tuple[str, ...] = (), **more: object) -> Grant:
    rules = Rules(limits, tuple(budget(text) for text in budgets))  # type: ignore[arg-type]
    return Grant("app", "app", rules=rules, **more)  # type: ignore[arg-type]


def denied(admission: Admission, who: Grant, *, tokens: int = 1, usd: float | None = 0.0, now: float = NOW) -> Denied:
    with pytest.raises(Denied) as caught:
        admission.admit(who, "e", tokens=tokens, usd=usd, now=now)
    return caught.value


def test_nothing_is_limited_and_nothing_is_kept() -> None:
    ticket = Admission().admit(ANONYMOUS, "e", tokens=5, usd=None, now=NOW)
    ticket.settle(5, 0.0)
    ticket.settle()
    assert ticket.headers == b""


def test_headers_are_openais() -> None:
    ticket = Admission().admit(grant(REQUESTS, TOKENS), "e", tokens=40, usd=0, now=NOW)
    assert ticket.headers == (
        b"x-ratelimit-limit-requests: 3\r\nx-ratelimit-remaining-requests: 2\r\nx-ratelimit-reset-requests: 1m2s\r\n"
        b"x-ratelimit-limit-tokens: 100\r\nx-ratelimit-remaining-tokens: 60\r\nx-ratelimit-reset-tokens: 1m2s\r\n"
    )


def test_remaining_really_decreases_and_a_settlement_gives_back() -> None:
    """envoyproxy/ai-gateway#1754: remaining never decreases."""
    admission, who = Admission(), grant(TOKENS)
    first = admission.admit(who, "e", tokens=60, usd=0, now=NOW)
    assert b"remaining-tokens: 40\r\n" in first.headers
    first.settle(10, 0)
    assert b"remaining-tokens: 70\r\n" in admission.admit(who, "e", tokens=20, usd=0, now=NOW).headers


def test_the_tightest_limit_is_told() -> None:
    who = grant(limit("requests", "100/day"), REQUESTS)
    assert b"limit-requests: 3\r\n" in Admission().admit(who, "e", tokens=0, usd=0, now=NOW).headers


def test_too_many_requests_say_which_limit_and_when_to_come_back() -> None:
    admission, who = Admission(), grant(REQUESTS)
    for _ in range(3):
        admission.admit(who, "e", tokens=0, usd=0, now=NOW).settle()
    error = denied(admission, who)
    assert (error.status, error.code, error.type) == (429, "rate_limit_exceeded", "requests")
    assert error.message == "The limit of 3 requests/min of key 'app' is reached; try again in 1m2s"
    assert error.retry_after == pytest.approx(62)
    assert b"x-ratelimit-remaining-requests: 0\r\n" in error.headers
    admission.admit(who, "e", tokens=0, usd=0, now=NOW + 62).settle()


def test_a_request_that_never_fits_is_told_so() -> None:
    error = denied(Admission(), grant(TOKENS), tokens=101)
    assert error.retry_after is None
    assert headers.NO_RETRY in error.headers
    assert "never" in error.message


@pytest.mark.parametrize("refusing", ["requests", "tokens", "concurrent", "budget"])
def test_a_refusal_eats_nothing_of_any_other_limit(refusing: str) -> None:
    """litellm#39309: a request that is refused for concurrency still eats the requests of the minute."""
    admission = Admission()
    roomy = {
        "requests": limit("requests", "1000/min"),
        "tokens": limit("tokens", "1000/min"),
        "concurrent": limit("concurrent", 1000),
    }
    tight = {"requests": limit("requests", "1/min"), "tokens": TOKENS, "concurrent": limit("concurrent", 1)}
    limits = [tight[kind] if kind == refusing else roomy[kind] for kind in roomy]
    who = grant(*limits, budgets=("$1/day" if refusing == "budget" else "$1000/day",))
    held = admission.admit(who, "e", tokens=90, usd=0.9, now=NOW)
    before = held.headers
    spent = [purse.spent() for purse in admission.budgets.purses.values()]
    for _ in range(20):
        assert denied(admission, who, tokens=20, usd=0.2).status == 429
    assert held.headers == before
    assert [purse.spent() for purse in admission.budgets.purses.values()] == spent
    assert [gate.seen for gate in admission._plans["app", "e"].gates] == [1]


def test_a_ticket_is_settled_once() -> None:
    """litellm#20256: a slot that leaks, or is given back twice, is a limit that does not hold."""
    admission, who = Admission(), grant(AT_ONCE, TOKENS, budgets=("$1/day",))
    first = admission.admit(who, "e", tokens=50, usd=0.5, now=NOW)
    second = admission.admit(who, "e", tokens=50, usd=0.5, now=NOW)
    assert denied(admission, who).type == "concurrent"
    for _ in range(3):
        first.settle(0, 0.0)
    admission.admit(who, "e", tokens=50, usd=0.5, now=NOW)
    assert denied(admission, who).type == "concurrent"
    second.settle()
    assert denied(admission, who).type == "tokens", "what was settled without figures stays as it was reserved"


def test_a_ticket_as_a_context_settles_whatever_happens() -> None:
    admission, who = Admission(), grant(limit("concurrent", 1))
    for _ in range(5):
        with pytest.raises(TimeoutError), admission.admit(who, "e", tokens=0, usd=0, now=NOW):
            raise TimeoutError
    admission.admit(who, "e", tokens=0, usd=0, now=NOW)


def test_fifty_at_once_against_a_budget_for_ten() -> None:
    """litellm#34732, litellm#40095: concurrent requests pass a budget that is checked first and counted later."""
    admission, who = Admission(), grant(budgets=("$10/day",))
    spent = 0.0
    refusals = []

    async def request() -> None:
        nonlocal spent
        try:
            ticket = admission.admit(who, "e", tokens=0, usd=1.0, now=NOW)
        except Denied as error:
            refusals.append(error)
            return
        try:
            await asyncio.sleep(0)
            spent += 1.0
        finally:
            ticket.settle(0, 1.0)

    async def all_at_once() -> None:
        await asyncio.gather(*(request() for _ in range(50)))

    asyncio.run(all_at_once())
    assert spent == 10.0
    assert len(refusals) == 40
    assert refusals[0].retry_after == 1.0, "all ten are under way, and may come to less"
    last = denied(admission, who, usd=1.0)
    assert (last.code, last.type) == ("insufficient_quota", "insufficient_quota")
    assert last.message == "The budget of $10.00/day of key 'app' is used up; it is there again at 2027-01-16T00:00:00Z"
    assert last.retry_after == 86400 - NOW % 86400
    assert headers.NO_RETRY in last.headers


@given(
    st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1)), max_size=60),
    st.sampled_from([0.1, 1.0, 10.0]),
)
def test_whatever_is_reserved_and_settled_stays_within_the_budget(calls: list[tuple[float, float]], usd: float) -> None:
    """Also litellm#20615's shape: amounts far from what the budget was made for block nobody else's budget."""
    admission, who = Admission(), grant(budgets=(f"${usd}/day",))
    flying, spent = [], 0.0
    for most, share in calls:
        try:
            flying.append((admission.admit(who, "e", tokens=0, usd=most, now=NOW), most * share))
        except Denied:
            if flying:
                ticket, actual = flying.pop(0)
                ticket.settle(0, actual)
                spent += actual
    spent += sum(actual for _, actual in flying)
    assert spent <= usd + len(calls) / 1e9
    assert math.isfinite(spent)


def test_rules_of_key_endpoint_and_both_hold_side_by_side() -> None:
    at = {"e": Rules((limit("requests", "2/min"),))}
    admission = Admission({"e": Rules((limit("requests", "4/min"),))})
    app, other = grant(REQUESTS, at=at), Grant("other", "other")
    for _ in range(2):
        admission.admit(app, "e", tokens=0, usd=0, now=NOW)
    assert "key 'app' at endpoint 'e'" in denied(admission, app).message
    admission.admit(app, "f", tokens=0, usd=0, now=NOW)
    for _ in range(2):
        admission.admit(other, "e", tokens=0, usd=0, now=NOW)
    assert "of endpoint 'e'" in denied(admission, other).message


def test_names_that_look_like_others_are_not_mixed_up() -> None:
    """Each owner of a limit is quoted: no name of a key can be made to look like an endpoint's."""
    admission = Admission({"x": Rules((limit("requests", "1/min"),))})
    odd = Grant("a' at endpoint 'x", "t", rules=Rules((limit("requests", "1/min"),)))
    admission.admit(odd, "y", tokens=0, usd=0, now=NOW)
    at = Grant("a", "t", at={"x": Rules((limit("requests", "1/min"),))})
    admission.admit(at, "x", tokens=0, usd=0, now=NOW)


def test_an_endpoint_out_of_scope() -> None:
    error = denied(Admission(), Grant("app", "app", frozenset({"other"})))
    assert (error.status, error.code) == (403, "model_not_found")
    assert error.message == "Key 'app' does not have access to endpoint 'e'"


def test_a_price_that_is_unknown() -> None:
    who = grant(budgets=("$1/day",))
    error = denied(Admission(), who, usd=None)
    assert (error.status, error.code) == (400, "price_unknown")
    admission = Admission(unpriced=0.6)
    admission.admit(who, "e", tokens=0, usd=None, now=NOW)
    assert denied(admission, who, usd=None).status == 429
    Admission().admit(grant(REQUESTS), "e", tokens=0, usd=None, now=NOW)


def test_a_reload_keeps_what_is_counted() -> None:
    admission = Admission({"e": Rules((limit("requests", "2/min"), AT_ONCE))})
    ticket = admission.admit(ANONYMOUS, "e", tokens=0, usd=0, now=NOW)
    admission.reload({"e": Rules((REQUESTS,))})
    ticket.settle()
    admission.admit(ANONYMOUS, "e", tokens=0, usd=0, now=NOW)
    admission.admit(ANONYMOUS, "e", tokens=0, usd=0, now=NOW)
    denied(admission, ANONYMOUS)


def test_a_key_with_new_rules_is_held_to_them() -> None:
    admission = Admission()
    for _ in range(3):
        admission.admit(grant(REQUESTS), "e", tokens=0, usd=0, now=NOW)
    denied(admission, grant(REQUESTS))
    admission.admit(grant(limit("requests", "4/min")), "e", tokens=0, usd=0, now=NOW)


def test_everything_is_found_again_after_a_restart(tmp_path: Path) -> None:
    who = grant(REQUESTS, AT_ONCE, budgets=("$10/month",))
    first = Admission(home=tmp_path)
    first.admit(who, "e", tokens=0, usd=6.0, now=NOW)
    first.admit(who, "e", tokens=0, usd=1.0, now=NOW).settle(0, 0.5)
    first.tick(NOW)
    first.flush()
    first.close()
    second = Admission(home=tmp_path, workers=8)
    assert denied(second, who, usd=3.6).type in {"insufficient_quota", "budget"}
    ticket = second.admit(who, "e", tokens=0, usd=3.5, now=NOW)
    ticket.settle(0, 3.5)
    second.close()


def test_windows_are_found_again_with_the_same_number_of_workers(tmp_path: Path) -> None:
    who = grant(REQUESTS)
    for _ in range(3):
        admission = Admission(home=tmp_path)
        admission.admit(who, "e", tokens=0, usd=0, now=NOW)
        admission.close()
    admission = Admission(home=tmp_path)
    denied(admission, who)
    admission.close()


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fill(board: Board) -> None:
    """Uses up what is allocated."""
    with contextlib.suppress(MeasurementError):
        for index in range(1000):
            board.row(f"filler {index}", 100)


def test_a_full_disk_counts_limits_alone_and_lets_no_money_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests go on when the disk is full; a budget that cannot be kept is refused, and never a bus error."""
    admission = Admission(home=tmp_path)
    monkeypatch.setattr("os.posix_fallocate", full)
    fill(admission.limits.board)
    fill(admission.budgets.board)
    for _ in range(3):
        admission.admit(grant(REQUESTS), "e", tokens=0, usd=0, now=NOW)
    denied(admission, grant(REQUESTS))
    error = denied(admission, grant(budgets=("$1/day",)))
    assert (error.status, error.code) == (503, "budget_unavailable")
    admission.close()


def test_unknown_endpoints_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weighbridge.gateway.admission.admission._MOST_PLANS", 10)
    admission = Admission()
    for index in range(100):
        admission.admit(grant(limit("requests", "1000/min")), f"e{index}", tokens=0, usd=0, now=NOW)
    assert len(admission._plans) <= 10


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-1, "0s"),
        (0.00001, "1ms"),
        (0.0204, "20ms"),
        (1, "1s"),
        (1.46, "1.5s"),
        (59.99, "1m0s"),
        (360, "6m0s"),
        (86340, "23h59m0s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert headers.duration(seconds) == text


def test_a_ticket_that_outlives_its_admission_gives_back_nothing_of_the_next_workers(tmp_path: Path) -> None:
    who = grant(limit("concurrent", 1), budgets=("$1/day",))
    old = Admission(home=tmp_path)
    late = old.admit(who, "e", tokens=0, usd=0.4, now=NOW)
    old.close()
    old.close()
    new = Admission(home=tmp_path)
    new.admit(who, "e", tokens=0, usd=0.4, now=NOW)
    late.settle(0, 0.0)
    assert denied(new, who).type == "concurrent"
    assert [purse.spent() for purse in new.budgets.purses.values()] == [800_000_000]
    new.close()


def test_two_admissions_of_one_process_hold_one_limit(tmp_path: Path) -> None:
    """As during a reload, where the old one serves its last requests."""
    who = grant(AT_ONCE, REQUESTS)
    old, new = Admission(home=tmp_path), Admission(home=tmp_path)
    held = old.admit(who, "e", tokens=0, usd=0, now=NOW)
    new.admit(who, "e", tokens=0, usd=0, now=NOW)
    assert denied(new, who).type == "concurrent"
    held.settle()
    new.admit(who, "e", tokens=0, usd=0, now=NOW).settle()
    assert denied(new, who).type == "requests"
    for admission in (old, new):
        admission.tick(NOW)
        admission.close()
