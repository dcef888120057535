"""What is kept for equal requests, and what is equal."""

import json
import tracemalloc
from typing import Any

import pytest
from tests.gateway.worlds import Sent, asked, recorded, reply, served

from weighbridge.gateway import cache as module
from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.asked import Asked
from weighbridge.gateway.cache import Cache, Kept, Look, Store, Stores
from weighbridge.gateway.tape import played
from weighbridge.records.exchange import Attempt, Exchange, Route
from weighbridge.wire.answer import Usage
from weighbridge.wire.failure import Failure

ANNA = Grant("anna", "anna")
BERT = Grant("bert", "bert")
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


@pytest.fixture
def caches() -> dict[str, Cache]:
    return Stores().caches(served())


def look(cache: Cache, said: Asked, grant: Grant = ANNA, control: str = "") -> Look:
    return cache.look(said, grant, {"cache-control": control} if control else {})


def keep(cache: Cache, said: Asked, body: bytes | None = None, **options: Any) -> None:
    look(cache, said, **options).offer(recorded(), reply() if body is None else body)


def hit(cache: Cache, said: Asked, grant: Grant = ANNA) -> bool:
    return look(cache, said, grant).hit is not None


def test_an_equal_request_is_answered_from_the_cache(caches: dict[str, Cache]) -> None:
    keep(caches["it"], asked())
    found = look(caches["it"], asked())
    client = Sent()
    assert found.reply(asked(), client.responder, b"X-Request-Id: wbx_2\r\n") == reply()
    assert client.body == reply()
    assert b"X-Weighbridge-Cache: exact\r\nAge: 0\r\n" in client.lines
    assert b"X-Weighbridge-Target: a\r\n" in client.lines
    assert b"X-Request-Id: wbx_2\r\n" in client.lines


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 0.5},
        {"temperature": 0},
        {"top_p": 0.9},
        {"max_tokens": 5},
        {"max_completion_tokens": 5},
        {"n": 2},
        {"seed": 1},
        {"stop": ["."]},
        {"tools": [TOOL]},
        {"tool_choice": "required"},
        {"response_format": {"type": "json_object"}},
        {"reasoning_effort": "low"},
        {"logprobs": True},
        {"previous_response_id": "resp_1"},
        {"instructions": "Be brief"},
        {"a_parameter_of_tomorrow": None, "x": 1},
    ],
    ids=lambda more: next(iter(more)),
)
def test_every_parameter_is_part_of_the_key(caches: dict[str, Cache], more: dict[str, Any]) -> None:
    """Litellm PR#25673 (parameters of the Responses API were missing), openclaw/lobster PR#130 (temperature and
    max_tokens were)."""
    keep(caches["it"], asked())
    assert not hit(caches["it"], asked(**more))
    keep(caches["it"], asked(**more))
    assert hit(caches["it"], asked(**more))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"temperature": 1}, {"temperature": 1.0}),
        ({"seed": 2**63}, {"seed": 2**63 + 1}),
        ({"stop": "1"}, {"stop": 1}),
        ({"stop": ["ab", "c"]}, {"stop": ["a", "bc"]}),
    ],
)
def test_values_that_differ_as_written_are_not_equal(
    caches: dict[str, Cache], one: dict[str, Any], other: dict[str, Any]
) -> None:
    keep(caches["it"], _written(one))
    assert hit(caches["it"], _written(one))
    assert not hit(caches["it"], _written(other))


def _written(more: dict[str, Any]) -> Asked:
    return Asked("chat", json.dumps({"model": "it", "messages": [], **more}).encode())


def test_a_number_is_compared_as_it_was_written(caches: dict[str, Cache]) -> None:
    bodies = [b'{"model":"it","messages":[],"temperature":%b}' % text for text in (b"0.1", b"0.10000000000000001")]
    keep(caches["it"], Asked("chat", bodies[0]))
    assert not hit(caches["it"], Asked("chat", bodies[1]))


def test_key_order_whitespace_and_escapes_do_not_matter(caches: dict[str, Cache]) -> None:
    keep(caches["it"], Asked("chat", b'{"model":"it","messages":[{"role":"user","content":"\xc3\xa9"}],"n":1}'))
    same = b'{ "n": 1, "messages": [ {"content":"\\u00e9", "role":"user"} ],\n "model": "it" }'
    assert hit(caches["it"], Asked("chat", same))


