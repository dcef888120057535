"""Tokens as the provider counted them, and money for each of them once."""

from pathlib import Path

import pytest
from tests.cases.provider import JSON, PRICE, asked, delta, event, measured, streaming, whole
from tests.e2e.conftest import Project

from weighbridge.evaluation.outcomes import load
from weighbridge.providers.price import Price
from weighbridge.replay.result import Result
from weighbridge.simulator import process
from weighbridge.simulator.settings import Distribution, Settings
from weighbridge.store.run import Run
from weighbridge.transport.server import Responder, ServerRequest

CACHED = Price(input=1.0, output=2.0, cached=0.1)
USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "prompt_tokens_details": {"cached_tokens": 900},
    "completion_tokens_details": {"reasoning_tokens": 60},
}


def only(folder: Path, *pieces: bytes, price: Price | None = PRICE, stream: bool = True) -> Result:
    folder.mkdir(exist_ok=True)

    async def plain(request: ServerRequest, responder: Responder) -> None:
        responder.reply(200, JSON, pieces[0])

    _, (result,) = measured(folder, streaming(*pieces) if stream else plain, asked(1), stream=stream, price=price)
    return result


@pytest.mark.parametrize("stream", [True, False])
def test_cached_tokens_are_paid_for_once_and_at_their_price(tmp_path: Path, stream: bool) -> None:
    """promptfoo#7546: cached tokens were counted twice, and cost was inflated. 100 new at 1, 900 cached at 0.1, 100
    made at 2 dollars a million, streamed or not."""
    pieces = [delta(content="x"), delta("stop"), event(choices=[], usage=USAGE)] if stream else [whole("x", **USAGE)]
    result = only(tmp_path, *pieces, price=CACHED, stream=stream)
    assert result.cost == pytest.approx((100 * 1.0 + 900 * 0.1 + 100 * 2.0) / 1e6)
    assert result.answer is not None
    assert (result.answer.usage.input, result.answer.usage.cached) == (1000, 900)


@pytest.mark.parametrize("stream", [True, False])
def test_reasoning_tokens_are_within_the_output_and_not_beside_it(tmp_path: Path, stream: bool) -> None:
    """Reasoning tokens were counted twice: tokenomics PR #16, aiperf#391. Of 100 tokens made, 60 were thought."""
    pieces = (
        [delta(reasoning_content="hm"), delta(content="x"), delta("stop"), event(choices=[], usage=USAGE)]
        if stream
        else [whole("x", **USAGE)]
    )
    result = only(tmp_path, *pieces, stream=stream)
    assert result.answer is not None
    assert (result.answer.usage.output, result.answer.usage.reasoning) == (100, 60)
    assert result.cost == pytest.approx((1000 * 1.0 + 100 * 2.0) / 1e6)


def test_reasoning_is_counted_once_from_request_to_figures(project: Project) -> None:
    """aiperf#391, inference-perf#559: a provider that thinks for 7 tokens and answers with 5 made 12, and thought is a
    first token."""
    with process.start(Settings(reasoning_tokens=7, tokens=Distribution(constant=5))) as running:
        project.configure(running.url)
        project.ask(4)
        found = project.evaluated()
    assert (found["tokens"]["output"], found["tokens"]["reasoning"]) == (12, 7)
    (outcomes,) = load(Run.open(home=project.folder / ".weighbridge")).values()
    expected = (outcomes.tokens["input"] * 1.0 + 12 * 2.0) / 1e6
    assert outcomes.cost.tolist() == pytest.approx(expected.tolist())
    assert "p50" in found["ttft"]


def test_tokens_are_the_providers_count_and_never_counted_again(tmp_path: Path) -> None:
    """aiperf#339: 300 tokens in one tool and 1,023 in another from the same server; flexible-inference-bench#66:
    retokenising text does not give back its tokens. Three words that the provider counts as 1,023 are 1,023; without
    usage the count is unknown, and so is the cost."""
    said = {"prompt_tokens": 4, "completion_tokens": 1023}
    told = only(tmp_path / "told", delta(content="a b c"), delta("stop"), event(choices=[], usage=said))
    assert told.answer is not None
    assert told.answer.usage.output == 1023
    silent = only(tmp_path / "silent", delta(content="a b c"), delta("stop"))
    assert silent.answer is not None
    assert (silent.answer.usage.output, silent.cost) == (None, None)


def test_usage_that_comes_with_every_chunk_is_not_added_up(tmp_path: Path) -> None:
    """aiperf#339: some servers tell the running count with every chunk; the last one counts."""
    running = [
        event(choices=[{"index": 0, "delta": {"content": "x"}}], usage={"prompt_tokens": 4, "completion_tokens": made})
        for made in (1, 2, 3)
    ]
    result = only(tmp_path, *running, delta("stop"))
    assert result.answer is not None
    assert result.answer.usage.output == 3


def test_a_model_nobody_has_a_price_for_still_has_its_tokens(tmp_path: Path) -> None:
    """deepeval#1114: no token counts where there is no price. Counts are kept, the cost is unknown and never zero."""
    pieces = [delta(content="x"), delta("stop"), event(choices=[], usage=USAGE)]
    result = only(tmp_path, *pieces, price=None)
    assert result.answer is not None
    assert (result.answer.usage.input, result.answer.usage.output, result.cost) == (1000, 100, None)
