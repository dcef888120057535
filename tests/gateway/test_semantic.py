"""Answers found by what a request means, with the real embedding and with one that says anything."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.gateway.worlds import Sent, asked, recorded, reply, served

from weighbridge.errors import UsageError
from weighbridge.gateway import wordvectors
from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.asked import Asked
from weighbridge.gateway.cache import Cache, Look, Stores
from weighbridge.gateway.meaning import Meaning
from weighbridge.gateway.semantic import Index, Vectors
from weighbridge.gateway.wordvectors import WordVectors

ANNA = Grant("anna", "anna")
RESET, AGAIN = "How do I reset my password?", "Hi, how can I reset my password"


class Everything:
    """An Embedder to which all texts are one."""

    dimensions = 4

    def embed(self, texts: Sequence[str]) -> Vectors:
        return np.tile(np.array([1, 0, 0, 0], np.float32), (len(texts), 1))


def cached(threshold: float = 0.95, embedder: Callable[[], Any] = Everything) -> Cache:
    section = {"keep": "1h", "semantic": {"threshold": threshold}}
    return Stores(embedder).caches(served(cache=section))["it"]


def look(cache: Cache, said: Asked, grant: Grant = ANNA, control: str = "") -> Look:
    return cache.look(said, grant, {"cache-control": control})


def keep(cache: Cache, said: Asked, **options: Any) -> None:
    look(cache, said, **options).offer(recorded(), reply())


def answered(cache: Cache, said: Asked, **options: Any) -> str | None:
    found = look(cache, said, **options)
    return found.how if found.hit is not None else None


@pytest.fixture(scope="module")
def vectors() -> WordVectors:
    return WordVectors()


def test_a_request_that_means_the_same_gets_the_same_answer() -> None:
    cache = cached()
    keep(cache, asked(RESET))
    assert answered(cache, asked(RESET)) == "exact"
    found = look(cache, asked(AGAIN))
    client = Sent()
    assert found.reply(asked(AGAIN), client.responder, b"") == reply()
    assert b"X-Weighbridge-Cache: semantic\r\n" in client.lines
    record = found.record(id_="wbx_2", at=1.0, api="chat", asked=asked(AGAIN), grant=ANNA, total=0.1)
    assert (record.cache, record.cost) == ("semantic", 0.0)


def test_a_cache_is_not_semantic_unless_it_is_asked_for() -> None:
    cache = Stores(Everything).caches(served())["it"]
    keep(cache, asked(RESET))
    assert answered(cache, asked(AGAIN)) is None


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 0.5},
        {"max_tokens": 5},
        {"response_format": {"type": "json_object"}},
        {"messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": AGAIN}]},
        {"messages": [{"role": "user", "content": AGAIN, "name": "bert"}]},
        {"messages": [{"role": "assistant", "content": AGAIN}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": AGAIN}, {"type": "image_url"}]}]},
        {"messages": "x"},
        {"messages": []},
    ],
    ids=lambda more: str(more)[:60],
)
def test_everything_but_the_last_text_must_be_equal(more: dict[str, Any]) -> None:
    cache = cached()
    keep(cache, asked(RESET))
    assert answered(cache, asked(AGAIN, **more)) is None


def test_tenants_and_endpoints_never_see_each_others_answers() -> None:
    """OmniRoute#3740, for answers that are found by meaning."""
    cache = cached()
    keep(cache, asked(RESET))
    assert answered(cache, asked(AGAIN), grant=Grant("bert", "bert")) is None
    assert answered(cache, Asked("completions", json.dumps({"model": "it", "prompt": AGAIN}).encode())) is None


def test_what_a_client_says_of_caching_holds() -> None:
    cache = cached()
    keep(cache, asked(RESET), control="no-store")
    assert answered(cache, asked(AGAIN)) is None
    keep(cache, asked(RESET))
    assert answered(cache, asked(AGAIN), control="no-cache") is None
    keep(cache, asked(AGAIN), control="no-cache")
    assert answered(cache, asked(AGAIN)) == "exact"


def test_the_text_may_be_its_messages_only_part() -> None:
    cache = cached()
    keep(cache, asked(messages=[{"role": "user", "content": [{"type": "text", "text": RESET}]}]))
    assert answered(cache, asked(messages=[{"role": "user", "content": AGAIN}])) == "semantic"