@pytest.mark.parametrize(
    "more",
    [
        {"stream": True},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"user": "u-1"},
        {"safety_identifier": "u-1"},
        {"metadata": {"a": "b"}},
        {"store": True},
    ],
    ids="+".join,
)
def test_what_does_not_change_an_answer_is_not_part_of_the_key(caches: dict[str, Cache], more: dict[str, Any]) -> None:
    keep(caches["it"], asked())
    assert hit(caches["it"], asked(**more))


def test_tenants_never_see_each_others_answers(caches: dict[str, Cache]) -> None:
    """OmniRoute#3740: there was no tenant in the key."""
    keep(caches["it"], asked(), grant=ANNA)
    assert not hit(caches["it"], asked(), BERT)
    assert hit(caches["it"], asked(), Grant("annas-second-key", "anna"))


def test_endpoints_and_apis_are_kept_apart(caches: dict[str, Cache]) -> None:
    keep(caches["it"], asked())
    assert not hit(caches["other"], asked(model="other"))
    same = b'{"model":"it","messages":[],"prompt":"x"}'
    keep(caches["it"], Asked("chat", same))
    assert not hit(caches["it"], Asked("completions", same))


@pytest.mark.parametrize(
    "changed",
    [{"url": "http://127.0.0.1:2/v1"}, {"model": "m-2"}, {"params": {"temperature": 0}}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_changed_upstream_does_not_give_the_old_ones_answers(changed: dict[str, Any]) -> None:
    """headroomlabs-ai/headroom#3346: the upstream's URL was not in the key."""
    stores = Stores()
    keep(stores.caches(served())["it"], asked())
    assert not hit(stores.caches(served(**changed))["it"], asked())
    assert hit(stores.caches(served())["it"], asked())


def test_a_configuration_read_anew_keeps_what_it_still_means() -> None:
    stores = Stores()
    keep(stores.caches(served())["it"], asked())
    again = stores.caches(served(cache={"keep": "2h", "megabytes": 1}))["it"]
    assert hit(again, asked())
    assert again.store.bound == 2**20
    without = served()
    del without["it"]
    stores.caches(without)
    assert not hit(stores.caches(served())["it"], asked())


def test_temperature_does_not_keep_an_answer_from_being_kept(caches: dict[str, Cache]) -> None:
    keep(caches["it"], asked(temperature=1.5))
    assert hit(caches["it"], asked(temperature=1.5))


def test_a_client_may_ask_for_a_new_answer_or_for_none_to_be_kept(caches: dict[str, Cache]) -> None:
    keep(caches["it"], asked("a"), control="no-store")
    assert not hit(caches["it"], asked("a"))
    keep(caches["it"], asked("b"))
    fresh = look(caches["it"], asked("b"), control="max-age=0, No-Cache")
    assert fresh.hit is None
    fresh.offer(recorded(), reply("Another"))
    kept = look(caches["it"], asked("b")).hit
    assert kept is not None
    assert kept.reply == reply("Another")


@pytest.mark.parametrize("reason", ["content_filter", None, "error"])
def test_an_answer_without_a_good_end_is_not_kept(caches: dict[str, Cache], reason: str) -> None:
    keep(caches["it"], asked(), reply(finish_reason=reason))
    assert not hit(caches["it"], asked())


@pytest.mark.parametrize(
    "record",
    [
        recorded(outcome="failed", status=502),
        recorded(outcome="cancelled"),
        recorded(outcome="cut"),
        recorded(attempts=(), route=Route()),
    ],
    ids=["failed", "cancelled", "cut", "nobody"],
)
def test_what_did_not_end_well_is_not_kept(caches: dict[str, Cache], record: Exchange) -> None:
    look(caches["it"], asked()).offer(record, reply())
    assert not hit(caches["it"], asked())


def test_embeddings_are_kept(caches: dict[str, Cache]) -> None:
    said = Asked("embeddings", b'{"model":"it","input":"x"}')
    for body in (b'{"data":[]}', b'{"error":{}}', b"{"):
        look(caches["it"], said).offer(recorded(api="embeddings"), body)
        assert not hit(caches["it"], said)
    look(caches["it"], said).offer(recorded(api="embeddings"), b'{"data":[{"embedding":[1]}]}')
    assert hit(caches["it"], said)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"error":{"message":"x"}}', b'{"choices":[]}', b"\xff"])
def test_what_is_no_reply_is_not_kept(caches: dict[str, Cache], body: bytes) -> None:
    keep(caches["it"], asked(), body)
    assert not hit(caches["it"], asked())


def test_a_request_that_is_not_json_all_through_is_nobodys_equal(caches: dict[str, Cache]) -> None:
    said = Asked("chat", b'{"model":"it","messages":[{"content":"\xff"}]}')
    found = look(caches["it"], said)
    assert (found.hit, found.tape()) == (None, None)
    found.offer(recorded(), reply())


def test_a_stream_from_the_cache_is_a_stream(caches: dict[str, Cache]) -> None:
    keep(caches["it"], asked())
    said = asked(stream=True, stream_options={"include_usage": True})
    client = Sent()
    look(caches["it"], said).reply(said, client.responder, b"")
    assert client.ended
    assert b"Content-Type: text/event-stream" in client.lines
    assert client.body == played(reply(), include_usage=True)


def test_a_stream_that_was_kept_answers_who_asks_for_the_whole(caches: dict[str, Cache]) -> None:
    """Usage is in the answer though the stream's client had not asked for it."""
    found = look(caches["it"], asked(stream=True))
    tape = found.tape()
    assert tape is not None
    tape.write(played(reply(), include_usage=False))
    found.offer(recorded(usage=Usage(input=3, output=2)), None, tape)
    client = Sent()
    look(caches["it"], asked()).reply(asked(), client.responder, b"")
    assert json.loads(client.body) == json.loads(reply())


def test_an_answer_put_together_from_two_targets_is_not_kept(caches: dict[str, Cache]) -> None:
    broken = Attempt(target="b", provider="p", model="m", started=0.0, ttft=0.1, failure=Failure("network", "cut"))
    ended = recorded()
    look(caches["it"], asked()).offer(recorded(attempts=(broken, *ended.attempts)), reply())
    assert not hit(caches["it"], asked())


def test_the_record_says_that_nobody_was_asked_and_nothing_spent(caches: dict[str, Cache]) -> None:
    keep(caches["it"], asked())
    said = asked(stream=True)
    record = look(caches["it"], said).record(
        id_="wbx_2", at=2.0, api="chat", asked=said, grant=ANNA, total=0.001, trace="t" * 32
    )
    assert (record.cache, record.cost, record.attempts) == ("exact", 0.0, ())
    assert (record.usage, record.finish_reason) == (Usage(input=3, output=2), "stop")
    assert (record.route.target, record.key, record.tenant, record.streamed) == ("a", "anna", "anna", True)
    assert (record.status, record.outcome, record.endpoint) == (200, "ok", "it")


def test_an_answer_is_good_for_as_long_as_the_configuration_says(
    caches: dict[str, Cache], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    keep(caches["it"], asked())
    now[0] += 3599
    client = Sent()
    look(caches["it"], asked()).reply(asked(), client.responder, b"")
    assert b"Age: 3599\r\n" in client.lines
    now[0] += 1
    assert not hit(caches["it"], asked())
    assert (len(caches["it"].store), caches["it"].store.bytes) == (0, 0)


def kept(size: int) -> Kept:
    return Kept(b"x" * size, "a", Usage(), "stop", 0.0, 10.0)


def test_a_store_lets_go_of_what_was_not_asked_for_longest() -> None:
    store = Store(3 * kept(100).size)
    for key in (b"a", b"b", b"c"):
        store.put(key, kept(100))
    store.get(b"a", 1.0)
    store.put(b"d", kept(100))
    assert [key for key in (b"a", b"b", b"c", b"d") if store.get(key, 1.0)] == [b"a", b"c", b"d"]
    assert store.bytes == store.bound
    store.put(b"e", kept(10_000))
    assert store.get(b"e", 1.0) is None
    assert len(store) == 3
    store.put(b"a", kept(50))
    assert store.bytes == 2 * kept(100).size + kept(50).size
    store.resize(0)
    assert (len(store), store.bytes) == (0, 0)


def test_a_store_takes_no_more_memory_than_its_bound() -> None:
    """litellm#12685: memory climbs until the process is killed."""
    store = Store(2**20)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for n in range(5000):
        body = b"%d" % n * 50
        made = Kept(body, "a", Usage(input=1000 + n, output=2000 + n), "stop", float(n), float(n))
        store.put(n.to_bytes(32), made)
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(store) > 1000
    assert taken < store.bound
