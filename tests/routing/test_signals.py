"""What an answer shows of itself, as finite numbers, whatever a provider sends."""

from __future__ import annotations

from math import inf, isfinite, log, log1p, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.routing.signals import SIGNALS, of_answer
from weighbridge.wire.answer import Answer, TokenLogprob, Usage


def token(text: str, logprob: float, *rivals: float) -> TokenLogprob:
    return TokenLogprob(text, logprob, tuple((f"r{place}", value) for place, value in enumerate(rivals)))


def answer(*told: TokenLogprob) -> Answer:
    return Answer(
        text="".join(one.token for one in told), logprobs=told, finish_reason="stop", usage=Usage(output=len(told))
    )


def test_quantiles_are_numpys() -> None:
    """The least, and the 10, 25 and 50 % quantiles of the tokens' log-probabilities."""
    rng = np.random.default_rng(5)
    values = -rng.exponential(size=37)
    found = of_answer(answer(*(token("x", float(value)) for value in values)))
    assert found["min_logprob"] == values.min()
    for name, q in (("q10_logprob", 0.1), ("q25_logprob", 0.25), ("q50_logprob", 0.5)):
        assert found[name] == pytest.approx(np.quantile(values, q))
    assert found["length"] == pytest.approx(log1p(37))


def test_negentropy_runs_from_none_sure_to_certain() -> None:
    """0 where the rivals are as likely, log k where one of k has it all."""
    found = of_answer(answer(token("a", log(0.5), log(0.5), log(0.5)), token("b", 0.0, 0.0, -100.0)))
    assert found["min_negentropy"] == pytest.approx(0.0)
    assert found["mean_negentropy"] == pytest.approx(log(2) / 2)


def test_margins_of_the_first_token_and_of_the_answer() -> None:
    """The answer is the last number where there is one: doubt about the words before it is not doubt about it."""
    told = (
        token("So", -0.1, -0.1, -3.1),
        token(" it", -0.5, -0.5, -0.6),
        token(" is", 0.0, 0.0, -9.0),
        token(" 4", -0.2, -0.2, -2.2),
        token("2", 0.0, 0.0, -7.0),
        token(".", -0.9, -0.9, -1.0),
    )
    found = of_answer(answer(*told))
    assert found["first_margin"] == pytest.approx(3.0)
    assert found["answer_margin"] == pytest.approx(2.0)


def test_without_numbers_the_last_line_is_the_answer() -> None:
    """A label on its own line, say."""
    told = (token("Hmm\n", -1.0, -1.0, -1.1), token("Paris", -0.1, -0.1, -4.1), token("\n", 0.0, 0.0, -0.5))
    assert of_answer(answer(*told))["answer_margin"] == pytest.approx(4.0)


def test_a_prefix_is_judged_by_its_tokens_alone() -> None:
    """What a stream shows after two tokens does not depend on what comes, and its end says nothing yet."""
    long = answer(token("a", -0.1), token("b", -0.2), token("c", -9.0))
    found = of_answer(long, tokens=2)
    assert found["min_logprob"] == -0.2
    assert found["length"] == pytest.approx(log1p(2))
    assert not {"cut", "refusal"} & found.keys()


def test_without_logprobs_what_is_left_is_told() -> None:
    """Length, whether it was cut, whether it refused; and what was found out apart."""
    said = Answer(text="no", refusal="no", finish_reason="length", usage=Usage(output=7))
    found = of_answer(said, format_ok=True, check=False, agreement=0.5, p_true=nan)
    assert found == {
        "length": log1p(7),
        "cut": 1.0,
        "refusal": 1.0,
        "format": 1.0,
        "check": 0.0,
        "agreement": 0.5,
    }


_NUMBERS = st.one_of(st.floats(), st.sampled_from([nan, inf, -inf, -9999.0, 0.0, 5e-4]))


@given(
    st.lists(
        st.builds(
            TokenLogprob, st.text(max_size=3), _NUMBERS, st.lists(st.tuples(st.text(max_size=2), _NUMBERS)).map(tuple)
        ),
        max_size=12,
    ),
    st.one_of(st.none(), st.integers(1, 20)),
)
def test_hostile_numbers_never_raise_and_never_come_out(told: list[TokenLogprob], tokens: int | None) -> None:
    """NaN, infinities, -9999, empty lists: every signal is finite and known by name."""
    found = of_answer(Answer(text="", logprobs=tuple(told)), tokens=tokens)
    assert set(found) <= set(SIGNALS)
    assert all(isfinite(value) for value in found.values())
