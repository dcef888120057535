"""Exact costs of recorded exchanges, against sums done by hand from the vendors' published prices."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.wire.recorded import events, exchanges, streamed

from weighbridge.providers.price import look_up
from weighbridge.wire.answer import Answer
from weighbridge.wire.reading import answer_from_events, answer_from_reply

HOSTS = {
    "api.openai.com": "openai",
    "api.groq.com": "groq",
    "openrouter.ai": "openrouter",
    "traceloop-stg.openai.azure.com": "azure",
}

# Which exchange, who answered, and the cost in millionths of a dollar: plain input tokens, cached ones, ones written to
# the cache, and output tokens (reasoning among them), each times its published price in dollars per million.
BY_HAND = [
    (0, "openai", "gpt-4o", 48 * 2.5 + 14 * 10),
    (1, "openai", "gpt-4o", 74 * 2.5 + 8 * 10),
    (440, "openai", "gpt-4o-mini", 125 * 0.15 + 1024 * 0.075 + 353 * 0.6),
    (444, "openai", "gpt-4o-mini", 126 * 0.15 + 1024 * 0.075 + 307 * 0.6),
    (136, "openai", "gpt-4.1-mini", 31 * 0.4 + 8 * 1.6),
    (140, "openai", "gpt-4.1-mini", 50 * 0.4 + 15 * 1.6),
    (134, "openai", "gpt-4.1-nano", 515 * 0.1 + 6 * 0.4),
    (265, "openai", "gpt-4.1-nano", 67 * 0.1 + 47 * 0.4),
    (148, "openai", "gpt-5", 12 * 1.25 + 1888 * 10),
    (147, "openai", "gpt-5", 12 * 1.25 + 1880 * 10),
    (125, "openai", "gpt-5-mini", 1109 * 0.25 + 751 * 2),
    (190, "openai", "gpt-5-mini", 156 * 0.25 + 561 * 2),
    (483, "openai", "gpt-5-nano", 171 * 0.05 + 1962 * 0.4),
    (354, "openai", "gpt-5-nano", 15 * 0.05 + 993 * 0.4),
    (146, "openai", "o3-mini", 11 * 1.1 + 809 * 4.4),
    (18, "openai", "o3-mini", 31 * 1.1 + 467 * 4.4),
    (253, "openai", "gpt-4", 19 * 30 + 140 * 60),
    (256, "openai", "gpt-3.5-turbo", 76 * 0.5 + 35 * 1.5),
    (257, "openai", "gpt-3.5-turbo", 76 * 0.5 + 35 * 1.5),
    (244, "openai", "gpt-3.5-turbo-instruct", 61 * 1.5 + 145 * 2),
    (245, "openai", "gpt-3.5-turbo-instruct", 192 * 1.5 + 256 * 2),
    (391, "openai", "davinci-002", 8 * 2 + 16 * 2),
    (488, "openai", "babbage-002", 31 * 0.4 + 25 * 0.4),
    (489, "openai", "babbage-002", 31 * 0.4 + 25 * 0.4),
    (60, "groq", "openai/gpt-oss-120b", 80 * 0.15 + 256 * 0.075 + 96 * 0.6),
    (62, "groq", "openai/gpt-oss-120b", 343 * 0.15 + 180 * 0.6),
    (56, "groq", "meta-llama/llama-4-scout-17b-16e-instruct", 1470 * 0.11 + 112 * 0.34),
    (57, "groq", "meta-llama/llama-4-scout-17b-16e-instruct", 749 * 0.11 + 107 * 0.34),
    (71, "groq", "meta-llama/llama-4-maverick-17b-128e-instruct", 715 * 0.2 + 46 * 0.6),
    (72, "groq", "meta-llama/llama-4-maverick-17b-128e-instruct", 1961 * 0.2 + 3 * 0.6),
    (45, "groq", "qwen/qwen3-32b", 25 * 0.29 + 2 * 0.59),
    (46, "groq", "qwen/qwen3-32b", 21 * 0.29 + 173 * 0.59),
    (218, "groq", "llama3-8b-8192", 18 * 0.05 + 70 * 0.08),
    (219, "groq", "llama3-8b-8192", 18 * 0.05 + 88 * 0.08),
    (53, "groq", "deepseek-r1-distill-llama-70b", 21 * 0.75 + 1414 * 0.99),
    (54, "groq", "deepseek-r1-distill-llama-70b", 524 * 0.75 + 1590 * 0.99),
    (197, "openrouter", "anthropic/claude-sonnet-4.6", 1 * 3 + 2569 * 0.3 + 79 * 3.75 + 100 * 15),
    (198, "openrouter", "anthropic/claude-sonnet-4.6", 3 * 3 + 2240 * 0.3 + 329 * 3.75 + 100 * 15),
    (172, "openrouter", "anthropic/claude-sonnet-4.5", 43 * 3 + 53 * 15),
    (170, "openrouter", "anthropic/claude-sonnet-4.5", 43 * 3 + 36 * 15),
    (178, "openrouter", "openai/gpt-4.1-mini", 8174 * 0.4 + 30 * 1.6),
    (162, "openrouter", "openai/gpt-4o-mini", 900 * 0.15 + 69 * 0.6),
    (163, "openrouter", "openai/gpt-4o-mini", 888 * 0.15 + 74 * 0.6),
    (201, "openrouter", "google/gemini-2.5-flash", 6 * 0.3 + 2161 * 0.03 + 99 * 2.5),
    (301, "azure", "gpt-5-nano", 11 * 0.05 + 203 * 0.4),
]

# What OpenRouter itself billed, in dollars, as its replies say.
BILLED = {197: 0.00256995, 198: 0.00341475, 172: 0.000924, 170: 0.000669, 201: 0.00031413}


def answer(row: dict[str, str]) -> Answer:
    if streamed(row):
        return answer_from_events([(0.0, data.encode()) for data in events(row["response_body"])], intended=0.0)
    return answer_from_reply(row["response_body"].encode())


@pytest.mark.parametrize(("place", "vendor", "model", "millionths"), BY_HAND)
def test_the_cost_is_the_one_worked_out_by_hand(
    shared_data: Path, place: int, vendor: str, model: str, millionths: float
) -> None:
    """litellm#11789, #36168, promptfoo#7546: cached tokens once and at their price, streamed or not."""
    row = exchanges(shared_data)[place]
    assert HOSTS[urlsplit(row["uri"]).netloc] == vendor
    assert json.loads(row["request_body"])["model"] == model
    price = look_up(vendor, model)
    assert price is not None
    assert price.cost(answer(row).usage) == pytest.approx(millionths / 1e6, rel=1e-12)


@pytest.mark.parametrize(("place", "dollars"), BILLED.items())
def test_the_cost_is_the_one_that_was_billed(shared_data: Path, place: int, dollars: float) -> None:
    row = exchanges(shared_data)[place]
    price = look_up("openrouter", json.loads(row["request_body"])["model"])
    assert price is not None
    assert price.cost(answer(row).usage) == pytest.approx(dollars, rel=1e-9)


def test_at_least_forty_exchanges_are_checked() -> None:
    assert len(BY_HAND) >= 40