ADVERSARIAL = [
    ("cancel my order", "do not cancel my order"),
    ("Refund within 5 days", "Refund within 7 days"),
    ("What is the capital of France?", "What is the capital of Germany?"),
    ("how do I enable two-factor login", "how do I disable two-factor login"),
    ("convert usd to eur", "convert eur to usd"),
    ("cancel my order", "cancel my subscription"),
    ("Can I bring my dog?", "Can I bring my cat?"),
    ("increase the font size", "decrease the font size"),
    ("is it safe to take ibuprofen with alcohol", "is it safe to take paracetamol with alcohol"),
    ("where can I buy it", "where can I sell it"),
    ("my card was charged", "my card was not charged"),
    ("is an inbound call free", "is an outbound call free"),
    ("is it legal to park here", "is it illegal to park here"),
    ("dog bites man", "man bites dog"),
    ("translate this to French", "translate this to Spanish"),
    ("how tall is Anna", "how tall is Bert"),
    ("the minimum order", "the maximum order"),
    ("how do I subscribe", "how do I unsubscribe"),
    ("accept the offer", "reject the offer"),
]


@pytest.mark.parametrize(("one", "other"), ADVERSARIAL)
@pytest.mark.parametrize("threshold", [0.95, 0.3])
def test_a_false_hit_is_not_made_however_low_the_threshold(
    vectors: WordVectors, one: str, other: str, threshold: float
) -> None:
    """Vectors of some of these pairs are equal to the last bit."""
    cache = cached(threshold, lambda: vectors)
    keep(cache, asked(one))
    keep(cache, asked(other))
    for text in (one, other):
        kept = look(cache, asked(text)).how
        assert kept == "exact"
    cache = cached(threshold, lambda: vectors)
    keep(cache, asked(one))
    assert answered(cache, asked(other)) is None
    assert answered(cache, asked(one)) == "exact"


def test_a_lower_threshold_finds_other_words_too(vectors: WordVectors) -> None:
    text, other = "where can I buy stamps for a letter", "where can I purchase stamps for a letter"
    found = {}
    for threshold in (0.99, 0.7):
        cache = cached(threshold, lambda: vectors)
        keep(cache, asked(text))
        found[threshold] = answered(cache, asked(other))
    assert found == {0.99: None, 0.7: "semantic"}


def test_vectors_have_length_one_or_none(vectors: WordVectors) -> None:
    made = vectors.embed(["a short text", "", "\u2603"])
    assert np.linalg.norm(made[0]) == pytest.approx(1.0)
    assert not made[1].any()


def test_the_oldest_texts_make_room() -> None:
    """The index is bounded, whatever comes."""
    index = Index(Everything(), 0.9, most=3)
    probes = [index.probe(b"context-%d" % n, Meaning(("word",))) for n in range(5)]
    for n, probe in enumerate(probes):
        index.add(probe, b"%d" % n)
    assert len(index) == 3
    assert [index.find(probe) for probe in probes] == [[], [], [b"2"], [b"3"], [b"4"]]


def test_contexts_that_begin_alike_are_not_mixed_up() -> None:
    index = Index(Everything(), 0.9)
    index.add(index.probe(b"12345678-one", Meaning(("word",))), b"1")
    assert index.find(index.probe(b"12345678-two", Meaning(("word",)))) == []


def test_an_answer_that_was_let_go_of_is_no_hit() -> None:
    cache = cached()
    keep(cache, asked(RESET))
    cache.store.resize(0)
    assert answered(cache, asked(AGAIN)) is None


def test_a_configuration_read_anew_keeps_the_index_and_takes_the_new_threshold() -> None:
    made: list[Everything] = []

    def embedder() -> Everything:
        made.append(Everything())
        return made[-1]

    stores = Stores(embedder)
    sections: list[dict[str, Any]] = [{"keep": "1h", "semantic": {"threshold": share}} for share in (0.95, 0.5)]
    keep(stores.caches(served(cache=sections[0]))["it"], asked(RESET))
    again = stores.caches(served(cache=sections[1]))["it"]
    assert answered(again, asked(AGAIN)) == "semantic"
    assert again._index is not None
    assert again._index.threshold == 0.5
    assert len(made) == 1


@pytest.mark.parametrize("missing", ["tokenizers", "wordllama"])
def test_a_missing_extra_is_one_line_with_its_mend(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    if missing == "tokenizers":
        monkeypatch.setitem(sys.modules, "tokenizers", None)
    else:
        monkeypatch.setattr(wordvectors, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=rf"not installed \({missing}\)") as caught:
        WordVectors()
    assert "weighbridge[semantic]" in caught.value.mend


def test_an_embedding_that_cannot_be_read_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wordvectors, "_folder", lambda: tmp_path)
    with pytest.raises(UsageError, match="cannot be read"):
        WordVectors()


def test_a_gateway_without_a_semantic_cache_does_not_load_numpy() -> None:
    """Its memory is bounded at 80 MB."""
    code = "import sys, weighbridge.gateway.worker, weighbridge.gateway.cache as c; c.Stores().caches({}); "
    code += "print([name for name in ('numpy', 'tokenizers', 'wordllama') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
