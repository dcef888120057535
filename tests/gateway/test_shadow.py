"""Requests put to another candidate after their client was answered; a simulated provider is asked for real."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.gateway.worlds import asked

from weighbridge.config.load import Config, loads
from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.shadow import Shadow, Shadowed, shadowed
from weighbridge.records.capture import Capture
from weighbridge.records.exchange import Exchange
from weighbridge.records.noting import new_id
from weighbridge.simulator.app import Simulator
from weighbridge.simulator.settings import Settings
from weighbridge.transport.client import Client

ANNA = Grant("anna", "team-a")
ID = "wbx_0000000000000000000000001"


def config(url: str, share: float = 1.0, **route: Any) -> Config:
    said = {
        "providers": {"p": {"preset": "simulator", "base_url": url}},
        "models": {name: {"provider": "p", "model": "simulated", "price": {"input": 1, "output": 2}} for name in "ab"},
        "endpoints": {
            "it": {"candidates": ["a"], "route": route, "shadow": {"candidate": "b", "share": share}},
            "plain": {"candidates": ["a"]},
        },
    }
    return loads(msgspec.yaml.encode(said).decode(), Path("weighbridge.yaml"))


class World:
    """A provider, and a worker's shadows."""

    def __init__(self, provider: Simulator, client: Client, **options: Any) -> None:
        self.provider = provider
        self.records: list[Exchange] = []
        self.shadow = Shadow(self.records.append, client, **options)
        self.it = shadowed(config(provider.url), {})["it"]

    def consider(self, text: str = "Say something", it: Shadowed | None = None, id_: str = ID, **more: Any) -> None:
        self.shadow.consider(id_, asked(text, **more), it or self.it, ANNA)

    async def over(self) -> None:
        await asyncio.gather(*self.shadow._running)


def within(test: Callable[[World], Any], options: dict[str, Any] | None = None, **settings: Any) -> World:
    async def main() -> World:
        async with Simulator(msgspec.convert(settings, Settings)) as provider, Client() as client:
            world = World(provider, client, **(options or {}))
            found = test(world)
            if found is not None:
                await found
            await world.over()
            return world

    return asyncio.run(main())


def test_a_shadows_answer_is_recorded_as_an_exchange_of_its_own() -> None:
    world = within(World.consider, tokens={"constant": 7})
    (record,) = world.records
    assert (record.shadow_of, record.outcome, record.endpoint) == (ID, "ok", "it")
    assert record.id not in {"", ID}
    assert (record.key, record.tenant, record.status) == ("anna", "team-a", None)
    assert (record.route.target, record.route.reason, record.attempts[0].target) == ("b", "shadow", "b")
    assert record.usage.output == 7
    assert record.cost == pytest.approx(((record.usage.input or 0) + 2 * 7) / 1e6)
    assert record.request is None


@pytest.mark.parametrize("stream", [False, True])
def test_a_shadow_is_asked_as_the_client_asked(stream: bool) -> None:
    world = within(lambda world: world.consider(stream=stream, temperature=0.5), tokens={"constant": 5})
    (record,) = world.records
    assert (record.streamed, record.outcome, record.finish_reason) == (stream, "ok", "stop")
    assert (record.ttft is not None) == stream
    assert record.usage.output == 5
    assert [entry.stream for entry in world.provider.log] == [stream]


@pytest.mark.parametrize("stream", [False, True])
def test_a_captured_exchange_has_a_captured_shadow(stream: bool) -> None:
    capture = Capture(1.0, lambda body: body.replace(b"secret", b"[gone]"))

    def ask(world: World) -> None:
        it = shadowed(config(world.provider.url), {"it": capture})["it"]
        world.consider("Echo the secret", it, stream=stream)

    (record,) = within(ask, otherwise="echo").records
    assert record.request is not None
    assert record.reply is not None
    assert "secret" not in record.request + record.reply
    choices = msgspec.json.decode(record.reply)["choices"]
    assert "[gone]" in choices[0]["message"]["content"]


def test_only_the_share_that_was_asked_for_is_shadowed() -> None:
    """Which requests they are depends on their ids alone."""

    def ask(world: World) -> None:
        it = shadowed(config(world.provider.url, share=0.2), {})["it"]
        for n in range(400):
            world.consider(f"Say {n}", it, new_id(1.0 + n))

    options = {"most": 1000}
    world = within(ask, options, tokens={"constant": 1})
    assert 40 <= len(world.records) <= 125  # 80 expected, with a standard deviation of 8
    assert world.shadow.dropped == 0


def test_what_there_is_no_room_for_is_dropped_and_counted() -> None:
    """Neither the number of shadows nor the memory they hold has no bound."""

    def ask(world: World) -> None:
        for _ in range(5):
            world.consider()

    world = within(ask, {"most": 2})
    assert (len(world.records), world.shadow.dropped) == (2, 3)

    def ask_much(world: World) -> None:
        world.consider("x" * 600)
        world.consider("x" * 600)

    world = within(ask_much, {"most_bytes": 1000})
    assert (len(world.records), world.shadow.dropped) == (1, 1)


def test_room_is_free_again_when_a_shadow_has_ended() -> None:
    async def ask(world: World) -> None:
        for _ in range(3):
            world.consider("x" * 600)
            await world.over()

    world = within(ask, {"most": 1, "most_bytes": 1000})
    assert (len(world.records), world.shadow.dropped) == (3, 0)


def test_nothing_is_shadowed_while_the_worker_drains() -> None:
    async def ask(world: World) -> None:
        world.consider()
        world.shadow.stop()
        world.consider()

    world = within(ask)
    assert [record.outcome for record in world.records] == ["ok"]
    assert world.shadow.dropped == 0


def test_a_shadow_that_is_cut_off_at_the_end_is_recorded_as_such() -> None:
    async def ask(world: World) -> None:
        world.consider()
        world.consider(stream=True)
        while world.provider.stats.concurrent < 2:  # noqa: ASYNC110 - another server's state
            await asyncio.sleep(0.001)
        await world.shadow.close()

    world = within(ask, ttft={"constant": 60.0})
    assert [record.outcome for record in world.records] == ["cancelled", "cancelled"]
    assert all(record.shadow_of == ID and len(record.attempts) == 1 for record in world.records)


def test_a_failure_is_recorded_and_not_tried_again() -> None:
    world = within(World.consider, faults=[{"kind": "500"}])
    (record,) = world.records
    assert (record.outcome, len(record.attempts), record.route.target) == ("failed", 1, None)
    assert record.failure is not None
    assert record.failure.status == 500
    assert len(world.provider.log) == 1


def test_a_stream_that_breaks_is_cut() -> None:
    world = within(
        lambda world: world.consider(stream=True), faults=[{"kind": "cut", "after": 3}], tokens={"constant": 9}
    )
    (record,) = world.records
    assert (record.outcome, record.route.target) == ("cut", None)


def test_a_candidate_that_is_down_is_left_alone() -> None:
    """Its health is its own: real requests to the same candidate are routed as if there were no shadow."""

    async def ask(world: World) -> None:
        for _ in range(30):
            world.consider()
            await world.over()

    world = within(ask, faults=[{"kind": "503"}])
    assert world.shadow.dropped > 15
    assert len(world.records) + world.shadow.dropped == 30


def test_only_endpoints_with_a_shadow_have_one() -> None:
    assert list(shadowed(config("http://127.0.0.1:1/v1"), {})) == ["it"]


def test_a_shadow_keeps_the_time_limits_of_its_endpoint() -> None:
    said = config("http://127.0.0.1:1/v1", first_token="2s", total="7s", retries=3)
    it = shadowed(said, {})["it"].endpoint
    policy = it.routes.policy
    assert (policy.limits.first_token, policy.limits.total, policy.retries.total) == (2.0, 7.0, 1)
